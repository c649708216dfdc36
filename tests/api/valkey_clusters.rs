//! `ValkeyCluster`: wrong manifests judged three ways (the API server, `valkeeper validate`, the operator), what may be
//! changed later, the examples, and the reference page.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Value, json};
use valkeeper::cli::validate::Report;
use valkeeper_api::{ValkeyCluster, crd, valkey_cluster};

use crate::server::{Place, Server};

on_both_servers!(
    the_api_server_refuses_the_same,
    the_api_server_refuses_forbidden_changes,
    the_api_server_keeps_the_server_that_data_comes_from,
    examples_are_accepted
);

const EXAMPLES: [&str; 9] = [
    "standalone",
    "cluster",
    "production",
    "restored",
    "sentinel",
    "cluster-with-final-backup",
    "tls",
    "quorum",
    "update-window",
];

fn example(name: &str) -> String {
    let file = format!("{}/examples/self-hosted/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).unwrap()
}

/// The production example with these fields of the spec; null removes one.
fn manifest(change: &Value) -> Value {
    let mut manifest: Value = serde_yaml::from_str(&example("production")).unwrap();
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            manifest["spec"].as_object_mut().unwrap().remove(key);
        } else {
            manifest["spec"][key] = value.clone();
        }
    }
    manifest
}

/// The verdict of the operator about a stored object.
#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Agrees,
    CannotDecode,
    IgnoresUnknown,
}

/// A change of the example, the field that is wrong then, the rule it breaks, and the verdict of the operator.
fn wrong() -> Vec<(Value, &'static str, &'static str, Operator)> {
    use Operator::{Agrees, CannotDecode, IgnoresUnknown};
    let long: BTreeMap<String, String> = (0..65).map(|n| (format!("a-{n}"), String::new())).collect();
    let keyless = json!({"access": {"passwordSecretRef": {"name": "p"}}});
    let own = json!({"access": {"passwordSecretRef": {"name": "orders-access", "key": "k"}}});
    let grace = json!({"access": {"rotation": {"grace": "10"}}});
    let mut wrong = wrong_bootstraps();
    wrong.extend(wrong_clients());
    wrong.extend([
        (json!({"durability": "All"}), "spec.durability", "must be one of", Agrees),
        (json!({"durability": "Quorum", "instances": 2}), "spec.durability", "at least 3 instances", Agrees),
        (json!({"engine": "KeyDB"}), "spec.engine", "must be one of", Agrees),
        (json!({"engine": 7}), "spec.engine", "must be a string", CannotDecode),
        (json!({"version": null}), "spec.version", "is required", CannotDecode),
        (json!({"version": "7.2"}), "spec.version", "8.0 or later for Valkey", Agrees),
        (json!({"version": "latest"}), "spec.version", "8.0 or later for Valkey", Agrees),
        (json!({"engine": "Redis", "version": "7.4"}), "spec.version", "7.2", Agrees),
        (json!({"image": ""}), "spec.image", "must not be empty", Agrees),
        (json!({"imagePullPolicy": "Sometimes"}), "spec.imagePullPolicy", "must be one of", Agrees),
        (json!({"instances": 0}), "spec.instances", "at least 1", Agrees),
        (json!({"instances": 10}), "spec.instances", "at most 9", Agrees),
        (json!({"instances": "3"}), "spec.instances", "must be an integer", CannotDecode),
        (json!({"resources": null}), "spec.resources", "is required", CannotDecode),
        (json!({"resources": {"memory": "2G"}}), "spec.resources.memory", "must match", Agrees),
        (json!({"resources": {"memory": "2Gi", "cpu": "0.5"}}), "spec.resources.cpu", "must match", Agrees),
        (json!({"memory": {"maxMemoryPercent": 95}}), "spec.memory.maxMemoryPercent", "at most 90", Agrees),
        (json!({"memory": {"policy": "lru"}}), "spec.memory.policy", "must be one of", Agrees),
        (json!({"persistence": {"mode": "Disk"}}), "spec.persistence.mode", "must be one of", Agrees),
        (json!({"persistence": {"mode": "Snapshot"}}), "spec.persistence.size", "is required unless", Agrees),
        (
            json!({"persistence": {"mode": "None", "size": "4"}}),
            "spec.persistence.size",
            "must match",
            Agrees,
        ),
        (json!({"config": {"maxmemory": "1gb"}}), "spec.config", "does not set itself", Agrees),
        (json!({"config": {"Timeout": "1"}}), "spec.config", "in lower case", Agrees),
        (json!({"config": {"timeout": 1}}), "spec.config.timeout", "must be a string", CannotDecode),
        (json!({"config": long}), "spec.config", "at most 64 entries", Agrees),
        (keyless, "spec.access.passwordSecretRef.key", "is required", CannotDecode),
        (own, "spec.access.passwordSecretRef.name", "must not be the Secret of the servers", Agrees),
        (grace, "spec.access.rotation.grace", "must match", Agrees),
        (json!({"failover": {"after": "5m"}}), "spec.failover.after", "must match", Agrees),
        (
            json!({"failover": {"apiServerOutage": "Never"}}),
            "spec.failover.apiServerOutage",
            "must be one of",
            Agrees,
        ),
        (json!({"update": {"primary": "Never"}}), "spec.update.primary", "must be one of", Agrees),
        (json!({"placement": {"zones": "All"}}), "spec.placement.zones", "must be one of", Agrees),
        (json!({"quorum": 2}), "spec.quorum", "unknown field", IgnoresUnknown),
        (
            json!({"connInfoSecretTarget": {"name": "s", "extraKeys": ["URL"]}}),
            "spec.connInfoSecretTarget.extraKeys[0]",
            "must be one of",
            Agrees,
        ),
    ]);
    wrong
}

