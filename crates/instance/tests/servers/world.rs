//! Managers as processes, with everything that a test does to them.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::Instant;
use valkeeper_failover::{Name, Term, protocol::Role};
use valkeeper_instance::{
    client::{self, InstanceClient},
    lease::{FileLease, LeaseStore},
    status::StatusAnswer,
};
use valkeeper_server::{Connection, Credentials, Endpoint, Error, Server};
use valkeeper_testbed::tools;

/// Longest wait for anything; only a failure takes it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
const NAMES: [&str; 3] = ["a", "b", "c"];

static NETWORKS: AtomicU32 = AtomicU32::new(1);

/// A server program of this machine; `None` skips the test.
pub(crate) fn valkey() -> Option<PathBuf> {
    tools::VALKEY_SERVER.or_skip()
}

/// Every server program of this machine.
pub(crate) fn all_programs() -> Vec<PathBuf> {
    [tools::VALKEY_SERVER.or_skip(), tools::REDIS_SERVER.or_skip()].into_iter().flatten().collect()
}

/// What differs between worlds.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Lines of the settings below `server`.
    pub(crate) server: String,
    /// Other lines of the settings.
    pub(crate) more: String,
    /// The lease; a file by default.
    pub(crate) lease: LeaseKind,
}

/// Where the lease is.
#[derive(Clone, Default)]
pub(crate) enum LeaseKind {
    #[default]
    File,
    Alone,
    /// The Lease `cache` in the namespace `default` of this cluster.
    Kubernetes {
        kubeconfig: PathBuf,
        lease: Arc<dyn LeaseStore>,
    },
}

/// Up to three instances with one lease.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) nodes: Vec<Node>,
    pub(crate) http: reqwest::Client,
    pub(crate) lease: LeaseKind,
}

/// One instance.
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) host: String,
    pub(crate) folder: PathBuf,
    pub(crate) settings: PathBuf,
    pub(crate) client: InstanceClient,
    pub(crate) password: Option<String>,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) child: Option<Child>,
}

impl World {
    /// `count` instances that are not started yet.
    pub(crate) fn new(program: &Path, count: usize, setup: &Setup) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let network =
            format!("127.{}.{}", 20 + std::process::id() % 200, NETWORKS.fetch_add(1, Ordering::Relaxed));
        FileLease::at(&folder.path().join("lease")).create(Term(0)).unwrap();
        let http = client::http(None).unwrap();
        let node = |name: &&str, number: usize| {
            let host = format!("{network}.{}", number + 1);
            let own = folder.path().join(name);
            fs::create_dir(&own).unwrap();
            symlink(folder.path().join("lease"), own.join("lease")).unwrap();
            let settings = own.join("instance.yaml");
            fs::write(&settings, text(program, name, &host, &own, setup)).unwrap();
            Node {
                name: Name::from(*name),
                client: InstanceClient::new(http.clone(), format!("http://{host}:7379")),
                folder: own,
                host,
                settings,
                password: None,
                kubeconfig: match &setup.lease {
                    LeaseKind::Kubernetes { kubeconfig, .. } => Some(kubeconfig.clone()),
                    _ => None,
                },
                child: None,
            }
        };
        let nodes = NAMES.iter().take(count).enumerate().map(|(number, name)| node(name, number)).collect();
        Self { folder, nodes, http, lease: setup.lease.clone() }
    }

    /// `count` instances that are held.
    pub(crate) async fn started(program: &Path, count: usize, setup: &Setup) -> Self {
        let mut world = Self::new(program, count, setup);
        for node in &mut world.nodes {
            node.start();
        }
        for node in &world.nodes {
            node.until("held", |status| status.status.role == Role::Held).await;
        }
        world
    }

    /// The lease, as the operator reaches it.
    pub(crate) fn lease(&self) -> Arc<dyn LeaseStore> {
        match &self.lease {
            LeaseKind::Kubernetes { lease, .. } => Arc::clone(lease),
            _ => Arc::new(FileLease::at(&self.folder.path().join("lease"))),
        }
    }

    /// Of these names.
    pub(crate) fn node(&self, name: &Name) -> &Node {
        self.nodes.iter().find(|node| node.name == *name).unwrap()
    }

    /// Of these names.
    pub(crate) fn node_mut(&mut self, name: &Name) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == *name).unwrap()
    }

    /// The instances whose servers accept a write now.
    pub(crate) async fn writable(&self) -> Vec<Name> {
        let mut writable = Vec::new();
        for node in &self.nodes {
            if let Ok(mut server) = node.server().await
                && server.call(&["SET", "writable", "1"]).await.is_ok()
            {
                writable.push(node.name.clone());
            }
        }
        writable
    }
}

