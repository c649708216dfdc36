//! Servers whose data comes from a running one, which clients write to meanwhile.

use crate::world::{LeaseKind, Node, Setup, World, all_programs};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Duration, sleep},
};
use valkeeper_failover::protocol::Role;
use valkeeper_instance::{
    import::{ImportProgress, ImportRequest, SourceServer},
    restore::RestoreStatus,
    status::StatusAnswer,
};
use valkeeper_server::{Connection, Credentials, Endpoint, Server};

pub(crate) const PASSWORD: &str = "word of the old server";
pub(crate) const PORT: u16 = 6390;

/// A server that no manager knows.
pub(crate) struct Source {
    child: Child,
    folder: TempDir,
    pub(crate) host: String,
}

impl Source {
    pub(crate) async fn start(program: &Path, host: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args([
                "--port",
                &PORT.to_string(),
                "--bind",
                host,
                "--save",
                "",
                "--requirepass",
                PASSWORD,
                "--repl-diskless-sync-delay",
                "0",
            ])
            .arg("--dir")
            .arg(folder.path())
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let source = Self { child: child.unwrap(), folder, host: host.to_owned() };
        crate::world::until("the source answers", async || source.client().await.is_some()).await;
        source
    }

    pub(crate) async fn client(&self) -> Option<Server> {
        let credentials = Credentials { user: "default".to_owned(), password: PASSWORD.to_owned() };
        let endpoint = Endpoint::Tcp(self.host.clone(), PORT);
        Connection::open(&endpoint, Some(&credentials), Duration::from_secs(5)).await.ok().map(Server::from)
    }

    pub(crate) fn request(&self, is_redis: bool, cut_over: bool) -> ImportRequest {
        let (username, password) = (None, Some(PASSWORD.to_owned()));
        let source = SourceServer { host: self.host.clone(), port: PORT, username, password, tls: None };
        ImportRequest { source, is_redis, version: if is_redis { "7.2" } else { "8.0" }.to_owned(), cut_over }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A client of the source that writes until it is stopped; answers how many writes were acknowledged.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    pub(crate) count: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(crate) async fn start(source: &Source) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut client = source.client().await.unwrap();
        let (ends, acknowledged) = (Arc::clone(&stop), Arc::clone(&count));
        let task = tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let number = acknowledged.load(Ordering::Relaxed);
                client.call(&["SET", &format!("written-{number}"), "v"]).await.unwrap();
                acknowledged.store(number + 1, Ordering::Relaxed);
                sleep(Duration::from_millis(1)).await;
            }
        });
        Self { stop, count, task }
    }

    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.count.load(Ordering::Relaxed)
    }
}

pub(crate) fn progress(status: &StatusAnswer) -> Option<&ImportProgress> {
    match &status.restore {
        Some(RestoreStatus::Following(progress)) => Some(progress),
        _ => None,
    }
}

fn waiting(status: &StatusAnswer) -> bool {
    status.restore == Some(RestoreStatus::Waiting)
}

pub(crate) async fn first_instance(program: &Path, persistence: &str) -> World {
    let setup = Setup {
        server: format!("  persistence: {persistence}\n"),
        more: "restore: a\n".to_owned(),
        lease: LeaseKind::Alone,
    };
    let mut world = World::new(program, 1, &setup);
    world.nodes[0].start();
    world.nodes[0].until("waiting", waiting).await;
    world
}

pub(crate) fn source_host(node: &Node) -> String {
    node.host.rsplit_once('.').unwrap().0.to_owned() + ".9"
}

