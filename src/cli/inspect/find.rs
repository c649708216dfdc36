//! The resources that a command is about: by name, all of a namespace, or from a file.

use super::{
    kinds::{kind_of, kind_of_manifest},
    session::Session,
};
use crate::{
    cli::manifests,
    controller::{Preview, preview},
};
use anyhow::{Context as _, bail};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::{Value, json};
use std::{io::Read as _, path::Path, sync::Arc};
use valkeeper_api::{Kind, ProjectVpc, Redis, ServiceUser, Valkey};

/// The identity of a resource that was never applied.
const NOT_APPLIED: &str = "00000000-0000-0000-0000-000000000000";

/// A `Valkey` or a `Redis`, as JSON.
#[derive(Clone)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) object: Value,
}

impl Resource {
    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// A text in it; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `Valkey shop/cache`.
    pub(super) fn title(&self) -> String {
        format!("{} {}/{}", self.kind.name(), self.namespace(), self.name())
    }

    /// Status, reason and message of a condition; empty where there is none.
    pub(super) fn condition(&self, type_: &str) -> [&str; 3] {
        let conditions = self.object.pointer("/status/conditions").and_then(Value::as_array);
        let found = conditions.into_iter().flatten().find(|one| one["type"] == type_);
        ["status", "reason", "message"].map(|key| found.and_then(|one| one[key].as_str()).unwrap_or_default())
    }

    /// What the operator would do for it.
    pub(super) async fn preview(&self, session: &Session) -> anyhow::Result<Preview> {
        let context = Arc::clone(&session.context);
        let object = self.object.clone();
        let cannot = || format!("cannot read {}", self.title());
        Ok(match self.kind {
            Kind::Valkey => {
                preview::of::<Valkey>(context, serde_json::from_value(object).with_context(cannot)?).await
            }
            Kind::Redis => {
                preview::of::<Redis>(context, serde_json::from_value(object).with_context(cannot)?).await
            }
        })
    }
}

/// The definition of a kind, for calls without types.
pub(super) fn api_resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Valkey => ApiResource::erase::<Valkey>(&()),
        Kind::Redis => ApiResource::erase::<Redis>(&()),
    }
}

impl Session {
    /// The resource that `name` means: `cache`, `valkey/cache` or `redis/cache`.
    pub(super) async fn named(&self, name: &str) -> anyhow::Result<Resource> {
        let (kinds, name) = match name.split_once('/') {
            Some((kind, name)) => (vec![kind_of(kind)?], name),
            None => (Kind::ALL.to_vec(), name),
        };
        let found = self.only(&kinds, name).await?;
        found.with_context(|| format!("namespace {} has no Valkey or Redis {name}", self.namespace))
    }

    /// The only resource of these kinds with this name; none where there is none.
    pub(super) async fn only(&self, kinds: &[Kind], name: &str) -> anyhow::Result<Option<Resource>> {
        let mut found = Vec::new();
        for kind in kinds {
            found.extend(self.get(*kind, &self.namespace, name).await?);
        }
        if found.len() > 1 {
            bail!("there is a Valkey and a Redis {name}: write valkey/{name} or redis/{name}");
        }
        Ok(found.pop())
    }

    /// A resource, if it exists and its kind is defined.
    pub(super) async fn get(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<Option<Resource>> {
        let object = self.get_object(&api_resource(kind), namespace, name).await?;
        object.map(|object| resource(kind, &object)).transpose()
    }

    /// An object, if it exists and its kind is defined.
    pub(super) async fn get_object(
        &self,
        of: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<Option<DynamicObject>> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, of);
        let doing = || format!("read {} {namespace}/{name}", of.kind);
        Ok(crate::cluster::bounded(doing, api.get_opt(name)).await?)
    }

