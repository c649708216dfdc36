//! What an existing Secret means for the resource: its owner, whether it matches the service, and the write that
//! makes it match. A Secret of another owner is never written to.

use super::{
    connection::{self, SecretContent},
    leftover::Leftover,
    object_metadata::{
        contains, controller, is_controlled_by, is_former, is_predecessor, new_metadata, repaired_metadata,
    },
    observed::{Connection, ConnectionSecret},
    secret_target::SecretTarget,
};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::service_facts::WrittenSecret;

/// What a Secret was found to be.
#[derive(Debug, Default)]
pub struct Finding {
    /// For the decision.
    pub secret: ConnectionSecret,
    /// What it holds of ours, if that is all it should hold.
    pub record: Option<WrittenSecret>,
}

/// Judges `secret`, which should be controlled by `owner` and hold the connection of its service, if that is
/// available.
pub fn judge(
    secret: &Secret,
    owner: &OwnerReference,
    target: &SecretTarget,
    connection: Option<&Connection>,
) -> Finding {
    let routed = connection.and_then(|connection| connection.over(target.route));
    let connection = routed.as_deref();
    if let Some(owner) = stranger(secret, owner, target, connection) {
        return Finding { secret: ConnectionSecret::Foreign { owner }, record: None };
    }
    let Some(connection) = connection else {
        let secret = ConnectionSecret::Ours { current: false, immutable: false };
        return Finding { secret, record: None };
    };
    let content = connection::content(target, connection).fitting(Some(&keys(secret)));
    let current = is_controlled_by(&secret.metadata, owner)
        && Leftover::of(secret, &content).is_empty()
        && holds(secret, &content);
    Finding {
        secret: ConnectionSecret::Ours { current, immutable: secret.immutable == Some(true) },
        record: current.then(|| content.record()),
    }
}

/// The Secret to create for `content`, and the record of it.
pub fn new(content: &SecretContent, owner: &OwnerReference) -> (Secret, WrittenSecret) {
    let content = content.clone().fitting(None);
    let secret = Secret {
        metadata: new_metadata(&content.name, &content.labels, &content.annotations, owner),
        type_: Some("Opaque".to_owned()),
        data: Some(bytes(&content)),
        ..Secret::default()
    };
    (secret, content.record())
}

/// A merge patch that makes `secret` hold `content`, and the record of it. It fails if the Secret has changed since
/// it was read.
pub fn repaired(secret: &Secret, content: &SecretContent, owner: &OwnerReference) -> (Value, WrittenSecret) {
    let content = content.clone().fitting(Some(&keys(secret)));
    let leftover = Leftover::of(secret, &content);
    let mut data: BTreeMap<String, Option<ByteString>> =
        bytes(&content).into_iter().map(|(key, value)| (key, Some(value))).collect();
    data.extend(leftover.data.iter().map(|key| (key.clone(), None)));
    let metadata = repaired_metadata(
        &secret.metadata,
        (&content.labels, &leftover.labels),
        (&content.annotations, &leftover.annotations),
        owner,
    );
    (json!({"metadata": metadata, "data": data}), content.record())
}

/// The keys that [`repaired`] sets to another value, and those that it removes.
pub fn changed_keys(secret: &Secret, content: &SecretContent) -> [Vec<String>; 2] {
    let content = content.clone().fitting(Some(&keys(secret)));
    let leftover = Leftover::of(secret, &content);
    let differs = |(key, value): &(String, ByteString)| {
        secret.data.as_ref().and_then(|data| data.get(key)) != Some(value)
    };
    let changed = bytes(&content).into_iter().filter(differs).map(|(key, _)| key).collect();
    [changed, leftover.data.into_iter().collect()]
}

/// What [`repaired`] changes, for people: the names of keys and no values.
pub fn changes(secret: &Secret, content: &SecretContent) -> String {
    let name = &content.name;
    let [changed, removed] = changed_keys(secret, content);
    match (changed.is_empty(), removed.is_empty()) {
        (false, _) => format!("Updated Secret {name}: {} changed.", changed.join(", ")),
        (true, false) => format!("Updated Secret {name}: {} removed.", removed.join(", ")),
        (true, true) => format!("Updated owner, labels or annotations of Secret {name}."),
    }
}

/// The other owner of a Secret, in words. A Secret without a controller, or controlled by a former resource of this
/// kind and name, is this resource's own if it holds the connection of its service. Such a Secret was restored, or
/// its owner was deleted without it.
fn stranger(
    secret: &Secret,
    owner: &OwnerReference,
    target: &SecretTarget,
    connection: Option<&Connection>,
) -> Option<String> {
    let who = match controller(&secret.metadata) {
        Some(controller) if controller.uid == owner.uid => return None,
        Some(controller) if target.takes_over && is_predecessor(controller, owner) => return None,
        Some(controller) if !is_former(controller, owner) => {
            return Some(format!("belongs to {} {}", controller.kind, controller.name));
        }
        Some(controller) => format!("belongs to a former {} {}", controller.kind, controller.name),
        None => "was not written by this operator".to_owned(),
    };
    let is_known = controller(&secret.metadata).is_some() || target.written.is_some();
    let proven = connection.is_some_and(|connection| {
        let holds = |key: &str, value: &str| value_of(secret, target, key) == Some(value.as_bytes());
        let all = connection.parameters(target.usual_keys).iter().all(|(key, value)| holds(key, value));
        all || (is_known && holds("HOST", &connection.host))
    });
    (!proven).then_some(who)
}

