//! Servers that get more memory while they run.

use crate::asking::until;
use crate::life::ready_with;
use crate::world::{World, named};
use crate::writer::{Writer, missing};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use valkeeper_testbed::node::NodeFault;

async fn max_memory(url: String) -> String {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let found: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut connection).await.unwrap();
    found[1].clone()
}

async fn pod(world: &World, name: &str) -> Value {
    json!(world.api::<Pod>().get(name).await.unwrap())
}

async fn more_memory_replaces_no_pod_and_ends_no_connection(world: World) {
    world.create("trio", json!({"resources": {"memory": "64Mi", "cpu": "20m"}})).await;
    let primary = world.until_ready("trio").await["currentPrimary"].clone();
    let before = world.pod_uids().await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    let client = redis::Client::open(world.url("trio", "leader").await).unwrap();
    // It does not connect again.
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    until("writes", async || (writer.count() > 100).then_some(())).await;
    world.change("trio", json!({"resources": {"memory": "96Mi", "cpu": "30m"}})).await;
    world.until_status("trio", "resized", ready_with(3)).await;
    assert_eq!(world.pod_uids().await, before);
    for name in before.keys() {
        let resources = pod(&world, name).await["status"]["containerStatuses"][0]["resources"].clone();
        assert_eq!(
            (&resources["limits"]["memory"], &resources["requests"]["cpu"]),
            (&json!("96Mi"), &json!("30m"))
        );
    }
    for service in ["leader", "replica"] {
        // 75 % of 96 mebibytes.
        assert_eq!(max_memory(world.url("trio", service).await).await, "75497400", "{service}");
    }
    let pong: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
    assert_eq!(pong, "PONG");
    let arithmetic = json!({"limitBytes": 100_663_296, "percent": 75, "maxMemoryBytes": 75_497_400});
    assert_eq!(world.status("trio").await["memory"], arithmetic);
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
    let events: Vec<_> =
        world.events().await.into_iter().filter(|event| event.starts_with("PodResized")).collect();
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[2].contains(primary.as_str().unwrap()), "the primary is last: {events:?}");
}

async fn pod_moves_where_its_node_has_no_room_for_more_memory(world: World) {
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let node = pod(&world, "trio-2").await["spec"]["nodeName"].clone();
    // All but half a gibibyte of its node.
    let filler = json!({
        "metadata": {"name": "filler"},
        "spec": {
            "nodeName": node, "automountServiceAccountToken": false,
            "containers": [{"name": "filler", "image": "none:1", "resources": {"requests": {"memory": "15872Mi"}}}],
        },
    });
    let filler = serde_json::from_value(filler).unwrap();
    world.api::<Pod>().create(&PostParams::default(), &filler).await.unwrap();
    let before = world.pod_uids().await;
    world.change("trio", json!({"resources": {"memory": "1Gi"}})).await;
    world.until_status("trio", "updated", ready_with(3)).await;
    let after = world.pod_uids().await;
    let moved: Vec<_> =
        before.iter().filter(|(name, uid)| after[*name] != **uid).map(|(name, _)| name).collect();
    assert_eq!(moved, ["trio-2"]);
    assert_ne!(pod(&world, "trio-2").await["spec"]["nodeName"], node);
}

/// As a quota or a limit of the namespace does.
async fn refuse_pods_with(world: &World, memory: &str) {
    let policy = json!({
        "metadata": {"name": "small"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "pods/resize"],
                "operations": ["CREATE", "UPDATE"],
            }]},
            "validations": [{
                "expression": format!("object.spec.containers.all(one, one.resources.limits.memory != '{memory}')"),
                "message": "no container is that large here",
            }],
        },
    });
    let binding = json!({
        "metadata": {"name": "small"}, "spec": {"policyName": "small", "validationActions": ["Deny"]},
    });
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(policy).unwrap();
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(binding).unwrap();
    Api::all(world.client.clone()).create(&PostParams::default(), &policy).await.unwrap();
    Api::all(world.client.clone()).create(&PostParams::default(), &binding).await.unwrap();
    let large = json!({
        "metadata": {"name": "large"},
        "spec": {"containers": [{"name": "c", "image": "none:1", "resources": {"limits": {"memory": memory}}}]},
    });
    let large = serde_json::from_value(large).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    until("the policy is in force", async || world.api::<Pod>().create(&dry, &large).await.err()).await;
}

/// The sandbox has no admission policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pod_stays_where_more_memory_is_refused_for_any_pod() {
    let Some(world) = World::real().await else { return };
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let before = world.pod_uids().await;
    refuse_pods_with(&world, "96Mi").await;
    world.change("trio", json!({"resources": {"memory": "96Mi"}})).await;
    let is_refused = |status: &Value| status["Ready"]["reason"] == "ResizeRefused";
    let status = world.until_status("trio", "refused", is_refused).await;
    let message = status["Ready"]["message"].as_str().unwrap();
    assert!(message.contains("no container is that large here"), "{message}");
    // Its servers go on, also one that is started again.
    world.nodes.inject(&NodeFault::KillServer(named("trio-2"))).unwrap();
    world.change("trio", json!({"resources": {"memory": "64Mi"}})).await;
    world.until_status("trio", "as before", |status| ready_with(3)(status) && !is_refused(status)).await;
    assert_eq!(world.pod_uids().await, before);
}

crate::scenarios!(
    more_memory_replaces_no_pod_and_ends_no_connection;
    pod_moves_where_its_node_has_no_room_for_more_memory,
);
