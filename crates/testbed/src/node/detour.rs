//! Detours: connections of one pod to another that arrive later. The sender's packets are routed to this machine,
//! which answers in the name of the receiver, and forwards the data after a delay.
//!
//! ```text
//! pod a ──neighbour entry──▶ bridge ──rule: from a to b, port 6379──▶ listener as b ──delay──▶ pod b
//! ```
//!
//! Existing connections are reset when a detour begins or ends. Packets to other ports are not delayed. Detours to the
//! same pod share a listener, which knows the delay of each sender.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::network;
use super::relay::relay;

/// What is delayed.
const PORT: u16 = 6379;
/// Where the routes of detours are.
const TABLE: &str = "6379";

/// The delay of each sender.
type Delays = Arc<Mutex<HashMap<Ipv4Addr, Duration>>>;

/// The listeners of detours, by the pods in whose name they listen.
#[derive(Debug, Default)]
pub(super) struct Detours(Mutex<HashMap<Ipv4Addr, Weak<Listening>>>);

/// A listener of all detours to one pod. Dropping it ends their connections.
#[derive(Debug)]
struct Listening {
    delays: Delays,
    _task: JoinSet<()>,
}

/// A detour from one address to another. Dropping it does not end the way to it.
#[derive(Debug)]
pub(super) struct Detour {
    from: Ipv4Addr,
    to: Ipv4Addr,
    listening: Arc<Listening>,
}

impl Detours {
    /// Leads what the pod of `process` sends to another one, and what it gets back, over this machine.
    pub(super) fn begin(
        &self,
        process: u32,
        from: Ipv4Addr,
        to: Ipv4Addr,
        delay: Duration,
    ) -> anyhow::Result<Detour> {
        let listening = self.listening(to)?;
        {
            let mut delays = listening.delays.lock().unwrap_or_else(PoisonError::into_inner);
            anyhow::ensure!(!delays.contains_key(&from), "there is a delay from {from} to {to} already");
            delays.insert(from, delay);
        }
        network::forward()?;
        let (source, target) = (from.to_string(), to.to_string());
        network::ip(&["route", "replace", "local", &target, "dev", "lo", "table", TABLE])?;
        network::ip(&[&["rule", "add"][..], &rule(&source, &target)].concat())?;
        network::lead_over_gateway(process, to)?;
        Ok(Detour { from, to, listening })
    }

    fn listening(&self, to: Ipv4Addr) -> anyhow::Result<Arc<Listening>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = all.get(&to).and_then(Weak::upgrade) {
            return Ok(listening);
        }
        let (delays, mut task) = (Delays::default(), JoinSet::new());
        task.spawn(serve(listen_as(to)?, to, Arc::clone(&delays)));
        let listening = Arc::new(Listening { delays, _task: task });
        all.insert(to, Arc::downgrade(&listening));
        Ok(listening)
    }
}

impl Detour {
    /// Lets packets take the straight way again.
    pub(super) fn end(self, process: Option<u32>) -> anyhow::Result<()> {
        self.listening.delays.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.from);
        let (source, target) = (self.from.to_string(), self.to.to_string());
        network::ip(&[&["rule", "del"][..], &rule(&source, &target)].concat())?;
        // Gone with the pod, if that is gone.
        process.map_or(Ok(()), |process| network::set_wire(process, self.to, true))
    }
}

fn rule<'a>(source: &'a str, target: &'a str) -> [&'a str; 10] {
    ["from", source, "to", target, "ipproto", "tcp", "dport", "6379", "lookup", TABLE]
}

/// Listens at an address that is another's.
fn listen_as(address: Ipv4Addr) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_ip_transparent_v4(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((address, PORT)).into())?;
        socket.listen(64)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket.into())
    };
    listen().context("this kernel does not let a detour listen in the name of a pod")
}

async fn serve(listener: TcpListener, to: Ipv4Addr, delays: Delays) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, peer)) = accepted else { continue };
        let delay = match peer.ip() {
            IpAddr::V4(peer) => delays.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied(),
            IpAddr::V6(_) => None,
        };
        let Some(delay) = delay else { continue };
        let delay = watch::Sender::new(delay);
        connections.spawn(async move {
            if let Ok(server) = TcpStream::connect(SocketAddrV4::new(to, PORT)).await {
                relay(client, server, [delay.subscribe(), delay.subscribe()]).await;
            }
        });
    }
}
