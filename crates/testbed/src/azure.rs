//! A server that speaks the API of Azure Blob Storage (Azurite): for tests of backups.

use crate::bucket_server::BucketServer;
use anyhow::bail;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use std::{net::SocketAddr, path::Path, process::Command};

/// The storage account, and its key.
pub const ACCOUNT: (&str, &str) = ("testaccount", "dGVzdC1zZWNyZXQ=");
/// The version of the API that requests of this module are written for.
const VERSION: &str = "2020-10-02";

/// A server, until it is dropped.
#[derive(Debug)]
pub struct AzureServer(BucketServer);

impl AzureServer {
    /// Starts one, with this container.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start(program: &Path, container: &str) -> anyhow::Result<Self> {
        let process = BucketServer::start("the Azure server", |port| {
            let mut command = Command::new(program);
            command.args([
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                port,
                "--inMemoryPersistence",
                "--silent",
            ]);
            // It would ask for a host outside of this machine.
            command.arg("--disableTelemetry");
            command.env("AZURITE_ACCOUNTS", format!("{}:{}", ACCOUNT.0, ACCOUNT.1));
            command
        })?;
        let server = Self(process);
        server.0.until(async || server.create(container).await).await?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    async fn create(&self, container: &str) -> anyhow::Result<()> {
        let (account, date) = (ACCOUNT.0, chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT"));
        let headers = format!("x-ms-date:{date}\nx-ms-version:{VERSION}\n");
        // Twelve headers that this request lacks.
        let empty = "\n".repeat(12);
        let resource = format!("/{account}/{account}/{container}\nrestype:container");
        let signature = sign(&format!("PUT{empty}{headers}{resource}"))?;
        let headers = format!(
            "x-ms-date: {date}\r\nx-ms-version: {VERSION}\r\nAuthorization: SharedKey {account}:{signature}\r\n"
        );
        let line = format!("PUT /{account}/{container}?restype=container");
        let answer = self.0.ask(&line, &headers).await?;
        if answer.starts_with("HTTP/1.1 201") { Ok(()) } else { bail!("create {container}: {answer}") }
    }

    /// A shared access signature that allows to read, write, delete and list the blobs of a container for an hour.
    ///
    /// # Errors
    /// When the key of the account is none.
    pub fn shared_access_signature(container: &str) -> anyhow::Result<String> {
        let expiry = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ");
        let (permissions, resource) = ("rcwdl", format!("/blob/{}/{container}", ACCOUNT.0));
        // Without a beginning, a policy, addresses and a protocol, and without headers of answers.
        let signed = format!("{permissions}\n\n{expiry}\n{resource}\n\n\n\n{VERSION}\nc\n\n\n\n\n\n");
        let signature = sign(&signed)?.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        Ok(format!("?sv={VERSION}&sr=c&sp={permissions}&se={expiry}&sig={signature}"))
    }
}

fn sign(text: &str) -> anyhow::Result<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(ACCOUNT.1)?);
    Ok(BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes())))
}
