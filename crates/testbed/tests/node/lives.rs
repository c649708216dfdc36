//! The lives of single pods.

use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{World, eventually, is_ready, named};

pub(crate) async fn pod_runs_with_its_environment_and_files(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {mode: fast}
---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {role: primary}}
spec:
  initContainers:
  - name: prepare
    image: busybox
    command: [sh, -c, 'echo prepared > /shared/file']
    volumeMounts: [{name: shared, mountPath: /shared}]
  containers:
  - name: main
    image: busybox:1.37
    command: [sh, -c]
    args: ['cat /shared/file /etc/secret/password; echo; echo $(IP) $ROLE $PASSWORD $MODE $POD_NAME; sleep 600']
    env:
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: ROLE, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['role']\"}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: s, key: password}}}
    - {name: MODE, valueFrom: {configMapKeyRef: {name: m, key: mode}}}
    volumeMounts: [{name: shared, mountPath: /shared}, {name: secret, mountPath: /etc/secret}]
  volumes: [{name: shared, emptyDir: {}}, {name: secret, secret: {secretName: s}}]",
        )
        .await;
    world.until_ready("a").await;
    world.until_logged("a", "hunter2 fast").await;
    let status = world.status("a").await;
    let address = status["podIP"].as_str().unwrap();
    let expected = format!("prepared\nhunter2\n{address} primary hunter2 fast a\n");
    assert_eq!(world.log("a").await, expected);
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    let Some((_, shown)) = world.kubectl(&["get", "pods", "-o", "wide"]).await else { return };
    let words: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!([words[0], words[1], words[2], words[3], words[5]], ["a", "1/1", "Running", "0", address]);
    assert!(words[6].starts_with("node-"), "{shown}");
    let (_, log) = world.kubectl(&["logs", "a", "-c", "main", "--tail=1"]).await.unwrap();
    assert_eq!(log, format!("{address} primary hunter2 fast a\n"));
}

pub(crate) async fn crashing_container_restarts_with_back_off(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: main, image: busybox, command: [sh, -c, exit 3]}]}",
        )
        .await;
    let status = eventually("the back-off", || async {
        let status = world.status("a").await["containerStatuses"][0].clone();
        let waits = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        (waits && status["restartCount"].as_u64() >= Some(2)).then_some(status)
    })
    .await;
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(status["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(status["ready"], false);
    world.pods().delete("a", &DeleteParams::default()).await.unwrap();
    eventually("the pod is gone", || async { world.pod("a").await.is_none().then_some(()) }).await;
}

pub(crate) async fn probes_decide_on_readiness_and_restarts(world: World) {
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
    command: [sh, -c, 'echo run >> /state/runs; sleep 600']
    startupProbe: {exec: {command: [test, -e, /state/started]}, periodSeconds: 1, failureThreshold: 100000}
    readinessProbe: {exec: {command: [test, -e, /state/ready]}, periodSeconds: 1, failureThreshold: 1}
    livenessProbe: {exec: {command: [test, '!', -e, /state/dead]}, periodSeconds: 1, failureThreshold: 2}
    volumeMounts: [{name: state, mountPath: /state}]
  volumes: [{name: state, hostPath: {path: STATE}}]"
                .replace("STATE", &state_folder())
                .as_str(),
        )
        .await;
    let folder = std::path::PathBuf::from(state_folder());
    let container = || async { world.status("a").await["containerStatuses"][0].clone() };
    eventually("it runs", || async { container().await["state"].get("running").map(drop) }).await;
    assert_eq!(container().await["started"], false);
    std::fs::write(folder.join("started"), "").unwrap();
    eventually("it has started", || async { (container().await["started"] == true).then_some(()) }).await;
    assert_eq!(container().await["ready"], false);
    std::fs::write(folder.join("ready"), "").unwrap();
    world.until_ready("a").await;
    std::fs::remove_file(folder.join("ready")).unwrap();
    eventually("it is not ready", || async { world.pod("a").await.filter(|pod| !is_ready(pod)) }).await;
    std::fs::write(folder.join("dead"), "").unwrap();
    eventually("it is restarted", || async { (container().await["restartCount"] != 0).then_some(()) }).await;
    let runs = std::fs::read_to_string(folder.join("runs")).unwrap();
    assert!(runs.lines().count() >= 2, "{runs}");
    drop(world);
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder of this thread's scenario.
pub(crate) fn state_folder() -> String {
    let thread = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let folder = std::env::temp_dir().join(format!("node-test-{}-{thread}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.display().to_string()
}

pub(crate) async fn secret_update_reaches_the_mounted_file(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {a: one, b: one}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'while :; do cat /s/a /s/b; echo; sleep 0.02; done']
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, secret: {secretName: s}}]",
        )
        .await;
    world.until_logged("a", "oneone\n").await;
    world.patch::<Secret>("s", json!({"stringData": {"a": "two", "b": "two"}})).await;
    world.until_logged("a", "twotwo\n").await;
}