    /// All resources of the namespace, or of all namespaces; none of a kind that is not defined.
    pub(super) async fn all(&self, everywhere: bool) -> anyhow::Result<Vec<Resource>> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            for object in self.list(&api_resource(kind), everywhere).await? {
                all.push(resource(kind, &object)?);
            }
        }
        Ok(all)
    }

    /// All `ProjectVPC` and `ServiceUser` resources, with their kind.
    pub(super) async fn no_services(&self, everywhere: bool) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        for kind in [ApiResource::erase::<ProjectVpc>(&()), ApiResource::erase::<ServiceUser>(&())] {
            for object in self.list(&kind, everywhere).await? {
                let mut object = serde_json::to_value(object)?;
                object["kind"] = json!(kind.kind);
                all.push(object);
            }
        }
        Ok(all)
    }

    /// All objects of a kind; none where the kind does not exist.
    pub(super) async fn list(
        &self,
        of: &ApiResource,
        everywhere: bool,
    ) -> anyhow::Result<Vec<DynamicObject>> {
        let api: Api<DynamicObject> = if everywhere {
            Api::all_with(self.client.clone(), of)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, of)
        };
        let listed =
            crate::cluster::bounded(|| format!("list {}", of.plural), api.list(&ListParams::default())).await;
        match listed {
            Ok(list) => Ok(list.items),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The resources of a file as they would be if it were applied, and the other manifests in the file.
    pub(super) async fn declared(&self, path: &Path) -> anyhow::Result<(Vec<Declared>, Vec<Value>)> {
        let (mut declared, mut others) = (Vec::new(), Vec::new());
        for manifest in manifests_of(path)? {
            let Some(kind) = kind_of_manifest(&manifest) else {
                others.push(manifest);
                continue;
            };
            let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
            let namespace = text("/metadata/namespace").unwrap_or(&self.namespace).to_owned();
            let name = text("/metadata/name").unwrap_or_default().to_owned();
            let live = if name.is_empty() { None } else { self.get(kind, &namespace, &name).await? };
            let object = applied(live.as_ref().map(|live| &live.object), &manifest, &namespace);
            declared.push(Declared { resource: Resource { kind, object }, live, manifest });
        }
        Ok((declared, others))
    }
}

/// A resource from a file.
pub(super) struct Declared {
    /// As it would be.
    pub(super) resource: Resource,
    /// As it is, if it exists.
    pub(super) live: Option<Resource>,
    /// Content of the file.
    pub(super) manifest: Value,
}

fn resource(kind: Kind, object: &DynamicObject) -> anyhow::Result<Resource> {
    let name = object.name_any();
    let object =
        serde_json::to_value(object).with_context(|| format!("cannot read {} {name}", kind.name()))?;
    Ok(Resource { kind, object })
}

/// Every manifest in a file, those of lists one by one; `-` is standard input.
fn manifests_of(path: &Path) -> anyhow::Result<Vec<Value>> {
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        bytes
    } else {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    let mut all = Vec::new();
    for document in manifests::read(&manifests::decode(&bytes)) {
        match document {
            Ok(document) => match document.content["items"].as_array() {
                Some(items) => all.extend(items.iter().cloned()),
                None => all.push(document.content),
            },
            Err(broken) => bail!("{}:{}:{}: {}", path.display(), broken.line, broken.column, broken.reason),
        }
    }
    Ok(all)
}

/// The object after `manifest` was applied over `live`; the manifest counts as the whole spec.
pub(super) fn applied(live: Option<&Value>, manifest: &Value, namespace: &str) -> Value {
    let Some(live) = live else {
        let mut object = manifest.clone();
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["uid"] = json!(NOT_APPLIED);
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["resourceVersion"] = Value::Null;
        object["status"] = Value::Null;
        return object;
    };
    let mut object = live.clone();
    object["spec"] = manifest["spec"].clone();
    for part in ["annotations", "labels"] {
        for (key, value) in manifest["metadata"][part].as_object().into_iter().flatten() {
            object["metadata"][part][key] = value.clone();
        }
    }
    // What the API server fills in is no edit.
    let spec = |object: &Value| {
        let mut spec = object["spec"].clone();
        if spec.is_object() && spec["powered"].is_null() {
            spec["powered"] = json!(true);
        }
        spec
    };
    if spec(&object) != spec(live) {
        let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
        object["metadata"]["generation"] = json!(generation + 1);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applied_manifest_is_an_edit_only_if_the_spec_differs() {
        let live = json!({"metadata": {"name": "a", "uid": "u", "generation": 3, "annotations": {"x": "1"}},
            "spec": {"plan": "p", "powered": true}, "status": {"state": "RUNNING"}});
        let same = applied(Some(&live), &json!({"spec": {"plan": "p"}}), "n");
        assert_eq!(same["metadata"]["generation"], 3);
        let edited = applied(
            Some(&live),
            &json!({"metadata": {"annotations": {"y": "2"}}, "spec": {"plan": "q"}}),
            "n",
        );
        assert_eq!(edited["metadata"]["generation"], 4);
        assert_eq!(edited["metadata"]["annotations"], json!({"x": "1", "y": "2"}));
        assert_eq!(edited["status"]["state"], "RUNNING");
        let new = applied(None, &json!({"metadata": {"name": "a"}, "spec": {}}), "n");
        assert_eq!(
            (&new["metadata"]["namespace"], &new["metadata"]["uid"]),
            (&json!("n"), &json!(NOT_APPLIED))
        );
    }
}
