//! `RedisFailover` and `RedisReplication`, with the `RedisSentinel` beside it.

use super::draft::Draft;
use super::source::Source;
use serde_json::Value;

/// What becomes of fields that are not converted; the first that fits.
const FAILOVER: [(&str, &str); 7] = [
    ("status", "is not needed"),
    (
        "spec.sentinel",
        "no Sentinel processes run: the managers of the servers answer on Service <name>-sentinel",
    ),
    ("spec.redis.exporter", "the managers of the servers export the same metrics on port 8080"),
    ("spec.redis.affinity", "spec.placement.hosts and .zones spread the servers"),
    ("spec.redis.topologySpreadConstraints", "spec.placement.hosts and .zones spread the servers"),
    ("spec.bootstrapNode", "is not needed"),
    ("metadata", "is left out"),
];

const REPLICATION: [(&str, &str); 11] = [
    ("status", "is not needed"),
    ("spec.redisExporter", "the managers of the servers export the same metrics on port 8080"),
    ("spec.affinity", "spec.placement.hosts and .zones spread the servers"),
    ("spec.topologySpreadConstraints", "spec.placement.hosts and .zones spread the servers"),
    ("spec.pdb", "a disruption budget of one server at a time is always there"),
    ("spec.readinessProbe", "the probes ask the managers of the servers and cannot be changed"),
    ("spec.livenessProbe", "the probes ask the managers of the servers and cannot be changed"),
    ("spec.TLS", "set spec.tls yourself: the names of a certificate change"),
    ("spec.acl", "create a ValkeyUser for each user"),
    ("sentinel", "no Sentinel processes run: the managers of the servers answer on Service <name>-sentinel"),
    ("metadata", "is left out"),
];

/// The name of the primary in clients of spotahome's operator.
const FAILOVER_PRIMARY: &str = "mymaster";
/// The default of `OpsTree`'s operator.
const REPLICATION_PRIMARY: &str = "myMaster";

fn identity(source: &mut Source<'_>, draft: &mut Draft) {
    for field in ["apiVersion", "kind"] {
        source.take(field);
    }
    draft.name = source.text("metadata.name").unwrap_or_default();
    draft.namespace = source.text("metadata.namespace");
}

/// Fields that have the same form here, below this path.
fn placed(source: &mut Source<'_>, draft: &mut Draft, path: &str) {
    for (field, name) in [
        ("nodeSelector", "nodeSelector"),
        ("tolerations", "tolerations"),
        ("priorityClassName", "priorityClassName"),
    ] {
        if let Some(value) = source.take(&format!("{path}.{field}")) {
            draft.set_in("placement", name, value.clone());
        }
    }
}

fn pulled(source: &mut Source<'_>, draft: &mut Draft, path: &str) {
    for field in ["imagePullPolicy", "imagePullSecrets"] {
        if let Some(value) = source.take(&format!("{path}.{field}")) {
            draft.set(field, value.clone());
        }
    }
}

fn resources(source: &mut Source<'_>, draft: &mut Draft, path: &str) {
    let mut text = |field: &str| source.text(&format!("{path}.{field}"));
    let (limit, request) = (text("limits.memory"), text("requests.memory"));
    let (cpu_request, cpu_limit) = (text("requests.cpu"), text("limits.cpu"));
    draft.memory(path, limit.as_deref(), request.as_deref());
    draft.cpu(&format!("{path}.limits.cpu"), cpu_request.as_deref(), cpu_limit.as_deref());
}

/// A volume claim, if there is one.
fn claim(source: &mut Source<'_>, draft: &mut Draft, path: &str, retain: bool) {
    let spec = format!("{path}.spec");
    let size = source.text(&format!("{spec}.resources.requests.storage"));
    let class = source.text(&format!("{spec}.storageClassName"));
    source.take(&format!("{spec}.accessModes"));
    if size.is_some() || class.is_some() {
        draft.volume(path, size.as_deref(), class, retain);
    }
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

/// `RedisFailover`.
pub(super) fn failover<'input>(input: &'input Value, draft: &mut Draft) -> Source<'input> {
    let mut source = Source::new(input, &FAILOVER);
    identity(&mut source, draft);
    // The default of that operator.
    let image = source.text("spec.redis.image").unwrap_or_else(|| "redis:6.2.6".to_owned());
    draft.image("spec.redis.image", &image, false);
    let replicas = source.take("spec.redis.replicas").and_then(Value::as_i64);
    draft.instances("spec.redis.replicas", replicas.unwrap_or(3));
    if source.text("spec.redis.port").is_some_and(|port| port != "6379") {
        draft.remark("spec.redis.port", "the port is always 6379");
    }
    pulled(&mut source, draft, "spec.redis");
    placed(&mut source, draft, "spec.redis");
    resources(&mut source, draft, "spec.redis.resources");
    let lines = source.take("spec.redis.customConfig").and_then(Value::as_array);
    draft.directives("spec.redis.customConfig", lines.into_iter().flatten().filter_map(Value::as_str));
    let retain = is_true(source.take("spec.redis.storage.keepAfterDeletion"));
    claim(&mut source, draft, "spec.redis.storage.persistentVolumeClaim", retain);
    let secret = source.text("spec.auth.secretPath");
    if let Some(secret) = &secret {
        password(draft, secret, "password");
    }
    bootstrap_node(&mut source, draft, secret.as_deref());
    draft.set_in("clients", "sentinel", true);
    draft.set_in("clients", "primaryName", FAILOVER_PRIMARY);
    draft.set_in("clients", "sentinelPassword", "Optional");
    draft.remark(
        "spec.sentinel",
        "clients ask <name>-sentinel:26379 for mymaster. Its Sentinel had no password, so none is needed here",
    );
    source
}

