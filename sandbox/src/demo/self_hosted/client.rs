//! A client of the cluster that uses only the content of its Secret. A write counts as acknowledged only if the
//! server confirmed it, and no password is printed.

use super::super::manifests::NAMESPACE;
use anyhow::Context as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use valkeeper_api::ValkeyCluster;

/// Pause before the client connects again.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// The URL that the connection Secret amounts to.
pub(super) async fn url(client: &Client, cluster: &ValkeyCluster) -> anyhow::Result<String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let secret = api.get(&cluster.name_any()).await?;
    let value = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(&format!("VALKEY_{key}")));
        bytes
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
            .with_context(|| format!("no key {key}"))
    };
    Ok(format!("redis://:{}@{}:{}/", value("PASSWORD")?, value("HOST")?, value("PORT")?))
}

/// The URL without its password.
pub(super) fn place(url: &str) -> &str {
    url.rsplit_once('@').map_or("", |(_, place)| place.trim_end_matches('/'))
}

async fn connect(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(Some(ANSWER));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}

/// Writes a key.
pub(super) async fn set(url: &str, key: &str, value: &str) -> anyhow::Result<()> {
    Ok(redis::cmd("SET").arg(key).arg(value).query_async(&mut connect(url).await?).await?)
}

/// Reads a key.
pub(super) async fn get(url: &str, key: &str) -> anyhow::Result<Option<String>> {
    Ok(redis::cmd("GET").arg(key).query_async(&mut connect(url).await?).await?)
}

/// How many of the acknowledged writes are not there.
pub(super) async fn missing(url: &str, acknowledged: &[u64]) -> anyhow::Result<usize> {
    let mut connection = connect(url).await?;
    let mut missing = 0;
    for numbers in acknowledged.chunks(500) {
        let mut call = redis::cmd("SMISMEMBER");
        call.arg(SET).arg(numbers);
        let found: Vec<bool> = call.query_async(&mut connection).await?;
        missing += found.iter().filter(|found| !**found).count();
    }
    Ok(missing)
}

/// Where the client writes.
const SET: &str = "demo";

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) acknowledged: Vec<u64>,
    pub(super) longest: Duration,
}

/// A client that writes all the time.
pub(super) struct Writer {
    written: Arc<Mutex<(Written, Option<Instant>)>>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(url: &str) -> Self {
        let written = Arc::new(Mutex::new((Written::default(), None)));
        let (shared, url) = (Arc::clone(&written), url.to_owned());
        let task = tokio::spawn(async move {
            let mut number = 0_u64;
            loop {
                let _ = write(&url, &shared, &mut number).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { written, task }
    }

    pub(super) fn count(&self) -> usize {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).0.acknowledged.len()
    }

    pub(super) async fn stop(self) -> Written {
        self.task.abort();
        let _ = self.task.await;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

async fn write(
    url: &str,
    written: &Mutex<(Written, Option<Instant>)>,
    number: &mut u64,
) -> redis::RedisResult<()> {
    let mut connection = connect(url).await?;
    loop {
        *number += 1;
        let () = redis::cmd("SADD").arg(SET).arg(*number).query_async(&mut connection).await?;
        let now = Instant::now();
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = written.1.map_or(Duration::ZERO, |last| now - last);
        written.0.acknowledged.push(*number);
        written.0.longest = written.0.longest.max(gap);
        written.1 = Some(now);
    }
}