#[tokio::test(flavor = "multi_thread")]
async fn running_server_is_followed_until_it_is_taken_over() {
    for (source, own, persistence) in pairs() {
        let world = first_instance(&own, persistence).await;
        let node = &world.nodes[0];
        let source = Source::start(&source, &source_host(node), &[]).await;
        let mut client = source.client().await.unwrap();
        for words in [
            &["SET", "early", "v"][..],
            &["RPUSH", "list", "a", "b"],
            &["SELECT", "3"],
            &["SET", "expires", "v", "EX", "5000"],
        ] {
            client.call(words).await.unwrap();
        }
        let writer = Writer::start(&source).await;
        let is_redis = own.ends_with("redis-server");
        node.client.import(&source.request(is_redis, false)).await.unwrap();
        let follows = |status: &StatusAnswer| progress(status).is_some_and(|now| now.waits_for.is_none());
        assert!(
            node.until("following", follows).await.server.is_none(),
            "no server before the data is there"
        );
        // The answer may have been lost.
        node.client.import(&source.request(is_redis, true)).await.unwrap();
        let waits =
            |now: &ImportProgress| now.waits_for.as_ref().is_some_and(|why| why.contains("written to"));
        node.until("waiting for clients", |status| progress(status).is_some_and(waits)).await;
        let before = writer.count.load(Ordering::Relaxed);
        crate::world::until("many more writes", async || {
            writer.count.load(Ordering::Relaxed) > before + 2000
        })
        .await;
        node.until("still waiting", |status| progress(status).is_some_and(waits)).await;
        let acknowledged = writer.stop().await;
        node.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
        let mut server = node.server().await.unwrap();
        for number in 0..acknowledged {
            let key = format!("written-{number}");
            let there = server.call(&["EXISTS", &key]).await.unwrap();
            assert_eq!(there, valkeeper_server::Value::Integer(1), "{key} of {acknowledged}");
        }
        assert_eq!(server.call(&["LLEN", "list"]).await.unwrap(), valkeeper_server::Value::Integer(2));
        server.call(&["SELECT", "3"]).await.unwrap();
        let valkeeper_server::Value::Integer(left) = server.call(&["TTL", "expires"]).await.unwrap() else {
            panic!("no number")
        };
        assert!((4000..=5000).contains(&left), "{left}");
        let files = std::fs::read_dir(node.folder.join("data")).unwrap();
        let names: Vec<_> =
            files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        assert!(
            !names.iter().any(|name| ["valkeeper-import", "valkeeper-restore"].contains(&name.as_str())),
            "{names:?}"
        );
        assert!(source.folder.path().exists() && !node.log().contains(PASSWORD));
    }
}

/// Sources and own servers that can read what they write.
fn pairs() -> Vec<(PathBuf, PathBuf, &'static str)> {
    let programs = all_programs();
    let is_redis = |program: &Path| program.ends_with("redis-server");
    let pairs =
        programs.iter().flat_map(|source| programs.iter().map(move |own| (source.clone(), own.clone())));
    let readable = pairs.filter(|(source, own)| is_redis(source) || !is_redis(own));
    readable
        .zip(["AppendOnly", "Snapshot", "None"])
        .map(|((source, own), mode)| (source, own, mode))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn source_that_cannot_be_followed_is_named_and_tried_again() {
    let Some(program) = all_programs().into_iter().next() else { return };
    let world = first_instance(&program, "AppendOnly").await;
    let node = &world.nodes[0];
    let failed = |status: &StatusAnswer| matches!(status.restore, Some(RestoreStatus::Failed(_)));
    let source = Source::start(&program, &source_host(node), &[]).await;
    let mut wrong = source.request(false, false);
    wrong.source.password = Some("wrong word".to_owned());
    let mut nowhere = source.request(false, false);
    nowhere.source.port = 1;
    for (request, why) in [(wrong, "WRONGPASS"), (nowhere, "cannot read")] {
        node.client.import(&request).await.unwrap();
        let Some(RestoreStatus::Failed(failure)) = node.until("failed", failed).await.restore else {
            unreachable!()
        };
        assert!(failure.passing && failure.message.contains(why), "{failure:?}");
        assert!(!failure.message.contains("wrong word"), "{failure:?}");
        let running =
            |status: &StatusAnswer| status.restore == Some(RestoreStatus::Running) || failed(status);
        node.until("tried", running).await;
    }
    source.client().await.unwrap().call(&["SET", "early", "v"]).await.unwrap();
    node.client.import(&source.request(false, false)).await.unwrap();
    node.until("following", |status| progress(status).is_some_and(|now| now.waits_for.is_none())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_is_repeated_after_a_crash_of_the_manager() {
    let Some(program) = all_programs().into_iter().next() else { return };
    let mut world = first_instance(&program, "AppendOnly").await;
    let source = Source::start(&program, &source_host(&world.nodes[0]), &[]).await;
    source.client().await.unwrap().call(&["SET", "early", "v"]).await.unwrap();
    let request = |cut_over| source.request(false, cut_over);
    let node = &mut world.nodes[0];
    let follows = |status: &StatusAnswer| progress(status).is_some_and(|now| now.waits_for.is_none());
    node.client.import(&request(false)).await.unwrap();
    node.until("following", follows).await;
    node.kill();
    crate::world::until("the second server ends with the manager", async || {
        let info = source.client().await.unwrap().info(&["replication"]).await.unwrap();
        info.number("connected_slaves") == 0
    })
    .await;
    node.start();
    assert!(node.until("waiting", waiting).await.server.is_none());
    node.client.import(&request(true)).await.unwrap();
    node.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    assert_eq!(node.server().await.unwrap().key_count().await.unwrap(), 1);
    // Once taken over, it is not followed again.
    let answer = node.client.import(&request(true)).await.unwrap();
    assert_eq!(answer, Some(RestoreStatus::Done));
}
