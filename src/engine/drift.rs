//! Drift: declared fields that somebody changed at the provider. It is told from an edit of the spec by the
//! generation: what was settled before cannot be news of the spec.

use super::{
    desired::Desired,
    observed::ObservedService,
    step::{Network, ServicePatch},
};
use crate::api::{names, status::DriftedField};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What stands in the place of a value that may be a secret.
const HIDDEN: &str = "(hidden)";

/// The fields that an update and a replacement of tags would change back, if the spec was settled before.
pub(super) fn fields(
    desired: &Desired,
    service: &ObservedService,
    patch: &ServicePatch,
    tags: Option<&BTreeMap<String, String>>,
) -> Vec<DriftedField> {
    if !desired.is_settled() {
        return Vec::new();
    }
    let mut fields = plain_fields(service, patch);
    for (key, declared) in &patch.user_config {
        let found = service.user_config.get(key).unwrap_or(&Value::Null);
        let secret = key == "migration";
        let text = |value: &Value| if secret { HIDDEN.to_owned() } else { value.to_string() };
        fields.push(drifted(&format!("userConfig.{key}"), text(declared), text(found)));
    }
    if let Some(tags) = tags {
        let own = |tags: &BTreeMap<String, String>| {
            let mut own = tags.clone();
            own.retain(|key, _| !key.starts_with(names::OWNERSHIP_TAG_PREFIX));
            json!(own).to_string()
        };
        fields.push(drifted("tags", own(tags), own(&service.tags)));
    }
    fields
}

/// The drift in one line.
pub fn summary(fields: &[DriftedField]) -> String {
    let field = |field: &DriftedField| format!("{} is {}, not {}", field.field, field.found, field.declared);
    fields.iter().map(field).collect::<Vec<_>>().join("; ")
}

fn plain_fields(service: &ObservedService, patch: &ServicePatch) -> Vec<DriftedField> {
    let mut fields = Vec::new();
    let mut note = |field: &str, declared: Option<Value>, found: Value| {
        if let Some(declared) = declared {
            fields.push(drifted(field, declared.to_string(), found.to_string()));
        }
    };
    let window = patch.maintenance.as_ref();
    let network = patch.project_vpc_id.as_ref().map(|network| match network {
        Network::Public => Value::Null,
        Network::Vpc(id) => json!(id),
    });
    let emails =
        patch.tech_emails.as_ref().map(|emails| emails.iter().map(|entry| entry.email.as_str()).collect());
    note("plan", patch.plan.as_ref().map(|plan| json!(plan)), json!(service.plan));
    note("cloudName", patch.cloud.as_ref().map(|cloud| json!(cloud)), json!(service.cloud));
    note("projectVpcId", network, json!(service.project_vpc_id));
    note(
        "disk_space",
        patch.disk_space_mb.map(|size| json!(format!("{size}MiB"))),
        json!(service.disk_space_mb.map(|size| format!("{size}MiB"))),
    );
    note(
        "maintenanceWindowDow",
        window.and_then(|window| window.dow.as_ref()).map(|day| json!(day)),
        json!(service.maintenance.day),
    );
    note(
        "maintenanceWindowTime",
        window.and_then(|window| window.time.as_ref()).map(|time| json!(time)),
        json!(service.maintenance.time),
    );
    note(
        "terminationProtection",
        patch.termination_protection.map(|on| json!(on)),
        json!(service.termination_protection),
    );
    note("technicalEmails", emails.map(|emails: Vec<&str>| json!(emails)), json!(service.technical_emails));
    note("powered", patch.powered.map(|on| json!(on)), json!(patch.powered.map(|on| !on)));
    fields
}

fn drifted(field: &str, declared: String, found: String) -> DriftedField {
    DriftedField { field: format!("spec.{field}"), declared, found }
}
