//! Simulated clients: one follows the route, the others write to whatever pod has a name, as clients do that
//! nobody has told that their server is the primary no more.

use crate::{server::Attached, world::World};
use std::time::Duration;
use valkeeper_failover::Name;

/// One client.
#[derive(Clone)]
pub(crate) struct Client {
    number: u64,
    /// The instance to which it is stuck; without one, it follows the route.
    stuck_to: Option<Name>,
    patience: Duration,
}

impl Client {
    pub(crate) fn new(number: u64, stuck_to: Option<Name>, patience: Duration) -> Self {
        Self { number, stuck_to, patience }
    }
}

impl World {
    pub(crate) fn write(&mut self, client: Client) {
        let Some(pod) = self.target(&client).filter(|pod| self.pods[*pod].server.alive) else {
            let delay = self.millis(50, 200);
            return self.after(delay, move |world| world.write(client));
        };
        let write = self.record.invoked(self.now, client.number);
        let life = self.pods[pod].server.life;
        let (there, back) = (self.millis(1, 4), self.millis(1, 4));
        let gives_up = self.now + client.patience;
        self.server_does(pod, life, there, move |world| {
            let (history, accepts) = {
                let server = &world.pods[pod].server;
                (server.history, server.attached == Attached::Primary)
            };
            if accepts {
                let value = world.record.value(write);
                world.append(pod, value);
            }
            world.after(back, move |world| {
                if world.now > gives_up {
                } else if accepts {
                    world.acknowledged += 1;
                    world.record.acknowledged(world.now, write, life, history);
                } else {
                    world.record.refused(write);
                }
            });
        });
        // One write at a time, unless the server is silent: another connection takes the next one.
        let pause = self.millis(60, 160);
        self.after(pause, move |world| world.write(client));
    }

    fn target(&mut self, client: &Client) -> Option<usize> {
        let Some(name) = &client.stuck_to else { return self.routed };
        let pods: Vec<usize> = (0..self.pods.len())
            .filter(|pod| self.pods[*pod].name == *name && self.pods[*pod].server.alive)
            .collect();
        let place = rand::RngExt::random_range(&mut self.random, 0..pods.len().max(1));
        pods.get(place).copied()
    }
}
