//! A folder with the content of a Secret, written the way the kubelet does it: the files are links into a
//! folder that is replaced as a whole, so that no program sees half of a change.

use crate::world::texts;
use k8s_openapi::api::core::v1::Secret;
use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A mounted Secret.
pub(super) struct Volume(TempDir);

impl Volume {
    pub(super) fn of(secret: &Secret) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        volume.update(secret);
        volume
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts the present content there, in one step.
    pub(super) fn update(&self, secret: &Secret) {
        let version = secret.metadata.resource_version.clone().unwrap();
        let (content, data) = (format!("..{version}"), self.path().join("..data"));
        let folder = self.path().join(&content);
        std::fs::create_dir(&folder).unwrap();
        let before: Option<PathBuf> = std::fs::read_link(&data).ok();
        let texts = texts(secret);
        for (key, value) in &texts {
            std::fs::write(folder.join(key), value).unwrap();
        }
        let next = self.path().join("..data_tmp");
        symlink(&content, &next).unwrap();
        std::fs::rename(&next, &data).unwrap();
        for key in texts.keys().filter(|key| !self.path().join(key).exists()) {
            symlink(Path::new("..data").join(key), self.path().join(key)).unwrap();
        }
        if let Some(before) = before {
            std::fs::remove_dir_all(self.path().join(before)).unwrap();
        }
    }
}