fn wrong_clients() -> Vec<(Value, &'static str, &'static str, Operator)> {
    use Operator::{Agrees, CannotDecode};
    vec![
        (window("* *", "2h"), "spec.update.window.schedule", "must", Agrees),
        (window("0 3 * * 6", "2d"), "spec.update.window.duration", "must match", Agrees),
        (window("0 3 * * 6", "0h"), "spec.update.window.duration", "must match", Agrees),
        (json!({"tls": {"secretName": "Shop"}}), "spec.tls.secretName", "must match", Agrees),
        (json!({"tls": {"secretName": "orders-client-tls"}}), "spec.tls.secretName", "must not be", Agrees),
        (json!({"tls": {"clientAuth": "Required"}}), "spec.tls.clientAuth", "needs secretName", Agrees),
        (json!({"tls": {"plaintext": "no"}}), "spec.tls.plaintext", "must be", CannotDecode),
        (json!({"config": {"tls-port": "1"}}), "spec.config", "does not set itself", Agrees),
        (json!({"clients": {"sentinel": "yes"}}), "spec.clients.sentinel", "must be", CannotDecode),
        (json!({"clients": {"primaryName": "my master"}}), "spec.clients.primaryName", "must match", Agrees),
        (
            json!({"clients": {"sentinelPassword": "None"}}),
            "spec.clients.sentinelPassword",
            "must be one of",
            Agrees,
        ),
        (json!({"clients": {"allowFrom": "all"}}), "spec.clients.allowFrom", "must be", CannotDecode),
        (
            json!({"connInfoConfigMapTarget": {"name": "Shop"}}),
            "spec.connInfoConfigMapTarget.name",
            "must match",
            Agrees,
        ),
        (
            json!({"connInfoConfigMapTarget": {"name": "orders-settings"}}),
            "spec.connInfoConfigMapTarget.name",
            "must not be the ConfigMap of the servers",
            Agrees,
        ),
        (
            json!({"workloadIdentity": {"podLabels": {"app.kubernetes.io/name": "mine"}}}),
            "spec.workloadIdentity.podLabels",
            "must not have labels of app.kubernetes.io/ or valkeeper.io/",
            Agrees,
        ),
        (
            json!({"connInfoConfigMapTarget": {"name": "shop", "prefix": "A B"}}),
            "spec.connInfoConfigMapTarget.prefix",
            "must match",
            Agrees,
        ),
    ]
}

fn wrong_bootstraps() -> Vec<(Value, &'static str, &'static str, Operator)> {
    use Operator::{Agrees, CannotDecode};
    let s3 = |bucket: &str| json!({"s3": {"bucket": bucket, "credentialsSecretName": "s3"}});
    let both = json!({"name": "a", "source": {"key": "k", "destination": s3("abc")}});
    let both = json!({"bootstrap": {"backup": both}});
    let server = |server: Value| json!({"bootstrap": {"server": server}});
    let two_sources = json!({"bootstrap": {"backup": {"name": "a"}, "server": {"host": "old"}}});
    let no_store = json!({"bootstrap": {"backup": {"source": {"key": "k", "destination": {}}}}});
    let no_destination = json!({"finalBackup": {"destination": {}}});
    let wrong_bucket = json!({"finalBackup": {"destination": s3("No")}});
    let no_keys = json!({"finalBackup": {"destination": {"s3": {"bucket": "abc"}}}});
    let source = "spec.bootstrap.backup.source.destination";
    vec![
        (json!({"bootstrap": {"backup": {}}}), "spec.bootstrap.backup", "either name or source", Agrees),
        (both, "spec.bootstrap.backup", "either name or source", Agrees),
        (no_store, source, "exactly one of s3, gcs, azure and volume", Agrees),
        (json!({"finalBackup": {}}), "spec.finalBackup.destination", "is required", CannotDecode),
        (no_destination, "spec.finalBackup.destination", "exactly one of s3, gcs, azure and volume", Agrees),
        (wrong_bucket, "spec.finalBackup.destination.s3.bucket", "must match", Agrees),
        (no_keys, "spec.finalBackup.destination.s3", "credentialsSecretName and workloadIdentity", Agrees),
        (json!({"bootstrap": {}}), "spec.bootstrap", "either backup or server", Agrees),
        (two_sources, "spec.bootstrap", "either backup or server", Agrees),
        (json!({"bootstrap": {"server": {}}}), "spec.bootstrap.server.host", "is required", CannotDecode),
        (server(json!({"host": "old cache"})), "spec.bootstrap.server.host", "must match", Agrees),
        (
            server(json!({"host": "old", "username": "me"})),
            "spec.bootstrap.server",
            "needs passwordSecretRef",
            Agrees,
        ),
        (server(json!({"host": "old", "port": 0})), "spec.bootstrap.server.port", "at least 1", Agrees),
    ]
}

