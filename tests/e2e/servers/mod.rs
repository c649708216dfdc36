//! Services that are real servers: what the connection Secret says is used to connect, with TLS verified
//! against the provider's certificate authority, and the server itself is asked.

mod cache;
mod command_line;
mod data;
mod migration;
mod recipes;
mod settings;

use crate::{cluster, world};
use cache::Cache;
use valkeeper_sandbox::{provider::Engine, servers::Binaries};

/// Makes a test of each scenario that needs servers; it says so when there are none.
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

/// Both programs, or `None` after saying which is missing.
fn binaries() -> Option<Binaries> {
    let found = Binaries::find(None, None).unwrap();
    let both = found.filter(|found| found.valkey.product == "Valkey" && found.redis.product == "Redis");
    if both.is_none() {
        cluster::skip("install valkey-server and redis-server");
    }
    both
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
