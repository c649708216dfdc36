//! The program of the server. Settings may name that of the next image of this pod already: a cluster whose engine changes
//! replaces its pods one by one, and what runs until then may start again.

use std::path::{Path, PathBuf};

/// Programs that read the same files and speak the same protocol.
const ALIKE: [&str; 2] = ["valkey-server", "redis-server"];

/// This program; where the image has another one instead, that.
pub(crate) fn present(program: &Path) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &Path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    choose(program, is_there)
}

fn choose(program: &Path, is_there: impl Fn(&Path) -> bool) -> PathBuf {
    let is_known = ALIKE.iter().any(|known| Path::new(known) == program);
    if !is_known || is_there(program) {
        return program.to_owned();
    }
    let other = ALIKE.iter().map(Path::new).find(|known| is_there(known));
    other.unwrap_or(program).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_program_is_taken_where_the_declared_one_is_missing() {
        let chosen = |program: &str, there: &[&str]| {
            let chosen =
                choose(Path::new(program), |name| there.iter().any(|known| Path::new(known) == name));
            chosen.display().to_string()
        };
        assert_eq!(chosen("valkey-server", &["redis-server"]), "redis-server");
        assert_eq!(chosen("valkey-server", &["valkey-server", "redis-server"]), "valkey-server");
        assert_eq!(chosen("redis-server", &["redis-server"]), "redis-server");
        assert_eq!(chosen("valkey-server", &[]), "valkey-server");
        assert_eq!(chosen("/opt/server", &["valkey-server"]), "/opt/server");
    }
}