fn window(schedule: &str, duration: &str) -> Value {
    json!({"update": {"window": {"schedule": schedule, "duration": duration}}})
}

#[test]
fn window_that_never_begins_is_found_by_command_and_operator() {
    for (zone, schedule, field) in [
        ("UTC", "0 0 30 2 *", "schedule"),
        ("UTC", "at three", "schedule"),
        ("Mars/Olympus", "0 3 * * 6", "timeZone"),
    ] {
        let mut manifest = manifest(&window(schedule, "2h"));
        manifest["spec"]["update"]["window"]["timeZone"] = zone.into();
        let operated = valkey_cluster::violations(&serde_json::from_value(manifest.clone()).unwrap());
        for found in [valkey_cluster::manifest_violations(&manifest), operated] {
            let fields: Vec<_> = found.iter().map(|found| found.field.to_string()).collect();
            assert!(fields.contains(&format!("spec.update.window.{field}")), "{zone} {schedule}: {fields:?}");
        }
    }
}

#[test]
fn the_command_and_the_operator_name_the_field_and_the_rule() {
    for (change, field, rule, operator) in wrong() {
        let manifest = manifest(&change);
        let names = |found: &[valkeeper_api::Violation]| {
            found.iter().any(|found| found.field.to_string() == field && found.rule.contains(rule))
        };
        let found = valkey_cluster::manifest_violations(&manifest);
        assert!(names(&found), "{change}: {found:?}");
        let stored = serde_json::from_value::<ValkeyCluster>(manifest);
        match operator {
            Operator::CannotDecode => assert!(stored.is_err(), "{change}"),
            Operator::Agrees => {
                let found = valkey_cluster::violations(&stored.unwrap());
                assert!(names(&found), "{change}: {found:?}");
            }
            Operator::IgnoresUnknown => assert_eq!(valkey_cluster::violations(&stored.unwrap()), []),
        }
    }
}

async fn the_api_server_refuses_the_same(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    server.install(crd::valkey_cluster()).await;
    for (change, field, ..) in wrong() {
        let refusal = server.judge_cluster(&manifest(&change)).await.unwrap_err();
        let field = field.trim_end_matches("[0]");
        assert!(refusal.contains(field), "{change}: {refusal}");
    }
    for name in ["Upper", "ends-", "a".repeat(41).as_str()] {
        let mut named = manifest(&json!({}));
        named["metadata"]["name"] = name.into();
        server.judge_cluster(&named).await.unwrap_err();
        assert!(!valkey_cluster::manifest_violations(&named).is_empty(), "{name}");
    }
}

async fn examples_are_accepted(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    server.install(crd::valkey_cluster()).await;
    for text in EXAMPLES.map(example) {
        let stored = server.judge_cluster(&serde_yaml::from_str(&text).unwrap()).await.unwrap();
        assert_eq!(stored["spec"]["engine"], "Valkey", "the default");
        let decoded: ValkeyCluster = serde_json::from_value(stored).unwrap();
        assert_eq!(valkey_cluster::violations(&decoded), []);
        let mut report = Report::default();
        report.judge("-", &text);
        assert_eq!((report.judged, report.findings.len()), (1, 0), "{:?}", report.findings);
    }
}

async fn the_api_server_keeps_the_server_that_data_comes_from(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    server.install(crd::valkey_cluster()).await;
    let bootstrap = json!({"bootstrap": {"server": {"host": "old"}}});
    server.put_cluster(None, &manifest(&bootstrap)).await.unwrap();
    let change = |change: Value| json!({"spec": {"bootstrap": {"server": change}}});
    for allowed in [
        json!({"passwordSecretRef": {"name": "old", "key": "password"}}),
        json!({"username": "valkeeper"}),
        json!({"cutOver": true}),
    ] {
        server.put_cluster(Some("orders"), &change(allowed)).await.unwrap();
    }
    for (refused, message) in [
        (json!({"host": "other"}), "immutable"),
        (json!({"port": 6380}), "immutable"),
        (json!({"cutOver": false}), "stays true"),
        (json!(null), "immutable"),
    ] {
        let refusal = server.put_cluster(Some("orders"), &change(refused)).await.unwrap_err();
        assert!(refusal.contains(message), "{refusal}");
    }
}

