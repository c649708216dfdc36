//! A server that is no part of a cluster.

use crate::asking::{ask, until};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// It ends when this is dropped.
pub(crate) struct PlainServer {
    child: Child,
    _folder: TempDir,
    pub(crate) port: u16,
    password: &'static str,
}

impl PlainServer {
    /// Started with these arguments as well; an empty password is none.
    pub(crate) async fn start(program: &Path, password: &'static str, more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--requirepass", password])
            .args(more)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let server = Self { child: child.unwrap(), _folder: folder, port, password };
        until("the plain server answers", async || ask(&server.url(), &["PING"]).await).await;
        server
    }

    pub(crate) fn url(&self) -> String {
        let login = if self.password.is_empty() { String::new() } else { format!(":{}@", self.password) };
        format!("redis://{login}{}", self.address())
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