fn value_of<'s>(secret: &'s Secret, target: &SecretTarget, key: &str) -> Option<&'s [u8]> {
    let data = secret.data.as_ref()?;
    data.get(&format!("{}{key}", target.prefix)).map(|ByteString(bytes)| bytes.as_slice())
}

fn keys(secret: &Secret) -> BTreeSet<String> {
    secret.data.iter().flatten().map(|(key, _)| key.clone()).collect()
}

fn bytes(content: &SecretContent) -> BTreeMap<String, ByteString> {
    let value = |value: &SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
    content.data.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}

fn holds(secret: &Secret, content: &SecretContent) -> bool {
    let data = secret.data.as_ref();
    bytes(content).iter().all(|(key, value)| data.and_then(|data| data.get(key)) == Some(value))
        && contains(secret.metadata.labels.as_ref(), &content.labels)
        && contains(secret.metadata.annotations.as_ref(), &content.annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference {
            api_version: "aiven.io/v1alpha1".to_owned(),
            kind: "Valkey".to_owned(),
            name: "cache".to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            ..OwnerReference::default()
        }
    }

    fn target(written: bool) -> SecretTarget {
        let written = written.then(WrittenSecret::default);
        SecretTarget { name: "s".to_owned(), prefix: "V_".to_owned(), written, ..SecretTarget::default() }
    }

    fn connection(host: &str, password: &str) -> Connection {
        let parameter = |name: &str| {
            Some(match name {
                "host" => host,
                "password" => password,
                _ => "x",
            })
        };
        Connection::from_parameters(parameter).unwrap()
    }

    /// A Secret with this content and these owners.
    fn secret(owners: Vec<OwnerReference>, host: &str, password: &str) -> Secret {
        let content = connection::content(&target(false), &connection(host, password));
        let (mut secret, _) = new(&content, &owner("u"));
        secret.metadata.owner_references = Some(owners).filter(|owners| !owners.is_empty());
        secret
    }

    #[test]
    fn secret_is_taken_back_only_with_proof() {
        let other = OwnerReference { kind: "Deployment".to_owned(), ..owner("d") };
        let (foreign, stale, current) = ("foreign", "stale", "current");
        let table = [
            ("controlled", vec![owner("u")], false, ("h", "p"), current),
            ("controlled, outdated", vec![owner("u")], false, ("h", "old"), stale),
            ("of somebody else", vec![other], true, ("h", "p"), foreign),
            ("restored, the same values", vec![], false, ("h", "p"), stale),
            ("restored, outdated, known", vec![], true, ("h", "old"), stale),
            ("restored, outdated, unknown", vec![], false, ("h", "old"), foreign),
            ("of another service, known", vec![], true, ("other", "p"), foreign),
            ("of a former resource", vec![owner("before")], false, ("h", "old"), stale),
            ("of a former resource, another service", vec![owner("before")], false, ("other", "p"), foreign),
        ];
        for (name, owners, known, (host, password), expected) in table {
            let secret = secret(owners, host, password);
            let found = judge(&secret, &owner("u"), &target(known), Some(&connection("h", "p"))).secret;
            let found = match found {
                ConnectionSecret::Foreign { .. } => foreign,
                ConnectionSecret::Ours { current: true, .. } => current,
                ConnectionSecret::Ours { .. } => stale,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn readopted_secret_gets_its_owner_and_keeps_other_owners() {
        let team = OwnerReference { kind: "Team".to_owned(), controller: None, ..owner("t") };
        let restored = secret(vec![owner("before"), team], "h", "p");
        let content = connection::content(&target(false), &connection("h", "p"));
        let (patch, _) = repaired(&restored, &content, &owner("u"));
        let uids: Vec<_> = patch["metadata"]["ownerReferences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["uid"].clone())
            .collect();
        assert_eq!(uids, ["t", "u"]);
        let (patch, _) = repaired(&secret(vec![owner("u")], "h", "old"), &content, &owner("u"));
        assert!(patch["metadata"].get("ownerReferences").is_none(), "{patch}");
    }

    #[test]
    fn foreign_labels_do_not_make_a_secret_outdated() {
        let connection = connection("h", "p");
        let is_current = |secret: &Secret| {
            let found = judge(secret, &owner("u"), &target(false), Some(&connection)).secret;
            found == ConnectionSecret::Ours { current: true, immutable: false }
        };
        let mut stored = secret(vec![owner("u")], "h", "p");
        stored.metadata.labels.get_or_insert_default().insert("theirs".to_owned(), "x".to_owned());
        assert!(is_current(&stored));
        stored.data.get_or_insert_default().insert("V_HOST".to_owned(), ByteString(b"edited".to_vec()));
        assert!(!is_current(&stored));
    }
}
