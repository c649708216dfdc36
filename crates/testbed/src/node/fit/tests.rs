//! Where pods may run, case by case.

use serde_json::{Value, json};

use super::*;

fn node(name: &str, zone: &str, spec: &Value) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone,
        }},
        "spec": spec, "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
    }))
    .unwrap()
}

fn pod(name: &str, on: Option<&str>, spec: &Value) -> Pod {
    let mut spec = spec.clone();
    spec["nodeName"] = on.into();
    spec["containers"] = spec.get("containers").cloned().unwrap_or_else(|| json!([{"name": "c"}]));
    let metadata = json!({"name": name, "namespace": "default", "labels": {"app": "x"}});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn decide(pod: &Pod, bound: &[Pod], volumes: &[PersistentVolume], cordoned: &str) -> Result<String, String> {
    let spec = |name: &str| json!({"unschedulable": name == cordoned});
    let nodes = [("n1", "a"), ("n2", "b"), ("n3", "c")].map(|(name, zone)| node(name, zone, &spec(name)));
    let (nodes, bound): (Vec<&Node>, Vec<&Pod>) = (nodes.iter().collect(), bound.iter().collect());
    let volumes: Vec<&PersistentVolume> = volumes.iter().collect();
    choose(&Scene { pod, nodes: &nodes, bound: &bound, volumes: &volumes })
}

#[test]
fn pods_are_spread_over_nodes() {
    let plain = json!({});
    let bound = [pod("a", Some("n1"), &plain), pod("b", Some("n3"), &plain)];
    assert_eq!(decide(&pod("c", None, &plain), &bound, &[], ""), Ok("n2".to_owned()));
    assert_eq!(decide(&pod("c", None, &plain), &[], &[], "n1"), Ok("n2".to_owned()));
}

#[test]
fn unschedulable_pods_report_the_reason() {
    let anti = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}},
    ]}}});
    let bound = [pod("a", Some("n1"), &anti), pod("b", Some("n2"), &anti)];
    let refused = decide(&pod("c", None, &anti), &bound, &[], "n3").unwrap_err();
    let expected = "0/3 nodes are available: 2 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable.";
    assert_eq!(refused, expected);
    let large = json!({"containers": [{"name": "c", "resources": {"requests": {"memory": "5Gi"}}}]});
    let refused = decide(&pod("c", None, &large), &[], &[], "").unwrap_err();
    assert_eq!(refused, "0/3 nodes are available: 3 Insufficient memory.");
}

#[test]
fn pods_follow_their_volumes_and_selectors() {
    let zone = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["c"]});
    let volume: PersistentVolume = serde_json::from_value(json!({"spec": {"nodeAffinity": {
        "required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]},
    }}}))
    .unwrap();
    let plain = pod("a", None, &json!({}));
    assert_eq!(decide(&plain, &[], std::slice::from_ref(&volume), ""), Ok("n3".to_owned()));
    assert!(
        decide(&plain, &[], &[volume], "n3")
            .unwrap_err()
            .contains("2 node(s) had volume node affinity conflict")
    );
    let selected = json!({"nodeSelector": {"topology.kubernetes.io/zone": "b"}});
    assert_eq!(decide(&pod("a", None, &selected), &[], &[], ""), Ok("n2".to_owned()));
}

#[test]
fn taints_are_tolerated_by_key_value_and_effect() {
    let taint =
        Taint { key: "k".into(), value: Some("v".into()), effect: "NoSchedule".into(), time_added: None };
    let table = [
        (json!({"operator": "Exists"}), true),
        (json!({"key": "k", "operator": "Exists"}), true),
        (json!({"key": "k", "value": "v", "effect": "NoSchedule"}), true),
        (json!({"key": "k", "value": "w"}), false),
        (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), false),
    ];
    for (toleration, expected) in table {
        let parsed: Toleration = serde_json::from_value(toleration.clone()).unwrap();
        assert_eq!(tolerates(&[parsed], &taint), expected, "{toleration}");
    }
}
