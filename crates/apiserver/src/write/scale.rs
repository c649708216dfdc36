//! The `scale` subresource of custom resources: the replicas of an object as `autoscaling/v1` `Scale`.

use serde_json::{Value, json};

use crate::api::{Api, view};
use crate::failure::{Answer, Failure};
use crate::protocol::request::{Target, WriteOptions};
use crate::storage::object::{Metadata, Object};
use crate::write::Edit;
use crate::write::patch::Patch;

impl Api {
    pub(crate) fn get_scale(&self, target: &Target) -> Answer<Value> {
        let object = view(&target.resource, target.version, &self.find(target)?);
        Ok(scale_of(target, &object))
    }

    /// Writes the replicas; a patch is one of the `Scale`.
    pub(crate) fn update_scale(&self, target: &Target, edit: &Edit, options: &WriteOptions) -> Answer<Value> {
        let present = self.get_scale(target)?;
        let wanted = match edit {
            Edit::Replace(scale) => scale.clone(),
            Edit::Patch(patch) => patch.apply(&present, &Value::Null)?,
            Edit::Apply { .. } => {
                return Err(Failure::unsupported_media_type("application/merge-patch+json"));
            }
        };
        let version = wanted.meta("resourceVersion");
        if !version.is_empty() && version != present.meta("resourceVersion") {
            return Err(Failure::modified(&target.resource.id, target.name()));
        }
        let replicas = wanted["spec"]["replicas"].as_u64().unwrap_or_default();
        let mut change = json!(replicas);
        for step in path(target, "specReplicasPath").into_iter().rev() {
            change = json!({step: change});
        }
        let written = self.update(target, &Edit::Patch(Patch::Merge(change)), options)?;
        Ok(scale_of(target, &written.object))
    }
}

fn path(target: &Target, which: &str) -> Vec<String> {
    let scale = target.resource.versions[target.version].scale.as_ref();
    let path = scale.and_then(|scale| scale[which].as_str()).unwrap_or_default();
    path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

fn scale_of(target: &Target, object: &Object) -> Value {
    let at = |which: &str| {
        let path = path(target, which);
        let found = path.iter().try_fold(&object.value, |value, step| value.get(step));
        found.filter(|_| !path.is_empty()).cloned()
    };
    let metadata = &object.value["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {}, "status": {"replicas": at("statusReplicasPath").unwrap_or_else(|| json!(0))},
    });
    if let Some(replicas) = at("specReplicasPath") {
        scale["spec"]["replicas"] = replicas;
    }
    if let Some(selector) = at("labelSelectorPath") {
        scale["status"]["selector"] = selector;
    }
    scale
}
