//! Evictions, cordons, and nodes that vanish.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, EvictParams, Patch, PatchParams};
use serde_json::json;
use valkeeper_testbed::node::NodeFault;

use crate::world::{World, eventually, is_alive, is_ready, named, node_of};

fn sleeper(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: x}}}}
spec:
  terminationGracePeriodSeconds: 1
  tolerations:
  - {{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 20}}
  containers: [{{name: main, image: busybox, command: [sleep, '600']}}]"
    )
}

pub(crate) async fn eviction_respects_the_budget(world: World) {
    for name in ["a", "b", "c"] {
        world.apply(&sleeper(name)).await;
    }
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(node_of(&world.until_ready(name).await));
    }
    nodes.sort();
    assert_eq!(nodes, ["node-1", "node-2", "node-3"]);
    world
        .apply(
            "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guard}
spec: {minAvailable: 2, selector: {matchLabels: {app: x}}}",
        )
        .await;
    let budgets: Api<PodDisruptionBudget> = world.api();
    let allowed = |count: i32| {
        let budgets = budgets.clone();
        async move {
            let status = budgets.get("guard").await.unwrap().status?;
            (status.disruptions_allowed == Some(count)).then_some(())
        }
    };
    eventually("one eviction is allowed", || allowed(1)).await;
    world.pods().evict("a", &EvictParams::default()).await.unwrap();
    let refused = world.pods().evict("b", &EvictParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(answer) if answer.code == 429), "{refused}");
    eventually("a is gone", || async { world.pod("a").await.is_none().then_some(()) }).await;
    eventually("no eviction is allowed", || allowed(0)).await;
    world.apply(&sleeper("d")).await;
    world.until_ready("d").await;
    let node = node_of(&world.until_ready("b").await);
    let Some((drained, text)) =
        world.kubectl(&["drain", &node, "--force", "--ignore-daemonsets", "--timeout=60s"]).await
    else {
        return;
    };
    assert!(drained, "{text}");
    eventually("b is gone", || async { world.pod("b").await.is_none().then_some(()) }).await;
    assert!(world.pod("c").await.is_some_and(|pod| is_ready(&pod)));
}

pub(crate) async fn lost_node_leaves_its_process_running(world: World) {
    world.apply(&sleeper("a")).await;
    let node = node_of(&world.until_ready("a").await);
    let (_, process) = world.nodes.processes(&named("a")).remove(0);
    world.nodes.inject(&NodeFault::Vanish(node.clone())).unwrap();
    let nodes: Api<Node> = Api::all(world.client.clone());
    let ready = || async {
        let conditions = nodes.get(&node).await.unwrap().status?.conditions?;
        conditions.into_iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status)
    };
    eventually("the node is unreachable", || async { ready().await.filter(|status| status == "Unknown") })
        .await;
    eventually("the pod is not ready", || async { world.pod("a").await.filter(|pod| !is_ready(pod)) }).await;
    eventually("the pod is being deleted", || async {
        world.pod("a").await.filter(|pod| pod.metadata.deletion_timestamp.is_some())
    })
    .await;
    // Its grace period is over, but its end cannot be confirmed.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(world.pod("a").await.is_some());
    assert!(is_alive(process));
    world.nodes.inject(&NodeFault::Return(node.clone())).unwrap();
    eventually("the pod is gone", || async { world.pod("a").await.is_none().then_some(()) }).await;
    assert!(!is_alive(process));
    eventually("the node is ready", || async { ready().await.filter(|status| status == "True") }).await;
    eventually("the node takes pods", || async {
        let taints = nodes.get(&node).await.unwrap().spec.and_then(|spec| spec.taints);
        taints.unwrap_or_default().is_empty().then_some(())
    })
    .await;
}

/// As after an outage of the API, when all nodes seemed lost.
pub(crate) async fn readiness_that_another_writer_changed_is_reported_again(world: World) {
    world.apply(&sleeper("a")).await;
    world.until_ready("a").await;
    let pods: Api<Pod> = world.api();
    let patch = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let changed = pods.patch_status("a", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    assert!(!is_ready(&changed));
    world.until_ready("a").await;
}

pub(crate) async fn frozen_pod_is_not_ready_until_it_thaws(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'while :; do date +%s%N > /state/beat.new; mv /state/beat.new /state/beat; sleep 0.02; done']
    readinessProbe:
      exec: {command: [sh, -c, 'find /state/beat -newermt \"-2 seconds\" | grep -q beat']}
      periodSeconds: 1
      failureThreshold: 1
    volumeMounts: [{name: state, mountPath: /state}]
  volumes: [{name: state, emptyDir: {}}]",
        )
        .await;
    world.until_ready("a").await;
    let (_, process) = world.nodes.processes(&named("a")).remove(0);
    world.nodes.inject(&NodeFault::Freeze(named("a"))).unwrap();
    eventually("it is not ready", || async { world.pod("a").await.filter(|pod| !is_ready(pod)) }).await;
    world.nodes.inject(&NodeFault::Thaw(named("a"))).unwrap();
    world.until_ready("a").await;
    world.nodes.inject(&NodeFault::Kill(named("a"))).unwrap();
    eventually("it was restarted", || async {
        let status = world.status("a").await["containerStatuses"][0].clone();
        let killed = status["lastState"]["terminated"]["exitCode"] == 137;
        (killed && status["restartCount"] == 1).then_some(())
    })
    .await;
    assert!(!is_alive(process));
}

pub(crate) async fn cordoned_node_takes_no_pods(world: World) {
    let Some((done, text)) = world.kubectl(&["cordon", "node-1", "node-2"]).await else { return };
    assert!(done, "{text}");
    for name in ["a", "b"] {
        world.apply(&sleeper(name)).await;
        assert_eq!(node_of(&world.until_ready(name).await), "node-3");
    }
    world.kubectl(&["cordon", "node-3"]).await;
    world.apply(&sleeper("c")).await;
    let condition = eventually("it is unschedulable", || async {
        let conditions = world.pod("c").await?.status?.conditions?;
        conditions.into_iter().find(|condition| condition.reason.as_deref() == Some("Unschedulable"))
    })
    .await;
    let expected = "0/3 nodes are available: 3 node(s) were unschedulable.";
    assert_eq!(condition.message.as_deref(), Some(expected));
    world.pods().delete("c", &DeleteParams::default()).await.unwrap();
    assert!(world.pod("c").await.is_none());
}
