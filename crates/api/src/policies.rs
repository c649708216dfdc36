//! How a resource behaves where more than one behaviour is right: deletion, adoption, drift, loss of the service, and
//! power-off without a backup. Each policy is optional text in the spec, so that an odd stored value never makes an
//! object unreadable. An enumeration in the schema lists the values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policies of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// What deleting the resource does to the service. `Delete` deletes it, `Orphan` leaves it at Aiven.
    /// By default the operator's `--default-deletion-policy`, which is `Delete`. The annotation
    /// `controllers.aiven.io/deletion-policy` takes precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Delete", "Orphan"]))]
    pub deletion_policy: Option<String>,
    /// What happens when a service of this name exists that the resource did not create. `Never`, the default,
    /// does not touch it and reports it. `Adopt` adopts it, once, and changes it to what the spec declares. `Observe`
    /// reports how it differs from the spec and writes nothing, neither to the service nor to a Secret; it creates no
    /// service either. The annotation `valkeeper.io/adoption-policy` overrides this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Never", "Observe", "Adopt"]))]
    pub adoption_policy: Option<String>,
    /// What the operator does when declared fields were changed at Aiven. `Correct`, the default, reverts and
    /// reports them; `Report` only reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Correct", "Report"]))]
    pub drift_policy: Option<String>,
    /// What the operator does when the service was deleted at Aiven. `Never`, the default, reports it: the data
    /// is gone. `Always` creates a new, empty service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Never", "Always"]))]
    pub recreate_policy: Option<String>,
    /// When the service may be powered off. `RequireBackup`, the default, waits for a backup to restore from.
    /// `AcceptDataLoss` does not: for services without persistence and for read replicas, which have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RequireBackup", "AcceptDataLoss"]))]
    pub power_off_policy: Option<String>,
}
