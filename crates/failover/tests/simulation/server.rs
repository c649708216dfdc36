//! A simulated server: a log of values that is replicated, with the histories, partial and full synchronizations
//! of Valkey. It takes commands from its manager and writes from clients, in the order in which they arrive.
//!
//! Simplified: a replica serves no replicas that are new, a full synchronization arrives in one piece.

use crate::world::{Mutation, Place, World};
use std::time::Duration;

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    Nobody,
    Primary,
    To(usize),
}

/// The link of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Down,
    Copying,
    Up,
}

/// One life of a server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Its run id; 0 before the first.
    pub(crate) life: u64,
    pub(crate) alive: bool,
    pub(crate) frozen: bool,
    pub(crate) attached: Attached,
    pub(crate) link: Link,
    /// Counts attachments: what belongs to an earlier one is dropped.
    generation: u64,
    /// When the last message of the stream arrives.
    arrives: Duration,
    /// Name of the history of its data, and of the one before, with the offset where that ends.
    pub(crate) history: u64,
    second: Option<(u64, usize)>,
    /// The data; 0 is a ping.
    pub(crate) log: Vec<u64>,
    /// What is on the disk.
    saved: (u64, Vec<u64>),
}

impl Default for Server {
    fn default() -> Self {
        Self {
            life: 0,
            alive: false,
            frozen: false,
            attached: Attached::Nobody,
            link: Link::Down,
            generation: 0,
            arrives: Duration::ZERO,
            history: 0,
            second: None,
            log: Vec::new(),
            saved: (0, Vec::new()),
        }
    }
}

impl Server {
    /// What a server of another pod finds on the same volume.
    pub(crate) fn on_disk(&self) -> Self {
        Self { saved: self.saved.clone(), ..Self::default() }
    }

    fn forget(&mut self, fresh: u64) {
        (self.history, self.second) = (fresh, None);
        self.log.clear();
    }
}

impl World {
    /// Lets the server of a pod do this, unless it has ended by then.
    pub(crate) fn server_does(
        &mut self,
        pod: usize,
        life: u64,
        delay: Duration,
        action: impl FnOnce(&mut Self) + 'static,
    ) {
        self.after(delay, move |world| {
            let server = &world.pods[pod].server;
            if server.life != life || !server.alive {
            } else if server.frozen {
                let action: crate::world::Action =
                    Box::new(move |world| world.server_does(pod, life, Duration::ZERO, action));
                world.pods[pod].server_waits.push(action);
            } else {
                action(world);
            }
        });
    }

    fn name(&mut self) -> u64 {
        rand::RngExt::random(&mut self.random)
    }

    /// Starts the server of a pod, held.
    pub(crate) fn start_server(&mut self, pod: usize) {
        let (life, fresh) = (self.name(), self.name());
        let persists = self.persists;
        let writable = self.mutation == Mutation::BootAsPrimary;
        let server = &mut self.pods[pod].server;
        let saved = server.saved.clone();
        *server = Server { life, alive: true, saved: saved.clone(), ..Server::default() };
        server.forget(fresh);
        if persists && saved.0 != 0 {
            (server.history, server.log) = saved;
        }
        if writable {
            server.attached = Attached::Primary;
        }
        let identity = self.pods[pod].manager.identity().clone();
        self.record.started(self.now, life, &identity);
        self.ping(pod, life);
        self.save(pod, life);
    }

    /// The server ends, and with it what it had not saved.
    pub(crate) fn end_server(&mut self, pod: usize, in_order: bool) {
        let server = &mut self.pods[pod].server;
        if !server.alive {
            return;
        }
        if in_order {
            server.saved = (server.history, server.log.clone());
        }
        server.alive = false;
        server.frozen = false;
        self.pods[pod].server_waits.clear();
        let boot = self.pods[pod].boot;
        let delay = self.millis(1, 5);
        self.manager_does(pod, boot, delay, move |world| world.server_ended(pod));
        self.drop_replicas(pod);
    }

    /// Replicas notice the end of their primary after what was sent to them.
    fn drop_replicas(&mut self, primary: usize) {
        for pod in 0..self.pods.len() {
            let server = &self.pods[pod].server;
            if server.attached == Attached::To(primary) && server.link != Link::Down {
                let (life, generation) = (server.life, server.generation);
                let delay = server.arrives.saturating_sub(self.now) + self.millis(1, 5);
                self.server_does(pod, life, delay, move |world| world.link_breaks(pod, generation));
            }
        }
    }

    fn link_breaks(&mut self, pod: usize, generation: u64) {
        let server = &mut self.pods[pod].server;
        if server.generation == generation && server.link != Link::Down {
            server.generation += 1;
            server.link = Link::Down;
            self.connect_later(pod);
        }
    }

    /// Becomes read-only, attached to nobody.
    pub(crate) fn hold_server(&mut self, pod: usize) {
        let server = &mut self.pods[pod].server;
        server.attached = Attached::Nobody;
        server.link = Link::Down;
        server.generation += 1;
    }

