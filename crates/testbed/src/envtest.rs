//! A real Kubernetes API server for tests: starts the `etcd` and `kube-apiserver` of an *envtest* folder
//! (`KUBEBUILDER_ASSETS`) on free loopback ports. Guarantees that both end when the server is dropped, and when
//! this process ends in whatever way, so that a static may hold one. It leaves it to the caller to install resource
//! definitions.

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rand::RngExt as _;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long the server may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often another port is tried when one was taken between choosing and using it.
const ATTEMPTS: usize = 5;

/// A running API server with its own store.
pub struct RealApiServer {
    folder: TempDir,
    kubeconfig: String,
    // Dropping a child closes its standard input.
    _programs: [Child; 2],
}

impl RealApiServer {
    /// Starts the programs of the folder `assets` and waits until they are ready.
    pub async fn start(assets: &Path) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(assets).await {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no attempt was made")))
    }

    /// The certificate of the server, which pods need to trust it.
    pub fn certificate(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("certs/apiserver.crt"))?)
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The same as a file, which lives as long as the server.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The same for a client in this process.
    pub async fn client_config(&self) -> anyhow::Result<kube::Config> {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig)?;
        Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    async fn attempt(assets: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        let token = uuid::Uuid::new_v4().to_string();
        std::fs::write(folder.path().join("tokens.csv"), format!("{token},admin,admin,system:masters\n"))?;
        let (etcd_port, port) = (free_port()?, free_port()?);
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let etcd = program(
            assets,
            "etcd",
            &[
                &format!("--data-dir={path}/etcd"),
                "--unsafe-no-fsync",
                "--listen-peer-urls=http://127.0.0.1:0",
                &format!("--listen-client-urls={etcd_url}"),
                &format!("--advertise-client-urls={etcd_url}"),
            ],
        )?;
        let server = program(
            assets,
            "kube-apiserver",
            &[
                &format!("--etcd-servers={etcd_url}"),
                &format!("--secure-port={port}"),
                &format!("--cert-dir={path}/certs"),
                &format!("--token-auth-file={path}/tokens.csv"),
                "--authorization-mode=RBAC",
                // Addresses that nodes of the testbed can serve.
                &format!("--service-cluster-ip-range=127.{}.0.0/16", rand::rng().random_range(200..=250)),
            ],
        )?;
        let mut programs = [etcd, server];
        let certificate = folder.path().join("certs/apiserver.crt");
        wait_until_ready(&mut programs, port, &certificate).await?;
        let kubeconfig = kubeconfig(port, &token, &std::fs::read(certificate)?);
        std::fs::write(folder.path().join("kubeconfig"), &kubeconfig)?;
        Ok(Self { folder, kubeconfig, _programs: programs })
    }
}

/// A port of the loopback address that no program listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a program until its own standard input is closed; nothing writes to that input.
const UNTIL_CLOSED: &str =
    r#"exec 3<&0; "$@" </dev/null 3<&- & program=$!; (cat <&3 >/dev/null; kill -9 $program) & wait $program"#;

fn program(assets: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<Child> {
    Command::new("sh")
        .args(["-c", UNTIL_CLOSED, "sh"])
        .arg(assets.join(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {name} in {}", assets.display()))
}

async fn wait_until_ready(programs: &mut [Child; 2], port: u16, certificate: &Path) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        for program in programs.iter_mut() {
            if let Some(status) = program.try_wait()? {
                bail!("a program of the API server ended early: {status}");
            }
        }
        if let Ok(pem) = std::fs::read(certificate)
            && is_ready(port, &pem).await
        {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the API server is not ready after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_ready(port: u16, pem: &[u8]) -> bool {
    let Ok(certificate) = reqwest::Certificate::from_pem(pem) else { return false };
    let client =
        reqwest::Client::builder().tls_certs_only([certificate]).timeout(Duration::from_secs(5)).build();
    let Ok(client) = client else { return false };
    let answer = client.get(format!("https://127.0.0.1:{port}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

fn kubeconfig(port: u16, token: &str, certificate: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!(
        "apiVersion: v1
kind: Config
current-context: envtest
clusters:
- name: envtest
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority-data: {}
users:
- name: admin
  user:
    token: {token}
contexts:
- name: envtest
  context:
    cluster: envtest
    user: admin
",
        STANDARD.encode(certificate)
    )
}
