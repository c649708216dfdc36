//! What the manager of a simulated pod wants, carried out: terms on the disk first, requests to the API server, commands
//! to the server one after another.

use crate::{
    observe::Progress,
    world::{Mutation, Place, World},
};
use std::time::Duration;
use valkeeper_failover::{
    Term,
    manager::{Command, Effect, Input, LeaseAnswer},
};

impl World {
    /// Carries out effects in their order; a term is on the disk before anything that follows it.
    pub(crate) fn carry_out(&mut self, pod: usize) {
        let boot = self.pods[pod].boot;
        while !self.pods[pod].is_storing {
            let Some(effect) = self.pods[pod].effects.pop_front() else { return };
            match effect {
                Effect::StoreTerm(term) => {
                    self.pods[pod].is_storing = true;
                    let delay = self.millis(0, 10) + self.pods[pod].disk_delay;
                    self.manager_does(pod, boot, delay, move |world| {
                        let own = &mut world.pods[pod];
                        own.stored = own.stored.max(term);
                        own.is_storing = false;
                        world.carry_out(pod);
                    });
                }
                Effect::WriteLease { request, .. } | Effect::ReadLease { request } => {
                    self.ask_api(pod, request, effect);
                }
                Effect::AskPeers { request, term, peers } => self.ask_peers(pod, request, term, peers),
                Effect::Server { number, command } => {
                    let term = self.pods[pod].manager.reigned();
                    if command == Command::Hold && self.mutation == Mutation::FenceUnconfirmed {
                        self.manager_does(pod, boot, Duration::ZERO, move |world| {
                            world.input(pod, Input::Confirmed(number));
                        });
                    }
                    self.pods[pod].commands.push_back((number, command, term));
                    self.command(pod);
                }
                Effect::KickClients => self.pods[pod].progress.reigned = false,
                Effect::StartServer => {
                    let delay = self.millis(10, 500);
                    self.manager_does(pod, boot, delay, move |world| world.begin_server(pod));
                }
                Effect::KillServer => {}
            }
        }
    }

    pub(crate) fn ask_api(&mut self, pod: usize, request: u64, effect: Effect) {
        let (boot, timeout) = (self.pods[pod].boot, self.timing.request_timeout);
        self.pods[pod].requests.insert(request);
        let answered = move |world: &mut Self, answer: LeaseAnswer| {
            if world.pods[pod].requests.remove(&request) {
                world.input(pod, Input::Lease { request, answer });
            }
        };
        self.manager_does(pod, boot, timeout, move |world| answered(world, LeaseAnswer::Unknown));
        let Some(there) = self.wire(Place::Pod(pod), Place::Api) else { return };
        self.after(there, move |world| {
            if world.api_is_down {
                return;
            }
            let answer = world.serve(&effect);
            if let Some(back) = world.wire(Place::Api, Place::Pod(pod)) {
                world.manager_does(pod, boot, back, move |world| answered(world, answer));
            }
        });
    }

    /// Gives the server one command after another.
    pub(crate) fn command(&mut self, pod: usize) {
        let own = &mut self.pods[pod];
        if own.is_commanding || !own.server.alive {
            return;
        }
        let Some((number, command, term)) = own.commands.pop_front() else { return };
        own.is_commanding = true;
        let (life, boot, delay) = (own.server.life, own.boot, self.millis(1, 5));
        self.server_does(pod, life, delay, move |world| {
            world.obey(pod, &command, term);
            let delay = world.millis(1, 3);
            world.manager_does(pod, boot, delay, move |world| {
                world.pods[pod].is_commanding = false;
                if world.pods[pod].server.life == life {
                    world.input(pod, Input::Confirmed(number));
                }
                world.command(pod);
            });
        });
    }

    pub(crate) fn obey(&mut self, pod: usize, command: &Command, term: Term) {
        match command {
            Command::Hold => {
                self.hold_server(pod);
                if let Some(term) = self.pods[pod].progress.promoted.take() {
                    self.note_history(pod, term);
                }
            }
            Command::Promote => {
                self.promote_server(pod);
                self.note_history(pod, term);
                let progress = &mut self.pods[pod].progress;
                (progress.promoted, progress.reigned) = (Some(term), true);
            }
            Command::Follow(name) => {
                if let Some(primary) = self.pods[pod].primaries.get(name).copied() {
                    self.attach_server(pod, primary);
                }
            }
        }
    }

    pub(crate) fn note_history(&mut self, pod: usize, term: Term) {
        let own = &mut self.pods[pod];
        own.histories.insert(own.server.history, term);
        let reigned = own.progress.reigned;
        own.progress =
            Progress { live: true, promoted: own.progress.promoted, reigned, ..Progress::default() };
    }
}
