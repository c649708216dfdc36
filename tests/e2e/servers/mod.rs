//! Services that are real servers. The tests connect with the connection Secret, with TLS verified against the
//! provider's certificate authority, and query the server itself.

mod cache;
mod command_line;
mod data;
mod migration;
mod recipes;
mod settings;
mod takeover;
mod users;

use crate::{cluster, world};
use cache::Cache;
use valkeeper_testbed::{provider::Engine, servers::Binaries, tools};

/// Makes a test of each scenario that needs servers; it reports when there are none.
macro_rules! with_servers {
    ($($scenario:ident),* $(,)?) => {
        mod with_servers {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                crate::servers::run(super::$scenario).await;
            })*
        }
    };
}
use with_servers;

/// Both programs, or `None` after reporting which is missing.
fn binaries() -> Option<Binaries> {
    let (valkey, redis) = (tools::VALKEY_SERVER.or_skip()?, tools::REDIS_SERVER.or_skip()?);
    Binaries::find(Some(&valkey), Some(&redis)).unwrap()
}

async fn run<S, F>(scenario: S)
where
    S: FnOnce(world::World) -> F,
    F: Future<Output = world::World>,
{
    let Some(binaries) = binaries() else { return };
    let engine = Engine::Process { binaries, data: None };
    world::run_with(cluster::Place::Sandbox, engine, scenario).await;
}
