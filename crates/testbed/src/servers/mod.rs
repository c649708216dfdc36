//! Real Valkey and Redis servers behind the services of the simulated provider: processes on loopback
//! with TLS, the settings and users of their service, and data that survives what it survives at the
//! provider. Guarantees that a server ends when the sandbox does, also when the sandbox is killed, and
//! that two sandboxes never meet. What a service should be like is left to the provider; this module
//! only makes it so and reports.

mod access;
mod binaries;
mod certificates;
mod control;
mod gate;
mod keeper;
mod launcher;
mod migration;
mod networks;
mod server;
mod snapshots;
mod wanted;

pub use binaries::{Binaries, Binary};
pub(crate) use keeper::{Keeper, Report};
pub(crate) use migration::Course;
pub(crate) use wanted::{AclUser, Identity, Migration, Phase, Seed, Settings, Wanted};

use anyhow::Context as _;
use certificates::Authority;
use control::Control;
use launcher::Launcher;
use rand::distr::{Alphanumeric, SampleString as _};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// The name under which clients reach every server: one that resolves everywhere. Names such as
/// `cache-project.sandbox.localhost`, which are in the certificates too, resolve on some machines only.
pub(crate) const HOST: &str = "localhost";

/// What all servers of one sandbox share.
pub(crate) struct Servers {
    pub(crate) binaries: Binaries,
    launcher: Launcher,
    authority: Authority,
    /// Password of the user through which the sandbox controls its servers.
    control_password: String,
    /// Where data is.
    data: PathBuf,
    /// Sockets are here: their paths must be short. Holds the data as well unless it is to be kept.
    temporary: TempDir,
    /// Where the servers that run listen with TLS, for their replicas.
    addresses: Mutex<HashMap<Identity, u16>>,
    /// Sockets of the control connections of all servers that were ever kept.
    sockets: Mutex<HashMap<Identity, PathBuf>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Servers").field("data", &self.data).finish_non_exhaustive()
    }
}

impl Servers {
    /// Prepares the folders; data goes to `data`, or to a temporary folder that ends with the sandbox.
    pub(crate) fn prepare(binaries: Binaries, data: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let temporary = tempfile::Builder::new().prefix("valkeeper-servers-").tempdir()?;
        let data = data.map_or_else(|| temporary.path().join("data"), Path::to_path_buf);
        std::fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        // As the kernel names the working folder of a process.
        let data = data.canonicalize()?;
        Ok(Arc::new(Self {
            binaries,
            launcher: Launcher::start()?,
            authority: Authority::open(&data)?,
            control_password: Alphanumeric.sample_string(&mut rand::rng(), 32),
            data,
            temporary,
            addresses: Mutex::default(),
            sockets: Mutex::default(),
        }))
    }

    /// Runs a command on a server as the platform does, which may run those that no user may; the answer as texts.
    pub(crate) async fn command(&self, identity: &Identity, words: &[&str]) -> anyhow::Result<Vec<String>> {
        let socket = {
            let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.get(identity).cloned().context("no server is kept for this service")?
        };
        let mut control = Control::connect(&socket, &self.control_password, 0).await?;
        let answer = control.run(words).await?;
        Ok(redis::from_redis_value(answer)?)
    }

    fn set_socket(&self, identity: &Identity, socket: PathBuf) {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).insert(identity.clone(), socket);
    }

    /// The certificate of the authority that signed every server's certificate, as PEM.
    pub(crate) fn authority(&self) -> &str {
        self.authority.certificate()
    }

    fn folder(&self, identity: &Identity) -> PathBuf {
        self.data.join(identity.folder())
    }

    fn set_address(&self, identity: &Identity, port: Option<u16>) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        match port {
            Some(port) => addresses.insert(identity.clone(), port),
            None => addresses.remove(identity),
        };
    }

    fn address(&self, identity: &Identity) -> Option<u16> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(identity).copied()
    }
}
