//! `valkeeper plan`: the effect of applying a manifest, or of the next reconciliation of a resource. It uses the
//! decision function of the operator and writes nothing.

mod check;
mod cluster;
mod cluster_notes;
mod output;
mod planned;

use self::{
    cluster::PlannedCluster,
    planned::{Outcome, Planned, Price, refused},
};
use super::{
    find::{Declared, Resource},
    kinds::{is_cluster_kind, is_cluster_manifest},
    session::{Connection, Output, Session},
};
use crate::controller::{Ordered, Preview};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};
use valkeeper_api::{Kind, valkey_cluster::NAME};
use valkeeper_engine::Ready;

/// The exit code for changes with `--detailed-exitcode`.
const CHANGES: u8 = 3;

/// The flags of `valkeeper plan`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  planned (with --detailed-exitcode: and nothing changes)
  1  a resource is refused or stuck, or cannot be planned
  2  wrong usage
  3  changes, with --detailed-exitcode

Examples:
  kubectl valkeeper plan -f valkey.yaml
  kubectl valkeeper plan my-valkey
  kubectl valkeeper plan redis/cache -o json
  kubectl valkeeper plan -f valkeycluster.yaml
  kubectl valkeeper plan valkeycluster/orders")]
pub(in crate::cli) struct Plan {
    /// Resources that exist: NAME, valkey/NAME, redis/NAME or valkeycluster/NAME
    #[arg(value_name = "NAME", required_unless_present = "file", conflicts_with = "file")]
    names: Vec<String>,

    /// File with manifests, or - for standard input
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,

    /// Exit with status 3 if something changes
    #[arg(long)]
    detailed_exitcode: bool,

    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Plan {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let mut plans = Vec::new();
        let mut skipped = 0;
        if let Some(file) = &self.file {
            let (declared, others) = session.declared(file).await?;
            for one in declared {
                plans.push(ResourcePlan::Service(Box::new(session.planned(one).await?)));
            }
            let (clusters, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_cluster_manifest);
            skipped = others.len();
            for manifest in clusters {
                plans.push(ResourcePlan::Cluster(Box::new(session.planned_cluster(&manifest).await?)));
            }
        }
        for name in &self.names {
            plans.push(session.planned_by_name(name).await?);
        }
        let text: String = plans.iter().map(ResourcePlan::text).collect();
        let text = if skipped == 0 { text } else { format!("{text}{skipped} other resources skipped.\n") };
        self.output.write(&text, &plans)?;
        Ok(match () {
            () if plans.is_empty() || plans.iter().any(ResourcePlan::fails) => ExitCode::FAILURE,
            () if self.detailed_exitcode && plans.iter().any(ResourcePlan::changes) => {
                ExitCode::from(CHANGES)
            }
            () => ExitCode::SUCCESS,
        })
    }
}

/// The plan of a resource of any kind.
#[derive(Serialize)]
#[serde(untagged)]
enum ResourcePlan {
    Service(Box<Planned>),
    Cluster(Box<PlannedCluster>),
}

impl ResourcePlan {
    fn text(&self) -> String {
        match self {
            Self::Service(plan) => plan.text(),
            Self::Cluster(plan) => plan.text(),
        }
    }

    fn fails(&self) -> bool {
        match self {
            Self::Service(plan) => plan.outcome.stuck || !plan.problems.is_empty(),
            Self::Cluster(plan) => !plan.problems.is_empty(),
        }
    }

    fn changes(&self) -> bool {
        match self {
            Self::Service(plan) => plan.changes(),
            Self::Cluster(plan) => plan.changes(),
        }
    }
}

impl Session {
    /// The next reconciliation of a resource that exists. A name without a kind is that of a cluster if nothing else has it.
    async fn planned_by_name(&self, name: &str) -> anyhow::Result<ResourcePlan> {
        let named = name.split_once('/').filter(|(kind, _)| is_cluster_kind(kind)).map(|(_, name)| name);
        let found = match named {
            Some(_) => None,
            None if name.contains('/') => Some(self.named(name).await?),
            None => self.only(&Kind::ALL, name).await?,
        };
        if let Some(live) = found {
            let manifest = live.object.clone();
            let declared = Declared { resource: live.clone(), live: Some(live), manifest };
            return Ok(ResourcePlan::Service(Box::new(self.planned(declared).await?)));
        }
        let (name, namespace) = (named.unwrap_or(name), &self.namespace);
        let kinds = if named.is_some() { NAME } else { "Valkey, Redis or ValkeyCluster" };
        let missing = || format!("namespace {namespace} has no {kinds} {name}");
        let cluster = self.cluster(namespace, name).await?.with_context(missing)?;
        Ok(ResourcePlan::Cluster(Box::new(self.planned_cluster(&cluster).await?)))
    }

    async fn planned(&self, declared: Declared) -> anyhow::Result<Planned> {
        let Declared { resource, live, manifest } = declared;
        let mut problems = check::manifest(&resource, live.as_ref(), &manifest);
        if !problems.is_empty() {
            return Ok(refused(&resource, live.is_some(), problems));
        }
        let preview = resource.preview(self).await?;
        problems = self.offered(&resource, &preview).await;
        let price = self.price(&resource, &preview).await;
        let mut planned = refused(&resource, live.is_some(), problems);
        planned.service_exists = preview.service.is_some();
        planned.outcome = Outcome {
            stuck: preview.outcome.ready == Ready::Stuck,
            reason: preview.outcome.reason.to_owned(),
            message: preview.outcome.message,
        };
        (planned.actions, planned.changes, planned.left) = (preview.actions, preview.changes, preview.left);
        planned.price = price;
        Ok(planned)
    }

    /// Price of the service before and after, where Aiven publishes it.
    async fn price(&self, resource: &Resource, preview: &Preview) -> Option<Price> {
        let [before, after] = &preview.ordered;
        let after = self.monthly_price(resource, preview, after.as_ref()?).await?;
        let before = match before {
            Some(before) => self.monthly_price(resource, preview, before).await,
            None => None,
        };
        Some(Price { before, after })
    }

    async fn monthly_price(&self, resource: &Resource, preview: &Preview, ordered: &Ordered) -> Option<f64> {
        let (token, project) = (preview.token.as_ref()?, resource.text("/spec/project"));
        let (provider, of) = (self.context.provider(), resource.kind.service_type());
        let (plan, cloud) = (&ordered.plan, ordered.cloud.as_deref()?);
        let price = provider.hourly_price(token, project, of, plan, cloud).await.ok()?;
        let mut hourly = price.plan;
        if let (Some(size), Some(per_gb)) = (ordered.disk_space_mb, price.added_disk_gb) {
            let included = provider.plan_disk(token, project, of, plan).await.ok()??;
            hourly += gigabytes(size.saturating_sub(included)) * per_gb;
        }
        Some(hourly * HOURS_PER_MONTH)
    }
}

fn gigabytes(mib: u64) -> f64 {
    u32::try_from(mib).map_or(f64::INFINITY, f64::from) / 1024.0
}

/// As Aiven counts them.
const HOURS_PER_MONTH: f64 = 730.0;
