//! The `valkeeper-sandbox` command as a newcomer runs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use valkeeper_testbed::tools;

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
async fn foreign_kubeconfig_is_not_overwritten() {
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
async fn services_are_real_servers_unless_simulation_is_requested() {
    let (success, text, errors) = output(&["--once", "--engine", "simulated"]).await;
    assert!(success && text.contains("simulated"), "{text}{errors}");
    assert!(!text.contains("Connected"), "{text}");
    if tools::server_or_skip() {
        // Side by side, they do not meet.
        let (first, second) = tokio::join!(output(&["--once"]), output(&["--once", "--engine", "process"]));
        for (success, text, errors) in [first, second] {
            assert!(success, "{text}{errors}");
            assert!(text.contains("Connected with nothing but the Secrets"), "{text}");
            assert_eq!(text.matches("SET/GET round trip:").count(), 2, "{text}");
        }
    }
}

#[tokio::test]
async fn missing_server_program_refuses_real_and_announces_simulated() {
    let without = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("PATH", "/nowhere").output()
    };
    let refused = without(&["--once", "--engine", "process"]).await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("on the PATH"), "{refused:?}");
    let simulated = without(&["--once"]).await.unwrap();
    assert!(simulated.status.success());
    assert!(String::from_utf8_lossy(&simulated.stdout).contains("simulated; install valkey-server"));
    let given = without(&["--once", "--valkey-server", "/bin/false"]).await.unwrap();
    assert!(String::from_utf8_lossy(&given.stderr).contains("not a Valkey or Redis server"), "{given:?}");
}

