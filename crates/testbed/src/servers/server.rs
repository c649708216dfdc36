//! One running server process: started from a configuration file, ready when it answers, and updated to the wanted
//! state without a restart where possible. Clients cannot log in before their users are set.

use super::access;
use super::binaries::Binary;
use super::certificates::write_private;
use super::control::{Control, USER};
use super::launcher::Process;
use super::wanted::{AclUser, Directive, Wanted};
use super::{HOST, Servers};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Longest wait for a server to start, which includes loading its data.
const START: Duration = Duration::from_secs(30);
/// Longest wait for a server to end, which includes saving its data.
const END: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);
/// Where systems keep the authorities they trust, for migrations from elsewhere.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs";

/// Where the files of a service are.
#[derive(Clone)]
pub(super) struct Place {
    /// The service's folder, with its certificate and configuration.
    pub(super) folder: PathBuf,
    /// The socket of the control connection.
    pub(super) socket: PathBuf,
}

impl Place {
    /// The folder that the server works in.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Waits for the server of a sandbox that was killed: it saves its data before it ends.
    async fn wait_until_free(&self) -> anyhow::Result<()> {
        let Ok(process) = std::fs::read_to_string(self.folder.join("server.pid")) else { return Ok(()) };
        let place = PathBuf::from(format!("/proc/{}/cwd", process.trim()));
        let data = self.data();
        let gone = async {
            while std::fs::read_link(&place).is_ok_and(|place| place == data) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(END, gone).await.context("another server uses the data and does not end")
    }

    /// The server's own snapshot.
    pub(super) fn dump(&self) -> PathBuf {
        self.data().join("dump.rdb")
    }
}

/// A server that answers.
pub(super) struct Server {
    pub(super) binary: Binary,
    pub(super) control: Control,
    process: Process,
    fixed: Vec<Directive>,
    live: BTreeMap<&'static str, String>,
    users: Vec<AclUser>,
    /// Port for TLS; used only by the gate.
    pub(super) tls_port: u16,
    /// Where it listens without.
    pub(super) plain_port: Option<u16>,
}

impl Server {
    /// Starts a server with the data in `place`.
    pub(super) async fn start(
        servers: &Servers,
        place: &Place,
        binary: &Binary,
        wanted: &Wanted,
    ) -> anyhow::Result<Self> {
        place.wait_until_free().await?;
        servers.authority.issue(&wanted.host, &place.folder)?;
        let mut failure = None;
        // A port that was free may be taken when the server wants it.
        for _ in 0..5 {
            let tls_port = free_port()?;
            let file = place.folder.join("server.conf");
            write_private(&file, &configuration(servers, place, wanted, tls_port))?;
            match launch(servers, place, binary, &file).await {
                Ok((process, control)) => {
                    return Ok(Self {
                        binary: binary.clone(),
                        control,
                        process,
                        fixed: wanted.settings.fixed.clone(),
                        live: BTreeMap::new(),
                        users: Vec::new(),
                        tls_port,
                        plain_port: None,
                    });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("the server does not start")))
    }

    /// Whether the wanted state needs no restart.
    pub(super) fn suits(&self, binary: &Binary, wanted: &Wanted) -> bool {
        self.binary == *binary && self.fixed == wanted.settings.fixed
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Applies the wanted settings and users.
    pub(super) async fn apply(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        for (directive, value) in &wanted.settings.live {
            if self.live.get(directive) == Some(value) {
                continue;
            }
            if let Err(error) = self.control.set(directive, value).await {
                // Not every build has every feature: some cannot defragment memory, for example.
                let standard = matches!((*directive, value.as_str()), ("activedefrag", "no"));
                if !standard {
                    let product = &self.binary.product;
                    tracing::warn!("{product} does not take {directive} {value:?}: {error:#}");
                }
            }
            self.live.insert(directive, value.clone());
        }
        self.listen_without_tls(wanted.settings.plain).await?;
        access::apply(&mut self.control, &mut self.users, &wanted.users).await;
        Ok(())
    }

    async fn listen_without_tls(&mut self, plain: bool) -> anyhow::Result<()> {
        match (plain, self.plain_port) {
            (true, None) => {
                for _ in 0..5 {
                    let port = free_port()?;
                    if self.control.set("port", &port.to_string()).await.is_ok() {
                        self.plain_port = Some(port);
                        return Ok(());
                    }
                }
                bail!("the server cannot listen without TLS")
            }
            (false, Some(_)) => {
                self.plain_port = None;
                self.control.set("port", "0").await
            }
            _ => Ok(()),
        }
    }

    /// Follows another server, or stops to follow any.
    pub(super) async fn follow(&mut self, source: Option<Source<'_>>) -> anyhow::Result<()> {
        let Some(source) = source else {
            return self.control.run(&["REPLICAOF", "NO", "ONE"]).await.map(drop);
        };
        self.control.set("tls-replication", if source.tls { "yes" } else { "no" }).await?;
        self.control.set("masteruser", source.user).await?;
        self.control.set("masterauth", source.password).await?;
        self.control.run(&["REPLICAOF", source.host, &source.port.to_string()]).await.map(drop)
    }

    /// Ends the process, with its data in the snapshot file if `save`.
    pub(super) async fn end(mut self, save: bool) -> anyhow::Result<()> {
        if save {
            self.control.save().await?;
        }
        // The server answers by closing the connection.
        let _ = self.control.run(&["SHUTDOWN", "NOSAVE"]).await;
        let ended = async {
            while self.process.ended().is_none() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(END, ended).await.context("the server does not end")
    }
}

/// A server to follow.
pub(super) struct Source<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) tls: bool,
}

/// A currently unused port.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?.local_addr()?.port())
}

fn configuration(servers: &Servers, place: &Place, wanted: &Wanted, tls_port: u16) -> String {
    let file = |name: &str| place.folder.join(name).display().to_string();
    let password = &servers.control_password;
    let mut text = String::new();
    let mut directive = |name: &str, value: &str| {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name} \"{quoted}\"");
    };
    directive("bind", "127.0.0.1");
    directive("port", "0");
    directive("tls-port", &tls_port.to_string());
    directive("tls-cert-file", &file("server.pem"));
    directive("tls-key-file", &file("server.key"));
    directive("tls-ca-cert-file", &file("ca.pem"));
    if Path::new(SYSTEM_AUTHORITIES).is_dir() {
        directive("tls-ca-cert-dir", SYSTEM_AUTHORITIES);
    }
    directive("tls-auth-clients", "no");
    directive("unixsocket", &place.socket.display().to_string());
    directive("unixsocketperm", "700");
    directive("dir", &place.data().display().to_string());
    directive("daemonize", "no");
    directive("pidfile", &file("server.pid"));
    directive("appendonly", "no");
    directive("save", "");
    // A server that is stopped saves its data, but waits for no client and ends even if that fails.
    directive("shutdown-timeout", "0");
    directive("shutdown-on-sigterm", "now force");
    for (name, value) in &wanted.settings.fixed {
        directive(name, value);
    }
    let _ = writeln!(text, "user default off\nuser {USER} on >{password} ~* &* +@all");
    text
}

async fn launch(
    servers: &Servers,
    place: &Place,
    binary: &Binary,
    file: &Path,
) -> anyhow::Result<(Process, Control)> {
    let log_path = place.folder.join("server.log");
    let log = OpenOptions::new().create(true).append(true).open(&log_path)?;
    let mut command = servers.launcher.command(binary.path.as_os_str());
    command.arg(file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut process = servers.launcher.launch(command).await?;
    let deadline = tokio::time::Instant::now() + START;
    loop {
        if let Some(status) = process.ended() {
            bail!("the server ended at once ({status}); see {}", log_path.display());
        }
        if let Ok(mut control) = Control::connect(&place.socket, &servers.control_password, 0).await
            && control.run(&["PING"]).await.is_ok()
        {
            return Ok((process, control));
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the server does not answer at {HOST}; see {}", log_path.display());
        }
        tokio::time::sleep(LOOK).await;
    }
}
