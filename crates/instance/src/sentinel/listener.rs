//! Takes connections while the settings ask for it, and answers what sessions ask.

use super::{
    answers::{self, About},
    asked::{Asked, Login},
    commands::Question,
    connection,
    events::{self, Message},
    session::Reply,
    topology::{Address, Topology},
    truth::Truth,
};
use crate::{
    instance::Instance,
    settings::{SentinelPassword, SentinelSettings},
    tls,
};
use fnv::FnvHasher;
use rustix::net::sockopt;
use std::{
    hash::Hasher as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast},
    task::JoinSet,
    time::timeout,
};

/// Clients at a time.
const MOST_CLIENTS: usize = 1024;
/// Messages that a subscriber may be behind.
const BACKLOG: usize = 256;
/// Between two attempts to listen.
const PAUSE: Duration = Duration::from_secs(1);
/// When a silent client is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Longest time until a client has said how it speaks.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The first byte of a TLS handshake; no command begins with it.
const TLS_RECORD: u8 = 22;
/// Digits of an identity.
const DIGITS: usize = 40;

/// What all connections share.
pub(crate) struct Facade {
    pub(crate) instance: Arc<Instance>,
    truth: Truth,
    messages: broadcast::Sender<Message>,
    id: String,
    connections: AtomicI64,
}

/// Runs for as long as the manager.
pub(crate) async fn run(instance: Arc<Instance>) {
    let mut settings = instance.sentinel.subscribe();
    loop {
        let wanted = settings.borrow_and_update().clone();
        let Some(address) = wanted.map(|wanted| wanted.address) else {
            if settings.changed().await.is_err() {
                return;
            }
            continue;
        };
        let moved = |now: &Option<SentinelSettings>| now.as_ref().map(|now| now.address) != Some(address);
        tokio::select! {
            ended = settings.wait_for(moved) => if ended.is_err() { return },
            () = listen(Arc::clone(&instance), address) => {}
        }
    }
}

/// Until it is dropped, and its connections with it.
async fn listen(instance: Arc<Instance>, address: SocketAddr) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, %address, "cannot listen for Sentinel clients");
            return tokio::time::sleep(PAUSE).await;
        }
    };
    tracing::info!(%address, "answering Sentinel clients");
    let (facade, places) = (Arc::new(Facade::new(instance)), Arc::new(Semaphore::new(MOST_CLIENTS)));
    let mut tasks = JoinSet::new();
    tasks.spawn(events::watch(Arc::clone(&facade)));
    loop {
        let mut stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        prepare(&stream);
        let (facade, place) = (Arc::clone(&facade), Arc::clone(&places).try_acquire_owned());
        tasks.spawn(async move {
            let Ok(_place) = place else {
                let refusal = Reply::error("ERR max number of clients reached");
                let _ = stream.write_all(&refusal.encode(valkeeper_server::Protocol::Two)).await;
                return;
            };
            serve(&facade, stream).await;
        });
    }
}

/// With TLS as with the server: the first byte says which client speaks it, and one that does not is served only where
/// the server takes it as well.
async fn serve(facade: &Facade, stream: TcpStream) {
    let Some(tls) = &facade.instance.settings.server.tls else {
        return connection::serve(facade, stream, false).await;
    };
    let mut first = [0];
    let begins = matches!(timeout(HANDSHAKE, stream.peek(&mut first)).await, Ok(Ok(1)));
    if begins && first[0] == TLS_RECORD {
        match timeout(HANDSHAKE, tls::accept_client(tls, stream)).await {
            Ok(Ok(stream)) => connection::serve(facade, stream, true).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake with a Sentinel client failed"),
            Err(_) => {}
        }
    } else if begins && facade.port(false) != 0 {
        connection::serve(facade, stream, false).await;
    }
}

/// A client that is gone without a word does not keep its place.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, KEEPALIVE);
}

impl Facade {
    fn new(instance: Arc<Instance>) -> Self {
        let identity = instance.manager().identity().clone();
        Self {
            truth: Truth::new(Arc::clone(&instance)),
            messages: broadcast::Sender::new(BACKLOG),
            id: id(&format!("{}/{}", identity.name, identity.pod)),
            connections: AtomicI64::new(0),
            instance,
        }
    }

    /// A number for a new connection.
    pub(crate) fn number(&self) -> i64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.messages.subscribe()
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.messages.receiver_count() > 0
    }

    pub(crate) fn publish(&self, message: Message) {
        tracing::debug!(channel = message.channel, message.payload, "message to Sentinel clients");
        let _ = self.messages.send(message);
    }

    fn settings(&self) -> Option<SentinelSettings> {
        self.instance.sentinel.borrow().clone()
    }

    /// The name of the cluster, as clients have it in their settings.
    pub(crate) fn cluster(&self) -> String {
        self.settings().map(|settings| settings.name).unwrap_or_default()
    }

    /// The port on which clients with TLS, or without, reach the servers; 0 for none.
    pub(crate) fn port(&self, secured: bool) -> u16 {
        let server = &self.instance.settings.server;
        let (with, without) = server.tls.as_ref().map_or((0, server.port), |tls| tls.ports(server.port));
        if secured { with } else { without }
    }

    /// What is known now.
    pub(crate) async fn topology(&self) -> Option<Topology> {
        let port = self.settings()?.address.port();
        self.truth.topology(port).await
    }

    /// Answers a question of a client, which has TLS or not.
    pub(crate) async fn answer(&self, question: &Question, secured: bool) -> Reply {
        let port = self.port(secured);
        let settings = self.settings();
        let (cluster, instances) =
            settings.map(|settings| (settings.name, settings.instances)).unwrap_or_default();
        let about = About { cluster, instances };
        if *question == Question::Address {
            let address = self.truth.address().await.map(|address| Address { port, ..address });
            return answers::address(address.as_ref());
        }
        let topology = self.topology().await.map(|topology| topology.at(port));
        answers::answer(question, &about, topology.as_ref())
    }

    /// Who asks, for sessions.
    pub(crate) fn host(&self) -> Asked {
        let settings = self.settings();
        Asked {
            login: match self.instance.settings.access() {
                Ok(None) => Login::Open,
                Ok(Some(access)) => Login::With(access),
                Err(_) => Login::Closed,
            },
            open: settings.as_ref().is_some_and(|settings| settings.password == SentinelPassword::Optional),
            cluster: settings.map(|settings| settings.name).unwrap_or_default(),
            id: self.id.clone(),
        }
    }
}

/// An identity of the form that Sentinels have.
fn id(text: &str) -> String {
    let part = |number: u8| {
        let mut hasher = FnvHasher::default();
        hasher.write_u8(number);
        hasher.write(text.as_bytes());
        format!("{:016x}", hasher.finish())
    };
    (0..3).map(part).collect::<String>().chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_the_form_of_those_of_sentinels() {
        let (one, other) = (id("a/1"), id("a/2"));
        assert!(one.len() == 40 && one.chars().all(|digit| digit.is_ascii_hexdigit()) && one != other);
    }
}
