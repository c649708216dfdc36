//! Values of the Bitnami charts of Valkey (`primary`) and Redis (`master`).

use super::draft::Draft;
use super::source::Source;
use serde_json::{Value, json};

const KNOWN: [(&str, &str); 11] = [
    (
        "metrics",
        "the managers of the servers export the same metrics on port 8080; the chart has a PodMonitor",
    ),
    ("tls", "set spec.tls yourself: the names of a certificate change"),
    ("networkPolicy", "spec.clients.allowFrom names the peers that may connect"),
    ("sentinel", "no Sentinel processes run: the managers of the servers answer on Service <name>-sentinel"),
    ("pdb", "a disruption budget of one server at a time is always there"),
    ("serviceAccount", "each cluster has an account of its own"),
    ("rbac", "each cluster has a role of its own"),
    ("sysctl", "settings of nodes are left to their administrators"),
    ("volumePermissions", "is not needed"),
    ("useExternalDNS", "names outside of the cluster are not there yet"),
    ("auth.acl", "create a ValkeyUser for each user"),
];

/// What differs between the two charts.
struct Chart {
    primary: &'static str,
    is_valkey: bool,
    password_key: &'static str,
    primary_name: &'static str,
}

const VALKEY: Chart =
    Chart { primary: "primary", is_valkey: true, password_key: "valkey-password", primary_name: "myprimary" };
const REDIS: Chart =
    Chart { primary: "master", is_valkey: false, password_key: "redis-password", primary_name: "mymaster" };

/// Which chart the values are for.
fn chart(input: &Value, repository: Option<&str>) -> &'static Chart {
    let set = input["sentinel"].get("primarySet").is_some();
    let named = repository.is_some_and(|repository| repository.contains("valkey"));
    if input.get("primary").is_some() || set || named { &VALKEY } else { &REDIS }
}

/// The values of a release.
pub(super) fn values<'input>(input: &'input Value, draft: &mut Draft) -> Source<'input> {
    let mut source = Source::new(input, &KNOWN);
    "cache".clone_into(&mut draft.name);
    let repository = source.text("image.repository");
    let chart = chart(input, repository.as_deref());
    let tag = source.text("image.tag").unwrap_or_default();
    source.take("image.registry");
    let image = format!("{}:{tag}", repository.unwrap_or_default());
    draft.image("image", &image, chart.is_valkey);
    let standalone = source.text("architecture").is_some_and(|architecture| architecture == "standalone");
    let sentinel = source.take("sentinel.enabled") == Some(&Value::Bool(true));
    let replicas = source.take("replica.replicaCount").and_then(Value::as_i64).unwrap_or(3);
    let count = match (standalone, sentinel) {
        (true, _) => 1,
        (false, true) => replicas,
        // The primary is one more.
        (false, false) => replicas.saturating_add(1),
    };
    draft.instances("replica.replicaCount", count);
    access(&mut source, draft, chart);
    let own = if standalone || !sentinel { [chart.primary, "replica"] } else { ["replica", chart.primary] };
    servers(&mut source, draft, own);
    let lines = source.text("commonConfiguration").unwrap_or_default();
    draft.directives("commonConfiguration", lines.lines());
    if sentinel {
        let set = source.first_text(&["sentinel.primarySet", "sentinel.masterSet"]);
        draft.set_in("clients", "sentinel", true);
        draft.set_in("clients", "primaryName", set.unwrap_or_else(|| chart.primary_name.to_owned()));
        let open = input["auth"]["sentinel"] == Value::Bool(false);
        draft.set_in("clients", "sentinelPassword", if open { "Optional" } else { "Required" });
    }
    source
}

fn access(source: &mut Source<'_>, draft: &mut Draft, chart: &Chart) {
    source.take("auth.sentinel");
    source.take("auth.enabled");
    let key = source.text("auth.existingSecretPasswordKey");
    if let Some(secret) = source.text("auth.existingSecret") {
        let key = key.unwrap_or_else(|| chart.password_key.to_owned());
        draft.set_in("access", "passwordSecretRef", json!({"name": secret, "key": key}));
    } else if source.take("auth.password").is_some() || source.take("global.redis.password").is_some() {
        draft.remark(
            "auth.password",
            "passwords in values are not copied: put it into a Secret and name that in spec.access.passwordSecretRef",
        );
    } else {
        let text =
            "the operator generates a password; name a Secret in spec.access.passwordSecretRef to keep yours";
        draft.remark("auth", text);
    }
}

/// Resources, volumes and places: those of the first of two groups of servers that says something.
fn servers(source: &mut Source<'_>, draft: &mut Draft, groups: [&str; 2]) {
    let mut first = |field: &str| {
        let paths = groups.map(|group| format!("{group}.{field}"));
        source.first_text(&[&paths[0], &paths[1]])
    };
    let memory = (first("resources.limits.memory"), first("resources.requests.memory"));
    let cpu = (first("resources.requests.cpu"), first("resources.limits.cpu"));
    let volume = (first("persistence.size"), first("persistence.storageClass"));
    let priority = first("priorityClassName");
    draft.memory(&format!("{}.resources", groups[0]), memory.0.as_deref(), memory.1.as_deref());
    draft.cpu(&format!("{}.resources.limits.cpu", groups[0]), cpu.0.as_deref(), cpu.1.as_deref());
    if let Some(priority) = priority {
        draft.set_in("placement", "priorityClassName", priority);
    }
    for field in ["nodeSelector", "tolerations"] {
        let found = groups.map(|group| source.take(&format!("{group}.{field}")));
        if let Some(value) = found.into_iter().flatten().next() {
            draft.set_in("placement", field, value.clone());
        }
    }
    let off = groups.map(|group| source.off(&format!("{group}.persistence.enabled")));
    // The chart has volumes by default.
    if !off[0] {
        draft.volume(&format!("{}.persistence", groups[0]), volume.0.as_deref(), volume.1, true);
    }
}
