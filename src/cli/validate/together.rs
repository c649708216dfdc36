//! Resources that cannot exist side by side: declared twice, of one service, or with one Secret.
//!
//! Files in different folders may be meant for different clusters, so that is a warning there.

use super::finding::Severity;
use serde_json::Value;
use std::path::Path;

/// A resource, reduced to the parts that can conflict with another resource.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The project of its service; empty for anything but a service.
    project: String,
    /// The Secret that it writes.
    writes: Option<String>,
    /// The Secrets that it reads.
    reads: Vec<String>,
    /// The `Redis` that it takes over.
    takes_over: Option<String>,
}

/// A conflict of two resources, reported at the later one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) severity: Severity,
    /// The field of the later one.
    pub(super) field: &'static [&'static str],
    pub(super) rule: String,
}

impl Seen {
    /// Nothing for a resource whose name the API server chooses.
    pub(super) fn of(path: &str, line: usize, resource: &Value, service: bool) -> Option<Self> {
        let text =
            |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("/metadata/name")?.to_owned();
        let disabled = resource.pointer("/spec/connInfoSecretTargetDisabled") == Some(&Value::Bool(true));
        let target = text("/spec/connInfoSecretTarget/name").map_or_else(|| name.clone(), str::to_owned);
        let reads = ["/spec/authSecretRef/name", "/spec/migrationSecretSource/name"];
        Some(Self {
            path: path.to_owned(),
            line,
            kind: text("/kind").unwrap_or_default().to_owned(),
            namespace: text("/metadata/namespace").unwrap_or_default().to_owned(),
            project: text("/spec/project").filter(|_| service).unwrap_or_default().to_owned(),
            writes: (service && !disabled).then_some(target),
            reads: reads.into_iter().filter_map(text).map(str::to_owned).collect(),
            takes_over: text("/spec/migrateFrom/redis").map(str::to_owned),
            name,
        })
    }

    /// A Secret that a manifest declares.
    fn is_secret(&self) -> bool {
        self.kind == "Secret"
    }

    /// Whether this resource takes over the other: both may be there in any order.
    fn takes_over(&self, other: &Self) -> bool {
        other.kind == "Redis"
            && self.namespace == other.namespace
            && self.takes_over.as_ref() == Some(&other.name)
    }

