//! `valkeeper convert`: manifests and values of other operators and charts, as a `ValkeyCluster`. Reads a file, writes text,
//! and sends no request.

use super::manifests;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::{
    fmt::Write as _,
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
};
use valkeeper_api::yaml;
use valkeeper_cluster::convert::{Converted, Origin, convert};

/// The flags of `valkeeper convert`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  converted
  1  the file cannot be read or converted
  2  wrong usage

Examples:
  kubectl valkeeper convert --from redisfailover shop.yaml > cluster.yaml
  helm get values cache | kubectl valkeeper convert --from bitnami-values --name cache -")]
pub(super) struct Convert {
    /// What the file holds
    #[arg(long, value_name = "KIND")]
    from: Kind,

    /// Name of the new resource; that of the old one by default
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// File to convert, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// `RedisFailover` (databases.spotahome.com)
    Redisfailover,
    /// `RedisReplication`, with its `RedisSentinel` (redis.redis.opstreelabs.in)
    Redisreplication,
    /// Values of the Bitnami chart of Valkey or Redis
    BitnamiValues,
}

impl Convert {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let origin = match self.from {
            Kind::Redisfailover => Origin::RedisFailover,
            Kind::Redisreplication => Origin::RedisReplication,
            Kind::BitnamiValues => Origin::BitnamiValues,
        };
        let documents = self.documents()?;
        print!("{}", text(&convert(origin, &documents, self.name.as_deref())?)?);
        Ok(ExitCode::SUCCESS)
    }

    fn documents(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        let mut bytes = Vec::new();
        if self.file.as_os_str() == "-" {
            io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        } else {
            bytes =
                std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        }
        let mut documents = Vec::new();
        for document in manifests::read(&manifests::decode(&bytes)) {
            match document {
                Ok(document) => documents.push(document.content),
                Err(broken) => bail!("line {}, column {}: {}", broken.line, broken.column, broken.reason),
            }
        }
        Ok(documents)
    }
}

/// The manifest below comments with everything to look at.
fn text(converted: &Converted) -> anyhow::Result<String> {
    let mut text = String::from("# Converted. Look at what is not as it was:\n");
    for remark in &converted.remarks {
        let _ = writeln!(text, "# * {remark}");
    }
    text.push_str(&yaml::document(&converted.manifest)?);
    Ok(text)
}
