//! `valkeeper migrate`: the manifests of `Valkey` resources that take over `Redis` resources. Prints only; applying them is
//! up to the user.

use super::session::{Connection, Output, Session};
use crate::cluster::bounded;
use anyhow::ensure;
use clap::Args;
use kube::{Api, api::ListParams};
use serde_json::json;
use std::{fmt::Write as _, process::ExitCode};
use valkeeper_api::{
    Redis,
    takeover::{Translation, translate},
    yaml,
};

/// The flags of `valkeeper migrate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  printed
  1  a Redis does not exist or cannot be read
  2  wrong usage

Examples:
  kubectl valkeeper migrate my-redis > my-redis-valkey.yaml
  kubectl valkeeper migrate | kubectl apply -f -")]
pub(in crate::cli) struct Migrate {
    /// Redis resources; all of the namespace without any
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Output format; text is YAML for kubectl
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Migrate {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let translations: Vec<_> = self.read(&session).await?.iter().map(translate).collect();
        let documents: Result<Vec<_>, _> = translations.iter().map(document).collect();
        let items: Vec<_> = translations
            .iter()
            .map(|one| {
                let left_out: Vec<_> =
                    one.left_out.iter().map(|(field, why)| json!({"field": field, "why": why})).collect();
                json!({"manifest": one.manifest, "leftOut": left_out})
            })
            .collect();
        self.output.write(&documents?.join("---\n"), &items)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn read(&self, session: &Session) -> anyhow::Result<Vec<Redis>> {
        let namespace = &session.namespace;
        let api: Api<Redis> = Api::namespaced(session.client.clone(), namespace);
        let doing = || format!("list Redis resources in namespace {namespace}");
        let mut found = bounded(doing, api.list(&ListParams::default())).await?.items;
        let is = |redis: &Redis, name: &str| redis.metadata.name.as_deref() == Some(name);
        for name in &self.names {
            ensure!(found.iter().any(|redis| is(redis, name)), "namespace {namespace} has no Redis {name}");
        }
        found.retain(|redis| self.names.is_empty() || self.names.iter().any(|name| is(redis, name)));
        Ok(found)
    }
}

/// The manifest, below comments on what it leaves out.
fn document(translation: &Translation) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for (field, why) in &translation.left_out {
        let _ = writeln!(text, "# Left out: {field} ({why})");
    }
    text.push_str(&yaml::document(&translation.manifest)?);
    Ok(text)
}
