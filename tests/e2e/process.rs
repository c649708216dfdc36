//! Operators as processes of their own, started by the command line as in a cluster. Each ends when it is dropped, and
//! keeps what it logs for the test.

use crate::world::{World, until};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

/// A running operator.
pub(crate) struct Operator {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

/// How one is started, besides what all have in common.
#[derive(Default)]
pub(crate) struct Start<'a> {
    /// The way to the API server; that of the world when there is none.
    pub(crate) kubeconfig: Option<String>,
    /// Variables besides those of this process.
    pub(crate) environment: BTreeMap<&'static str, OsString>,
    /// On the command line.
    pub(crate) flags: &'a [&'a str],
}

impl Operator {
    /// One with frequent reads and leader election.
    pub(crate) fn start(world: &World, flags: &[&str]) -> Self {
        Self::start_with(world, Start { flags, ..Start::default() })
    }

    pub(crate) fn start_with(world: &World, start: Start<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, start.kubeconfig.or_else(|| world.kubeconfig()).unwrap()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_valkeeper"))
            .args(["run", "--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect"])
            .args([
                "--building-interval-min=20ms",
                "--building-interval-max=200ms",
                "--stabilization-period=0s",
            ])
            .arg(format!("--kubeconfig={}", path.display()))
            .arg(format!("--provider-url={}", world.provider_url()))
            .arg(format!("--watched-namespaces={}", world.namespace))
            .arg(format!("--leader-elect-resource-namespace={}", world.lease_namespace()))
            .args(start.flags)
            .envs(start.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, lines) = (Arc::<Mutex<Vec<String>>>::default(), child.stderr.take().unwrap());
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { child, log, _folder: folder }
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    /// How many lines of the log so far have `text` in them.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until the log contains `text` for the time with this number.
    pub(crate) async fn logs(&self, text: &str, times: usize) {
        let _ = until(|| async { self.logged(text) }, |logged| *logged >= times).await;
    }

    pub(crate) async fn leads(&self) {
        self.logs("became leader", 1).await;
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> u64 {
        let sizes = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        sizes.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // A process that is stopped can be killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cluster with other participants cannot be used: its address is not for processes of this test.
pub(crate) async fn without_operator(world: &mut World) -> bool {
    world.kill_operator().await;
    world.kubeconfig().is_some()
}
