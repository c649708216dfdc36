//! Checks how the repository is laid out, as far as neither Cargo nor clippy does: arrows between packages, circles
//! between modules, and rules for each source file.

mod circles;
mod files;
mod modules;
mod packages;

use anyhow::Result;
use circles::circles;
use modules::Modules;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Root files of the crates whose files must not need each other in a circle, and how many files still do. These
/// numbers only shrink.
const WITHOUT_CIRCLES: [(&str, usize); 2] = [("crates/engine/src/lib.rs", 0), ("src/lib.rs", 0)];
/// The same for folders: files within one may need each other.
const WITHOUT_CIRCLES_OF_FOLDERS: [(&str, usize); 2] =
    [("crates/apiserver/src/lib.rs", 0), ("crates/testbed/src/lib.rs", 2)];

/// Checks how the repository is laid out.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print what is longer than it should be.
    #[arg(long)]
    sizes: bool,
    /// The repository.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    root: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.sizes {
        println!("{}", files::Sizes::of(&files::read(&arguments.root)?)?.report());
    }
    let wrong = check(&arguments.root)?;
    for line in &wrong {
        eprintln!("{line}");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong.
fn check(root: &Path) -> Result<Vec<String>> {
    let root = &root.canonicalize()?;
    let mut wrong = packages::check(root)?;
    for (crate_root, left) in WITHOUT_CIRCLES {
        let modules = Modules::read(&root.join(crate_root))?;
        wrong.extend(more_circles(crate_root, &modules.edges(), left));
    }
    for (crate_root, left) in WITHOUT_CIRCLES_OF_FOLDERS {
        let crate_root = root.join(crate_root);
        let folder = crate_root.parent().unwrap_or(root);
        let modules = Modules::read(&crate_root)?;
        wrong.extend(more_circles(
            &crate_root.display().to_string(),
            &between_folders(folder, &modules.edges()),
            left,
        ));
    }
    wrong.extend(files::check(&files::read(root)?)?);
    Ok(wrong)
}

/// Complains if more files of a crate are in circles than are left to be freed.
fn more_circles(of: &str, edges: &BTreeMap<&Path, BTreeSet<&Path>>, left: usize) -> Option<String> {
    let circles = circles(edges);
    let arrow = |from: &Path, to: &Path| format!("\n  {} uses {}", from.display(), to.display());
    let shown = circles.iter().map(|circle| {
        let arrows = circle
            .iter()
            .flat_map(|from| edges[from].iter().filter(|to| circle.contains(to)).map(|to| arrow(from, to)));
        format!("\n a circle of {}:{}", circle.len(), arrows.collect::<String>())
    });
    let shown: String = shown.collect();
    let files = circles.iter().map(Vec::len).sum::<usize>();
    (files > left).then(|| format!("{of}: {files} files in circles, {left} are allowed:{shown}"))
}

/// The arrows between the files and folders right below `root`.
fn between_folders<'e>(
    root: &Path,
    edges: &BTreeMap<&'e Path, BTreeSet<&'e Path>>,
) -> BTreeMap<&'e Path, BTreeSet<&'e Path>> {
    let depth = root.components().count() + 1;
    let top =
        |file: &'e Path| file.ancestors().find(|folder| folder.components().count() == depth).unwrap_or(file);
    let mut folded: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, used) in edges {
        let others = used.iter().map(|file| top(file)).filter(|other| *other != top(from));
        folded.entry(top(from)).or_default().extend(others);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_tidy() {
        let wrong = check(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn circles_between_folders_ignore_those_within() {
        let [one, two, other] = ["/r/a/one.rs", "/r/a/two.rs", "/r/b.rs"].map(Path::new);
        let within = BTreeMap::from([(one, [two].into()), (two, [one, other].into())]);
        assert_eq!(circles(&within), [vec![one, two]]);
        let folded = between_folders(Path::new("/r"), &within);
        assert_eq!(folded, BTreeMap::from([(Path::new("/r/a"), [other].into())]));
        assert_eq!(more_circles("r", &folded, 0), None);
        assert!(
            more_circles("r", &within, 0).is_some_and(|text| text.contains("/r/a/one.rs uses /r/a/two.rs"))
        );
    }
}
