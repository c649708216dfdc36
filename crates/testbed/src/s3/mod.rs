//! A server that speaks S3, and a wire to it with faults: for tests of backups.
//!
//! ```text
//!   client ──▶ Wire: slow, refused with 503, cut in the middle ──▶ moto
//! ```

mod wire;

pub use wire::{Fault, Wire};

use crate::bucket_server::BucketServer;
use anyhow::bail;
use std::{net::SocketAddr, path::Path, process::Command};

/// Name of a key and the key; any is accepted.
pub const KEY: (&str, &str) = ("test-key", "test-secret");

/// A server, until it is dropped.
#[derive(Debug)]
pub struct S3Server(BucketServer);

impl S3Server {
    /// Starts one, with this bucket.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start(program: &Path, bucket: &str) -> anyhow::Result<Self> {
        let process = BucketServer::start("the S3 server", |port| {
            let mut command = Command::new(program);
            command.args(["-H", "127.0.0.1", "-p", port]);
            command
        })?;
        let server = Self(process);
        server.0.until(async || server.create(bucket).await).await?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
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
        let authorization = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request\r\n",
            KEY.0
        );
        let answer = self.0.ask(&format!("{method} /{path}"), &authorization).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { bail!("{method} {path}: {answer}") }
    }
}
