//! A copy of the sources with one mutation in it. Files that did not change are left alone, so that only what
//! the mutation touches is built again; what an earlier mutation did is undone.

use crate::table::Mutation;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Copies everything that belongs to the project at `from` into `to`, with `mutation` in it.
pub(crate) fn of(from: &Path, to: &Path, mutation: &Mutation) -> PathBuf {
    let mut git = Command::new("git");
    git.current_dir(from).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = String::from_utf8(git.output().unwrap().stdout).unwrap();
    let files: BTreeSet<&str> =
        listed.split_terminator('\0').filter(|file| from.join(file).is_file()).collect();
    assert!(files.contains(mutation.file), "{}: git does not know {}", mutation.name, mutation.file);
    forget(to, to, &files);
    for file in files {
        let mut content = fs::read(from.join(file)).unwrap();
        if file == mutation.file {
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains(mutation.from), "{} does not fit the sources", mutation.name);
            content = text.replacen(mutation.from, mutation.to, 1).into_bytes();
        }
        let target = to.join(file);
        if fs::read(&target).is_ok_and(|present| present == content) {
            continue;
        }
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, content).unwrap();
    }
    to.to_owned()
}

/// Removes what is in the copy from before and belongs to the project no more.
fn forget(copy: &Path, folder: &Path, files: &BTreeSet<&str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            forget(copy, &path, files);
        } else if !files.contains(path.strip_prefix(copy).unwrap().to_str().unwrap()) {
            fs::remove_file(path).unwrap();
        }
    }
}
