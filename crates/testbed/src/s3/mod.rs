//! A server that speaks S3, and a wire to it with faults: for tests of backups.
//!
//! ```text
//!   client ──▶ Wire: slow, refused with 503, cut in the middle ──▶ moto
//! ```

mod wire;

pub use wire::{Fault, Wire};

use anyhow::{Context as _, bail};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream};

/// Longest wait for its start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Name of a key and the key; any is accepted.
pub const KEY: (&str, &str) = ("test-key", "test-secret");

/// A server, until it is dropped.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    address: SocketAddr,
}

impl S3Server {
    /// Starts one, with this bucket.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start(program: &Path, bucket: &str) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().context("the S3 server does not start")?, address };
        let begun = Instant::now();
        while let Err(error) = server.create(bucket).await {
            if begun.elapsed() > PATIENCE {
                return Err(error.context("the S3 server does not answer"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keys of the uploads in parts that were begun and not ended.
    ///
    /// # Errors
    /// When it does not list them.
    pub async fn uploads(&self, bucket: &str) -> anyhow::Result<Vec<String>> {
        let answer = self.ask("GET", &format!("{bucket}?uploads")).await?;
        let keys = answer.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        Ok(keys.map(str::to_owned).collect())
    }

    /// Begins an upload in parts, as another client does.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn begin_upload(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        self.ask("POST", &format!("{bucket}/{key}?uploads")).await.map(drop)
    }

    async fn create(&self, bucket: &str) -> anyhow::Result<()> {
        self.ask("PUT", bucket).await.map(drop)
    }

    async fn ask(&self, method: &str, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/\
             aws4_request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address, KEY.0
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { bail!("{method} {path}: {answer}") }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
