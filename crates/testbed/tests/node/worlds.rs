//! Sets of nodes: side by side, and at their end.

use valkeeper_testbed::node::{NodeFault, PodName};

use crate::world::{World, eventually, is_alive, named};

const SLEEPER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: main, image: busybox, command: [sh, -c, 'sleep 600 & wait']}]}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worlds_run_side_by_side_and_leave_no_process() {
    let (first, second) = tokio::join!(World::embedded(), World::embedded());
    assert_ne!(first.nodes.address("node-1"), second.nodes.address("node-1"));
    first.apply(SLEEPER).await;
    second.apply(SLEEPER).await;
    first.until_ready("a").await;
    second.until_ready("a").await;
    let of = |world: &World| world.nodes.processes(&named("a")).remove(0).1;
    let (one, other) = (of(&first), of(&second));
    // What is stopped is killed all the same.
    first.nodes.inject(&NodeFault::Freeze(named("a"))).unwrap();
    first.nodes.stop().await;
    assert!(!is_alive(one) && is_alive(other));
    drop(second);
    eventually("the other process is gone", || async { (!is_alive(other)).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_what_is_not_there_are_refused() {
    let world = World::embedded().await;
    let pod = PodName { namespace: "default".to_owned(), name: "nobody".to_owned() };
    assert!(world.nodes.inject(&NodeFault::Kill(pod)).is_err());
    assert!(world.nodes.inject(&NodeFault::Vanish("node-9".to_owned())).is_err());
    assert_eq!(world.nodes.names(), ["node-1", "node-2", "node-3"]);
}