/// The processes that work in `folder`.
fn processes_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let places = entries.filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok());
    // The kernel names a folder that was moved by its new name, and marks one that is gone.
    places.filter(|place| place.to_string_lossy().starts_with(&*folder.to_string_lossy())).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn servers_end_with_the_sandbox_even_when_it_is_killed() {
    if !tools::server_or_skip() || tools::SETPRIV.or_skip().is_none() {
        return;
    }
    for (signal, data_is_there) in [("-KILL", true), ("-KILL", false), ("-TERM", true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&[]);
        let mut child = command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        until_watching(&mut child).await;
        assert_eq!(processes_of(folder.path()).len(), 2);
        let id = child.id().unwrap().to_string();
        if !data_is_there {
            // Then the servers cannot save it; that must not keep them alive.
            std::fs::rename(folder.path(), folder.path().with_extension("moved")).unwrap();
            std::fs::remove_dir_all(folder.path().with_extension("moved")).unwrap();
        }
        Command::new("kill").args([signal, &id]).status().await.unwrap();
        child.wait().await.unwrap();
        let gone = async {
            while !processes_of(folder.path()).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
        let left = std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
        assert!(signal == "-KILL" || left == 0, "an orderly end leaves nothing behind");
    }
}

/// Reads what a run prints until it only watches.
async fn until_watching(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let watching = async {
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
    let text = tokio::time::timeout(PATIENCE, watching).await.unwrap();
    child.stdout = Some(lines.into_inner().into_inner());
    text
}

/// A running sandbox with a state, and a client of its first service.
struct Kept {
    child: Child,
    kubernetes: String,
    provider: String,
}

impl Kept {
    async fn start(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (state, kubeconfig) = (path("state"), path("config"));
        let mut child = command(&["--state", &state, "--kubeconfig", &kubeconfig])
            .env("TMPDIR", folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = until_watching(&mut child).await;
        let fact = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        Self { child, kubernetes: fact("Kubernetes API"), provider: fact("Provider API") }
    }

    async fn read(&self, url: String) -> Value {
        let request = reqwest::Client::new().get(url).header("Authorization", "aivenv1 sandbox-token");
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn object(&self, path: &str) -> Value {
        self.read(format!("{}{path}", self.kubernetes)).await
    }

    async fn secret(&self) -> BTreeMap<String, String> {
        let secret = self.object("/api/v1/namespaces/default/secrets/my-valkey-secret").await;
        let decode = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
        let data = secret["data"].as_object().unwrap().iter();
        data.map(|(key, value)| (key.clone(), String::from_utf8(decode(value)).unwrap())).collect()
    }

    async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let secret = self.secret().await;
        let url = format!("{}/v1/project/my-aiven-project/kms/ca", self.provider);
        let authority = self.read(url).await["certificate"].as_str().unwrap().to_owned();
        let url = format!(
            "rediss://{}:{}@{}:{}",
            secret["VALKEY_USER"], secret["VALKEY_PASSWORD"], secret["VALKEY_HOST"], secret["VALKEY_PORT"]
        );
        let certificates =
            redis::TlsCertificates { client_tls: None, root_cert: Some(authority.into_bytes()) };
        let client = redis::Client::build_with_tls(url, certificates).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn end(mut self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        Command::new("kill").args([signal, &id]).status().await.unwrap();
        self.child.wait().await.unwrap();
    }
}

#[tokio::test]
async fn with_a_state_objects_services_and_data_survive_the_sandbox() {
    if !tools::server_or_skip() {
        return;
    }
    // Fails when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let valkey = "/apis/aiven.io/v1alpha1/namespaces/default/valkeys/my-valkey";
    let first = Kept::start(folder.path()).await;
    let (secret, uid) = (first.secret().await, first.object(valkey).await["metadata"]["uid"].clone());
    let mut connection = first.connect().await;
    redis::cmd("SET").arg("greeting").arg("hello").query_async::<()>(&mut connection).await.unwrap();
    first.end("-TERM").await;

    let second = Kept::start(folder.path()).await;
    assert_eq!(
        (second.secret().await, &second.object(valkey).await["metadata"]["uid"]),
        (secret.clone(), &uid)
    );
    let mut connection = second.connect().await;
    let value: String = redis::cmd("GET").arg("greeting").query_async(&mut connection).await.unwrap();
    assert_eq!(value, "hello");
    redis::cmd("SET").arg("greeting").arg("again").query_async::<()>(&mut connection).await.unwrap();
    second.end("-KILL").await;

    let third = Kept::start(folder.path()).await;
    assert_eq!((third.secret().await, &third.object(valkey).await["metadata"]["uid"]), (secret, &uid));
    let mut connection = third.connect().await;
    let value: String = redis::cmd("GET").arg("greeting").query_async(&mut connection).await.unwrap();
    assert_eq!(value, "again", "the server saved it when the sandbox was killed");
    let services = format!("{}/v1/project/my-aiven-project/service", third.provider);
    assert_eq!(third.read(services).await["services"].as_array().unwrap().len(), 2, "none was built again");
    third.end("-TERM").await;
}

#[tokio::test]
async fn ctl_acts_on_the_sandbox_whose_kubeconfig_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let file = path.to_str().unwrap();
    let mut child = command(&["--kubeconfig", file]).stdout(Stdio::piped()).spawn().unwrap();
    until_watching(&mut child).await;
    let ctl = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
        let output = command.arg("ctl").args(arguments).args(["--kubeconfig", file]).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap().trim().to_owned())
    };
    for (arguments, expected) in [
        (&["reset-password", "my-valkey"][..], "my-valkey has a new password."),
        (&["tags", "my-valkey", "a=1", "b=2"], "my-valkey has 2 tags now."),
        (&["plan", "k8s-redis", "startup-8"], "k8s-redis has the plan startup-8 now."),
        (&["fail", "throttle", "--times", "2"], "The next 2 requests fail."),
        (&["fail", "not-found-page", "--times", "1"], "The next 1 requests fail."),
        (&["disturb", "read-lag=3s"], "read-lag=3s holds until the API is told to recover."),
        (&["slow", "1"], "Every answer takes 1 milliseconds longer."),
        (&["advance", "12h"], "12h have passed at the provider."),
        (&["recover"], "The API works normally again."),
        (&["revoke-token", "sandbox"], "The token sandbox is refused from now on."),
        (&["accept-token", "sandbox"], "The token sandbox is accepted again."),
    ] {
        assert_eq!(ctl(arguments).await, (true, expected.to_owned()));
    }
    let (success, text) = ctl(&["disturb", "gremlins"]).await;
    assert!(!success && text.contains("read-lag=3s"), "{text}");
    let (success, text) = ctl(&["power-off", "nothing"]).await;
    assert!(!success && text.contains("There are: k8s-redis, my-valkey."), "{text}");
    let id = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    assert!(child.wait().await.unwrap().success());
}

/// Reads the feed of a run up to a line that contains `part`.
async fn until_feed_shows(child: &mut Child, part: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = async { while !lines.next_line().await.unwrap().unwrap().contains(part) {} };
    let found = tokio::time::timeout(PATIENCE, found).await;
    assert!(found.is_ok(), "the feed does not show {part}");
    child.stdout = Some(lines.into_inner().into_inner());
}

#[tokio::test]
async fn feed_shows_each_of_the_three_things_to_try() {
    // Fails when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let file = path.to_str().unwrap();
    let mut child =
        command(&["--kubeconfig", file]).env("TMPDIR", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let text = until_watching(&mut child).await;
    assert!(text.contains("every 5s in sync"), "{text}");
    let log = text.lines().find_map(|line| line.trim().strip_prefix("Operator log")).unwrap().trim();
    let log = std::fs::read_to_string(log).unwrap();
    let trouble: Vec<_> =
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(trouble.is_empty(), "{trouble:#?}");
    let fact =
        |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim().to_owned();
    let valkey =
        format!("{}/apis/aiven.io/v1alpha1/namespaces/default/valkeys/my-valkey", fact("Kubernetes API"));
    let ctl = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
        let status = command.arg("ctl").args(arguments).args(["--kubeconfig", file]).status().await.unwrap();
        assert!(status.success());
    };
    ctl(&["plan", "my-valkey", "startup-8"]).await;
    until_feed_shows(&mut child, "Drift").await;
    ctl(&["reset-password", "my-valkey"]).await;
    until_feed_shows(&mut child, "SecretWritten").await;
    let request = reqwest::Client::new().patch(valkey).header("Content-Type", "application/merge-patch+json");
    let answer = request.body(r#"{"spec": {"plan": "business-4"}}"#).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    until_feed_shows(&mut child, "valkey/my-valkey").await;
    let id = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn sandbox_without_once_runs_until_stopped_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let mut child =
        command(&["--kubeconfig", path.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let text = until_watching(&mut child).await;
    assert!(text.contains("Three things to try"), "{text}");
    assert!(path.exists());
    let id = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert!(!path.exists());
}

/// Runs `kubectl` until it prints what is expected.
async fn kubectl(config: &Path, arguments: &[&str], expected: &str) -> String {
    let program = tools::KUBECTL.find().unwrap();
    let found = async {
        loop {
            let mut command = Command::new(&program);
            let output = command.arg("--kubeconfig").arg(config).args(arguments).output().await.unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            if text.contains(expected) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("kubectl {arguments:?} does not print {expected:?}"))
}

#[tokio::test]
async fn nodes_run_pods_until_kubectl_deletes_or_drains_them() {
    if tools::KUBECTL.or_skip().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let config = path.to_str().unwrap();
    let arguments = ["--nodes", "3", "--without-examples", "--engine", "simulated", "--kubeconfig", config];
    let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let text = until_watching(&mut child).await;
    assert!(text.contains("plain mode"), "{text}");
    for name in ["a", "b"] {
        let run = ["run", name, "--image=busybox", "--command", "--"];
        let script = ["sh", "-c", "echo I am $HOSTNAME; exec sleep 600"];
        kubectl(&path, &[&run[..], &script[..]].concat(), "created").await;
    }
    let shown = kubectl(&path, &["get", "pods", "a", "-o", "wide"], "1/1").await;
    let node = shown.split_whitespace().find(|word| word.starts_with("node-")).unwrap();
    assert!(shown.contains(" 127."), "{shown}");
    kubectl(&path, &["logs", "a"], "I am a\n").await;
    kubectl(&path, &["drain", node, "--force"], "drained").await;
    kubectl(&path, &["get", "nodes"], "Ready,SchedulingDisabled").await;
    kubectl(&path, &["get", "pod", "a"], "not found").await;
    kubectl(&path, &["delete", "pod", "b"], "deleted").await;
    let id = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap().success());
}

/// The script that the documentation recommends for pipelines.
#[tokio::test]
async fn the_documented_script_tests_manifests() {
    if tools::KUBECTL.or_skip().is_none() {
        return;
    }
    let page = include_str!("../../docs/sandbox.md");
    let start = page.find("# test-manifests.sh").unwrap();
    let script = &page[start..start + page[start..].find("\n```").unwrap()];
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    let manifest =
        |name: &str, content: &str| std::fs::write(folder.path().join("manifests").join(name), content);
    manifest("valkey.yaml", include_str!("../../examples/valkey.yaml")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_valkeeper-sandbox")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let run = async || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script.replace("--timeout=60s", "--timeout=10s"), "sh", "manifests"]);
        shell.current_dir(folder.path()).env("PATH", &path).env_remove("KUBECONFIG").kill_on_drop(true);
        tokio::time::timeout(PATIENCE, shell.output()).await.unwrap().unwrap()
    };
    let good = run().await;
    assert!(good.status.success(), "{good:?}");
    assert!(String::from_utf8_lossy(&good.stdout).contains("secret/my-valkey-secret"), "{good:?}");
    let wrong = include_str!("../../examples/redis.yaml").replace("startup-4", "startup-5");
    manifest("redis.yaml", &wrong).unwrap();
    assert!(!run().await.status.success(), "there is no such plan");
}