    /// Accepts writes, in a history of its own.
    pub(crate) fn promote_server(&mut self, pod: usize) {
        let fresh = self.name();
        let server = &mut self.pods[pod].server;
        server.second = Some((server.history, server.log.len()));
        server.history = fresh;
        server.attached = Attached::Primary;
        server.link = Link::Down;
        server.generation += 1;
    }

    /// Follows the server of another pod.
    pub(crate) fn attach_server(&mut self, pod: usize, primary: usize) {
        let server = &mut self.pods[pod].server;
        server.attached = Attached::To(primary);
        server.link = Link::Down;
        server.generation += 1;
        self.connect_later(pod);
    }

    fn connect_later(&mut self, pod: usize) {
        let (life, generation) = (self.pods[pod].server.life, self.pods[pod].server.generation);
        let delay = self.millis(5, 1_000);
        self.server_does(pod, life, delay, move |world| world.connect(pod, generation));
    }

    /// The primary of this pod's server, if it can be reached.
    fn reached(&self, pod: usize) -> Option<usize> {
        let Attached::To(primary) = self.pods[pod].server.attached else { return None };
        let (here, there) = (Place::Pod(pod), Place::Pod(primary));
        let server = &self.pods[primary].server;
        let answers = server.alive && !server.frozen && server.attached == Attached::Primary;
        (answers && !self.is_cut(here, there)).then_some(primary)
    }

    fn connect(&mut self, pod: usize, generation: u64) {
        if self.pods[pod].server.generation != generation || self.pods[pod].server.link != Link::Down {
            return;
        }
        let Some(primary) = self.reached(pod) else { return self.connect_later(pod) };
        let source = self.pods[primary].server.clone();
        let own = &self.pods[pod].server;
        let offset = own.log.len();
        let continues = own.history == source.history && offset <= source.log.len()
            || source.second.is_some_and(|(history, end)| history == own.history && offset <= end);
        if continues {
            let server = &mut self.pods[pod].server;
            (server.history, server.second, server.link) = (source.history, source.second, Link::Up);
            self.stream(primary, pod);
            return;
        }
        // The worst case: its own data is gone before the copy is there.
        let (life, fresh) = (own.life, self.name());
        let server = &mut self.pods[pod].server;
        server.link = Link::Copying;
        server.forget(fresh);
        let delay = self.millis(50, 1_500);
        self.server_does(pod, life, delay, move |world| world.copied(pod, primary, generation));
    }

    fn copied(&mut self, pod: usize, primary: usize, generation: u64) {
        if self.pods[pod].server.generation != generation {
            return;
        }
        if self.reached(pod) != Some(primary) {
            return self.link_breaks(pod, generation);
        }
        let source = self.pods[primary].server.clone();
        let server = &mut self.pods[pod].server;
        (server.history, server.second, server.log) = (source.history, source.second, source.log);
        server.link = Link::Up;
    }

    /// Adds to the data of a server that accepts writes, and sends that to its replicas.
    pub(crate) fn append(&mut self, pod: usize, value: u64) {
        self.pods[pod].server.log.push(value);
        for replica in 0..self.pods.len() {
            let server = &self.pods[replica].server;
            if server.attached == Attached::To(pod) && server.link == Link::Up && server.alive {
                self.stream(pod, replica);
            }
        }
    }

    /// Sends a replica what it does not have yet; what was sent before arrives before.
    fn stream(&mut self, primary: usize, pod: usize) {
        if self.is_cut(Place::Pod(primary), Place::Pod(pod)) {
            return;
        }
        let server = &self.pods[pod].server;
        let (life, generation, end) = (server.life, server.generation, self.pods[primary].server.log.len());
        let from = server.log.len();
        let values = self.pods[primary].server.log.get(from..end).unwrap_or_default().to_vec();
        let delay = if self.chance(2) { self.millis(50, 800) } else { self.millis(1, 5) };
        let at = (self.now + delay).max(self.pods[pod].server.arrives + Duration::from_micros(1));
        self.pods[pod].server.arrives = at;
        self.server_does(pod, life, at.saturating_sub(self.now), move |world| {
            let server = &mut world.pods[pod].server;
            if server.generation != generation || server.link != Link::Up {
            } else if from > server.log.len() {
                world.link_breaks(pod, generation);
            } else {
                let known = server.log.len() - from;
                server.log.extend(values.iter().skip(known));
            }
        });
    }

    /// A primary sends something every second.
    fn ping(&mut self, pod: usize, life: u64) {
        self.server_does(pod, life, Duration::from_secs(1), move |world| {
            if world.pods[pod].server.attached == Attached::Primary {
                world.append(pod, 0);
            }
            world.ping(pod, life);
        });
    }

    fn save(&mut self, pod: usize, life: u64) {
        let delay = self.millis(500, 8_000);
        self.server_does(pod, life, delay, move |world| {
            let server = &mut world.pods[pod].server;
            if server.link != Link::Copying {
                server.saved = (server.history, server.log.clone());
            }
            world.save(pod, life);
        });
    }
}
