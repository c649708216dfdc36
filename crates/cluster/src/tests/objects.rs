//! Objects that a cluster has because its spec asks for them.

use super::desired;
use super::model::Model;
use crate::{
    Access, AccessSeen, ObjectSeen, Observed, OwnedKind, Password, Stage, Step, Wanted, decide, names, owned,
    unwanted,
};
use serde_json::{Value, json};

fn observed() -> Observed {
    Observed { password: Password::Present, ..Observed::default() }
}

/// The object of a cluster with this spec; null without one.
fn object(spec: &Value, kind: OwnedKind, name: &str) -> Value {
    let objects = owned(&desired(spec), &observed());
    let found = objects.into_iter().find(|object| object.kind == kind && object.name == name);
    found.map_or(Value::Null, |object| object.body)
}

/// Whether a policy lets a pod with this label, in this namespace, connect to a port: as the network reads it.
fn admits(policy: &Value, label: (&str, &str), namespace: &str, port: u16) -> bool {
    let selects = |selector: &Value, (key, value): (&str, &str)| {
        let wanted = selector["matchLabels"].as_object().into_iter().flatten();
        wanted.into_iter().all(|(name, wanted)| name == key && wanted == value)
    };
    let fits = |peer: &Value| {
        let namespaces = peer.get("namespaceSelector");
        let here = namespaces.map_or(namespace == "n", |selector| selects(selector, ("team", namespace)));
        let pods = peer.get("podSelector");
        here && peer.get("ipBlock").is_none() && pods.is_none_or(|selector| selects(selector, label))
    };
    policy["spec"]["ingress"].as_array().unwrap().iter().any(|rule| {
        let ports = rule["ports"].as_array().unwrap();
        let from = rule.get("from").and_then(Value::as_array);
        ports.iter().any(|open| open["port"] == port)
            && from.is_none_or(|peers| peers.is_empty() || peers.iter().any(fits))
    })
}

#[test]
fn policy_admits_named_clients_the_servers_and_probes() {
    let member = (names::CLUSTER, "c");
    let shop = json!([
        {"podSelector": {"matchLabels": {"app": "shop"}}},
        {"namespaceSelector": {"matchLabels": {"team": "b"}}},
    ]);
    let table = [
        (json!([]), ("app", "shop"), "n", [false, false, true, true]),
        (json!([]), member, "n", [true, true, true, true]),
        (shop.clone(), ("app", "shop"), "n", [true, true, true, true]),
        (shop.clone(), ("app", "shop"), "other", [false, false, true, true]),
        (shop.clone(), ("app", "other"), "n", [false, false, true, true]),
        (shop.clone(), ("app", "other"), "b", [true, true, true, true]),
        (shop, member, "other", [false, false, true, true]),
    ];
    let ports = [names::SERVER_PORT, names::SENTINEL_PORT, names::CONTROL_PORT, names::HEALTH_PORT];
    for (allowed, label, namespace, expected) in table {
        let spec = json!({"clients": {"sentinel": true, "allowFrom": allowed}});
        let policy = object(&spec, OwnedKind::NetworkPolicy, "c");
        let found = ports.map(|port| admits(&policy, label, namespace, port));
        assert_eq!(found, expected, "{allowed} {label:?} {namespace}");
    }
    let plain =
        object(&json!({"clients": {"allowFrom": [{"podSelector": {}}]}}), OwnedKind::NetworkPolicy, "c");
    assert!(!admits(&plain, ("app", "shop"), "n", names::SENTINEL_PORT), "nobody answers there");
    assert!(admits(&plain, ("app", "shop"), "n", names::SERVER_PORT));
}

#[test]
fn policy_is_there_only_while_the_spec_names_clients() {
    assert_eq!(object(&json!({}), OwnedKind::NetworkPolicy, "c"), Value::Null);
    assert_eq!(object(&json!({"clients": {"sentinel": true}}), OwnedKind::NetworkPolicy, "c"), Value::Null);
    let policy = (OwnedKind::NetworkPolicy, "c".to_owned());
    assert!(unwanted(&desired(&json!({}))).contains(&policy));
    assert!(!unwanted(&desired(&json!({"clients": {"allowFrom": []}}))).contains(&policy));
}

