//! The files behind a service's backups. Guarantees that a snapshot appears under its name only when it
//! is complete, and that snapshots which the provider no longer lists are gone.

use super::control::Control;
use super::server::Place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::fs;

/// Where the snapshot of that name is.
pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join("backups").join(format!("{name}.rdb"))
}

/// Makes the files those in `names`; returns their sizes.
pub(super) async fn keep(
    place: &Place,
    control: Option<&mut Control>,
    names: &[String],
) -> anyhow::Result<BTreeMap<String, u64>> {
    fs::create_dir_all(place.folder.join("backups")).await?;
    let missing: Vec<&String> = names.iter().filter(|name| !path(&place.folder, name).exists()).collect();
    if !missing.is_empty() {
        if let Some(control) = control {
            control.save().await?;
        }
        for name in missing {
            copy(&place.dump(), &path(&place.folder, name)).await?;
        }
    }
    remove_others(&place.folder, names).await?;
    let mut sizes = BTreeMap::new();
    for name in names {
        if let Ok(file) = fs::metadata(path(&place.folder, name)).await {
            sizes.insert(name.clone(), file.len());
        }
    }
    Ok(sizes)
}

async fn remove_others(folder: &Path, names: &[String]) -> anyhow::Result<()> {
    let mut entries = fs::read_dir(folder.join("backups")).await?;
    while let Some(entry) = entries.next_entry().await? {
        if !names.iter().any(|name| path(folder, name) == entry.path()) {
            fs::remove_file(entry.path()).await?;
        }
    }
    Ok(())
}

/// Copies a snapshot; a service that never had any data has none.
pub(super) async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from.exists() {
        let partial = to.with_extension("partial");
        fs::copy(from, &partial).await?;
        fs::rename(&partial, to).await?;
    }
    Ok(())
}
