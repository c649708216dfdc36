//! The server programs of this machine. Every listed program was run once and reported its version.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Where it is.
    pub path: PathBuf,
    /// `Valkey` or `Redis`, as it calls itself.
    pub product: String,
    /// Its version, for example `8.0.1`.
    pub version: String,
}

/// The programs for both kinds of services; one stands in for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// What `valkey` services run.
    pub valkey: Binary,
    /// What `redis` services run.
    pub redis: Binary,
}

impl Binary {
    /// Runs the program at `path` for its version.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        let output = Command::new(path)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        // For example: Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=39f7c371e0a96e3d
        let product = text.split_whitespace().next().unwrap_or_default();
        let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
        match version {
            Some(version) if text.contains(" server ") => {
                Ok(Self { path: path.to_owned(), product: product.to_owned(), version: version.to_owned() })
            }
            _ => bail!("{} is not a Valkey or Redis server", path.display()),
        }
    }

    fn on_path(name: &str) -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let candidates = std::env::split_paths(&folders).map(|folder| folder.join(name));
        candidates.filter(|path| path.is_file()).find_map(|path| Self::at(&path).ok())
    }
}

impl Binaries {
    /// The given programs, or those on the `PATH`; `None` when there are none at all.
    pub fn find(valkey: Option<&Path>, redis: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let choose = |given: Option<&Path>, name: &str| match given {
            Some(path) => Binary::at(path).map(Some),
            None => Ok(Binary::on_path(name)),
        };
        let (valkey, redis) = (choose(valkey, "valkey-server")?, choose(redis, "redis-server")?);
        Ok(match (valkey, redis) {
            (Some(valkey), Some(redis)) => Some(Self { valkey, redis }),
            (Some(only), None) | (None, Some(only)) => Some(Self { valkey: only.clone(), redis: only }),
            (None, None) => None,
        })
    }
}
