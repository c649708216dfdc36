//! What a held instance does, and which verbs it takes.

use crate::{
    operator::Operator,
    world::{Setup, World, all_programs, valkey},
    writer::Writer,
};
use rustix::process::Signal;
use valkeeper_failover::{Term, protocol::Role};
use valkeeper_instance::{
    client::{CallError, Place},
    status::RefusalReason,
};
use valkeeper_server::ErrorClass;

#[tokio::test(flavor = "multi_thread")]
async fn server_refuses_writes_at_every_start_until_it_is_promoted() {
    for program in all_programs() {
        let setup = Setup { server: "  persistence: AppendOnly\n".to_owned(), ..Setup::default() };
        let mut world = World::new(&program, 1, &setup);
        for start in 1..=3_u64 {
            // Before there is a server, so that the first instant is covered.
            let writer = Writer::stubborn(&world.nodes[0]);
            world.nodes[0].start();
            let status = world.nodes[0].until("held", |status| status.status.role == Role::Held).await;
            assert_eq!(status.status.identity.boot, start);
            let mut server = world.nodes[0].server().await.unwrap();
            let refused = server.call(&["SET", "key", "1"]).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::ReadOnly);
            assert_eq!(writer.stop().len(), 0);
            if start == 1 {
                world.nodes[0].client.hold(Term(1)).await.unwrap();
                world.nodes[0].client.promote(Term(1), 1).await.unwrap();
                server.call(&["SET", "key", "1"]).await.unwrap();
            } else {
                assert_eq!(server.key_count().await.unwrap(), 1, "reads are answered");
                assert_eq!(status.status.seen, Term(1));
                assert_eq!(status.status.position.unwrap().term, Term(1), "the term is kept beside the data");
                assert!(!status.status.live);
            }
            world.nodes[0].signal(Signal::TERM);
            assert!(world.nodes[0].ended().await);
        }
    }
}

fn reason<T: std::fmt::Debug>(answer: Result<T, CallError>) -> RefusalReason {
    match answer {
        Err(CallError::Refused(refusal)) => refusal.refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_of_an_older_term_are_refused() {
    let Some(program) = valkey() else { return };
    let mut world = World::started(&program, 1, &Setup::default()).await;
    world.nodes[0].client.hold(Term(5)).await.unwrap();
    let restarted = async |world: &mut World| {
        world.nodes[0].kill();
        world.nodes[0].start();
        world.nodes[0].until("held", |status| status.status.role == Role::Held).await;
    };
    for _ in 0..2 {
        let (client, host) = (&world.nodes[0].client, &world.nodes[0].host);
        assert_eq!(reason(client.promote(Term(4), 1).await), RefusalReason::Stale);
        assert_eq!(reason(client.hold(Term(4)).await), RefusalReason::Stale);
        assert_eq!(reason(client.kick(Term(4)).await), RefusalReason::Stale);
        assert_eq!(reason(client.reload(Term(4)).await), RefusalReason::Stale);
        let place = Place { host, port: 6379, tls_port: None };
        assert_eq!(reason(client.follow(Term(4), &"b".into(), place).await), RefusalReason::Stale);
        assert_eq!(world.writable().await, []);
        restarted(&mut world).await;
    }
    // Whoever elected it did so for what it had before its last start.
    assert_eq!(reason(world.nodes[0].client.promote(Term(5), 1).await), RefusalReason::NotHeld);
    assert!(world.nodes[0].client.status().await.unwrap().status.restarted);
    let held = world.nodes[0].client.hold(Term(5)).await.unwrap();
    assert!(!held.status.restarted);
    let answer = world.nodes[0].client.promote(Term(5), 1).await.unwrap();
    assert_eq!(answer.status.role, Role::Primary(Term(5)));
    assert_eq!(reason(world.nodes[0].client.promote(Term(5), 2).await), RefusalReason::Stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_term_survives_a_kill_right_after_the_answer() {
    let Some(program) = valkey() else { return };
    let mut world = World::started(&program, 1, &Setup::default()).await;
    for term in 2..12 {
        let term = Term(term);
        world.nodes[0].client.hold(term).await.unwrap();
        world.nodes[0].kill();
        world.nodes[0].start();
        world.nodes[0].until("held", |status| status.status.role == Role::Held).await;
        assert_eq!(world.nodes[0].client.status().await.unwrap().status.seen, term);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_without_the_lease_leaves_the_server_held() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 1, &Setup::default()).await;
    world.nodes[0].client.hold(Term(1)).await.unwrap();
    let answer = world.nodes[0].client.promote(Term(1), 99).await.unwrap();
    assert_eq!(answer.status.role, Role::Held);
    world.nodes[0].cut_lease();
    let answer = world.nodes[0].client.promote(Term(2), 1).await.unwrap();
    assert_eq!(answer.status.role, Role::Held);
    assert_eq!(world.writable().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_follow_the_role() {
    for program in all_programs() {
        let world = World::started(&program, 1, &Setup::default()).await;
        let get = async |path: &str| {
            let response =
                world.http.get(format!("http://{}:8080{path}", world.nodes[0].host)).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(get("/healthz").await.0, 200);
        assert_eq!(get("/readyz").await.0, 503);
        assert!(get("/metrics").await.1.contains("redis_instance_info{role=\"slave\""));
        Operator::new().settled(&world).await;
        assert_eq!(get("/readyz").await.0, 200);
        let metrics = get("/metrics").await.1;
        for part in ["role=\"master\"", "redis_memory_used_bytes", "redis_commands_total{cmd=", "redis_up 1"]
        {
            assert!(metrics.contains(part), "{part} is missing in\n{metrics}");
        }
        assert!(metrics.contains("valkeeper_instance_role{role=\"primary\"} 1"));
    }
}
