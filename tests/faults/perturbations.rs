//! What others do while the operator works: somebody edits, deletes or replaces the resource at every single
//! call, and the streams that bring it news break in every way.

use crate::{
    canary,
    cluster::Place,
    matrix::{self, Run},
    scenarios::{self, End, Scenario, secret_is_true},
    surroundings::Surroundings,
    world::{NAME, World},
};
use futures::{FutureExt as _, future::BoxFuture};
use kube::api::DeleteParams;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use valkeeper::api::names::OWNER_TAG;
use valkeeper_sandbox::faults::{Inspector, Lane, Mode, Place as Call, Request, Schedule};

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intervention {
    Edit,
    Delete,
    Replace,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_intervenes_at_any_call() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let scenario = named("create");
    let baseline = matrix::run(surroundings.clone(), scenario, Schedule::none()).await;
    let mut runs = 0;
    for intervention in [Intervention::Edit, Intervention::Delete, Intervention::Replace] {
        let all = (0..baseline.calls).map(|number| intervene(surroundings.clone(), intervention, number));
        let violations: Vec<String> = futures::future::join_all(all).await.concat();
        assert!(violations.is_empty(), "{violations:#?}");
        runs += baseline.calls;
    }
    println!("{runs} interventions");
    assert!(canary::leaks().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_news_break_in_every_way() {
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let modes = [
        Mode::Status(410),
        Mode::Status(500),
        Mode::Status(429),
        Mode::Status(403),
        Mode::Reset,
        Mode::Truncated,
        Mode::Malformed,
        Mode::CrashBefore,
        Mode::CrashAfter,
    ];
    let mut runs = Vec::new();
    for number in 0..4 {
        for mode in modes {
            let schedule = Schedule::none().and(Call { lane: Lane::Background, number }, mode);
            runs.push(Run { scenario: named("create"), schedule });
        }
    }
    let outcomes = matrix::run_all(&surroundings, runs, matrix::at_a_time()).await;
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    assert_eq!(failed, 0, "of {} runs; each is printed above", outcomes.len());
}

/// Creates a resource, and intervenes right before call `number`; returns what went wrong.
async fn intervene(
    surroundings: Arc<Surroundings>,
    intervention: Intervention,
    number: usize,
) -> Vec<String> {
    let mut world = World::new(surroundings).await;
    // Nothing but the next turn tells the operator that a resource was replaced.
    world.settings.resync_interval = Duration::from_millis(200);
    world.plan.arm(Schedule::none());
    world.create(json!({})).await;
    world.until(|world| world.valkey().is_some()).await;
    let first = world.uid();
    world.start_operator();
    let calls = Arc::new(AtomicUsize::new(0));
    world.plan.set_inspector(interventions(&world, intervention, number, calls));
    let replaced = |world: &World| {
        let owner =
            world.service().and_then(|service| service["tags"][OWNER_TAG].as_str().map(str::to_owned));
        world.uid().is_some() && world.uid() != first && owner == world.uid() && secret_is_true(world)
    };
    let reached = world
        .reaches(|world| match intervention {
            Intervention::Edit => {
                let tagged = world.service().is_some_and(|service| service["tags"]["env"] == "test");
                tagged && secret_is_true(world)
            }
            Intervention::Delete => world.valkey().is_none() && world.service().is_none(),
            Intervention::Replace => replaced(world),
        })
        .await;
    world.kill_operator().await;
    let mut violations = world.violations.all();
    if !reached {
        violations.push("it does not come to its end".to_owned());
    }
    violations.iter().map(|violation| format!("{intervention:?} at {number}: {violation}")).collect()
}

fn interventions(
    world: &World,
    intervention: Intervention,
    number: usize,
    calls: Arc<AtomicUsize>,
) -> Inspector {
    let valkeys = world.valkeys();
    Arc::new(move |request: Request| -> BoxFuture<'static, ()> {
        let counts = request.lane == Lane::Work;
        if !counts || calls.fetch_add(1, Ordering::Relaxed) != number {
            return futures::future::ready(()).boxed();
        }
        let valkeys = valkeys.clone();
        async move {
            if intervention == Intervention::Edit {
                let patch = kube::api::Patch::Merge(json!({"spec": {"tags": {"env": "test"}}}));
                valkeys.patch(NAME, &kube::api::PatchParams::default(), &patch).await.unwrap();
                return;
            }
            let object = valkeys.get(NAME).await.unwrap();
            valkeys.delete(NAME, &DeleteParams::default()).await.unwrap();
            if intervention == Intervention::Replace {
                // The successor comes as soon as the name is free.
                tokio::spawn(async move {
                    let mut successor = valkeeper::api::Valkey { status: None, ..object };
                    successor.metadata = kube::api::ObjectMeta {
                        name: Some(NAME.to_owned()),
                        ..kube::api::ObjectMeta::default()
                    };
                    while valkeys.create(&kube::api::PostParams::default(), &successor).await.is_err() {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                });
            }
        }
        .boxed()
    })
}

fn named(name: &str) -> Scenario {
    let found = scenarios::all().into_iter().find(|scenario| scenario.name == name);
    let scenario = found.expect("no such scenario");
    assert_eq!(scenario.end, End::Serving);
    scenario
}