#[test]
fn config_map_has_every_parameter_but_secrets_under_the_prefix() {
    let spec = json!({
        "clients": {"sentinel": true, "primaryName": "mymaster"},
        "connInfoConfigMapTarget": {"name": "shop", "prefix": "REDIS_"},
    });
    let map = object(&spec, OwnedKind::ConfigMap, "shop");
    let expected = json!({
        "REDIS_HOST": "c-leader.n.svc", "REDIS_PORT": "6379", "REDIS_SSL": "disable",
        "REDIS_REPLICA_HOST": "c-replica.n.svc", "REDIS_REPLICA_PORT": "6379",
        "REDIS_SENTINEL_HOST": "c-sentinel.n.svc", "REDIS_SENTINEL_PORT": "26379",
        "REDIS_PRIMARY_NAME": "mymaster",
    });
    assert_eq!(map["data"], expected);
    let plain = json!({"instances": 1, "connInfoConfigMapTarget": {"name": "shop"}});
    let expected = json!({"VALKEY_HOST": "c-leader.n.svc", "VALKEY_PORT": "6379", "VALKEY_SSL": "disable"});
    assert_eq!(object(&plain, OwnedKind::ConfigMap, "shop")["data"], expected);
}

#[test]
fn config_map_of_another_owner_is_named_and_stops_no_server() {
    let mut model = Model::new(desired(&json!({"connInfoConfigMapTarget": {"name": "shop"}})));
    let access = Access { revision: "1".to_owned(), stage: Stage::Settled, wanted: Wanted::Newest };
    let access = AccessSeen::Present(access);
    let mut observed = Observed { password: observed().password, access, ..model.observe() };
    let renew = observed.now + chrono::TimeDelta::days(60);
    observed.authority = crate::Certificates::Present(renew);
    observed.certificate = crate::Certificates::Present(renew);
    observed.lease = crate::LeaseSeen::Unknown;
    for object in owned(&model.desired, &observed) {
        observed.objects.insert((object.kind, object.name), ObjectSeen::Current);
    }
    observed.objects.insert((OwnedKind::ConfigMap, "shop".to_owned()), ObjectSeen::Foreign);
    let decision = decide(&model.desired, &observed);
    assert!(matches!(decision.step, Step::CreatePod(0)), "{:?}", decision.step);
    assert!(
        decision.report.message.contains("ConfigMap shop belongs to another owner"),
        "{:?}",
        decision.report
    );
}

#[test]
fn serving_clients_of_sentinel_replaces_no_pod_and_is_undone() {
    let mut model = Model::new(desired(&json!({})));
    let rest = |model: &mut Model| {
        model.settle();
    };
    rest(&mut model);
    let pods = |model: &Model| model.pods.values().map(|pod| pod.seen.uid.clone()).collect::<Vec<_>>();
    let before = pods(&model);
    for serves in [true, false] {
        model.desired.spec.clients = serde_json::from_value(json!({"sentinel": serves})).unwrap();
        rest(&mut model);
        let service = (OwnedKind::Service, "c-sentinel".to_owned());
        assert_eq!(model.objects.contains_key(&service), serves);
    }
    assert_eq!(pods(&model), before);
}

#[test]
fn cluster_without_tls_has_the_pods_that_it_always_had() {
    let text = crate::pod(&desired(&json!({})), 0).to_string();
    assert!(!text.contains("server-tls") && !text.contains("SERVER_TLS") && !text.contains("6380"), "{text}");
    let settings = object(&json!({}), OwnedKind::ConfigMap, "c-settings").to_string();
    assert!(!settings.contains("SERVER_TLS") && !settings.contains("6380"), "{settings}");
    assert_ne!(
        crate::pod::revision(&desired(&json!({}))),
        crate::pod::revision(&desired(&json!({"tls": {}})))
    );
}

#[test]
fn plaintext_port_is_closed_unless_it_is_asked_for() {
    let ports = |spec: &Value| {
        let service = object(spec, OwnedKind::Service, "c-leader");
        let pod = crate::pod(&desired(spec), 0);
        let numbers = |ports: &Value, name: &str| -> Vec<u64> {
            let ports = ports.as_array().unwrap().iter().filter_map(|port| port[name].as_u64());
            ports.filter(|port| [6379, 6380].contains(port)).collect()
        };
        let container = &pod["spec"]["containers"][0]["ports"];
        (numbers(&service["spec"]["ports"], "port"), numbers(container, "containerPort"))
    };
    assert_eq!(ports(&json!({})), (vec![6379], vec![6379]));
    assert_eq!(ports(&json!({"tls": {}})), (vec![6380], vec![6380]));
    assert_eq!(ports(&json!({"tls": {"plaintext": true}})), (vec![6379, 6380], vec![6379, 6380]));
}
