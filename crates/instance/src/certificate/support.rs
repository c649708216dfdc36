//! Whether a server program was built with TLS. One that was not ends at once when its configuration names a port for TLS,
//! for a reason that only its log has.

use crate::{
    instance::Instance,
    second_server::{self, Purpose, Scratch},
};
use std::{io, path::Path, time::Duration};
use tokio::time::Instant;
use valkeeper_server::{Connection, Endpoint, Server};

/// Longest time until a server without data answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(5);
/// A directive that servers without TLS do not have.
const DIRECTIVE: &str = "tls-port";

/// Returns when the server may be started: at once without TLS in the settings, and never with a program that lacks it.
pub(crate) async fn until_supported(instance: &Instance) {
    if instance.settings.server.tls.is_none() || instance.certificate.supports_tls() == Some(true) {
        return;
    }
    loop {
        match has_tls(instance).await {
            Ok(supported) => {
                instance.certificate.supports(supported);
                if supported {
                    return;
                }
                let program = instance.settings.server.program.display();
                tracing::error!(%program, "the server program was built without TLS and is not started");
            }
            Err(error) => tracing::warn!(%error, "cannot find out whether the server program has TLS"),
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

/// Asks a server without data, which no client reaches.
async fn has_tls(instance: &Instance) -> io::Result<bool> {
    let folder = instance.settings.runtime_dir.join("tls-support");
    std::fs::create_dir_all(&folder)?;
    let socket = second_server::socket(&instance.settings.runtime_dir, Purpose::TlsSupport);
    let program = &instance.settings.server.program;
    let scratch = Scratch {
        silent_port: instance.silent_port,
        folder: &folder,
        socket: &socket,
        databases: second_server::DATABASES,
        tls: None,
    };
    let mut server = second_server::start(program, scratch)?;
    let answer = tokio::select! {
        answer = ask(&socket) => answer,
        ended = server.wait() => Err(io::Error::other(format!("the program ended with {}", ended?))),
    };
    let _ = server.kill().await;
    let _ = std::fs::remove_dir_all(&folder);
    answer
}

async fn ask(socket: &Path) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        if let Ok(connection) = Connection::open(&Endpoint::Unix(socket.to_owned()), None, PATIENCE).await
            && let Ok(found) = Server::from(connection).config_get(DIRECTIVE).await
        {
            return Ok(found.contains_key(DIRECTIVE));
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("the program does not answer"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
