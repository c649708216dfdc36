//! Fetches data from an external server: by following it, or by copying every key once. A failure is reported with
//! its reason, without credentials. The caller decides when to stop.

use super::Servers;
use super::control::Control;
use super::server::{Place, Server, Source};
use super::wanted::Migration;
use anyhow::Context as _;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsCertificates};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a source may be out of reach before the migration counts as failed.
const GRACE: Duration = Duration::from_secs(3);
/// Keys per request.
const BATCH: usize = 500;
/// The authorities that systems trust, in one file.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a migration is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    /// Whether keys are copied once.
    pub(crate) dump: bool,
    /// `running`, `syncing`, `done` or `failed`.
    pub(crate) status: &'static str,
    pub(crate) error: Option<String>,
    /// Whether the source is being followed at the moment.
    pub(crate) connected: Option<bool>,
    /// Databases with their own status.
    pub(crate) databases: BTreeMap<String, &'static str>,
}

impl Course {
    fn new(dump: bool) -> Self {
        let status = if dump { "running" } else { "syncing" };
        Self { dump, status, error: None, connected: None, databases: BTreeMap::new() }
    }

    /// What is reported where nothing is behind the services.
    pub(crate) fn simulated(settings: &serde_json::Value, is_over: bool) -> Self {
        let mut course = Self::new(settings["method"] == "dump");
        // Names below `.invalid` never resolve, here as elsewhere.
        if settings["host"].as_str().is_some_and(|host| host.ends_with(".invalid")) {
            course.fail("Could not connect to the source".to_owned());
            return course;
        }
        if is_over {
            course.status = "done";
        }
        course.connected = (!course.dump).then_some(true);
        course.databases.insert("0".to_owned(), course.status);
        course
    }

    /// A copy that was made earlier.
    pub(crate) fn copied() -> Self {
        Self { status: "done", ..Self::new(true) }
    }

    pub(crate) fn has_copied(&self) -> bool {
        self.dump && self.status == "done"
    }

    fn fail(&mut self, reason: String) {
        self.status = "failed";
        self.error = Some(reason);
    }
}

/// A migration that was started.
pub(super) struct Running {
    settings: Migration,
    since: Instant,
    course: Arc<Mutex<Course>>,
    /// Copies the keys; a followed source needs no task.
    _copying: JoinSet<()>,
}

impl Running {
    /// Starts to fetch data into `server`.
    pub(super) async fn start(
        servers: &Arc<Servers>,
        place: &Place,
        server: &mut Server,
        settings: &Migration,
    ) -> anyhow::Result<Self> {
        let course = Arc::new(Mutex::new(Course::new(settings.dump)));
        let mut copying = JoinSet::new();
        if settings.dump {
            let copy = Copy {
                servers: Arc::clone(servers),
                place: place.clone(),
                settings: settings.clone(),
                course: Arc::clone(&course),
            };
            copying.spawn(copy.run());
        } else {
            let source = Source {
                host: &settings.host,
                port: settings.port,
                user: settings.username.as_deref().unwrap_or_default(),
                password: settings.password.as_deref().unwrap_or_default(),
                tls: settings.tls,
            };
            server.follow(Some(source)).await?;
        }
        Ok(Self { settings: settings.clone(), since: Instant::now(), course, _copying: copying })
    }

    pub(super) fn is_for(&self, settings: &Migration) -> bool {
        self.settings == *settings
    }

    /// Ends the migration; what has arrived stays.
    pub(super) async fn stop(self, server: &mut Server) -> anyhow::Result<()> {
        if self.settings.dump { Ok(()) } else { server.follow(None).await }
    }

    /// How it is doing now.
    pub(super) async fn observe(&self, server: &mut Server) -> anyhow::Result<Course> {
        if self.settings.dump {
            return Ok(locked(&self.course).clone());
        }
        let info = server.control.info("replication").await?;
        let is_value = |key: &str, value: &str| info.get(key).is_some_and(|text| text == value);
        let mut course = Course::new(false);
        let connected = is_value("master_link_status", "up");
        course.connected = Some(connected);
        if connected {
            course.status = "done";
        } else if !is_value("master_sync_in_progress", "1") && self.since.elapsed() > GRACE {
            course.fail("Could not connect to the source".to_owned());
        }
        course.databases.insert("0".to_owned(), course.status);
        Ok(course)
    }
}

fn locked(course: &Mutex<Course>) -> std::sync::MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies every key once.
struct Copy {
    servers: Arc<Servers>,
    place: Place,
    settings: Migration,
    course: Arc<Mutex<Course>>,
}

impl Copy {
    async fn run(self) {
        let outcome = self.copy_all().await;
        let mut course = locked(&self.course);
        match outcome {
            Ok(()) => course.status = "done",
            Err(error) => course.fail(format!("{error:#}")),
        }
    }

    async fn copy_all(&self) -> anyhow::Result<()> {
        let mut source = Control::open(&self.source(0)?).await.context("Could not connect to the source")?;
        let keyspace = source.info("keyspace").await.context("Could not read the source")?;
        let databases = keyspace.keys().filter_map(|key| key.strip_prefix("db"));
        let databases: Vec<&str> =
            databases.filter(|name| !self.settings.ignored_databases.iter().any(|it| it == name)).collect();
        for name in &databases {
            locked(&self.course).databases.insert((*name).to_owned(), "running");
        }
        for name in databases {
            self.copy_database(name.parse()?).await.with_context(|| format!("Database {name}"))?;
            locked(&self.course).databases.insert(name.to_owned(), "done");
        }
        Ok(())
    }

    async fn copy_database(&self, database: i64) -> anyhow::Result<()> {
        let mut source = Control::open(&self.source(database)?).await?;
        let password = &self.servers.control_password;
        let mut target = Control::connect(&self.place.socket, password, database).await?;
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("COUNT").arg(BATCH);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(source.connection()).await?;
            for key in &keys {
                copy_key(&mut source, &mut target, key).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    fn source(&self, database: i64) -> anyhow::Result<Client> {
        let settings = &self.settings;
        let mut login = redis::RedisConnectionInfo::default().set_db(database);
        if let Some(user) = &settings.username {
            login = login.set_username(user);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password);
        }
        let host = settings.host.clone();
        if !settings.tls {
            let info: ConnectionInfo = ConnectionAddr::Tcp(host, settings.port).into_connection_info()?;
            return Ok(Client::open(info.set_redis_settings(login))?);
        }
        let address = ConnectionAddr::TcpTls { host, port: settings.port, insecure: false, tls_params: None };
        let info: ConnectionInfo = address.into_connection_info()?;
        let mut authorities = self.servers.authority().as_bytes().to_vec();
        authorities.extend(std::fs::read(SYSTEM_AUTHORITIES).unwrap_or_default());
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities) };
        Ok(Client::build_with_tls(info.set_redis_settings(login), certificates)?)
    }
}

async fn copy_key(source: &mut Control, target: &mut Control, key: &[u8]) -> anyhow::Result<()> {
    let mut read = redis::pipe();
    read.cmd("DUMP").arg(key).cmd("PTTL").arg(key);
    let (content, remaining): (Option<Vec<u8>>, i64) = read.query_async(source.connection()).await?;
    // It may have expired since it was listed.
    let Some(content) = content else { return Ok(()) };
    let mut restore = redis::cmd("RESTORE");
    restore.arg(key).arg(remaining.max(0)).arg(content).arg("REPLACE");
    restore.query_async::<()>(target.connection()).await?;
    Ok(())
}
