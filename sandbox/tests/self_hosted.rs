//! The demonstration of a self-hosted cluster as a newcomer runs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::process::Output;
use std::time::Duration;
use tokio::process::Command;
use valkeeper_testbed::tools;

/// Longest wait for a run.
const PATIENCE: Duration = Duration::from_mins(2);

async fn run(path: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
    command.args(["--self-hosted", "--once"]).kill_on_drop(true);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn failover_of_a_self_hosted_cluster_is_shown_and_loses_nothing() {
    if !tools::server_or_skip() {
        return;
    }
    let output = run(None).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    for expected in [
        "SET greeting hello  ->  OK",
        "$ kubectl delete pod sessions-",
        "which is known to have stopped",
        "Service sessions-leader leads to sessions-",
        "GET greeting        ->  hello",
        ", 0 lost",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert_eq!(errors, "");
    let wide: Vec<&str> =
        text.lines().filter(|line| !line.contains('/') && line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[tokio::test]
async fn without_servers_the_command_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path().to_str()).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(errors.contains("apt install valkey-server"), "{errors}");
}
