//! Parts of a connection Secret or ConfigMap that an earlier content of ours left behind. There are three sources: the managed
//! fields of our field manager, the record in the status of the custom resource, and the managed fields of
//! aiven-operator. The third applies only to a Secret that aiven-operator wrote and this program has not written yet.
//! Content that any other manager added never counts.

use super::connection::SecretContent;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::names;

/// Field managers under which aiven-operator wrote, which always replaced everything.
const PREDECESSORS: [&str; 2] = ["manager", "aiven-operator"];

/// Names to remove from a Secret.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) data: BTreeSet<String>,
    pub(super) labels: BTreeSet<String>,
    pub(super) annotations: BTreeSet<String>,
}

impl Leftover {
    /// What is left in `secret` that `content` does not have any more.
    pub(super) fn of(secret: &Secret, content: &SecretContent) -> Self {
        let mut left = Self::default();
        let mut managers = vec![names::SECRET_MANAGER];
        match &content.written {
            Some(written) => {
                left.data.extend(written.keys.iter().cloned());
                left.labels.extend(written.labels.iter().cloned());
                left.annotations.extend(written.annotations.iter().cloned());
            }
            None => managers.extend(PREDECESSORS),
        }
        for fields in owned(&secret.metadata, &managers) {
            left.data.extend(names(fields, &["f:data"]));
            // The API server books a write of `stringData` under that name, although it ends up in `data`.
            left.data.extend(names(fields, &["f:stringData"]));
            left.labels.extend(names(fields, &["f:metadata", "f:labels"]));
            left.annotations.extend(names(fields, &["f:metadata", "f:annotations"]));
        }
        left.data.retain(|key| {
            has(secret.data.as_ref(), key) && !content.data.contains_key(key) && !content.kept.contains(key)
        });
        left.labels
            .retain(|key| has(secret.metadata.labels.as_ref(), key) && !content.labels.contains_key(key));
        left.annotations.retain(|key| {
            has(secret.metadata.annotations.as_ref(), key) && !content.annotations.contains_key(key)
        });
        left
    }

    /// All that our field manager owns in an object with plain data.
    pub(super) fn ours(metadata: &ObjectMeta) -> Self {
        let mut ours = Self::default();
        for fields in owned(metadata, &[names::SECRET_MANAGER]) {
            ours.data.extend(names(fields, &["f:data"]));
            ours.labels.extend(names(fields, &["f:metadata", "f:labels"]));
            ours.annotations.extend(names(fields, &["f:metadata", "f:annotations"]));
        }
        ours
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn has<T>(map: Option<&BTreeMap<String, T>>, key: &str) -> bool {
    map.is_some_and(|map| map.contains_key(key))
}

fn owned<'s>(metadata: &'s ObjectMeta, managers: &[&str]) -> impl Iterator<Item = &'s Value> {
    let entries = metadata.managed_fields.iter().flatten();
    let entries =
        entries.filter(|entry| entry.manager.as_deref().is_some_and(|name| managers.contains(&name)));
    entries.filter_map(|entry| entry.fields_v1.as_ref()).map(|fields| &fields.0)
}

fn names(fields: &Value, path: &[&str]) -> Vec<String> {
    let members = path.iter().try_fold(fields, |value, step| value.get(step)).and_then(Value::as_object);
    members.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("f:").map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use valkeeper_api::service_facts::WrittenSecret;

    fn content(written: Option<WrittenSecret>) -> SecretContent {
        SecretContent {
            name: "s".to_owned(),
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            annotations: BTreeMap::new(),
            data: [("NEW_HOST".to_owned(), "x".into())].into(),
            bare: BTreeMap::new(),
            kept: ["NEW_REPLICA_HOST".to_owned()].into(),
            written,
        }
    }

    /// A Secret in which `manager` owns an old key and a label, and another manager owns more.
    fn secret(manager: &str) -> Secret {
        let fields = json!({"f:data": {".": {}, "f:OLD_HOST": {}, "f:NEW_HOST": {}, "f:NEW_REPLICA_HOST": {}, "f:GONE": {}},
            "f:stringData": {"f:OLD_PORT": {}},
            "f:metadata": {"f:labels": {"f:gone": {}}}});
        serde_json::from_value(json!({
            "metadata": {"name": "s", "labels": {"gone": "1", "theirs": "2"}, "managedFields": [
                {"manager": manager, "fieldsV1": fields},
                {"manager": "somebody", "fieldsV1": {"f:data": {"f:EXTRA": {}}, "f:metadata": {"f:labels": {"f:theirs": {}}}}}]},
            "data": {"OLD_HOST": "", "OLD_PORT": "", "NEW_HOST": "", "NEW_REPLICA_HOST": "", "EXTRA": ""},
        }))
        .unwrap()
    }

    fn old(left: &Leftover) -> bool {
        left.data == ["OLD_HOST", "OLD_PORT"].map(str::to_owned).into()
            && left.labels == ["gone".to_owned()].into()
    }

    #[test]
    fn changed_prefix_removes_only_the_keys_with_the_old_prefix() {
        assert!(old(&Leftover::of(&secret(names::SECRET_MANAGER), &content(None))));
        assert!(old(&Leftover::of(&secret(names::SECRET_MANAGER), &content(Some(WrittenSecret::default())))));
    }

    #[test]
    fn secret_written_by_aiven_operator_is_owned_until_first_write() {
        assert!(old(&Leftover::of(&secret("manager"), &content(None))));
        let written = Some(WrittenSecret::default());
        assert!(Leftover::of(&secret("manager"), &content(written)).is_empty());
    }

    #[test]
    fn fields_recorded_in_status_are_removed_whatever_their_owner() {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let written = WrittenSecret {
            keys: texts(&["OLD_HOST", "OLD_PORT", "NEW_HOST", "NEW_REPLICA_HOST"]),
            labels: texts(&["a", "gone"]),
            ..WrittenSecret::default()
        };
        assert!(old(&Leftover::of(&secret("kubectl"), &content(Some(written)))));
    }
}
