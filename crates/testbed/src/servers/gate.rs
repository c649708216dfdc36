//! The port that clients connect to. The port stays the same while the server behind it is restarted. Clients that
//! the `ip_filter` does not admit, or no longer admits, are cut off. The server does TLS; the gate sees only
//! encrypted bytes.

use super::networks::Networks;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The admitted clients, and their destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rules {
    pub(super) networks: Networks,
    /// Port of the server; `None` closes the gate.
    pub(super) server: Option<u16>,
}

impl Rules {
    fn target(&self, client: IpAddr) -> Option<SocketAddr> {
        self.server
            .filter(|_| self.networks.admit(client))
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

/// A listening port; it admits no client until [`Gate::set`].
pub(super) struct Gate {
    port: u16,
    rules: watch::Sender<Rules>,
    /// Ends when the gate is dropped.
    _tasks: JoinSet<()>,
}

impl Gate {
    /// Listens on `preferred`, or on a free port if that one is taken.
    pub(super) async fn open(preferred: Option<u16>) -> io::Result<Self> {
        let mut listener = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for port in preferred.into_iter().chain([0]) {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            if listener.is_ok() {
                break;
            }
        }
        let listener = listener?;
        let port = listener.local_addr()?.port();
        let (rules, watched) = watch::channel(Rules::default());
        let mut tasks = JoinSet::new();
        // Clients that try IPv6 first find a listener there; machines without IPv6 have none of those.
        if let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            tasks.spawn(accept(second, watched.clone()));
        }
        tasks.spawn(accept(listener, watched));
        Ok(Self { port, rules, _tasks: tasks })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// From now on these rules hold, for connections that exist as well.
    pub(super) fn set(&self, rules: Rules) {
        self.rules.send_if_modified(|current| {
            let changed = *current != rules;
            *current = rules;
            changed
        });
    }
}

async fn accept(listener: TcpListener, rules: watch::Receiver<Rules>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, address)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        connections.spawn(pass(client, address.ip(), rules.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(mut client: TcpStream, address: IpAddr, mut rules: watch::Receiver<Rules>) {
    let Some(target) = rules.borrow_and_update().target(address) else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    // Requests are small; waiting to fill a packet would only add latency.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let no_longer = rules.wait_for(|rules| rules.target(address) != Some(target));
    tokio::select! {
        // Whichever side broke, both are closed now.
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = no_longer => {}
    }
}
