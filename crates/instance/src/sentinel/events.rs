//! Messages to subscribers, in the words of Sentinel: what has changed between two topologies. The comparison is pure.
//!
//! Guarantees: `+switch-master` names a server that accepted writes when it was last asked, less than a second before it is
//! sent; it is sent once for each change, to those who subscribed before it.
//!
//! It is not sent at once. A client whose connection has ended asks for the primary by itself, and libraries end for good
//! if a switch is published while they ask (ioredis does). The message is for those who wait on a server that stands
//! still.

use super::{
    listener::Facade,
    topology::{Address, Topology},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use valkeeper_failover::{Term, protocol::Role};

/// How often replicas are looked at while a client subscribes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two attempts to reach a new primary.
const PAUSE: Duration = Duration::from_millis(50);
/// For how long clients that ask by themselves have time to find a new primary.
const HEAD_START: Duration = Duration::from_millis(1_500);

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: &'static str,
    pub(crate) payload: String,
    /// Only for those who subscribed before.
    pub(crate) since: Instant,
    /// Only for those who are connected with TLS, or without.
    pub(crate) secured: bool,
}

/// A change of the primary that is not published yet.
struct Switch {
    before: Topology,
    since: Instant,
}

/// What was seen, and what is still to be published.
#[derive(Default)]
struct Watch {
    known: Option<Topology>,
    switch: Option<Switch>,
}

/// Watches for as long as the listener runs.
pub(crate) async fn watch(facade: Arc<Facade>) {
    let mut changes = facade.instance.changes();
    let ports = [true, false].map(|secured| (secured, facade.port(secured)));
    let ports = ports.into_iter().filter(|(_, port)| *port != 0);
    let mut watches: Vec<_> = ports.map(|port| (port, Watch::default())).collect();
    let mut seen: Option<(Role, Term)> = None;
    let mut looked = Instant::now();
    loop {
        let now = (facade.instance.manager().role(), facade.instance.following().term);
        let may_know = matches!(now.0, Role::Primary(_) | Role::Replica(_));
        let due = watches.iter().any(|(_, watch)| watch.has_waited())
            || (facade.has_subscribers() && looked.elapsed() >= INTERVAL);
        if !may_know {
            seen = None;
        } else if due || seen.as_ref() != Some(&now) {
            looked = Instant::now();
            if let Some(topology) = facade.topology().await {
                seen = Some(now);
                for ((secured, port), watch) in &mut watches {
                    let topology = topology.clone().at(*port);
                    for message in watch.take_in(&facade.cluster(), &topology, looked) {
                        facade.publish(Message { secured: *secured, ..message });
                    }
                }
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
        // Time passes here as well: the watchdog is an input.
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl Watch {
    /// Whether clients that ask by themselves have had their time.
    fn has_waited(&self) -> bool {
        self.switch.as_ref().is_some_and(|switch| switch.since.elapsed() >= HEAD_START)
    }

    /// What subscribers get now that this is seen.
    fn take_in(&mut self, cluster: &str, now: &Topology, at: Instant) -> Vec<Message> {
        let before = self.known.replace(now.clone());
        let moved = |before: &Topology| before.primary.address != now.primary.address;
        if let (None, Some(before)) = (&self.switch, before.clone().filter(moved)) {
            self.switch = Some(Switch { before, since: at });
        }
        let (before, since) = match self.switch.take() {
            None => (before, at),
            Some(switch) if switch.since.elapsed() >= HEAD_START => (Some(switch.before), switch.since),
            waiting => {
                self.switch = waiting;
                return Vec::new();
            }
        };
        differences(cluster, before.as_ref(), now, since)
    }
}

/// What a Sentinel would say of the way from one to the other.
fn differences(cluster: &str, before: Option<&Topology>, now: &Topology, since: Instant) -> Vec<Message> {
    let Some(before) = before else { return Vec::new() };
    let (old, new) = (&before.primary.address, &now.primary.address);
    let mut messages = Vec::new();
    if old != new {
        let payload = format!("{cluster} {} {} {} {}", old.host, old.port, new.host, new.port);
        messages.push(Message { channel: "+switch-master", payload, since, secured: false });
    }
    let addresses = |topology: &Topology| -> Vec<Address> {
        topology.primary.replicas.iter().map(|replica| replica.address.clone()).collect()
    };
    let (had, has) = (addresses(before), addresses(now));
    let about = |channel, Address { host, port }: &Address| {
        let payload = format!("slave {host}:{port} {host} {port} @ {cluster} {} {}", new.host, new.port);
        Message { channel, payload, since, secured: false }
    };
    // After a switch, all replicas are those of another primary.
    let added = has.iter().filter(|address| old != new || !had.contains(address));
    messages.extend(added.flat_map(|address| [about("+slave", address), about("-sdown", address)]));
    let gone = had.iter().filter(|address| !has.contains(address) && *address != new && old == new);
    messages.extend(gone.map(|address| about("+sdown", address)));
    messages
}

#[cfg(test)]
mod tests {
    use super::super::topology::{Primary, Replica};
    use super::*;

    fn topology(primary: &str, replicas: &[&str]) -> Topology {
        let address = |host: &str| Address { host: host.to_owned(), port: 6379 };
        let replica = |host: &&str| Replica { address: address(host), ..Replica::default() };
        let replicas = replicas.iter().map(replica).collect();
        Topology {
            primary: Primary { address: address(primary), replicas, ..Primary::default() },
            peers: Vec::new(),
        }
    }

    fn said(before: Option<&Topology>, now: &Topology) -> Vec<String> {
        let text = |message: Message| format!("{} {}", message.channel, message.payload);
        differences("cache", before, now, Instant::now()).into_iter().map(text).collect()
    }

    #[test]
    fn subscribers_hear_of_each_change_once() {
        let (first, second) = (topology("a", &["b", "c"]), topology("b", &["c"]));
        assert_eq!(said(None, &first), Vec::<String>::new());
        assert_eq!(said(Some(&first), &first), Vec::<String>::new());
        assert_eq!(
            said(Some(&first), &second),
            [
                "+switch-master cache a 6379 b 6379",
                "+slave slave c:6379 c 6379 @ cache b 6379",
                "-sdown slave c:6379 c 6379 @ cache b 6379",
            ]
        );
        assert_eq!(
            said(Some(&second), &topology("b", &["c", "a"])),
            ["+slave slave a:6379 a 6379 @ cache b 6379", "-sdown slave a:6379 a 6379 @ cache b 6379"]
        );
        assert_eq!(said(Some(&first), &topology("a", &["c"])), ["+sdown slave b:6379 b 6379 @ cache a 6379"]);
    }
}
