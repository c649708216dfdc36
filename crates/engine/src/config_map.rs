//! The connection ConfigMap: host, port and TLS mode of a service, and its replica, without user and password. What an
//! existing one means, and the write that makes it current. A ConfigMap of another owner is never written to.

use super::{
    leftover,
    object_metadata::{
        contains, controller, is_controlled_by, is_former, is_predecessor, new_metadata, repaired_metadata,
        texts,
    },
    observed::{Connection, ConnectionConfigMap, Replica},
    route::Route,
};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::OwnerReference};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::{Kind, ManagedService};

/// The ConfigMap that receives the connection parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMapTarget {
    /// Name, in the namespace of the custom resource.
    pub name: String,
    /// What each key starts with.
    pub prefix: String,
    /// Labels that it must have.
    pub labels: BTreeMap<String, String>,
    /// Annotations that it must have.
    pub annotations: BTreeMap<String, String>,
    /// The way to the service.
    pub route: Route,
    /// Whether the ConfigMap of the `Redis` of the same name is to be taken over.
    pub takes_over: bool,
}

/// Everything of ours in a connection ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapContent {
    /// Name.
    pub name: String,
    /// Labels that are ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// Values.
    pub data: BTreeMap<String, String>,
    /// Keys that stay unchanged, because their value is unknown this time.
    pub kept: BTreeSet<String>,
}

/// The target that `object` declares.
pub fn target<K: ManagedService>(object: &K) -> Option<ConfigMapTarget> {
    let declared = object.service().conn_info_config_map_target.clone()?;
    let keys = if object.migrates_from_redis() { Kind::Redis } else { K::KIND };
    Some(ConfigMapTarget {
        name: declared.name,
        prefix: declared.prefix.unwrap_or_else(|| keys.secret_prefix().to_owned()),
        labels: declared.labels.unwrap_or_default(),
        annotations: declared.annotations.unwrap_or_default(),
        route: Route::of(declared.route.as_ref()),
        takes_over: object.migrates_from_redis(),
    })
}

/// The content that the target requests, of a connection over the route of the target.
pub fn content(target: &ConfigMapTarget, connection: &Connection) -> ConfigMapContent {
    let key = |name: &str| format!("{}{name}", target.prefix);
    let usual = [("HOST", &connection.host), ("PORT", &connection.port), ("SSL", &connection.ssl)];
    let mut content = ConfigMapContent {
        name: target.name.clone(),
        labels: target.labels.clone(),
        annotations: target.annotations.clone(),
        data: usual.into_iter().map(|(name, value)| (key(name), value.clone())).collect(),
        kept: BTreeSet::new(),
    };
    match &connection.replica {
        Replica::At { host, port } => {
            content.data.extend([(key("REPLICA_HOST"), host.clone()), (key("REPLICA_PORT"), port.clone())]);
        }
        Replica::None => {}
        Replica::Unlisted => content.kept.extend([key("REPLICA_HOST"), key("REPLICA_PORT")]),
    }
    content
}

/// Judges `found`, which should be controlled by `owner` and hold the connection of its service.
pub fn judge(
    found: &ConfigMap,
    owner: &OwnerReference,
    target: &ConfigMapTarget,
    connection: Option<&Connection>,
) -> ConnectionConfigMap {
    let routed = connection.and_then(|connection| connection.over(target.route));
    let content = routed.map(|connection| content(target, &connection));
    if let Some(owner) = stranger(found, owner, target, content.as_ref()) {
        return ConnectionConfigMap::Foreign { owner };
    }
    let current = content.is_some_and(|content| {
        is_controlled_by(&found.metadata, owner) && left(found, &content).is_empty() && holds(found, &content)
    });
    ConnectionConfigMap::Ours { current, immutable: found.immutable == Some(true) }
}

/// The ConfigMap to create for `content`.
pub fn new(content: &ConfigMapContent, owner: &OwnerReference) -> ConfigMap {
    ConfigMap {
        metadata: new_metadata(&content.name, &content.labels, &content.annotations, owner),
        data: Some(content.data.clone()),
        ..ConfigMap::default()
    }
}

/// A merge patch that makes `found` hold `content`. It fails if the ConfigMap has changed since it was read.
pub fn repaired(found: &ConfigMap, content: &ConfigMapContent, owner: &OwnerReference) -> Value {
    let left = left(found, content);
    let metadata = repaired_metadata(
        &found.metadata,
        (&content.labels, &left.labels),
        (&content.annotations, &left.annotations),
        owner,
    );
    json!({"metadata": metadata, "data": texts(&content.data, &left.data)})
}

/// What [`repaired`] changes, for people.
pub fn changes(found: &ConfigMap, content: &ConfigMapContent) -> String {
    let name = &content.name;
    let data = found.data.as_ref();
    let differs = |(key, value): &(&String, &String)| data.and_then(|data| data.get(*key)) != Some(*value);
    let changed: Vec<_> = content.data.iter().filter(differs).map(|(key, _)| key.as_str()).collect();
    if changed.is_empty() {
        format!("Updated ConfigMap {name}.")
    } else {
        format!("Updated ConfigMap {name}: {} changed.", changed.join(", "))
    }
}

