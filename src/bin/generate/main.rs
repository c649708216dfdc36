//! Writes every file that is derived from `schemas/` and the API types.
//!
//! `generate` rewrites them, `generate --check` changes nothing and exits non-zero naming those that are
//! stale. The Rust sources come first: when they change, the rest is written by the program built from them.

mod rust_source;
mod schema;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use valkeeper::api::{Kind, crd};

/// Writes the generated files of the repository.
#[derive(Parser)]
struct Arguments {
    /// Change nothing; fail if a file is stale.
    #[arg(long)]
    check: bool,
    /// The repository.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"))]
    root: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { check: _, root } = Arguments::parse();
    for kind in Kind::ALL {
        let (path, source) = user_config(kind, &root)?;
        std::fs::write(&path, source)?;
        let crd = serde_yaml::to_string(&crd::definition(kind)?)?;
        std::fs::write(root.join("crds").join(kind.plural()).with_extension("yaml"), crd)?;
    }
    Ok(())
}

fn user_config(kind: Kind, root: &Path) -> Result<(PathBuf, String)> {
    let name = kind.service_type();
    let schema = root.join("schemas").join(name).with_extension("json");
    let text = std::fs::read_to_string(&schema).with_context(|| schema.display().to_string())?;
    let schema = schema::Schema::parse(&text).with_context(|| schema.display().to_string())?;
    let source = rust_source::format(&rust_source::module(kind.name(), &schema)?, root)?;
    Ok((root.join("src/api/user_config").join(name).with_extension("rs"), source))
}
