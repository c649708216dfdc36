//! How a resource behaves where more than one behaviour is right: deletion, adoption, drift, loss of the
//! service, and power-off without a backup. Each policy is optional text in the spec, so that an odd stored
//! value never makes an object unreadable; an enumeration in the schema says which values there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policies of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// What deleting the resource does to the service. `Delete` deletes it, `Orphan` leaves it at the provider.
    /// By default what the operator is set to, which is `Delete` unless somebody changed it. The annotation
    /// `controllers.aiven.io/deletion-policy` wins over this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Delete", "Orphan"]))]
    pub deletion_policy: Option<String>,
    /// What happens when a service of this name exists that the resource did not create. `Never`, the default,
    /// leaves it alone and reports it. `Adopt` makes it this resource's own, once, and changes it to what the
    /// spec declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Never", "Adopt"]))]
    pub adoption_policy: Option<String>,
    /// What happens when somebody changes declared fields at the provider. `Correct`, the default, changes them
    /// back and reports it; `Report` only reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Correct", "Report"]))]
    pub drift_policy: Option<String>,
    /// What happens when somebody deletes the service at the provider. `Never`, the default, reports it: the data
    /// is gone. `Always` creates a new, empty service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Never", "Always"]))]
    pub recreate_policy: Option<String>,
    /// When the service may be powered off. `RequireBackup`, the default, waits for a backup to come back from.
    /// `AcceptDataLoss` does not, for services without persistence and for read replicas, which never have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RequireBackup", "AcceptDataLoss"]))]
    pub power_off_policy: Option<String>,
}
