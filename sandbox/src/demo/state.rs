//! The state of a run in a folder that outlives it: one embedded database for the objects and the
//! services, and next to it the data of the servers. Guarantees that what is read back was true at one
//! moment, also after the sandbox was killed: everything is written in transactions, and Kubernetes is
//! never ahead of the provider. The database is redb: one file, nothing but Rust, no threads of its own,
//! and exact about crashes; there is nothing to query, which is what `SQLite` would add.

use anyhow::Context as _;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use valkeeper_apiserver as kube;
use valkeeper_testbed::provider;

/// Everything by name: objects below `kubernetes/`, the provider as a whole.
const ENTRIES: TableDefinition<'static, &'static str, &'static str> = TableDefinition::new("entries");
const OBJECTS: &str = "kubernetes/";
const REVISION: &str = "kubernetes revision";
const PROVIDER: &str = "provider";

/// An open state.
pub(crate) struct State {
    folder: PathBuf,
    database: Database,
    /// What the database holds.
    written: BTreeMap<String, String>,
}

impl State {
    /// Opens the state in `folder`, or begins one.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let open = || -> anyhow::Result<Self> {
            // There are passwords in it.
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let path = folder.join("state.redb");
            OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            let database = Database::create(path)?;
            let written = read(&database)?;
            Ok(Self { folder: folder.clone(), database, written })
        };
        open().with_context(|| format!("cannot use the state in {}", folder.display()))
    }

    /// Where the servers keep their data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("services")
    }

    /// Where the volumes and logs of pods are.
    pub(crate) fn nodes(&self) -> PathBuf {
        self.folder.join("nodes")
    }

    /// What the Kubernetes API held.
    pub(crate) fn kubernetes(&self) -> anyhow::Result<Option<kube::Content>> {
        let Some(revision) = self.written.get(REVISION) else { return Ok(None) };
        let objects = self.written.iter().filter_map(|(key, text)| Some((key.strip_prefix(OBJECTS)?, text)));
        let objects = objects
            .map(|(key, text)| Ok((key.to_owned(), serde_json::from_str(text)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Some(kube::Content { revision: revision.parse()?, objects }))
    }

    /// What the provider held.
    pub(crate) fn provider(&self) -> anyhow::Result<Option<provider::Content>> {
        self.written.get(PROVIDER).map(|text| Ok(serde_json::from_str(text)?)).transpose()
    }

    /// Writes changes. The provider was read after Kubernetes.
    pub(crate) fn write(
        &mut self,
        kubernetes: Option<kube::Content>,
        provider: &provider::Content,
    ) -> anyhow::Result<()> {
        let mut wanted = BTreeMap::from([(PROVIDER.to_owned(), serde_json::to_string(provider)?)]);
        if let Some(kubernetes) = kubernetes {
            wanted.insert(REVISION.to_owned(), kubernetes.revision.to_string());
            for (key, object) in kubernetes.objects {
                wanted.insert(format!("{OBJECTS}{key}"), serde_json::to_string(&object)?);
            }
        }
        if wanted != self.written {
            self.replace(&wanted).context("cannot write the state")?;
            self.written = wanted;
        }
        Ok(())
    }

    fn replace(&self, wanted: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(ENTRIES)?;
            for (key, text) in wanted.iter().filter(|(key, text)| self.written.get(*key) != Some(text)) {
                table.insert(key.as_str(), text.as_str())?;
            }
            for key in self.written.keys().filter(|key| !wanted.contains_key(*key)) {
                table.remove(key.as_str())?;
            }
        }
        Ok(transaction.commit()?)
    }
}

fn read(database: &Database) -> anyhow::Result<BTreeMap<String, String>> {
    let transaction = database.begin_write()?;
    // Creates the table of a new database.
    transaction.open_table(ENTRIES)?;
    transaction.commit()?;
    let mut entries = BTreeMap::new();
    for entry in database.begin_read()?.open_table(ENTRIES)?.iter()? {
        let (key, text) = entry?;
        entries.insert(key.value().to_owned(), text.value().to_owned());
    }
    Ok(entries)
}