/// The server that the data comes from. It has the password of the new servers.
fn bootstrap_node(source: &mut Source<'_>, draft: &mut Draft, secret: Option<&str>) {
    let port = source.text("spec.bootstrapNode.port").unwrap_or_default();
    let Some(host) = source.text("spec.bootstrapNode.host") else { return };
    let mut server = serde_json::json!({"host": host});
    match port.parse::<u16>() {
        Ok(port) => server["port"] = port.into(),
        Err(_) if port.is_empty() => {}
        Err(_) => draft.remark("spec.bootstrapNode.port", format!("{port} is no port; 6379 is taken")),
    }
    if let Some(secret) = secret {
        server["passwordSecretRef"] = serde_json::json!({"name": secret, "key": "password"});
    }
    draft.set_in("bootstrap", "server", server);
    draft.remark("spec.bootstrapNode", "it is followed until you set spec.bootstrap.server.cutOver");
}

fn password(draft: &mut Draft, secret: &str, key: &str) {
    draft.set_in("access", "passwordSecretRef", serde_json::json!({"name": secret, "key": key}));
}

/// `RedisReplication`, and the `RedisSentinel` that watches it.
pub(super) fn replication<'input>(
    input: &'input Value,
    sentinel: Option<&'input Value>,
    draft: &mut Draft,
) -> Source<'input> {
    let mut source = Source::new(input, &REPLICATION);
    identity(&mut source, draft);
    let kubernetes = "spec.kubernetesConfig";
    let image = source.text("spec.kubernetesConfig.image").unwrap_or_default();
    draft.image("spec.kubernetesConfig.image", &image, false);
    let size = source.take("spec.clusterSize").and_then(Value::as_i64);
    draft.instances("spec.clusterSize", size.unwrap_or(3));
    pulled(&mut source, draft, kubernetes);
    placed(&mut source, draft, "spec");
    resources(&mut source, draft, "spec.kubernetesConfig.resources");
    if let Some(secret) = source.text("spec.kubernetesConfig.redisSecret.name") {
        let key = source.text("spec.kubernetesConfig.redisSecret.key");
        password(draft, &secret, key.as_deref().unwrap_or("password"));
    }
    if let Some(percent) = source.take("spec.redisConfig.maxMemoryPercentOfLimit").and_then(Value::as_u64) {
        draft.percent(percent);
    }
    let lines = source.take("spec.redisConfig.dynamicConfig").and_then(Value::as_array);
    draft.directives("spec.redisConfig.dynamicConfig", lines.into_iter().flatten().filter_map(Value::as_str));
    let retain = is_true(source.take("spec.storage.keepAfterDelete"));
    claim(&mut source, draft, "spec.storage.volumeClaimTemplate", retain);
    let Some(sentinel) = sentinel else { return source };
    let mut source = source.and("sentinel.", sentinel);
    for field in ["apiVersion", "kind", "metadata", "spec.redisSentinelConfig.redisReplicationName"] {
        source.take(&format!("sentinel.{field}"));
    }
    let name = source.text("sentinel.spec.redisSentinelConfig.masterGroupName");
    draft.set_in("clients", "sentinel", true);
    draft.set_in("clients", "primaryName", name.unwrap_or_else(|| REPLICATION_PRIMARY.to_owned()));
    let own = source.take("sentinel.spec.kubernetesConfig.redisSecret");
    draft.set_in("clients", "sentinelPassword", if own.is_some() { "Required" } else { "Optional" });
    if own.is_some() {
        let text = "clients of Sentinel need the password of the servers here; it has none of its own";
        draft.remark("sentinel.spec.kubernetesConfig.redisSecret", text);
    }
    source
}