/// The other owner of a ConfigMap, in words. One without a controller that holds the content of this resource was
/// restored, or lost its owner, and is taken back; so is one of a former resource of this kind and name.
fn stranger(
    found: &ConfigMap,
    owner: &OwnerReference,
    target: &ConfigMapTarget,
    content: Option<&ConfigMapContent>,
) -> Option<String> {
    let holds_all = content.is_some_and(|content| contains(found.data.as_ref(), &content.data));
    match controller(&found.metadata) {
        Some(controller) if controller.uid == owner.uid => None,
        Some(controller) if target.takes_over && is_predecessor(controller, owner) => None,
        Some(controller) if !is_former(controller, owner) => {
            Some(format!("belongs to {} {}", controller.kind, controller.name))
        }
        _ if holds_all => None,
        Some(controller) => Some(format!("belongs to a former {} {}", controller.kind, controller.name)),
        None => Some("was not written by this operator".to_owned()),
    }
}

fn holds(found: &ConfigMap, content: &ConfigMapContent) -> bool {
    contains(found.data.as_ref(), &content.data)
        && contains(found.metadata.labels.as_ref(), &content.labels)
        && contains(found.metadata.annotations.as_ref(), &content.annotations)
}

/// What this operator put into the ConfigMap, and `content` does not have any more.
fn left(found: &ConfigMap, content: &ConfigMapContent) -> leftover::Leftover {
    let mut left = leftover::Leftover::ours(&found.metadata);
    let has = |map: &Option<BTreeMap<String, String>>, key: &String| {
        map.as_ref().is_some_and(|map| map.contains_key(key))
    };
    left.data.retain(|key| {
        has(&found.data, key) && !content.data.contains_key(key) && !content.kept.contains(key)
    });
    left.labels.retain(|key| has(&found.metadata.labels, key) && !content.labels.contains_key(key));
    left.annotations
        .retain(|key| has(&found.metadata.annotations, key) && !content.annotations.contains_key(key));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str, kind: &str) -> OwnerReference {
        OwnerReference {
            api_version: "aiven.io/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            name: "cache".to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    fn connection(host: &str) -> Connection {
        let parameter = |name: &str| Some(if name == "host" { host } else { "x" });
        Connection { replica: Replica::None, ..Connection::from_parameters(parameter).unwrap() }
    }

    fn target() -> ConfigMapTarget {
        ConfigMapTarget {
            name: "parameters".to_owned(),
            prefix: "V_".to_owned(),
            ..ConfigMapTarget::default()
        }
    }

    fn stored(host: &str, owners: Vec<OwnerReference>) -> ConfigMap {
        let mut found = new(&content(&target(), &connection(host)), &owner("u", "Valkey"));
        found.metadata.owner_references = Some(owners).filter(|owners| !owners.is_empty());
        found
    }

    #[test]
    fn config_map_holds_no_user_and_no_password() {
        let content = content(&target(), &connection("h"));
        assert_eq!(content.data.keys().collect::<Vec<_>>(), ["V_HOST", "V_PORT", "V_SSL"]);
    }

    #[test]
    fn replica_keys_follow_the_replica_and_stay_when_it_is_unknown() {
        let at = Replica::At { host: "r".to_owned(), port: "2".to_owned() };
        let with = content(&target(), &Connection { replica: at, ..connection("h") });
        assert_eq!((with.data["V_REPLICA_HOST"].as_str(), with.data["V_REPLICA_PORT"].as_str()), ("r", "2"));
        let unknown = content(&target(), &Connection { replica: Replica::Unlisted, ..connection("h") });
        assert_eq!(unknown.kept.len(), 2);
    }

    #[test]
    fn config_map_is_taken_back_only_with_proof() {
        let table = [
            ("controlled", "h", vec![owner("u", "Valkey")], "current"),
            ("controlled, outdated", "old", vec![owner("u", "Valkey")], "stale"),
            ("of another kind", "h", vec![owner("d", "Deployment")], "foreign"),
            ("restored, the same values", "h", vec![], "stale"),
            ("restored, other values", "old", vec![], "foreign"),
            ("of a former resource", "h", vec![owner("before", "Valkey")], "stale"),
            ("of a former resource, other values", "old", vec![owner("before", "Valkey")], "foreign"),
        ];
        for (name, host, owners, expected) in table {
            let found =
                judge(&stored(host, owners), &owner("u", "Valkey"), &target(), Some(&connection("h")));
            let found = match found {
                ConnectionConfigMap::Foreign { .. } => "foreign",
                ConnectionConfigMap::Ours { current: true, .. } => "current",
                ConnectionConfigMap::Ours { .. } => "stale",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn patch_takes_back_what_was_ours_and_keeps_the_rest() {
        let mut found = stored("old", vec![owner("u", "Valkey")]);
        let data = found.data.get_or_insert_default();
        data.insert("V_REPLICA_HOST".to_owned(), "r".to_owned());
        data.insert("THEIRS".to_owned(), "kept".to_owned());
        found.metadata.managed_fields = Some(
            serde_json::from_value(json!([{"manager": valkeeper_api::names::SECRET_MANAGER, "fieldsV1":
                {"f:data": {".": {}, "f:V_HOST": {}, "f:V_REPLICA_HOST": {}}}}]))
            .unwrap(),
        );
        let patch = repaired(&found, &content(&target(), &connection("h")), &owner("u", "Valkey"));
        assert_eq!(patch["data"]["V_HOST"], "h");
        assert!(patch["data"].as_object().unwrap().contains_key("V_REPLICA_HOST"));
        assert_eq!(patch["data"]["V_REPLICA_HOST"], Value::Null);
        assert!(!patch["data"].as_object().unwrap().contains_key("THEIRS"));
        assert!(patch["metadata"].get("ownerReferences").is_none());
    }
}
