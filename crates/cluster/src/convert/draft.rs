//! A `ValkeyCluster` on the way: what is known of it, and what has to be said about it.

use super::Remark;
use crate::quantity::{amount, bytes, cpu, server_bytes};
use serde_json::{Map, Value, json};
use valkeeper_api::valkey_cluster::RESERVED_DIRECTIVES;

/// Memory where the input names none.
const MEMORY: u64 = 512 << 20;
/// What runs where the input runs something that cannot be run.
const VALKEY: &str = "8.1";
const REDIS: &str = "7.2";

/// A `ValkeyCluster` on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    spec: Map<String, Value>,
    memory: Option<u64>,
    percent: Option<u64>,
    max_memory: Option<u64>,
    appends: bool,
    volume: Option<Map<String, Value>>,
    pub(super) remarks: Vec<Remark>,
}

impl Draft {
    pub(super) fn remark(&mut self, field: &str, text: impl Into<String>) {
        self.remarks.push(Remark { field: field.to_owned(), text: text.into() });
    }

    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.spec.insert(field.to_owned(), value.into());
    }

    /// A member of an object of the spec.
    pub(super) fn set_in(&mut self, object: &str, field: &str, value: impl Into<Value>) {
        let object = self.spec.entry(object).or_insert_with(|| json!({}));
        object[field] = value.into();
    }

    /// What is run, from an image or a tag.
    pub(super) fn image(&mut self, field: &str, image: &str, is_valkey: bool) {
        let (name, tag) = match image.split('@').next().unwrap_or(image).rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (image, ""),
        };
        let is_valkey = is_valkey || name.contains("valkey");
        let digits: String =
            tag.trim_start_matches('v').chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let mut numbers = digits.split('.').map_while(|part| part.parse::<u32>().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let (engine, chosen, note) = match (is_valkey, version) {
            (true, (8 | 9, _)) => ("Valkey", digits.trim_end_matches('.').to_owned(), None),
            (false, (7, 2)) => ("Redis", digits.trim_end_matches('.').to_owned(), None),
            (false, (7, 3..) | (8.., _)) => (
                "Valkey",
                VALKEY.to_owned(),
                Some(
                    "is too new for Valkey to restore or follow: use spec.bootstrap.server, which copies its data",
                ),
            ),
            (false, _) => ("Redis", REDIS.to_owned(), Some("is replaced by Redis 7.2, which reads its data")),
            (true, _) => {
                ("Valkey", VALKEY.to_owned(), Some("is replaced by Valkey 8.1, which reads its data"))
            }
        };
        self.set("engine", engine);
        self.set("version", chosen);
        self.remark(
            field,
            note.unwrap_or("the official image of that version is run; spec.image names another"),
        );
    }

    pub(super) fn instances(&mut self, field: &str, count: i64) {
        if !(1..=9).contains(&count) {
            self.remark(field, format!("{count} is not possible: 1 to 9 servers are"));
        }
        self.set("instances", count.clamp(1, 9));
    }

    /// Memory: request and limit are one.
    pub(super) fn memory(&mut self, field: &str, limit: Option<&str>, request: Option<&str>) {
        let (limit, request) = (limit.and_then(bytes), request.and_then(bytes));
        if limit.is_some() && request.is_some() && limit != request {
            self.remark(field, "memory request and limit are equal in a ValkeyCluster: the limit is used");
        }
        self.memory = limit.or(request);
        if self.memory.is_none() {
            self.remark(field, "no memory is named: spec.resources.memory is 512Mi. Set what the data needs");
        }
    }

    pub(super) fn cpu(&mut self, field: &str, request: Option<&str>, limit: Option<&str>) {
        if let Some(request) = request.and_then(cpu) {
            self.set_in("resources", "cpu", request);
        }
        if limit.is_some() {
            self.remark(field, "there is no CPU limit: servers of one thread would be throttled");
        }
    }

    /// A share of the memory for data, in percent.
    pub(super) fn percent(&mut self, percent: u64) {
        self.percent = Some(percent);
    }

    /// A volume for each server.
    pub(super) fn volume(&mut self, field: &str, size: Option<&str>, class: Option<String>, retain: bool) {
        let mut volume = Map::new();
        let size = size.and_then(bytes).unwrap_or_else(|| {
            self.remark(field, "no size is named: spec.persistence.size is 8Gi");
            8 << 30
        });
        volume.insert("size".to_owned(), amount(size).into());
        volume.extend(class.map(|class| ("storageClassName".to_owned(), class.into())));
        let kept = if retain { "Retain" } else { "Delete" };
        volume.insert("whenDeleted".to_owned(), kept.into());
        self.volume = Some(volume);
    }

    /// Lines of a configuration file.
    pub(super) fn directives<'line>(&mut self, field: &str, lines: impl IntoIterator<Item = &'line str>) {
        let lines =
            lines.into_iter().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let (name, value) = (name.to_ascii_lowercase(), value.trim().trim_matches('"'));
            match name.as_str() {
                "maxmemory-policy" => self.set_in("memory", "policy", value),
                "maxmemory" => self.max_memory = server_bytes(value),
                "appendonly" => self.appends = value == "yes",
                "requirepass" | "masterauth" | "user" => {
                    self.remark(
                        field,
                        format!("{name} is left out: passwords are in spec.access.passwordSecretRef"),
                    );
                }
                name if RESERVED_DIRECTIVES.contains(&name) => {
                    self.remark(field, format!("{name} is set by the operator"));
                }
                name => self.set_in("config", name, value),
            }
        }
    }

    /// Puts together what several fields say.
    pub(super) fn settle(&mut self) {
        let memory = self.memory.unwrap_or(MEMORY);
        self.set_in("resources", "memory", amount(memory));
        let share = self.max_memory.map(|bytes| bytes.saturating_mul(100).div_ceil(memory.max(1)));
        let Some(percent) = self.percent.or(share) else { return };
        if !(10..=90).contains(&percent) {
            self.remark("maxmemory", format!("{percent} % of the memory is not possible: 10 to 90 % is"));
        }
        self.set_in("memory", "maxMemoryPercent", percent.clamp(10, 90));
    }

    /// The manifest.
    pub(super) fn manifest(mut self) -> Value {
        if let Some(mut volume) = self.volume.take() {
            volume.insert("mode".to_owned(), if self.appends { "AppendOnly" } else { "Snapshot" }.into());
            self.set("persistence", volume);
        }
        let mut metadata = json!({"name": self.name});
        if let Some(namespace) = self.namespace {
            metadata["namespace"] = namespace.into();
        }
        json!({
            "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster", "metadata": metadata, "spec": self.spec,
        })
    }
}