pub(crate) async fn volume_survives_its_pod(world: World) {
    let pod = |name: &str, script: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
  - name: main
    image: busybox
    command: [sh, -c, '{script}; sleep 600']
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: c}}}}]"
        )
    };
    world
        .apply(
            "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
        )
        .await;
    world.apply(&pod("a", "echo kept > /data/file; echo written")).await;
    world.until_logged("a", "written").await;
    let first = world.until_ready("a").await;
    world.pods().delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    world.apply(&pod("b", "cat /data/file")).await;
    world.until_logged("b", "kept").await;
    let second = world.until_ready("b").await;
    assert_eq!(crate::world::node_of(&first), crate::world::node_of(&second));
    let claims = world.api::<k8s_openapi::api::core::v1::PersistentVolumeClaim>();
    let grown = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    world.patch::<k8s_openapi::api::core::v1::PersistentVolumeClaim>("c", grown).await;
    eventually("the claim has grown", || async {
        let status = claims.get("c").await.unwrap().status?;
        (status.capacity?.get("storage")?.0 == "2Gi").then_some(())
    })
    .await;
    claims.delete("c", &DeleteParams::default()).await.unwrap();
    world.pods().delete("b", &DeleteParams::default().grace_period(1)).await.unwrap();
    eventually("the claim is gone", || async { claims.get_opt("c").await.unwrap().is_none().then_some(()) })
        .await;
    let volumes: kube::Api<k8s_openapi::api::core::v1::PersistentVolume> =
        kube::Api::all(world.client.clone());
    eventually("the volume is gone", || async {
        volumes.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty().then_some(())
    })
    .await;
}

pub(crate) async fn pod_ends_politely_within_its_grace(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: polite
    image: busybox
    command: [sh, -c, 'trap \"echo term >> /state/order; exit 0\" TERM; echo up; while :; do sleep 0.02; done']
    lifecycle: {preStop: {exec: {command: [sh, -c, echo hook >> /state/order]}}}
    volumeMounts: [{name: state, mountPath: /state}]
  - name: deaf
    image: busybox
    command: [sh, -c, 'trap \"\" TERM; while :; do sleep 0.02; done']
  volumes: [{name: state, hostPath: {path: STATE}}]"
                .replace("STATE", &state_folder())
                .as_str(),
        )
        .await;
    let pod = world.until_ready("a").await;
    let processes = world.nodes.processes(&named("a"));
    assert_eq!(processes.len(), 2);
    world.pods().delete("a", &DeleteParams::default()).await.unwrap();
    let seen = world.pod("a").await.unwrap();
    assert_eq!(crate::world::uid_of(&seen), crate::world::uid_of(&pod));
    assert_eq!(seen.metadata.deletion_grace_period_seconds, Some(2));
    eventually("the pod is gone", || async { world.pod("a").await.is_none().then_some(()) }).await;
    assert!(processes.iter().all(|(_, process)| !crate::world::is_alive(*process)));
    let folder = state_folder();
    assert_eq!(std::fs::read_to_string(format!("{folder}/order")).unwrap(), "hook\nterm\n");
    std::fs::remove_dir_all(folder).unwrap();
}

pub(crate) async fn unknown_image_is_not_pulled(world: World) {
    world
        .apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: main, image: 'example.com/nothing:1'}]}",
        )
        .await;
    eventually("the pull fails", || async {
        let status = world.status("a").await;
        let reason = status["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
        (reason == "ImagePullBackOff" && status["phase"] == "Pending").then_some(())
    })
    .await;
}
