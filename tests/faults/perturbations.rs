//! External changes while the operator works: at every single call a user edits, deletes or replaces the resource,
//! deletes its namespace or starts a second operator, or the API server restarts.

use crate::{
    canary,
    cluster::Place,
    matrix::{self, Run},
    oracle::is_creation,
    report,
    scenarios::{self, End, Scenario, secret_is_true},
    surroundings::Surroundings,
    world::{NAME, TOKEN_SECRET, World},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use valkeeper::operator;
use valkeeper_api::{Valkey, names::OWNER_TAG};
use valkeeper_testbed::faults::{Inspector, Lane, Mode, Request, Schedule};

/// An external change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intervention {
    Edit,
    Delete,
    Replace,
    /// Another operator begins to work on the same resources, without any election.
    SecondOperator,
    DeleteNamespace,
    RestartApiServer,
    /// A setting is removed from the resource, and the operator crashes right after the call.
    WithdrawAndCrash,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_change_at_any_call_is_tolerated() {
    use Intervention::{
        Delete, DeleteNamespace, Edit, Replace, RestartApiServer, SecondOperator, WithdrawAndCrash,
    };
    let Some(surroundings) = Surroundings::start(Place::Sandbox).await else { return };
    let baseline = matrix::run(surroundings.clone(), Run::new(named("create"), Schedule::none())).await;
    let interventions =
        [Edit, Delete, Replace, SecondOperator, DeleteNamespace, RestartApiServer, WithdrawAndCrash];
    let all = interventions.into_iter().flat_map(|what| (0..baseline.calls).map(move |call| (what, call)));
    let runs = all.map(|(what, call)| {
        let surroundings = surroundings.clone();
        async move {
            // The other runs would be affected.
            let own = match what {
                RestartApiServer => Surroundings::start(Place::Sandbox).await,
                _ => Some(surroundings),
            };
            tokio::spawn(intervene(own.unwrap(), what, call)).await.unwrap()
        }
    });
    let outcomes: Vec<_> = stream::iter(runs).buffer_unordered(matrix::at_a_time()).collect().await;
    println!("{} interventions", outcomes.len());
    let failures = outcomes.iter().filter(|violations| !violations.is_empty()).count();
    let violations = outcomes.concat();
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(canary::leaks().is_empty());
    let mut table = "| at each call | runs | failures |\n|---|---|---|\n".to_owned();
    for what in interventions {
        let _ = writeln!(table, "| {} | {} | {failures} |", what.in_words(), baseline.calls);
    }
    report::publish("interventions", &table);
}

impl Intervention {
    fn in_words(self) -> &'static str {
        match self {
            Self::Edit => "somebody edits the resource",
            Self::Delete => "somebody deletes it",
            Self::Replace => "somebody deletes it and creates another of its name",
            Self::SecondOperator => "a second operator begins to work beside the first, without election",
            Self::DeleteNamespace => "somebody deletes the namespace",
            Self::RestartApiServer => "the API server starts anew",
            Self::WithdrawAndCrash => "somebody removes a setting, and the operator crashes",
        }
    }
}

/// Creates a resource, and intervenes right before call `number`; returns what went wrong.
async fn intervene(surroundings: Arc<Surroundings>, what: Intervention, number: usize) -> Vec<String> {
    let mut world = World::new(surroundings).await;
    if what != Intervention::Edit {
        // Only the next reconciliation shows the operator that a resource was replaced.
        world.settings.resync_interval = Duration::from_millis(200);
    }
    let crashes = what == Intervention::WithdrawAndCrash;
    world.plan.arm(if crashes { Schedule::single(number, Mode::CrashAfter) } else { Schedule::none() });
    world.create(json!({"userConfig": {"valkey_timeout": 600}})).await;
    world.until(|world| world.valkey().is_some()).await;
    let first = world.uid();
    world.start_operator();
    let second = Arc::default();
    world.plan.set_inspector(inspector(&world, what, number, &second));
    let reached = world.reaches(|world| is_reached(world, what, first.as_deref())).await;
    world.kill_operator().await;
    if let Some(second) = second.lock().unwrap().take() {
        second.abort();
    }
    let mut violations = world.violations.all();
    if !reached {
        violations.push(format!("it does not come to its end: {:?}", world.plan.calls()));
    }
    let creations = world.plan.calls().iter().filter(|call| is_creation(call) && call.executed).count();
    if creations > 1 && what != Intervention::Replace {
        violations.push("a service was created twice".to_owned());
    }
    violations.iter().map(|violation| format!("{what:?} at {number}: {violation}")).collect()
}

