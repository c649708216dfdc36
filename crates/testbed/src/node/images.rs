//! Images: which local program stands in for an image, and what of an image's own settings it needs. An
//! image that is in no row of the table cannot be pulled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Image {
    /// The repository without tag and digest, such as `valkey/valkey`; the default registry may be left out.
    pub repository: String,
    /// The program; none if the command of the container is run with the tools of this machine.
    pub program: Option<PathBuf>,
    /// The folder that the image works in.
    pub working_dir: Option<String>,
    /// Arguments that make the program listen on the address of its pod, after all other arguments. `$(POD_IP)` is
    /// that address.
    pub arguments: Vec<String>,
}

/// The table.
#[derive(Debug, Clone)]
pub struct Images {
    rows: Vec<Image>,
    /// What cannot be pulled at present; the same for all copies of the table.
    missing: Arc<Mutex<BTreeSet<String>>>,
}

impl Default for Images {
    /// The servers and the tools of this machine.
    fn default() -> Self {
        let mut images = Self { rows: Vec::new(), missing: Arc::default() };
        for (repository, name) in
            [("valkey/valkey", "valkey-server"), ("valkey", "valkey-server"), ("redis", "redis-server")]
        {
            let address =
                ["--bind", "$(POD_IP)", "--bind-source-addr", "$(POD_IP)", "--protected-mode", "no"];
            images.add(Image {
                repository: repository.to_owned(),
                program: on_path(name),
                working_dir: Some("/data".to_owned()),
                arguments: address.map(str::to_owned).to_vec(),
            });
        }
        for repository in ["busybox", "alpine", "debian"] {
            images.add(Image {
                repository: repository.to_owned(),
                program: None,
                working_dir: None,
                arguments: Vec::new(),
            });
        }
        images.rows.retain(|image| image.program.is_some() || image.arguments.is_empty());
        images
    }
}

impl Images {
    /// Adds a row, which takes precedence over earlier ones.
    pub fn add(&mut self, image: Image) {
        self.rows.insert(0, image);
    }

    /// The row of an image such as `docker.io/valkey/valkey:9.1`.
    pub fn find(&self, image: &str) -> Option<&Image> {
        if self.missing.lock().unwrap_or_else(PoisonError::into_inner).contains(image) {
            return None;
        }
        let name = image.split('@').next().unwrap_or_default();
        let start = name.rfind('/').map_or(0, |slash| slash + 1);
        let name = name[start..].find(':').map_or(name, |colon| &name[..start + colon]);
        let plain = |name: &str| {
            let name = name.strip_prefix("docker.io/").unwrap_or(name);
            name.strip_prefix("library/").unwrap_or(name).to_owned()
        };
        self.rows.iter().find(|row| plain(&row.repository) == plain(name))
    }
}

impl Images {
    /// Whether an image, by the name that containers use, can be pulled.
    pub(super) fn set_missing(&self, image: &str, missing: bool) {
        let mut all = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing {
            all.insert(image.to_owned());
        } else {
            all.remove(image);
        }
    }
}

impl Image {
    /// The file to run for the first word of a command.
    pub(super) fn resolve(&self, word: &str) -> Option<PathBuf> {
        let path = Path::new(word);
        let name = path.file_name()?;
        if let Some(program) = self.program.as_ref().filter(|program| program.file_name() == Some(name)) {
            return Some(program.clone());
        }
        if word.contains('/') && path.is_file() {
            return Some(path.to_owned());
        }
        on_path(name.to_str()?)
    }

    /// Whether a file is the program that `arguments` are for.
    pub(super) fn is_program(&self, file: &Path) -> bool {
        self.program.as_deref() == Some(file)
    }
}

pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_whatever_their_tag_and_registry() {
        let mut images = Images { rows: Vec::new(), missing: Arc::default() };
        for (repository, program) in [("valkey/valkey", "/v"), ("redis", "/r"), ("host:5000/own", "/o")] {
            images.add(Image {
                repository: repository.to_owned(),
                program: Some(program.into()),
                working_dir: None,
                arguments: Vec::new(),
            });
        }
        let table = [
            ("valkey/valkey:9.1", Some("/v")),
            ("docker.io/valkey/valkey", Some("/v")),
            ("redis:7@sha256:0", Some("/r")),
            ("docker.io/library/redis", Some("/r")),
            ("host:5000/own:1", Some("/o")),
            ("example.com/redis", None),
        ];
        for (image, expected) in table {
            let found = images.find(image).and_then(|row| row.program.as_deref());
            assert_eq!(found, expected.map(Path::new), "{image}");
        }
    }
}
