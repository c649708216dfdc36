//! Writes every file that is derived from `schemas/` and the API types.
//!
//! `cargo xtask generate` rewrites them, with `--check` it changes nothing and exits non-zero naming those that are
//! stale. The Rust sources come first: when they change, the program is built and run again, because the
//! definitions, the chart and the reference are derived from the compiled types.

mod chart;
mod cluster_reference;
mod command_line;
mod definitions;
mod member_reference;
mod reference;
mod rust_source;
mod schema;
mod service_user_reference;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use valkeeper_api::Kind;

/// Writes the generated files of the repository.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail if a file is stale.
    #[arg(long)]
    check: bool,
    /// The repository.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    root: PathBuf,
    /// This run was started because the Rust sources had changed.
    #[arg(long, hide = true)]
    again: bool,
}

/// A generated file, relative to the repository.
struct File {
    path: PathBuf,
    content: String,
}

impl File {
    fn new(path: impl Into<PathBuf>, content: String) -> Self {
        Self { path: path.into(), content }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = &arguments.root;
    let sources = Kind::ALL.into_iter().map(|kind| user_config(kind, root)).collect::<Result<Vec<_>>>()?;
    let mut derived = definitions::files()?;
    for kind in Kind::ALL {
        derived.push(reference::file(kind, root)?);
    }
    derived.push(reference::project_vpc(root)?);
    derived.push(service_user_reference::file(root)?);
    derived.push(cluster_reference::file(root)?);
    derived.extend(member_reference::files(root)?);
    derived.push(command_line::file()?);
    derived.extend(chart::files(root)?);
    if arguments.check {
        return Ok(report(&stale(root, &sources), &stale(root, &derived)));
    }
    if write(root, &sources)? {
        ensure!(!arguments.again, "the generated sources change on every run");
        return run_again(root);
    }
    write(root, &derived)?;
    Ok(ExitCode::SUCCESS)
}

/// The files whose content is not what it should be.
fn stale<'f>(root: &Path, files: &'f [File]) -> Vec<&'f Path> {
    let current =
        |file: &File| std::fs::read_to_string(root.join(&file.path)).is_ok_and(|text| text == file.content);
    files.iter().filter(|file| !current(file)).map(|file| file.path.as_path()).collect()
}

fn report(sources: &[&Path], derived: &[&Path]) -> ExitCode {
    for path in sources.iter().chain(derived) {
        eprintln!("{} is stale", path.display());
    }
    if !sources.is_empty() {
        eprintln!("what is derived from stale Rust sources is stale too");
    }
    if sources.is_empty() && derived.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("run: cargo xtask generate");
    ExitCode::FAILURE
}

/// Writes the files that differ; returns whether there were any.
fn write(root: &Path, files: &[File]) -> Result<bool> {
    let stale = stale(root, files);
    for file in files.iter().filter(|file| stale.contains(&file.path.as_path())) {
        let path = root.join(&file.path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(&path, &file.content).with_context(|| path.display().to_string())?;
        println!("wrote {}", file.path.display());
    }
    Ok(!stale.is_empty())
}

/// Builds this program from the sources just written and lets it do the rest.
fn run_again(root: &Path) -> Result<ExitCode> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["run", "--quiet", "--package", "xtask", "--", "generate", "--again", "--root"])
        .arg(root)
        .current_dir(root);
    let status = cargo.status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn user_config(kind: Kind, root: &Path) -> Result<File> {
    let name = kind.service_type();
    let path = root.join("schemas").join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let schema = schema::Schema::parse(&text).with_context(|| path.display().to_string())?;
    let source = rust_source::format(&rust_source::module(kind.name(), &schema)?, root)?;
    Ok(File::new(Path::new("crates/api/src/user_config").join(name).with_extension("rs"), source))
}