fn is_reached(world: &World, what: Intervention, first: Option<&str>) -> bool {
    let service = world.service();
    let owner = service.as_ref().and_then(|service| service["tags"][OWNER_TAG].as_str());
    match what {
        Intervention::Edit => {
            secret_is_true(world) && service.as_ref().is_some_and(|it| it["tags"]["env"] == "test")
        }
        Intervention::Delete => world.valkey().is_none() && service.is_none(),
        Intervention::Replace => {
            let uid = world.uid();
            uid.is_some() && uid.as_deref() != first && owner == uid.as_deref() && secret_is_true(world)
        }
        Intervention::SecondOperator | Intervention::RestartApiServer => {
            secret_is_true(world) && owner == world.uid().as_deref()
        }
        Intervention::WithdrawAndCrash => {
            secret_is_true(world)
                && service.as_ref().is_some_and(|it| it["user_config"]["valkey_timeout"] == 300)
        }
        Intervention::DeleteNamespace => {
            let secrets = [NAME, TOKEN_SECRET].map(|name| world.secret(name));
            let gone = world.valkey().is_none() && secrets.iter().all(Option::is_none);
            // Before the token Secret is protected, it is deleted immediately. Nothing exists at the provider then,
            // but without a token this cannot be verified; the resource reports how to continue.
            service.is_none() && (gone || world.is("False", "TokenMissing"))
        }
    }
}

/// Lets what is to happen happen once, before the call with `number`.
fn inspector(
    world: &World,
    what: Intervention,
    number: usize,
    second: &Arc<Mutex<Option<JoinHandle<()>>>>,
) -> Inspector {
    let (valkeys, namespace) = (world.valkeys(), world.namespace.clone());
    let (surroundings, settings, config) =
        (world.surroundings.clone(), world.settings.clone(), world.operator_config());
    let (calls, second) = (AtomicUsize::new(0), second.clone());
    Arc::new(move |request: Request| -> BoxFuture<'static, ()> {
        if request.lane != Lane::Work || calls.fetch_add(1, Ordering::Relaxed) != number {
            return futures::future::ready(()).boxed();
        }
        let (valkeys, namespace, surroundings) = (valkeys.clone(), namespace.clone(), surroundings.clone());
        let (settings, config, second) = (settings.clone(), config.clone(), second.clone());
        async move {
            match what {
                Intervention::Edit => edit(&valkeys, json!({"tags": {"env": "test"}})).await,
                Intervention::WithdrawAndCrash => edit(&valkeys, json!({"userConfig": null})).await,
                Intervention::Delete => drop(valkeys.delete(NAME, &DeleteParams::default()).await.unwrap()),
                Intervention::Replace => replace(valkeys).await,
                Intervention::SecondOperator => {
                    let client = Client::try_from(config).unwrap();
                    let running = operator::run(settings, client, CancellationToken::new());
                    *second.lock().unwrap() = Some(tokio::spawn(running.map(drop)));
                }
                Intervention::DeleteNamespace => {
                    let namespaces: Api<Namespace> = Api::all(surroundings.client.clone());
                    namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
                }
                Intervention::RestartApiServer => surroundings.restart_api_server().await,
            }
        }
        .boxed()
    })
}

async fn edit(valkeys: &Api<Valkey>, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    valkeys.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
}

/// Deletes the resource; its successor comes as soon as the name is free.
async fn replace(valkeys: Api<Valkey>) {
    let mut successor = Valkey { status: None, ..valkeys.get(NAME).await.unwrap() };
    successor.metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
    valkeys.delete(NAME, &DeleteParams::default()).await.unwrap();
    tokio::spawn(async move {
        while valkeys.create(&PostParams::default(), &successor).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

pub(crate) fn named(name: &str) -> Scenario {
    let found = scenarios::all().into_iter().find(|scenario| scenario.name == name);
    let scenario = found.expect("no such scenario");
    assert!(scenario.end == End::Serving || scenario.end == End::Gone);
    scenario
}
