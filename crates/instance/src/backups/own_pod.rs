//! Verifies a backup in a pod of its own, where no instance has room for a second server. The operator says by variables
//! what to verify, the Secrets are mounted, and what was found is the termination message of the container.
//!
//! Guarantees: the message holds no credential, and is short enough for a kubelet to read all of it.

use super::{Verification, open, scratch, stored};
use crate::{run::InstanceError, silent};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use valkeeper_backup::{Credentials, Destination, SecretData};

/// The variables of the container.
const VERIFICATION: &str = "VERIFICATION";
const POD_NAME: &str = "POD_NAME";
const DATA_DIR: &str = "DATA_DIR";
const RUN_DIR: &str = "RUN_DIR";
const TERMINATION_LOG: &str = "TERMINATION_LOG";

/// Letters of a message. As JSON they are six bytes at most each, and a kubelet reads 4096.
const LONGEST: usize = 600;

/// The backup that a pod of its own verifies, and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerificationOrder {
    /// The key of the backup in the store.
    pub key: String,
    /// Where it is stored.
    pub destination: Destination,
    /// The program of the server.
    pub program: PathBuf,
    /// Bytes of memory of the container.
    pub memory: u64,
    /// The Secret with the keys of the store, by name and folder; none with the identity of the pod.
    #[serde(default)]
    pub credentials: Option<MountedSecret>,
    /// The Secret with the key that data is encrypted with.
    #[serde(default)]
    pub encryption: Option<MountedSecret>,
}

/// A Secret that is mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountedSecret {
    /// Its name, for messages.
    pub name: String,
    /// The variable with the folder of its keys.
    pub folder: String,
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Verifies, and leaves what was found where a kubelet reads it.
pub(crate) async fn verify(environment: Environment<'_>) -> Result<(), InstanceError> {
    let found = attempt(environment)
        .await
        .unwrap_or_else(|problem| Verification::inconclusive(format!("Cannot verify the backup: {problem}")));
    tracing::info!(verification = ?found, "backup verified");
    let message: String = found.message.chars().take(LONGEST).collect();
    let short = Verification { keys: BTreeMap::new(), message, ..found };
    let written = folder(environment, TERMINATION_LOG)
        .and_then(|path| std::fs::write(path, serde_json::to_vec(&short)?));
    written.map_err(|error| InstanceError::Io("cannot write what was found", error))
}

async fn attempt(environment: Environment<'_>) -> Result<Verification, String> {
    let order = variable(environment, VERIFICATION)
        .and_then(|text| serde_json::from_str::<VerificationOrder>(&text).map_err(io::Error::from));
    let order = order.map_err(|error| format!("{error}."))?;
    let of = |name: &str| folder(environment, name).map_err(|error| format!("{error}."));
    let name = environment(POD_NAME).unwrap_or_default();
    let (data_dir, runtime_dir) = (of(DATA_DIR)?, of(RUN_DIR)?);
    let silent_port = silent::listen().await.map_err(|error| format!("{error}."))?;
    let room = scratch::Room {
        name: &name,
        program: &order.program,
        data_dir: &data_dir,
        runtime_dir: &runtime_dir,
        silent_port,
        memory_limit: order.memory,
        used: 0,
    };
    let store = open(Some(&credentials(environment, &order)?), &order.destination);
    Ok(match stored(store, &order.key).await {
        Ok((store, manifest)) => scratch::verify(room, &store, &order.key, &manifest).await,
        Err(found) => found,
    })
}

fn credentials(environment: Environment<'_>, order: &VerificationOrder) -> Result<Credentials, String> {
    let read = |mounted: &MountedSecret| {
        let folder = folder(environment, &mounted.folder);
        let data = folder.and_then(|folder| files(&folder));
        let failed = |error| format!("cannot read Secret {}: {error}.", mounted.name);
        data.map(|data| SecretData { name: mounted.name.clone(), data }).map_err(failed)
    };
    let credentials = match &order.credentials {
        Some(mounted) => read(mounted)?.credentials(&order.destination)?,
        None => Credentials::of_the_pod(),
    };
    let encryption_key =
        order.encryption.as_ref().map(|mounted| read(mounted)?.encryption_key()).transpose()?;
    Ok(Credentials { encryption_key, ..credentials })
}

/// The keys of a mounted Secret. What begins with a dot is the kubelet's.
fn files(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(found)
}

fn variable(environment: Environment<'_>, name: &str) -> io::Result<String> {
    environment(name).ok_or_else(|| io::Error::other(format!("the variable {name} is missing")))
}

fn folder(environment: Environment<'_>, name: &str) -> io::Result<PathBuf> {
    variable(environment, name).map(PathBuf::from)
}
