//! What a user may do, as the provider takes it: four lists of rules. Aiven may show lists in another form than they were
//! sent in, so its answer to the request is recorded: what it still shows later counts as what is declared.

use crate::declared::hash;
use serde_json::{Map, Value, json};
use valkeeper_api::service_user::{AccessControl, AccessControlRecord};

/// Four lists of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Patterns of keys.
    pub keys: Vec<String>,
    /// Single commands, in their order.
    pub commands: Vec<String>,
    /// Categories of commands, in their order.
    pub categories: Vec<String>,
    /// Patterns of channels.
    pub channels: Vec<String>,
}

impl Access {
    /// The lists of a spec; one that is left out is empty.
    pub(super) fn declared(declared: &AccessControl) -> Self {
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        Self {
            keys: list(&declared.valkey_acl_keys),
            commands: list(&declared.valkey_acl_commands),
            categories: list(&declared.valkey_acl_categories),
            channels: list(&declared.valkey_acl_channels),
        }
    }

    /// The lists that Aiven shows of a user of a service of this type; it leaves out empty ones.
    pub fn shown(service_type: &str, shown: &Map<String, Value>) -> Self {
        let list = |name: &str| -> Vec<String> {
            let entries = shown.get(&format!("{service_type}_acl_{name}")).and_then(Value::as_array);
            entries.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let [keys, commands, categories, channels] = ["keys", "commands", "categories", "channels"].map(list);
        Self { keys, commands, categories, channels }
    }

    /// The lists as a request for a service of this type has them: all four.
    pub fn request(&self, service_type: &str) -> Value {
        let Self { keys, commands, categories, channels } = self;
        let lists =
            [("keys", keys), ("commands", commands), ("categories", categories), ("channels", channels)];
        let named = lists.map(|(name, list)| (format!("{service_type}_acl_{name}"), json!(list)));
        Value::Object(named.into_iter().collect())
    }

    /// The same in one form, whatever the order of patterns, and of letters that mean the same.
    fn canonical(&self) -> Self {
        let patterns = |list: &[String]| {
            // Aiven puts this before channels.
            let mut list: Vec<_> = list.iter().filter(|entry| *entry != "resetchannels").cloned().collect();
            list.sort();
            list.dedup();
            list
        };
        let lower = |list: &[String]| list.iter().map(|entry| entry.to_lowercase()).collect();
        Self {
            keys: patterns(&self.keys),
            commands: lower(&self.commands),
            categories: lower(&self.categories),
            channels: patterns(&self.channels),
        }
    }

    fn hash(&self) -> String {
        hash(&self.canonical().request(""))
    }

    fn matches(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

/// The record of `declared`, which was sent while Aiven showed `before`, and which it `answered`; nothing in the answer
/// counts as no change.
pub fn record(declared: &Access, before: &Access, answered: Option<&Access>) -> AccessControlRecord {
    let answered = answered.unwrap_or(before).hash();
    AccessControlRecord { sent: declared.hash(), before: before.hash(), answered }
}

/// The record of `declared` where Aiven shows it without having been sent it: a later difference is drift.
pub(super) fn found(
    declared: &Access,
    shown: &Access,
    sent: Option<&AccessControlRecord>,
) -> Option<AccessControlRecord> {
    let is_recorded = sent.is_some_and(|sent| sent.sent == declared.hash());
    (!is_recorded && declared.matches(shown)).then(|| record(declared, shown, None))
}

/// How what Aiven shows compares with what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It is the same, or what Aiven made of it.
    Same,
    /// The declaration has changed since it was sent.
    Edited,
    /// It was changed elsewhere.
    Drifted,
    /// It was sent, and reads may lag.
    Pending,
    /// It is what Aiven made of the declaration, which the answer did not show yet.
    Normalized(AccessControlRecord),
    /// Aiven accepted it, and changed nothing.
    NotApplied,
}

/// Compares what is `declared` with what is `shown`; `is_pending` while reads may lag behind what was sent.
pub(super) fn compare(
    declared: &Access,
    shown: &Access,
    sent: Option<&AccessControlRecord>,
    is_pending: bool,
) -> Comparison {
    if declared.matches(shown) {
        return Comparison::Same;
    }
    let Some(sent) = sent.filter(|sent| sent.sent == declared.hash()) else { return Comparison::Edited };
    let (shown, had_effect) = (shown.hash(), sent.answered != sent.before);
    match (shown == sent.before, shown == sent.answered) {
        (false, true) => Comparison::Same,
        (true, _) if is_pending => Comparison::Pending,
        (true, _) if !had_effect => Comparison::NotApplied,
        (false, false) if is_pending && !had_effect => {
            Comparison::Normalized(AccessControlRecord { answered: shown, ..sent.clone() })
        }
        _ => Comparison::Drifted,
    }
}
