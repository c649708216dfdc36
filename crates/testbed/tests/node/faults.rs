//! Faults by name: each has its documented effect, and its end undoes it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use valkeeper_testbed::node::{Company, Lasting, NodeFault, NodeOptions, NodeSchedule};
use valkeeper_testbed::tools;

use crate::world::{World, eventually, is_alive, is_ready, named};

fn shell(name: &str, script: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, '{script}']"
    )
}

pub(crate) async fn manager_and_server_fail_one_by_one(world: World) {
    let Some(program) = tools::VALKEY_SERVER.or_skip() else { return };
    // As a manager does: the server is in another group (`timeout` makes one), and the manager stays.
    let server = format!("{} --port 6379 --bind $POD_IP --protected-mode no", program.display());
    let script = format!("while :; do timeout 600 {server}; echo ended; done");
    let pod =
        shell("a", &script) + "\n    env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]";
    world.apply(&pod).await;
    let host = world.until_ready("a").await.status.unwrap().pod_ip.unwrap();
    let address = format!("{host}:6379");
    let answers = || async { ask(&address, &["PING"]).await };
    eventually("the server answers", answers).await;
    let pid = || async {
        let info = ask(&address, &["INFO", "server"]).await?;
        info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse::<u32>().ok())
    };
    let first = pid().await.unwrap();
    let manager = world.nodes.processes(&named("a"))[0].1;
    let begin = |lasting: &Lasting| world.nodes.inject(&NodeFault::Begin(lasting.clone())).unwrap();
    let end = |lasting: &Lasting| world.nodes.inject(&NodeFault::End(lasting.clone())).unwrap();
    let frozen = Lasting::FreezeServer(named("a"));
    begin(&frozen);
    until_stopped(first).await;
    assert!(!is_stopped(manager));
    assert_eq!(answers().await, None);
    end(&frozen);
    eventually("the server answers again", answers).await;
    let frozen = Lasting::FreezeManager(named("a"));
    begin(&frozen);
    until_stopped(manager).await;
    assert!(!is_stopped(first));
    assert!(answers().await.is_some());
    end(&frozen);
    world.nodes.inject(&NodeFault::Freeze(named("a"))).unwrap();
    // As a whole.
    until_stopped(first).await;
    until_stopped(manager).await;
    world.nodes.inject(&NodeFault::Thaw(named("a"))).unwrap();
    world.nodes.inject(&NodeFault::KillServer(named("a"))).unwrap();
    world.until_logged("a", "ended").await;
    let second = eventually("another server", || async { pid().await.filter(|pid| *pid != first) }).await;
    assert_eq!(world.nodes.processes(&named("a"))[0].1, manager);
    world.nodes.inject(&NodeFault::KillManager(named("a"))).unwrap();
    eventually("the container ends as a whole", || async { (!is_alive(second)).then_some(()) }).await;
    eventually("it is started again", || async { pid().await.filter(|pid| *pid != second) }).await;
}

async fn until_stopped(process: u32) {
    eventually("it stands still", || async { is_stopped(process).then_some(()) }).await;
}

fn is_stopped(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap().contains(") T ")
}

/// Sends a command to a server; none if it does not answer soon.
pub(crate) async fn ask(address: &str, command: &[&str]) -> Option<String> {
    let answer = async {
        let client = redis::Client::open(format!("redis://{address}/")).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut call = redis::cmd(command[0]);
        call.arg(&command[1..]);
        call.query_async(&mut connection).await.ok()
    };
    tokio::time::timeout(Duration::from_secs(2), answer).await.ok()?
}

