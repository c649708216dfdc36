//! The life of a resource in scenarios: how each is prepared, what happens in it while things go wrong,
//! and what must have become of it in the end.

macro_rules! act {
    (|$world:ident| $body:expr) => {
        |$world: &mut World| async move { $body }.boxed()
    };
}

mod beginnings;
mod changes;
mod endings;
mod truths;
mod users;

use crate::world::{NAME, World, connection};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};

/// Something done to a world.
type Act = for<'a> fn(&'a mut World) -> BoxFuture<'a, ()>;

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Prepares the initial state of the scenario; without faults.
    pub(crate) prepare: Act,
    /// The action of a user.
    pub(crate) act: Act,
    /// The operator is down meanwhile, because no watch delivers the change.
    pub(crate) operator_is_down: bool,
    /// Whether what was to happen has happened.
    pub(crate) goal: fn(&World) -> bool,
    pub(crate) end: End,
}

/// How the world must be in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// One service of ours runs, and the Secret holds its connection.
    Serving,
    /// The service is off, and the Secret is as it was.
    PoweredOff,
    /// Neither resource, nor service, nor Secret.
    Gone,
    /// No resource, but its service.
    Orphaned,
    /// Nothing of what was there before was touched.
    Untouched,
    /// Nothing was written to the provider.
    Paused,
}

const NOTHING: Act = act!(|_world| ());
const READY: Act = act!(|world| ready(world, json!({})).await);

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let scenario = Scenario {
        name: "",
        prepare: NOTHING,
        act: NOTHING,
        operator_is_down: false,
        goal: |world| world.is("True", "Running"),
        end: End::Serving,
    };
    let edited = Scenario { prepare: READY, ..scenario };
    let unseen = Scenario { operator_is_down: true, ..edited };
    [
        beginnings::creations(scenario),
        changes::edits(scenario, edited),
        changes::tokens(scenario),
        changes::switches(scenario),
        changes::shapes(edited),
        changes::maintenance(scenario),
        truths::truths(unseen),
        truths::policies(scenario, unseen),
        endings::endings(scenario, edited),
        users::users(scenario),
    ]
    .concat()
}

async fn ready(world: &mut World, spec: Value) {
    world.create(spec).await;
    world.start_operator();
    world.until(|world| world.is("True", "Running") && secret_is_true(world)).await;
}

/// The resource is ready, and the service has this value.
fn has(world: &World, path: &str, value: &Value) -> bool {
    world.is("True", "Running") && world.service().is_some_and(|service| service.pointer(path) == Some(value))
}

pub(crate) fn secret_is_true(world: &World) -> bool {
    let service = world.service();
    world.is("True", "Running") && world.secret(NAME) == service.as_ref().map(connection)
}
