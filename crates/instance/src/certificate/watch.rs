//! Has the server read its certificate again when the files have changed, and looks at what it presents then.

use super::{ServerTls, shown};
use crate::{
    instance::{Instance, lock},
    status::TlsStatus,
};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use valkeeper_server::{Error, Server};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is known of the certificate of the server.
#[derive(Default)]
pub(crate) struct Certificate(Mutex<Known>);

#[derive(Clone, Default)]
struct Known {
    supported: Option<bool>,
    /// What the server presents: the life of the server, and what stands for the files.
    presented: Option<(u64, String)>,
    expires: Option<i64>,
}

impl Certificate {
    /// Whether the program has TLS, if that is known.
    pub(crate) fn supports_tls(&self) -> Option<bool> {
        lock(&self.0).supported
    }

    pub(crate) fn supports(&self, supported: bool) {
        lock(&self.0).supported = Some(supported);
    }

    /// Seconds until the certificate expires that the server presents, by the wall clock; negative when it has.
    pub(crate) fn remaining(&self) -> Option<f64> {
        let expires = lock(&self.0).expires?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let remaining = i32::try_from(expires.saturating_sub(i64::try_from(now).ok()?)).ok()?;
        Some(f64::from(remaining))
    }

    /// For the status of an instance with these settings.
    pub(crate) fn status(&self, tls: &ServerTls, server: u16) -> TlsStatus {
        let known = lock(&self.0).clone();
        TlsStatus {
            port: tls.ports(server).0,
            supported: known.supported.unwrap_or(true),
            certificate: known.presented.map(|(_, revision)| revision),
        }
    }
}

/// The directives that name the files.
pub(crate) fn directives(tls: &ServerTls) -> [(&'static str, String); 3] {
    let path = |path: &std::path::Path| path.display().to_string();
    [
        ("tls-cert-file", path(&tls.certificate)),
        ("tls-key-file", path(&tls.key)),
        ("tls-ca-cert-file", path(&tls.authority)),
    ]
}

/// Watches for as long as the manager runs.
pub(crate) async fn watch(instance: Arc<Instance>) {
    let Some(tls) = instance.settings.server.tls.clone().filter(|tls| tls.revision.is_some()) else { return };
    let mut failed = None;
    loop {
        let life = instance.starts.load(Ordering::Relaxed);
        let wanted = tls.revision().map(|revision| (life, revision));
        let known = lock(&instance.certificate.0).presented.clone();
        if let Some(wanted) = wanted.filter(|wanted| instance.has_server() && known.as_ref() != Some(wanted))
        {
            match present(&instance, &tls).await {
                Ok(true) => {
                    tracing::info!(revision = wanted.1, "the server presents its certificate");
                    let mut known = lock(&instance.certificate.0);
                    known.expires = tls.expires();
                    known.presented = Some(wanted);
                    failed = None;
                }
                answer if failed.as_ref() != Some(&wanted) => {
                    let error = answer.err().map(|error| error.to_string());
                    tracing::warn!(error, "the server does not present its certificate yet");
                    failed = Some(wanted);
                }
                _ => {}
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Has the server read the files; whether it presents what they have.
async fn present(instance: &Instance, tls: &ServerTls) -> Result<bool, Error> {
    let mut server = Server::from(instance.prober.connect().await?);
    let before = tls.revision();
    read_again(&mut server, tls).await?;
    let own = &instance.settings.server;
    // Where clients reach it.
    let host = own.bind.first().map_or("127.0.0.1", String::as_str);
    let shown = shown::is_presented(tls, host, tls.ports(own.port).0).await.map_err(Error::Unreachable)?;
    // Files that change meanwhile are looked at again.
    Ok(shown && tls.revision() == before)
}

/// Has the server read its files: the same paths once more, in one change.
pub(crate) async fn read_again(server: &mut Server, tls: &ServerTls) -> Result<(), Error> {
    let directives = directives(tls);
    let directives: Vec<(&str, &str)> =
        directives.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.config_set(&directives).await
}
