//! The `valkeeper-sandbox` command as a newcomer runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// Longest wait for a run.
const PATIENCE: Duration = Duration::from_mins(2);

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
    command.args(["--build-time", "500ms"]).args(arguments).kill_on_drop(true);
    command
}

async fn output(arguments: &[&str]) -> (bool, String, String) {
    let output = tokio::time::timeout(PATIENCE, command(arguments).output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn once_builds_both_services_checks_their_secrets_and_ends_well() {
    let (success, text, errors) = output(&["--once"]).await;
    assert!(success, "{text}{errors}");
    assert_eq!(errors, "");
    for expected in [
        "$ kubectl get valkeys,redis",
        "valkey.aiven.io/my-valkey   my-aiven-project   google-europe-west1   startup-4   RUNNING",
        "redis.aiven.io/k8s-redis",
        "VALKEY_PASSWORD              ********  24 bytes",
        "MY_SECRET_PREFIX_HOST        ********",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("AVNS_") && !text.contains("\x1b["), "{text}");
}

#[tokio::test]
async fn everything_but_the_table_of_kubectl_fits_into_eighty_columns() {
    let (_, text, _) = output(&["--once"]).await;
    let table = |line: &str| line.starts_with("NAME ") || line.contains(".aiven.io/");
    let wide: Vec<&str> = text
        .lines()
        .filter(|line| !table(line) && !line.contains('/'))
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[tokio::test]
async fn a_kubeconfig_of_somebody_else_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, "apiVersion: v1\n").unwrap();
    let (success, _, errors) = output(&["--once", "--kubeconfig", path.to_str().unwrap()]).await;
    assert!(!success);
    assert!(errors.contains("was not written by the sandbox"), "{errors}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "apiVersion: v1\n");
}

#[tokio::test]
async fn a_port_in_use_is_named_as_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (success, _, errors) = output(&["--once", "--provider-port", &port]).await;
    assert!(!success);
    assert!(errors.contains("cannot start the provider's API") && errors.contains(&port), "{errors}");
}

#[tokio::test]
async fn without_once_it_stays_up_until_it_is_told_to_stop_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let mut child =
        command(&["--kubeconfig", path.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let until_watching = async {
        let mut text = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            text += &line;
            text.push('\n');
            if line.starts_with("Watching") {
                break;
            }
        }
        text
    };
    let text = tokio::time::timeout(PATIENCE, until_watching).await.unwrap();
    assert!(text.contains("Three things to try"), "{text}");
    assert!(path.exists());
    let id = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert!(!path.exists());
}
