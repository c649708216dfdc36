//! `valkeeper doctor`: detects what keeps the operator from working, and names the command that repairs it. Each file
//! below is a group of checks. A check that cannot run reports that and does not count as passed.

mod cluster;
mod finalizers;
mod finding;
mod operator;
mod resources;
mod rights;

use self::finding::{Finding, Level};
use super::{
    session::{Connection, Output, Session},
    table::table,
};
use clap::Args;
use std::process::ExitCode;

/// The flags of `valkeeper doctor`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  no errors
  1  errors
  2  wrong usage

Examples:
  kubectl valkeeper doctor
  kubectl valkeeper doctor --as system:serviceaccount:valkeeper-system:valkeeper
  kubectl valkeeper doctor -o json")]
pub(in crate::cli) struct Doctor {
    /// Namespace of the operator
    #[arg(long, value_name = "NAME", default_value = "valkeeper-system")]
    operator_namespace: String,

    /// Name of the operator's Lease
    #[arg(long, value_name = "NAME", default_value = "valkeeper")]
    lease: String,

    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Doctor {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let findings = examine(&session, &self.operator_namespace, &self.lease).await;
        self.output.write(&text(&findings), &findings)?;
        let errors = findings.iter().any(|finding| finding.level == Level::Error);
        Ok(if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// All checks, in the order in which a user repairs what they find.
pub(super) async fn examine(session: &Session, namespace: &str, lease: &str) -> Vec<Finding> {
    let mut findings = cluster::version(session).await;
    findings.extend(cluster::definitions(session).await);
    findings.extend(cluster::webhooks(session).await);
    findings.extend(rights::of_this_user(session).await);
    findings.extend(operator::replicas(session, namespace).await);
    findings.extend(operator::lease(session, namespace, lease).await);
    findings.extend(operator::others(session).await);
    findings.extend(resources::check(session).await);
    findings.extend(finalizers::check(session).await);
    findings
}

fn text(findings: &[Finding]) -> String {
    let rows: Vec<_> = findings
        .iter()
        .flat_map(|finding| {
            let word = match finding.level {
                Level::Ok => "ok",
                Level::Skipped => "skipped",
                Level::Warning => "WARNING",
                Level::Error => "ERROR",
            };
            let first = vec![word.to_owned(), finding.check.to_owned(), finding.message.clone()];
            let command = finding
                .command
                .iter()
                .map(|command| vec![String::new(), String::new(), format!("$ {command}")]);
            std::iter::once(first).chain(command).collect::<Vec<_>>()
        })
        .collect();
    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    format!(
        "{}\n{} errors, {} warnings, {} skipped\n",
        table("", &rows),
        of(Level::Error),
        of(Level::Warning),
        of(Level::Skipped)
    )
}
