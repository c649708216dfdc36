//! Asks instances: one method for each verb. For the operator, and for tests.

use crate::backups::{BackupAnswer, BackupRequest, EraseRequest};
use crate::import::ImportRequest;
use crate::instance::lock;
use crate::restore::{RestoreRequest, RestoreStatus};
use crate::status::{
    FollowRequest, PromoteRequest, RefusalAnswer, ReloadAnswer, StatusAnswer, TermAnswer, TermRequest,
};
use crate::users::{CheckAnswer, CheckRequest, UserAnswer};
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, StatusCode,
    dns::{Addrs, Resolve, Resolving},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use valkeeper_failover::{Name, Term};

/// Longest wait for an answer; an instance answers a verb within three seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// Longest wait until a backup is deleted.
const ERASING: Duration = Duration::from_mins(1);

/// Why there is no answer of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The instance refuses the verb.
    #[error("the instance refused: {:?}", .0.refused)]
    Refused(Box<RefusalAnswer>),
    /// It is not known whether the verb has arrived.
    #[error("cannot reach the instance: {0}")]
    Unreachable(reqwest::Error),
    /// Something else answers there.
    #[error("unexpected answer: HTTP {0}: {1}")]
    Unexpected(u16, String),
}

/// One instance.
#[derive(Clone, Debug)]
pub struct InstanceClient {
    http: reqwest::Client,
    address: String,
}

/// Where a server is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'host> {
    /// Its host.
    pub host: &'host str,
    /// Its port.
    pub port: u16,
    /// Its port with TLS.
    pub tls_port: Option<u16>,
}

/// PEM texts for mutual TLS.
#[derive(Clone, Copy)]
pub struct ClientIdentity<'pem> {
    /// The authority of the instances.
    pub authority: &'pem str,
    /// Certificate chain and private key of who asks.
    pub identity: &'pem str,
}

/// Where instances are, by the host names that their certificates are for. No name server is asked.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<Mutex<BTreeMap<String, IpAddr>>>);

impl Addresses {
    /// These are all.
    pub fn replace(&self, addresses: BTreeMap<String, IpAddr>) {
        *lock(&self.0) = addresses;
    }
}

impl Resolve for Addresses {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let found = lock(&self.0).get(name.as_str()).copied();
        let found = found.map(|address| -> Addrs { Box::new(std::iter::once(SocketAddr::new(address, 0))) });
        let found = found.ok_or_else(|| format!("no address of {} is known", name.as_str()).into());
        Box::pin(std::future::ready(found))
    }
}

/// A client for many instances, which are where these addresses say.
pub fn http_at(
    addresses: Addresses,
    identity: ClientIdentity<'_>,
) -> Result<reqwest::Client, reqwest::Error> {
    secured(builder().dns_resolver(addresses), identity)?.build()
}

/// A client without a certificate, for requests that need none.
pub(crate) fn http_without_identity(
    addresses: Addresses,
    authority: &str,
) -> Result<reqwest::Client, reqwest::Error> {
    let authority = Certificate::from_pem_bundle(authority.as_bytes())?;
    builder().dns_resolver(addresses).tls_certs_only(authority).build()
}

/// A client for many instances.
pub fn http(identity: Option<ClientIdentity<'_>>) -> Result<reqwest::Client, reqwest::Error> {
    let builder = builder();
    match identity {
        None => builder.build(),
        Some(identity) => secured(builder, identity)?.build(),
    }
}

fn builder() -> ClientBuilder {
    Client::builder().timeout(PATIENCE).connect_timeout(Duration::from_secs(2)).no_proxy()
}

fn secured(builder: ClientBuilder, identity: ClientIdentity<'_>) -> Result<ClientBuilder, reqwest::Error> {
    let ClientIdentity { authority, identity } = identity;
    Ok(builder
        .tls_certs_only(Certificate::from_pem_bundle(authority.as_bytes())?)
        .identity(Identity::from_pem(identity.as_bytes())?))
}

impl InstanceClient {
    /// The instance at this address, such as `https://cache-0.cache:7379`.
    pub fn new(http: reqwest::Client, address: impl Into<String>) -> Self {
        Self { http, address: address.into() }
    }

    /// Its status.
    pub async fn status(&self) -> Result<StatusAnswer, CallError> {
        let response = self.http.get(format!("{}/v1/status", self.address)).send().await;
        read(response.map_err(CallError::Unreachable)?).await
    }