fn text(program: &Path, name: &str, host: &str, folder: &Path, setup: &Setup) -> String {
    let (folder, program) = (folder.display(), program.display());
    let lease = match setup.lease {
        LeaseKind::File => format!("{{file: {folder}/lease}}"),
        LeaseKind::Alone => "alone".to_owned(),
        LeaseKind::Kubernetes { .. } => "{kubernetes: {namespace: default, name: cache}}".to_owned(),
    };
    let Setup { server, more, .. } = setup;
    let health = if more.contains("intervals:") { "" } else { INTERVALS };
    let control = if more.contains("control:") {
        String::new()
    } else {
        format!("control: {{address: '{host}:7379'}}\n")
    };
    let (server, more) =
        (server.replace("FOLDER", &folder.to_string()), more.replace("FOLDER", &folder.to_string()));
    let more = more.replace("HOST", host);
    format!(
        "name: {name}\npod: {name}-uid\ndataDir: {folder}/data\nruntimeDir: {folder}/run\nhealth: '{host}:8080'\n\
         lease: {lease}\n{control}{health}{more}server:\n  program: {program}\n  host: {host}\n  bind: [{host}]\n{server}"
    )
}

/// Shorter than in production, with the same order.
pub(crate) const INTERVALS: &str = "intervals: {leaseDuration: 8000, hardDeadline: 6000, softDeadline: 5000, renewInterval: 500, \
                         requestTimeout: 1500, fenceTimeout: 1000, serverTimeout: 3000, gracePeriod: 30000}\n";

impl Node {
    /// Starts its manager.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_valkeeper-instance"))
            .arg("--settings")
            .arg(&self.settings)
            .env("LOG_LEVEL", "info,valkeeper_instance=debug")
            .envs(self.kubeconfig.iter().map(|path| ("KUBECONFIG", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Sends its manager a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Ends its manager as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that stands still is ended as well.
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until its manager has ended by itself; answers whether it succeeded.
    pub(crate) async fn ended(&mut self) -> bool {
        let mut child = self.child.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap().success()).await.unwrap()
    }

    /// Nothing that it asks of the API server arrives.
    pub(crate) fn cut_lease(&self) {
        fs::remove_file(self.folder.join("lease")).unwrap();
    }

    /// Waits until its status is as described.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&StatusAnswer) -> bool) -> StatusAnswer {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < PATIENCE {
            if let Ok(status) = self.client.status().await {
                if fits(&status) {
                    return status;
                }
                last = Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} is not {what}: {last:?}\n{}", self.name, self.log())
    }

    /// What its manager and its server have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A client of its server.
    pub(crate) async fn server(&self) -> Result<Server, Error> {
        let credentials =
            self.password.clone().map(|password| Credentials { user: "default".to_owned(), password });
        self.server_as(credentials.as_ref()).await
    }

    /// A client of its server, as this user.
    pub(crate) async fn server_as(&self, credentials: Option<&Credentials>) -> Result<Server, Error> {
        let endpoint = Endpoint::Tcp(self.host.clone(), 6379);
        Ok(Connection::open(&endpoint, credentials, Duration::from_secs(2)).await?.into())
    }

    /// The process of its server.
    pub(crate) async fn server_pid(&self) -> Pid {
        let info = self.server().await.unwrap().info(&["server"]).await.unwrap();
        Pid::from_raw(info.text("process_id").parse().unwrap()).unwrap()
    }

    /// A field of `INFO`.
    pub(crate) async fn info_number(&self, section: &str, field: &str) -> u64 {
        self.server().await.unwrap().info(&[section]).await.unwrap().number(field)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.log());
        }
    }
}

/// Polls until the condition is true.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}")
}
