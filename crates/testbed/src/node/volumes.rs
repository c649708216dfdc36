//! Volumes as folders: what is mounted where, and files that follow their secrets and config maps.
//! Guarantees that the files of a volume change together, by exchanging one link, as a kubelet does it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath, Pod, Secret, Volume};

use super::environment::{Sources, field_value};

/// The files of a volume by their relative path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What a volume holds, or what is missing for it.
pub(super) enum Content {
    /// A folder that the pod fills.
    Folder,
    /// A folder of a claim that stays.
    Kept(PathBuf),
    /// Files that follow their source.
    Files(Files, u32),
}

/// The content of a volume; `claim` returns the folder of a claim, once it is bound.
pub(super) fn content(
    volume: &Volume,
    sources: &Sources<'_>,
    claim: &dyn Fn(&str) -> Result<PathBuf, String>,
    token: &dyn Fn() -> Option<String>,
) -> Result<Content, String> {
    const MODE: i32 = 0o644;
    let mode = |mode: Option<i32>| u32::try_from(mode.unwrap_or(MODE)).unwrap_or(0o644);
    if let Some(source) = &volume.persistent_volume_claim {
        return claim(&source.claim_name).map(Content::Kept);
    }
    if let Some(path) = &volume.host_path {
        return Ok(Content::Kept(PathBuf::from(&path.path)));
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let files = secret_files(sources, name, source.items.as_deref(), source.optional)?;
        return Ok(Content::Files(files, mode(source.default_mode)));
    }
    if let Some(source) = &volume.config_map {
        let files = map_files(sources, &source.name, source.items.as_deref(), source.optional)?;
        return Ok(Content::Files(files, mode(source.default_mode)));
    }
    if let Some(source) = &volume.downward_api {
        let mut files = Files::new();
        for item in source.items.iter().flatten() {
            if let Some(field) = &item.field_ref {
                files.insert(item.path.clone(), field_value(sources, &field.field_path)?.into_bytes());
            }
        }
        return Ok(Content::Files(files, mode(source.default_mode)));
    }
    let Some(projected) = &volume.projected else { return Ok(Content::Folder) };
    let mut files = Files::new();
    for source in projected.sources.iter().flatten() {
        if let Some(source) = &source.secret {
            files.extend(secret_files(sources, &source.name, source.items.as_deref(), source.optional)?);
        }
        if let Some(source) = &source.config_map {
            files.extend(map_files(sources, &source.name, source.items.as_deref(), source.optional)?);
        }
        for item in source.downward_api.iter().flat_map(|source| source.items.iter().flatten()) {
            if let Some(field) = &item.field_ref {
                files.insert(item.path.clone(), field_value(sources, &field.field_path)?.into_bytes());
            }
        }
        if let Some(source) = &source.service_account_token {
            let token = token().ok_or("the token of the service account is not there yet")?;
            files.insert(source.path.clone(), token.into_bytes());
        }
    }
    Ok(Content::Files(files, mode(projected.default_mode)))
}

fn secret_files(
    sources: &Sources<'_>,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<Files, String> {
    let bytes = |secret: Secret| {
        secret.data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value)).collect()
    };
    chosen(&format!("secret \"{name}\""), (sources.secret)(name).map(bytes), items, optional)
}

fn map_files(
    sources: &Sources<'_>,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<Files, String> {
    let bytes = |map: ConfigMap| {
        let texts = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
        let binary = map.binary_data.unwrap_or_default().into_iter();
        texts.chain(binary.map(|(key, ByteString(value))| (key, value))).collect()
    };
    chosen(&format!("configmap \"{name}\""), (sources.config_map)(name).map(bytes), items, optional)
}

fn chosen(
    what: &str,
    data: Option<Files>,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<Files, String> {
    let Some(mut data) = data else {
        return if optional == Some(true) { Ok(Files::new()) } else { Err(format!("{what} not found")) };
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else { return Ok(data) };
    let mut files = Files::new();
    for item in items {
        match data.remove(&item.key) {
            Some(value) => drop(files.insert(item.path.clone(), value)),
            None if optional == Some(true) => {}
            None => return Err(format!("{what} references non-existent key: {}", item.key)),
        }
    }
    Ok(files)
}

/// The link that leads to the present files.
const DATA: &str = "..data";

/// Makes the files of a volume these; does nothing if they are already.
pub(super) fn publish(folder: &Path, files: &Files, mode: u32) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let link = folder.join(DATA);
    let before = std::fs::read_link(&link).ok();
    if let Some(before) = &before
        && read_all(&folder.join(before))? == *files
    {
        return Ok(());
    }
    let version = format!("..{}", uuid::Uuid::new_v4());
    for (path, bytes) in files {
        let file = folder.join(&version).join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&file, bytes)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode))?;
    }
    std::fs::create_dir_all(folder.join(&version))?;
    let fresh = folder.join("..data_tmp");
    symlink(&version, &fresh)?;
    std::fs::rename(fresh, &link)?;
    show(folder, files)?;
    match before {
        Some(before) => std::fs::remove_dir_all(folder.join(before)),
        None => Ok(()),
    }
}

/// Links of the volume itself, which lead through the one that is exchanged.
fn show(folder: &Path, files: &Files) -> io::Result<()> {
    let first = |path: &String| path.split('/').next().unwrap_or_default().to_owned();
    let wanted: std::collections::BTreeSet<String> = files.keys().map(first).collect();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !wanted.contains(&name) {
            std::fs::remove_file(folder.join(name))?;
        }
    }
    for name in wanted {
        let link = folder.join(&name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(&name), link)?;
        }
    }
    Ok(())
}

fn read_all(folder: &Path) -> io::Result<Files> {
    let (mut files, mut folders) = (Files::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

/// The folder of each volume of the pod below the pod's own.
pub(super) fn folder(pod_folder: &Path, name: &str) -> PathBuf {
    pod_folder.join("volumes").join(name)
}

/// The volumes of a pod.
pub(super) fn of(pod: &Pod) -> &[Volume] {
    pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_volume_change_together_and_disappear() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("v");
        let files = |entries: &[(&str, &str)]| -> Files {
            entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
        };
        publish(&folder, &files(&[("a", "1"), ("deep/b", "2")]), 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("deep/b")).unwrap(), "2");
        let mode = std::fs::metadata(folder.join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let version = std::fs::read_link(folder.join(DATA)).unwrap();
        publish(&folder, &files(&[("a", "1"), ("deep/b", "2")]), 0o600).unwrap();
        assert_eq!(std::fs::read_link(folder.join(DATA)).unwrap(), version);
        publish(&folder, &files(&[("a", "3"), ("c", "4")]), 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("a")).unwrap(), "3");
        assert!(!folder.join("deep").exists() && folder.join("c").exists());
        assert!(!folder.join(version).exists());
    }
}
