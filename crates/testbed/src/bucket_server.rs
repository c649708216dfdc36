//! The process of a server that keeps buckets for tests: on a port of its own, asked over plain HTTP, ended with its owner.

use crate::envtest::free_port;
use anyhow::Context as _;
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream};

/// Longest wait for its start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, until it is dropped.
#[derive(Debug)]
pub(crate) struct BucketServer {
    /// What it is called in errors.
    name: &'static str,
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl BucketServer {
    /// Starts it with the command for a port.
    pub(crate) fn start(name: &'static str, command: impl FnOnce(&str) -> Command) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = command(&address.port().to_string());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child, address })
    }

    /// Waits until it does what it is asked.
    pub(crate) async fn until(&self, done: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(error) = done().await {
            if begun.elapsed() > PATIENCE {
                return Err(error.context(format!("{} does not answer", self.name)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The answer to a request without a body: its first line, these headers, and those that every request has.
    pub(crate) async fn ask(&self, line: &str, headers: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