async fn the_api_server_refuses_forbidden_changes(place: Place) {
    let Some(server) = Server::bare(place).await else { return };
    server.install(crd::valkey_cluster()).await;
    server.put_cluster(None, &manifest(&json!({}))).await.unwrap();
    let table = [
        (json!({"engine": "Redis", "version": "7.2"}), "cannot go back"),
        (json!({"persistence": null}), "cannot be added or removed"),
        (json!({"persistence": {"mode": "None"}}), "cannot be added or removed"),
        (json!({"persistence": {"mode": "Snapshot"}}), "persistence.mode is immutable"),
        (json!({"persistence": {"size": null}}), "persistence.size"),
        (json!({"persistence": {"storageClassName": "fast"}}), "immutable"),
        (json!({"bootstrap": {"backup": {"name": "one"}}}), "immutable"),
        (json!({"bootstrap": {"server": {"host": "old"}}}), "immutable"),
        (json!({"tls": {"plaintext": false}}), "tls.plaintext must be true"),
    ];
    let refuses = async |change: &Value, message: &str| {
        let refusal = server.put_cluster(Some("orders"), &json!({"spec": change})).await.unwrap_err();
        assert!(refusal.contains(message), "{change}: {refusal}");
    };
    for (change, message) in table {
        refuses(&change, message).await;
    }
    for change in [
        json!({"instances": 5}),
        json!({"resources": {"memory": "4Gi"}}),
        json!({"persistence": {"whenDeleted": "Delete"}}),
        json!({"persistence": {"size": "16Gi"}}),
        json!({"powered": false}),
        json!({"connInfoConfigMapTarget": {"name": "shop"}}),
        json!({"connInfoConfigMapTarget": {"name": "shop", "prefix": "SHOP_"}}),
        json!({"tls": {"plaintext": true}}),
        json!({"tls": {"plaintext": false}}),
    ] {
        server.put_cluster(Some("orders"), &json!({"spec": change})).await.unwrap();
    }
    refuses(&json!({"tls": null}), "tls cannot be removed").await;
    for target in [json!(null), json!({"name": "other"})] {
        let change = json!({"connInfoConfigMapTarget": target});
        refuses(&change, "connInfoConfigMapTarget.name is immutable").await;
    }
}

#[test]
fn what_users_see_has_the_agreed_names() {
    let definition = serde_json::to_value(crd::valkey_cluster()).unwrap();
    let names = &definition["spec"]["names"];
    assert_eq!((&names["shortNames"], &names["categories"]), (&json!(["vkc"]), &json!(["valkeeper"])));
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    let shown = columns.iter().filter(|column| column["priority"].is_null() || column["priority"] == 0);
    let shown: Vec<_> = shown.map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(shown, ["Engine", "Version", "Instances", "Ready", "Primary", "State", "Age"]);
}

#[test]
fn every_field_of_a_cluster_is_on_its_page() {
    let page = include_str!("../../docs/reference/valkeycluster.md");
    let schema = serde_json::to_value(crd::valkey_cluster_schema()).unwrap();
    let mut open = vec![
        ("spec".to_owned(), &schema["properties"]["spec"]),
        ("status".to_owned(), &schema["properties"]["status"]),
    ];
    while let Some((path, schema)) = open.pop() {
        let object = if schema["type"] == "array" { &schema["items"] } else { schema };
        for (name, field) in object["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(page.contains(&format!("<a id=\"{path}\"></a>")), "{path}");
            open.push((path, field));
        }
    }
    for link in Regex::new(r"\]\(#([^)]+)\)").unwrap().captures_iter(page) {
        assert!(page.contains(&format!("<a id=\"{}\"></a>", &link[1])), "{}", &link[1]);
    }
}

/// Each crate refuses its own directives independently; the operator sets the memory of a running server.
#[test]
fn directive_that_an_instance_refuses_is_refused_in_a_spec() {
    let api = std::collections::BTreeSet::from(valkeeper_api::valkey_cluster::RESERVED_DIRECTIVES);
    let instance = std::collections::BTreeSet::from(valkeeper_instance::settings::RESERVED_DIRECTIVES);
    let only_of_specs: Vec<_> = api.difference(&instance).copied().collect();
    assert_eq!(only_of_specs, ["maxmemory", "maxmemory-policy"]);
    assert!(instance.is_subset(&api), "{:?}", instance.difference(&api).collect::<Vec<_>>());
}