    /// What keeps this resource from existing beside an earlier one.
    pub(super) fn conflict(&self, earlier: &Self) -> Option<Conflict> {
        const TARGET: &[&str] = &["spec", "connInfoSecretTarget", "name"];
        if self.takes_over(earlier) || earlier.takes_over(self) {
            return None;
        }
        let there = format!("{}/{} ({}:{})", earlier.kind, earlier.name, earlier.path, earlier.line);
        let together = self.namespace == earlier.namespace;
        let secret = self.writes.as_deref().unwrap_or_default();
        let (field, rule): (&'static [&'static str], _) =
            if together && self.kind == earlier.kind && self.name == earlier.name {
                (
                    &["metadata", "name"],
                    format!("is declared twice: the other is at {}:{}", earlier.path, earlier.line),
                )
            } else if together && self.writes.is_some() && self.writes == earlier.writes {
                (TARGET, format!("Secret {secret:?} is the connection Secret of {there} already"))
            } else if together && self.writes.is_some() && earlier.is_secret() && secret == earlier.name {
                (TARGET, format!("Secret {secret:?} is declared at {}:{}", earlier.path, earlier.line))
            } else if together && earlier.reads.iter().any(|read| self.writes.as_ref() == Some(read)) {
                (TARGET, format!("{there} reads its credentials from Secret {secret:?}"))
            } else if together && self.reads.iter().any(|read| earlier.writes.as_ref() == Some(read)) {
                (&["spec"], format!("reads credentials from the connection Secret of {there}"))
            } else if together && self.is_secret() && earlier.writes.as_ref() == Some(&self.name) {
                (&["metadata", "name"], format!("is the connection Secret of {there}"))
            } else if !self.project.is_empty() && self.project == earlier.project && self.name == earlier.name
            {
                (&["metadata", "name"], format!("service {:?} belongs to {there} already", self.name))
            } else {
                return None;
            };
        let folder = |path: &str| Path::new(path).parent().map(Path::to_owned);
        let near = self.path == earlier.path || folder(&self.path) == folder(&earlier.path);
        let severity = if near { Severity::Error } else { Severity::Warning };
        Some(Conflict { severity, field, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(path: &str, kind: &str, name: &str, spec: &Value) -> Seen {
        let resource = json!({"kind": kind, "metadata": {"name": name}, "spec": spec});
        Seen::of(path, 1, &resource, kind != "Secret").unwrap()
    }

    fn rule(later: &Seen, earlier: &Seen) -> String {
        later.conflict(earlier).map(|conflict| conflict.rule).unwrap_or_default()
    }

    #[test]
    fn the_same_name_the_same_service_and_the_same_secret_conflict() {
        let cache =
            seen("a.yaml", "Valkey", "cache", &json!({"project": "p", "authSecretRef": {"name": "token"}}));
        let target = |kind: &str, name: &str| {
            seen("a.yaml", kind, "other", &json!({"connInfoSecretTarget": {"name": name}}))
        };
        assert!(rule(&cache, &cache).contains("declared twice: the other is at a.yaml:1"));
        assert!(rule(&target("Redis", "cache"), &cache).contains("connection Secret of Valkey/cache"));
        assert!(rule(&target("Redis", "token"), &cache).contains("reads its credentials"));
        assert!(rule(&cache, &target("Redis", "token")).contains("reads credentials"));
        assert!(rule(&cache, &seen("a.yaml", "Secret", "cache", &json!({}))).contains("is declared at"));
        assert!(
            rule(&seen("a.yaml", "Secret", "cache", &json!({})), &cache).contains("is the connection Secret")
        );
        assert_eq!(rule(&target("Redis", "others"), &cache), "");
        assert_eq!(rule(&seen("a.yaml", "Secret", "token", &json!({})), &cache), "");
        let elsewhere = Seen { namespace: "other".to_owned(), ..cache.clone() };
        assert!(rule(&elsewhere, &cache).contains("service \"cache\" belongs to"));
        let project = Seen { project: "q".to_owned(), ..elsewhere };
        assert_eq!(project.conflict(&cache), None);
    }

    #[test]
    fn valkey_may_stand_beside_the_redis_that_it_takes_over() {
        let redis = seen("a.yaml", "Redis", "cache", &json!({"project": "p"}));
        let spec = json!({"project": "p", "migrateFrom": {"redis": "cache"}});
        let valkey = seen("a.yaml", "Valkey", "cache", &spec);
        assert_eq!((rule(&valkey, &redis), rule(&redis, &valkey)), (String::new(), String::new()));
        let without = seen("a.yaml", "Valkey", "cache", &json!({"project": "p"}));
        assert!(rule(&without, &redis).contains("connection Secret of Redis/cache"));
    }

    #[test]
    fn other_folders_may_be_meant_for_other_clusters() {
        let severity = |path: &str| {
            let [one, other] = ["dev/a.yaml", path].map(|path| seen(path, "Valkey", "cache", &json!({})));
            other.conflict(&one).unwrap().severity
        };
        assert_eq!(severity("dev/a.yaml"), Severity::Error);
        assert_eq!(severity("dev/b.yaml"), Severity::Error);
        assert_eq!(severity("prod/a.yaml"), Severity::Warning);
    }

    #[test]
    fn without_a_connection_secret_there_is_none_to_share() {
        let disabled = json!({"connInfoSecretTargetDisabled": true});
        let [valkey, redis] = ["Valkey", "Redis"].map(|kind| seen("a.yaml", kind, "cache", &disabled));
        assert_eq!(redis.conflict(&valkey), None);
    }
}
