//! Gives pods the keys of their identity, as the agent of EKS Pod Identity does: by HTTP, for the token in a file of the pod.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::get,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

const TOKEN: &str = "token-of-the-pod";

/// An agent, until it is dropped.
#[derive(Debug)]
pub struct IdentityAgent {
    url: String,
    folder: TempDir,
    given: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl IdentityAgent {
    /// Starts one that gives this key: its name, and the key.
    ///
    /// # Errors
    /// When it has no port, or no place for the token.
    pub async fn start(key: (&'static str, &'static str)) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/v1/credentials", listener.local_addr()?);
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("token"), TOKEN)?;
        let given = Arc::new(AtomicU64::new(0));
        let router =
            Router::new().route("/v1/credentials", get(credentials)).with_state((Arc::clone(&given), key));
        let serving = tokio::spawn(async {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, folder, given, serving })
    }

    /// What a pod with an identity finds in its environment.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let token: PathBuf = self.folder.path().join("token");
        BTreeMap::from([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), self.url.clone()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token.display().to_string()),
        ])
    }

    /// How often it gave a key.
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }
}

type Shared = (Arc<AtomicU64>, (&'static str, &'static str));

async fn credentials(
    State((given, (id, key))): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    if headers.get(AUTHORIZATION).is_none_or(|token| token != TOKEN) {
        return Err(StatusCode::FORBIDDEN);
    }
    given.fetch_add(1, Ordering::Relaxed);
    let expiration = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    Ok(Json(json!({
        "AccessKeyId": id, "SecretAccessKey": key, "Token": "session", "Expiration": expiration.to_rfc3339(),
    })))
}

impl Drop for IdentityAgent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