    /// Which term it has seen.
    pub async fn term(&self) -> Result<TermAnswer, CallError> {
        let response = self.http.get(format!("{}/v1/term", self.address)).send().await;
        read(response.map_err(CallError::Unreachable)?).await
    }

    /// Stop accepting writes, or following, for the sake of this coming term.
    pub async fn hold(&self, term: Term) -> Result<StatusAnswer, CallError> {
        self.send("hold", &TermRequest { term }).await
    }

    /// Take the lease of this version with this term, and accept writes.
    pub async fn promote(&self, term: Term, version: u64) -> Result<StatusAnswer, CallError> {
        self.send("promote", &PromoteRequest { term, version }).await
    }

    /// Follow the primary of this term, over TLS where both have it.
    pub async fn follow(
        &self,
        term: Term,
        primary: &Name,
        place: Place<'_>,
    ) -> Result<StatusAnswer, CallError> {
        let Place { host, port, tls_port } = place;
        let request = FollowRequest { term, primary: primary.clone(), host: host.to_owned(), port, tls_port };
        self.send("follow", &request).await
    }

    /// Disconnect clients, which are to find the primary of this term.
    pub async fn kick(&self, term: Term) -> Result<StatusAnswer, CallError> {
        self.send("kick", &TermRequest { term }).await
    }

    /// Ask for a successor, as the primary of this term.
    pub async fn failover(&self, term: Term) -> Result<StatusAnswer, CallError> {
        self.send("failover", &TermRequest { term }).await
    }

    /// Read settings and passwords again.
    pub async fn reload(&self, term: Term) -> Result<ReloadAnswer, CallError> {
        self.send("reload", &TermRequest { term }).await
    }

    /// Begin a backup, unless it has begun.
    pub async fn back_up(&self, request: &BackupRequest) -> Result<BackupAnswer, CallError> {
        self.send("backup", request).await
    }

    /// How far the backup with this identity is; none if the instance knows nothing of it.
    pub async fn backup(&self, id: &str) -> Result<Option<BackupAnswer>, CallError> {
        let response = self.http.get(format!("{}/v1/backup/{id}", self.address)).send().await;
        let response = response.map_err(CallError::Unreachable)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        read(response).await.map(Some)
    }

    /// Delete what is stored of a backup.
    pub async fn erase(&self, request: &EraseRequest) -> Result<(), CallError> {
        let sent = self.http.post(format!("{}/v1/backup/erase", self.address)).json(request).timeout(ERASING);
        read(sent.send().await.map_err(CallError::Unreachable)?).await
    }

    /// Fetch the data of a backup, before the first start of the server.
    pub async fn restore(&self, request: &RestoreRequest) -> Result<Option<RestoreStatus>, CallError> {
        self.send("restore", request).await
    }

    /// Follow a running server, or take over from it, before the first start of the server.
    pub async fn import(&self, request: &ImportRequest) -> Result<Option<RestoreStatus>, CallError> {
        self.send("import", request).await
    }

    /// What the server has taken of each user.
    pub async fn users(&self) -> Result<BTreeMap<String, UserAnswer>, CallError> {
        let response = self.http.get(format!("{}/v1/users", self.address)).send().await;
        read(response.map_err(CallError::Unreachable)?).await
    }

    /// Why the server does not take these rules of a user; none if it does.
    pub async fn check_rules(&self, rules: Vec<String>) -> Result<Option<String>, CallError> {
        let answer: CheckAnswer = self.send("users/check", &CheckRequest { rules }).await?;
        Ok(answer.refused)
    }

    async fn send<B: Serialize, A: DeserializeOwned>(&self, verb: &str, body: &B) -> Result<A, CallError> {
        let request = self.http.post(format!("{}/v1/{verb}", self.address)).json(body);
        read(request.send().await.map_err(CallError::Unreachable)?).await
    }
}

async fn read<A: DeserializeOwned>(response: reqwest::Response) -> Result<A, CallError> {
    let status = response.status();
    let text = response.text().await.map_err(CallError::Unreachable)?;
    let unexpected = || CallError::Unexpected(status.as_u16(), text.chars().take(200).collect());
    if status == StatusCode::CONFLICT {
        let refusal = serde_json::from_str(&text).map_err(|_| unexpected())?;
        return Err(CallError::Refused(Box::new(refusal)));
    }
    if !status.is_success() {
        return Err(unexpected());
    }
    serde_json::from_str(&text).map_err(|_| unexpected())
}
