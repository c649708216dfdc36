//! The servers behind the services of a run: real ones where their programs are installed, unless the user decides
//! otherwise. The run states which of both it uses.

use super::options::Options;
use anyhow::Context as _;
use clap::ValueEnum;
use std::path::PathBuf;
use valkeeper_testbed::provider::Engine;
use valkeeper_testbed::servers::Binaries;

/// What is behind the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Nothing; endpoints and passwords are made up
    Simulated,
    /// A Valkey or Redis server for each
    Process,
}

/// The engine of a run; data goes to `data` if it is to be kept.
pub(crate) fn choose(options: &Options, data: Option<PathBuf>) -> anyhow::Result<Engine> {
    if options.engine == Some(Choice::Simulated) {
        return Ok(Engine::Simulated);
    }
    let found = Binaries::find(options.valkey_server.as_deref(), options.redis_server.as_deref())?;
    match (found, options.engine) {
        (Some(binaries), _) => Ok(Engine::Process { binaries, data }),
        (None, Some(_)) => Err(anyhow::anyhow!("neither valkey-server nor redis-server is on the PATH"))
            .context("--engine process needs one of them"),
        (None, None) => Ok(Engine::Simulated),
    }
}

/// The engine in a few words.
pub(crate) fn describe(engine: &Engine) -> String {
    match engine {
        Engine::Simulated => "simulated; install valkey-server to connect for real".to_owned(),
        Engine::Process { binaries, .. } => {
            let name = |binary: &valkeeper_testbed::servers::Binary| {
                format!("{} {}", binary.product, binary.version)
            };
            let (valkey, redis) = (name(&binaries.valkey), name(&binaries.redis));
            if valkey == redis {
                format!("real servers, {valkey}")
            } else {
                format!("real servers, {valkey} and {redis}")
            }
        }
    }
}
