//! A lease in a file, for instances on one machine: tests, and clusters of processes without Kubernetes.

use super::{LeaseFuture, LeaseStore};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use valkeeper_failover::{Identity, Term, manager::LeaseAnswer, protocol::Peers};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Content {
    version: u64,
    term: Term,
    holder: Option<Identity>,
    #[serde(default)]
    peers: Peers,
}

/// The file; a link to it works as well.
#[derive(Clone, Debug)]
pub struct FileLease {
    path: PathBuf,
}

impl FileLease {
    /// The lease at this path.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Creates it, without a holder.
    pub fn create(&self, term: Term) -> io::Result<()> {
        replace(&self.path, &Content { version: 1, term, holder: None, peers: Peers::new() })
    }

    fn try_read(&self) -> io::Result<LeaseAnswer> {
        let Content { version, term, holder, .. } = load(&self.path)?;
        Ok(LeaseAnswer::Read { holder, term, version })
    }

    fn try_write(
        &self,
        version: u64,
        term: Term,
        holder: Option<Identity>,
        peers: Peers,
    ) -> io::Result<LeaseAnswer> {
        let path = self.path.canonicalize()?;
        let lock = File::options().create(true).append(true).open(path.with_extension("lock"))?;
        lock.lock()?;
        let content = load(&path)?;
        if content.version != version {
            return Ok(LeaseAnswer::Conflict);
        }
        let version = version + 1;
        replace(&path, &Content { version, term, holder, peers })?;
        Ok(LeaseAnswer::Written { version })
    }
}

fn load(path: &Path) -> io::Result<Content> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn replace(path: &Path, content: &Content) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(content)?)?;
    fs::rename(new, path)
}

fn known(answer: io::Result<LeaseAnswer>) -> LeaseAnswer {
    answer.unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot reach lease");
        LeaseAnswer::Unknown
    })
}

impl LeaseStore for FileLease {
    fn read(&self) -> LeaseFuture<'_> {
        Box::pin(async move { known(self.try_read()) })
    }

    fn write(&self, version: u64, term: Term, holder: Option<Identity>, peers: Peers) -> LeaseFuture<'_> {
        Box::pin(async move { known(self.try_write(version, term, holder, peers)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lease_is_written_by_the_version_that_was_read_only() {
        let folder = tempfile::tempdir().unwrap();
        let lease = FileLease::at(&folder.path().join("lease"));
        assert_eq!(lease.read().await, LeaseAnswer::Unknown);
        lease.create(Term(3)).unwrap();
        let holder = Identity { name: "a".into(), pod: "u".into(), boot: 1 };
        assert_eq!(lease.write(9, Term(4), None, Peers::new()).await, LeaseAnswer::Conflict);
        let written = lease.write(1, Term(4), Some(holder.clone()), Peers::new()).await;
        assert_eq!(written, LeaseAnswer::Written { version: 2 });
        assert_eq!(lease.write(1, Term(5), None, Peers::new()).await, LeaseAnswer::Conflict);
        let read = LeaseAnswer::Read { holder: Some(holder), term: Term(4), version: 2 };
        assert_eq!(lease.read().await, read);
    }
}
