//! Programs of client libraries that are set up for Sentinel, made of the recipes of the documentation.

use crate::asking::until;
use crate::sentinel::NAME;
use redis::sentinel::{Sentinel, SentinelNodeConnectionInfo};
use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use valkeeper_testbed::{recipes::code_below, tools};

/// The page whose recipes are run.
const PAGE: &str = include_str!("../../docs/self-hosted/clients.md");
/// The same for clients with TLS.
const TLS_PAGE: &str = include_str!("../../docs/self-hosted/tls.md");

/// Writes again and again with the client of the recipe, and prints the host of the primary after each write that succeeded.
const PYTHON: &str = r#"
import sys, time, redis
while True:
    try:
        client.set("redis-py", time.time())
        print(sentinel.discover_master(os.environ["VALKEY_PRIMARY_NAME"])[0], flush=True)
    except redis.RedisError as error:
        print("error", repr(error), file=sys.stderr)
    time.sleep(0.02)
"#;

/// The same; the host is that of its connection.
const NODE: &str = r#"
const write = async () => {
  try {
    await client.set("ioredis", Date.now());
    console.log(client.stream.remoteAddress);
  } catch (error) {
    console.error("error " + error.message);
  }
  setTimeout(write, 20);
};
write();
"#;

/// The same.
const NODE_REDIS: &str = r#"
const write = async () => {
  try {
    await client.set("node-redis", Date.now());
    console.log(client.getMasterNode().host);
  } catch (error) {
    console.error("error " + error.message);
  }
  setTimeout(write, 20);
};
client.connect().then(write);
"#;

/// The same; the host is the address that the server has accepted its connection at.
const GLIDE: &str = r#"
import sys, time
async def main():
    client = await connect()
    while True:
        try:
            await client.set("valkey-glide", str(time.time()))
            info = (await client.custom_command(["CLIENT", "INFO"])).decode()
            print(info.split("laddr=")[1].split(":")[0], flush=True)
        except Exception as error:
            print("error", repr(error), file=sys.stderr)
        await asyncio.sleep(0.02)
asyncio.run(main())
"#;

/// A program of a client library, and the hosts that it has written to, in their order.
pub(crate) struct Library {
    name: &'static str,
    hosts: Arc<Mutex<Vec<String>>>,
    _process: Option<Child>,
    reading: JoinHandle<()>,
}

impl Drop for Library {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Library {
    fn note(hosts: &Mutex<Vec<String>>, host: String) {
        let mut hosts = hosts.lock().unwrap();
        if hosts.last() != Some(&host) {
            hosts.push(host);
        }
    }

    /// Every library that can be run here.
    pub(crate) fn all(folder: &std::path::Path, secret: &BTreeMap<String, String>) -> Vec<Self> {
        let programs = [
            (tools::REDIS_PY, "program.py", PYTHON),
            (tools::IOREDIS, "program.js", NODE),
            (tools::NODE_REDIS, "other.js", NODE_REDIS),
            (tools::VALKEY_GLIDE, "other.py", GLIDE),
        ];
        let mut running = vec![Self::rust(&secret["VALKEY_SENTINEL_HOST"], &secret["VALKEY_PASSWORD"])];
        running.extend(programs.into_iter().filter_map(|(library, file, code)| {
            let code = code_below(PAGE, library.name).unwrap().to_owned() + code;
            Self::run(&library, &folder.join(file), &code, secret)
        }));
        running
    }

    /// Those with a recipe for TLS.
    pub(crate) fn over_tls(folder: &std::path::Path, secret: &BTreeMap<String, String>) -> Vec<Self> {
        let programs = [(tools::REDIS_PY, "program.py", PYTHON), (tools::IOREDIS, "program.js", NODE)];
        let run = programs.into_iter().filter_map(|(library, file, code)| {
            let heading = format!("{} with Sentinel", library.name);
            let code = code_below(TLS_PAGE, &heading).unwrap().to_owned() + code;
            Self::run(&library, &folder.join(file), &code, secret)
        });
        run.collect()
    }

    fn run(
        library: &tools::Tool,
        path: &std::path::Path,
        code: &str,
        secret: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let program = library.or_skip()?;
        std::fs::write(path, code).unwrap();
        let mut command = Command::new(program);
        command.arg(path).envs(secret);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let hosts = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&hosts);
        let reading = tokio::spawn(async move {
            while let Ok(Some(host)) = lines.next_line().await {
                Self::note(&noted, host);
            }
        });
        Some(Self { name: library.name, hosts, _process: Some(process), reading })
    }

    fn rust(sentinel: &str, password: &str) -> Self {
        let hosts = Arc::<Mutex<Vec<String>>>::default();
        let (noted, sentinel, password) = (Arc::clone(&hosts), sentinel.to_owned(), password.to_owned());
        let reading = tokio::spawn(async move {
            loop {
                let writing = write_by_rust(&sentinel, &password, &noted);
                let _ = tokio::time::timeout(Duration::from_secs(5), writing).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { name: "redis-rs", hosts, _process: None, reading }
    }

    pub(crate) async fn until_writes_to(&self, host: &str) {
        let what = format!("{} writes to {host}", self.name);
        until(&what, async || (self.hosts.lock().unwrap().last()? == host).then_some(())).await;
    }
}

async fn write_by_rust(sentinel: &str, password: &str, hosts: &Mutex<Vec<String>>) -> redis::RedisResult<()> {
    let mut sentinel = Sentinel::build(vec![format!("redis://:{password}@{sentinel}:26379")])?;
    let access = redis::RedisConnectionInfo::default().set_password(password);
    let access = SentinelNodeConnectionInfo::default().set_redis_connection_info(access);
    let client = sentinel.async_master_for(NAME, Some(&access)).await?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    for number in 0..20 {
        let () = redis::cmd("SET").arg("redis-rs").arg(number).query_async(&mut connection).await?;
        let host = match client.get_connection_info().addr() {
            redis::ConnectionAddr::Tcp(host, _) => host.clone(),
            other => other.to_string(),
        };
        Library::note(hosts, host);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
