//! Wall clocks of pods, by libfaketime: each process reads an offset from a file of its pod. Servers do not: their
//! allocator and the library call each other without end. They start through a script without the library, and
//! keep the true clock, as do programs without a C library.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::images::on_path;

/// What the library cannot be loaded into.
const SERVERS: [&str; 2] = ["valkey-server", "redis-server"];

/// What sets the clocks of pods.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    library: PathBuf,
    /// Comes first on the `PATH` of pods.
    scripts: PathBuf,
}

impl Clocks {
    /// Clocks by a library, with what they need in a folder.
    pub(super) fn new(library: PathBuf, folder: &Path) -> io::Result<Self> {
        let scripts = folder.join("servers");
        std::fs::create_dir_all(&scripts)?;
        for name in SERVERS {
            let Some(program) = on_path(name) else { continue };
            let script = scripts.join(name);
            let text = format!("#!/bin/sh\nunset LD_PRELOAD\nexec '{}' \"$@\"\n", program.display());
            std::fs::write(&script, text)?;
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { library, scripts })
    }

    /// Lets a process read its wall clock, and no other one, from a file.
    pub(super) fn set(&self, variables: &mut BTreeMap<String, String>, file: &Path) {
        let text = |path: &Path| path.display().to_string();
        let path = variables.get("PATH").cloned().unwrap_or_default();
        variables.extend([
            ("LD_PRELOAD".to_owned(), text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE".to_owned(), text(file)),
            ("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()),
            ("DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()),
            ("PATH".to_owned(), format!("{}:{path}", text(&self.scripts))),
        ]);
    }
}

/// Whether a program does not bear the library.
pub(super) fn is_server(program: &Path) -> bool {
    program.file_name().is_some_and(|name| SERVERS.iter().any(|known| name == *known))
}
