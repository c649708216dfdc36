//! Detours: connections of one pod to another that arrive later. The sender's packets are routed to this machine,
//! which answers in the name of the receiver, and forwards the data after a delay.
//!
//! ```text
//! pod a ──neighbour entry──▶ bridge ──rule: from a to b, port 6379──▶ listener as b ──delay──▶ pod b
//! ```
//!
//! Existing connections are reset when a detour begins or ends. Packets to other ports are not delayed.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
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

/// A detour from one address to another. Dropping it ends its connections, but not the way to it.
#[derive(Debug)]
pub(super) struct Detour {
    from: Ipv4Addr,
    to: Ipv4Addr,
    _task: JoinSet<()>,
}

impl Detour {
    /// Leads what the pod of `process` sends to another one over this machine.
    pub(super) fn begin(process: u32, from: Ipv4Addr, to: Ipv4Addr, delay: Duration) -> anyhow::Result<Self> {
        let listener = listen_as(to)?;
        let mut task = JoinSet::new();
        task.spawn(serve(listener, from, to, delay));
        network::forward()?;
        let (source, target) = (from.to_string(), to.to_string());
        network::ip(&["route", "replace", "local", &target, "dev", "lo", "table", TABLE])?;
        network::ip(&[&["rule", "add"][..], &rule(&source, &target)].concat())?;
        network::lead_over_gateway(process, to)?;
        Ok(Self { from, to, _task: task })
    }

    /// Lets packets take the straight way again.
    pub(super) fn end(self, process: Option<u32>) -> anyhow::Result<()> {
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

async fn serve(listener: TcpListener, from: Ipv4Addr, to: Ipv4Addr, delay: Duration) {
    let delay = watch::Sender::new(delay);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, peer)) = accepted else { continue };
        if peer.ip() != from {
            continue;
        }
        let delay = delay.subscribe();
        connections.spawn(async move {
            if let Ok(server) = TcpStream::connect(SocketAddrV4::new(to, PORT)).await {
                relay(client, server, delay).await;
            }
        });
    }
}
