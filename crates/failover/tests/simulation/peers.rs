//! What a simulated primary knows of its replicas, and what these answer when it asks for their consent: as the instance
//! manager does, over wires that lose and delay.

use crate::{
    server::{Attached, Link},
    world::{Mutation, Place, World},
};
use std::time::Duration;
use valkeeper_failover::{
    Term,
    manager::{ConsentAnswer, Input},
    protocol::{Peer, Peers, Role},
};

/// How often a primary looks for replicas.
const INTERVAL: Duration = Duration::from_secs(2);

impl World {
    /// Looks for replicas whose managers answer. Who they are may be old when it is known.
    pub(crate) fn look_for_peers(&mut self, pod: usize, boot: u64) {
        self.manager_does(pod, boot, INTERVAL, move |world| {
            world.look_for_peers(pod, boot);
            if !world.consent || !matches!(world.pods[pod].manager.role(), Role::Primary(_)) {
                return;
            }
            let mut peers = Peers::new();
            for replica in world.replicas(pod) {
                let ways = world.wire(Place::Pod(pod), Place::Pod(replica)).is_some()
                    && world.wire(Place::Pod(replica), Place::Pod(pod)).is_some();
                let own = &world.pods[replica];
                if ways && own.manager_runs && !own.manager_frozen {
                    peers.insert(Peer::from(own.manager.identity()));
                }
            }
            let delay = world.millis(2, 500);
            world.manager_does(pod, boot, delay, move |world| world.input(pod, Input::Peers(peers)));
        });
    }

    fn replicas(&self, pod: usize) -> Vec<usize> {
        let follows = |replica: &usize| {
            let server = &self.pods[*replica].server;
            server.attached == Attached::To(pod) && server.link == Link::Up
        };
        (0..self.pods.len()).filter(follows).collect()
    }

    /// Asks each of them, over wires of its own, and answers when all have, or when it has waited for long enough.
    pub(crate) fn ask_peers(&mut self, pod: usize, request: u64, term: Term, peers: Peers) {
        let (boot, timeout) = (self.pods[pod].boot, self.timing.request_timeout);
        self.pods[pod].question = Some((request, peers.clone()));
        let silence = if self.mutation == Mutation::SilenceIsConsent {
            ConsentAnswer::Given
        } else {
            ConsentAnswer::Unknown
        };
        self.manager_does(pod, boot, timeout, move |world| world.conclude(pod, request, silence));
        for peer in peers {
            let found = self.pods.iter().position(|own| Peer::from(own.manager.identity()) == peer);
            let (Some(asked), Some(there)) =
                (found, found.and_then(|asked| self.wire(Place::Pod(pod), Place::Pod(asked))))
            else {
                continue;
            };
            let life = self.pods[asked].boot;
            self.manager_does(asked, life, there, move |world| {
                let seen = world.pods[asked].manager.seen();
                let Some(back) = world.wire(Place::Pod(asked), Place::Pod(pod)) else { return };
                // One that has not seen this term has lost what it stored.
                if seen >= term {
                    world.manager_does(pod, boot, back, move |world| {
                        world.hears(pod, request, &peer, seen > term);
                    });
                }
            });
        }
    }

    fn hears(&mut self, pod: usize, request: u64, peer: &Peer, refuses: bool) {
        if refuses {
            return self.conclude(pod, request, ConsentAnswer::Refused);
        }
        let question = self.pods[pod].question.as_mut().filter(|(number, _)| *number == request);
        let Some((_, waits_for)) = question else { return };
        waits_for.remove(peer);
        if waits_for.is_empty() {
            self.conclude(pod, request, ConsentAnswer::Given);
        }
    }

    /// A user decides about this version of the Lease when neither its holder nor any of its peers runs.
    pub(crate) fn version_without_running_pods(&self) -> Option<u64> {
        let lease = self.lease.as_ref()?;
        let peers = lease.peers.iter().cloned().chain(lease.holder.as_ref().map(Peer::from));
        let runs =
            |peer: Peer| self.pods.iter().any(|pod| !pod.gone && Peer::from(pod.manager.identity()) == peer);
        (!peers.into_iter().any(runs)).then_some(lease.version)
    }

    fn conclude(&mut self, pod: usize, request: u64, answer: ConsentAnswer) {
        if self.pods[pod].question.take_if(|(number, _)| *number == request).is_some() {
            self.input(pod, Input::Consent { request, answer });
        }
    }
}
