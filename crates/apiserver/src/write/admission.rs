//! What an API server adds to a request or refuses because of other objects: the priority of a pod, the
//! class of a claim and whether it may grow. Objects on their own are left to `builtin`.

use serde_json::{Value, json};

use crate::api::Api;
use crate::builtin::quantities;
use crate::failure::{Answer, Failure, GroupResource};
use crate::protocol::request::Target;
use crate::storage::object::Metadata;
use crate::storage::store::Key;

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

impl Api {
    /// Completes a new object.
    pub(crate) fn admit_new(&self, target: &Target, new: &mut Value) -> Answer<()> {
        if target.resource.builtin.is_none() {
            return Ok(());
        }
        match target.resource.kind.as_str() {
            "Pod" => self.admit_pod(target, new),
            "PersistentVolumeClaim" => {
                self.set_default_class(new);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn admit_pod(&self, target: &Target, pod: &mut Value) -> Answer<()> {
        let (spec, name) = (&pod["spec"], pod.meta("name"));
        let class = spec["priorityClassName"].as_str().unwrap_or_default().to_owned();
        let found = match class.as_str() {
            "" => return Ok(()),
            "system-node-critical" => json!({"value": 2_000_001_000}),
            "system-cluster-critical" => json!({"value": 2_000_000_000}),
            class => {
                let id = GroupResource::new("scheduling.k8s.io", "priorityclasses");
                let found = self.store.get(&id, &Key::new("", class));
                let why = || format!("no PriorityClass with name {class} was found");
                let missing = || Failure::forbidden(&target.resource.id, name, &why());
                found.ok_or_else(missing)?.value.clone()
            }
        };
        let spec = pod.section("spec");
        spec.insert("priority".to_owned(), found["value"].clone());
        let policy = found.get("preemptionPolicy").cloned();
        spec.insert("preemptionPolicy".to_owned(), policy.unwrap_or_else(|| json!("PreemptLowerPriority")));
        Ok(())
    }

    /// The youngest class that is marked as the default.
    fn set_default_class(&self, claim: &mut Value) {
        if !claim["spec"]["storageClassName"].is_null() {
            return;
        }
        let (classes, _) = self.store.list(&GroupResource::new("storage.k8s.io", "storageclasses"), None);
        let marked =
            classes.iter().filter(|class| class.value["metadata"]["annotations"][DEFAULT_CLASS] == "true");
        if let Some(class) = marked.max_by_key(|class| class.value.meta("creationTimestamp").to_owned()) {
            let name = class.value.meta("name").into();
            claim.section("spec").insert("storageClassName".to_owned(), name);
        }
    }

    /// Refuses a change because of other objects.
    pub(crate) fn admit_change(&self, target: &Target, new: &Value, old: &Value) -> Answer<()> {
        let is_claim = target.resource.builtin.is_some() && target.resource.kind == "PersistentVolumeClaim";
        let size = |claim: &Value| quantities::nano(&claim["spec"]["resources"]["requests"]["storage"]);
        if !is_claim || target.subresource.is_some() || size(new) <= size(old) {
            return Ok(());
        }
        let class = old["spec"]["storageClassName"].as_str().unwrap_or_default();
        let id = GroupResource::new("storage.k8s.io", "storageclasses");
        let found = self.store.get(&id, &Key::new("", class));
        let bound = old["status"]["phase"] == "Bound";
        if !bound || found.is_some_and(|class| class.value["allowVolumeExpansion"] == true) {
            return Ok(());
        }
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc \
                   must support resize";
        Err(Failure::forbidden(&target.resource.id, target.name(), why))
    }
}