pub(crate) async fn missing_image_stops_the_next_start_only(world: World) {
    world.apply(&shell("a", "sleep 600")).await;
    world.until_ready("a").await;
    let schedule: NodeSchedule = "0s miss image busybox\n0s kill pod default/a\n".parse().unwrap();
    let missed = world.nodes.play(&schedule, &Company::default()).await.unwrap();
    assert_eq!(missed, Vec::<String>::new());
    eventually("the pull fails", || async {
        let status = world.status("a").await;
        let reason = status["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
        (reason == "ImagePullBackOff").then_some(())
    })
    .await;
    world.nodes.heal();
    world.until_ready("a").await;
}

pub(crate) async fn api_outage_stops_pods_and_kubelets_from_reaching_it(world: World) {
    let Some(kubectl) = tools::KUBECTL.or_skip() else { return };
    let get = format!("{} --request-timeout=2s get configmaps m -o name", kubectl.display());
    let folder = crate::lives::state_folder();
    let failed = std::path::Path::new(&folder).join("failed");
    let file = failed.display();
    let script = format!("while :; do if {get}; then echo reached; else touch {file}; fi; sleep 0.2; done");
    world.apply("\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}").await;
    world.apply(&shell("a", &script)).await;
    world.until_logged("a", "reached").await;
    let outage = Lasting::ApiOutage;
    world.nodes.inject(&NodeFault::Begin(outage.clone())).unwrap();
    let maps: Api<ConfigMap> = world.api();
    assert!(maps.get_opt("m").await.unwrap().is_some(), "this test has a way of its own");
    // Longer than pods tolerate a silent node: no pod is deleted when the API is back.
    tokio::time::sleep(Duration::from_secs(18)).await;
    // What is not there for kubelets is not started.
    world.apply(&shell("b", "sleep 600")).await;
    eventually("the pod does not reach it", || async { failed.exists().then_some(()) }).await;
    assert!(!world.pod("b").await.is_some_and(|pod| is_ready(&pod)));
    world.nodes.inject(&NodeFault::End(outage)).unwrap();
    world.until_ready("b").await;
    assert!(world.pod("a").await.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()));
    let slow = Lasting::ApiSlow(Duration::from_millis(700));
    world.nodes.inject(&NodeFault::Begin(slow.clone())).unwrap();
    let begun = std::time::Instant::now();
    world.apply(&shell("c", "sleep 600")).await;
    world.until_ready("c").await;
    // Bound by a slow scheduler, and reported by a slow kubelet.
    assert!(begun.elapsed() >= Duration::from_millis(1_400));
    world.nodes.inject(&NodeFault::End(slow)).unwrap();
    drop(world);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clock_of_a_pod_is_shifted_and_no_other_one() {
    if tools::FAKETIME.or_skip().is_none() {
        return;
    }
    let world = World::with_options(NodeOptions { clocks: true, ..NodeOptions::default() }).await;
    for name in ["a", "b"] {
        world.apply(&shell(name, "while :; do echo year $(date +%Y); sleep 0.05; done")).await;
        world.until_ready(name).await;
    }
    let year = || async { world.log("b").await.lines().last().unwrap_or_default().to_owned() };
    let true_year =
        eventually("a year", || async { Some(year().await).filter(|year| !year.is_empty()) }).await;
    let later = Lasting::ClockShift(named("a"), 10 * 366 * 24 * 3600);
    world.nodes.inject(&NodeFault::Begin(later)).unwrap();
    let last = || async { world.log("a").await.lines().last().unwrap_or_default().to_owned() };
    let is_year = |line: &String| line.starts_with("year ");
    eventually("another year", || async {
        Some(last().await).filter(|line| is_year(line) && *line != true_year)
    })
    .await;
    assert_eq!(year().await, true_year);
    world.nodes.heal();
    eventually("the true year", || async { (last().await == true_year).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_volume_delays_what_waits_for_the_disk() {
    if tools::STRACE.or_skip().is_none() {
        return;
    }
    let world = World::embedded().await;
    let script = "while :; do echo x | dd of=file conv=fsync 2>/dev/null; echo $(date +%s%N); done";
    world.apply(&shell("a", script)).await;
    world.until_ready("a").await;
    // The longest of the last synchronizations.
    let slowest = || async {
        let log = world.log("a").await;
        let times: Vec<u64> = log.lines().flat_map(str::parse).collect();
        let last = &times[times.len().saturating_sub(5)..];
        last.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).min()
    };
    eventually("fast synchronizations", || async { slowest().await.filter(|millis| *millis < 300) }).await;
    let slow = Lasting::SlowVolumes(named("a"), Duration::from_millis(300));
    world.nodes.inject(&NodeFault::Begin(slow)).unwrap();
    eventually("slow ones", || async { slowest().await.filter(|millis| *millis >= 300) }).await;
    world.nodes.heal();
    eventually("fast ones again", || async { slowest().await.filter(|millis| *millis < 300) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mode_cannot_do_is_refused_with_the_reason() {
    let world = World::embedded().await;
    world.apply(&shell("a", "sleep 600")).await;
    world.until_ready("a").await;
    for (line, reason) in [
        ("split default/a from api", "isolated mode"),
        ("delay default/a to default/b by 1s", "isolated mode"),
        ("fill claim default/c", "unshare --mount"),
        ("shift clock of default/a by +1s", "NodeOptions::clocks"),
        ("kill server default/a", "no server of pod default/a runs"),
        ("end stop api", "no fault: stop api"),
    ] {
        let error = world.nodes.inject(&line.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(reason), "{line}: {error}");
    }
}
