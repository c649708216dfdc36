//! The moves of the model: the natural next one, and those that deviate from it.

use crate::*;

/// The moves that are possible, the most natural first: that one is free, every other spends one of the world's
/// deviations. So all schedules are explored that differ from the natural one in at most that many places.
pub(crate) fn successors(bounds: &Bounds, world: &World) -> Vec<(String, World)> {
    let mut moves = Moves { world, found: Vec::new() };
    moves.servers(bounds);
    moves.answers(bounds);
    moves.requests(bounds);
    moves.questions(bounds);
    moves.verbs(bounds);
    moves.operator(bounds);
    moves.streams();
    moves.time(bounds);
    let mut found = moves.found;
    if world.deviations == 0 {
        found.truncate(1);
    } else {
        for (_, next) in found.iter_mut().skip(1) {
            next.deviations -= 1;
        }
        let mut faults = Moves { world, found: Vec::new() };
        faults.faults(bounds);
        faults.losses(bounds);
        found.extend(faults.found.into_iter().map(|(what, mut next)| {
            next.deviations -= 1;
            (what, next)
        }));
    }
    found
}

struct Moves<'world> {
    world: &'world World,
    found: Vec<(String, World)>,
}

impl Moves<'_> {
    fn add(&mut self, what: String, change: impl FnOnce(&mut World)) {
        let mut changed = self.world.clone();
        change(&mut changed);
        self.found.push((what, changed));
    }

    fn servers(&mut self, bounds: &Bounds) {
        for (at, pod) in self.world.pods.iter().enumerate() {
            if pod.frozen {
                continue;
            }
            if !pod.server.alive {
                self.add(format!("the server of {at} starts"), |world| world.boot_server(bounds, at));
            } else if !pod.server.queue.is_empty() {
                self.add(format!("the server of {at} obeys"), |world| world.obey(bounds, at));
            }
        }
    }

    fn answers(&mut self, bounds: &Bounds) {
        for (at, response) in self.world.responses.iter().enumerate() {
            if !self.world.pods[response.to].frozen {
                self.add(format!("an answer reaches {}", response.to), |world| {
                    let Response { to, boot, request, answer } = world.responses.remove(at);
                    // Nobody listens for what an earlier process has asked.
                    if world.pods[to].manager.identity().boot == boot {
                        world.input(bounds, to, Input::Lease { request, answer });
                    }
                });
            }
        }
    }

    fn requests(&mut self, bounds: &Bounds) {
        for at in 0..self.world.requests.len() {
            let from = self.world.requests[at].from;
            self.add(format!("a request of {from} takes effect"), |world| world.serve(bounds, at, true));
        }
    }

    fn questions(&mut self, bounds: &Bounds) {
        for (which, question) in self.world.questions.iter().enumerate() {
            let from = question.from;
            if question.waits_for.is_empty() && !self.world.pods[from].frozen {
                self.add(format!("{from} hears that consent is {:?}", question.answer), |world| {
                    world.hear_answer(bounds, which);
                });
            }
            for at in question.waits_for.iter().filter(|at| !self.world.pods[**at].frozen) {
                self.add(format!("{at} answers {from}"), |world| world.answer_question(bounds, which, *at));
            }
        }
    }

    fn verbs(&mut self, bounds: &Bounds) {
        for (at, verb) in self.world.verbs.iter().enumerate() {
            if self.world.pods[verb.to()].hears() {
                self.add(format!("{verb:?} arrives"), |world| {
                    let verb = world.verbs.remove(at);
                    world.input(bounds, verb.to(), verb.input());
                });
            }
        }
    }

    fn operator(&mut self, bounds: &Bounds) {
        if !self.world.fresh {
            self.add("the operator reads the lease".to_owned(), World::read_lease);
            return;
        }
        let mut decided = HashSet::new();
        let count = self.world.pods.len();
        for mask in (0..1_u8 << count).rev() {
            let answering = |at: usize| mask & (1 << at) != 0 && self.world.pods[at].hears();
            let answering: Vec<_> = (0..count).map(answering).collect();
            if let Some(verb) = self.world.decide(bounds, &answering)
                && decided.insert(verb.clone())
                && !self.world.verbs.contains(&verb)
            {
                let broken = self.world.allow(bounds, &answering, &verb).err();
                self.add(format!("the operator sends {verb:?}"), |world| {
                    (world.broken, world.fresh) = (broken, false);
                    match verb {
                        Verb::Route(at, _) => world.routed = Some(at),
                        _ => world.verbs.push(verb),
                    }
                });
            }
        }
    }

    /// After the operator: what lies in a socket may lie there while it decides.
    fn streams(&mut self) {
        for (at, pod) in self.world.pods.iter().enumerate() {
            if pod.frozen || !pod.server.alive {
                continue;
            }
            if pod.incoming != 0 {
                self.add(format!("{at} takes in what lies in its socket"), |world| {
                    let pod = &mut world.pods[at];
                    pod.saved = (pod.history, pod.data);
                    pod.data |= std::mem::take(&mut pod.incoming);
                });
            }
            if let Some(primary) =
                pod.follows.filter(|primary| !pod.begun && self.world.pods[*primary].server.writable)
            {
                self.add(format!("the stream to {at} begins"), |world| world.begin_stream(at, primary));
            }
        }
    }

    fn time(&mut self, bounds: &Bounds) {
        if self.world.now >= bounds.horizon {
            return;
        }
        self.add("a tick".to_owned(), |world| {
            world.note_vacancy(bounds);
            world.now += 1;
            world.write();
            world.watched = (world.watched + bounds.operator_rate).min(bounds.lease());
            world.refused = world.refused.map(|ticks| (ticks + bounds.operator_rate).min(bounds.lease()));
            world.fresh = false;
            for at in 0..world.pods.len() {
                if !world.pods[at].frozen {
                    world.look_for_peers(bounds, at);
                    world.input(bounds, at, Input::Tick);
                }
            }
        });
    }

    fn faults(&mut self, bounds: &Bounds) {
        for (at, pod) in self.world.pods.iter().enumerate() {
            if pod.frozen {
                self.add(format!("{at} thaws"), |world| {
                    world.pods[at].frozen = false;
                    world.input(bounds, at, Input::Tick);
                });
                for (which, verb) in self.world.verbs.iter().enumerate().filter(|(_, verb)| verb.to() == at) {
                    self.add(format!("{at} thaws, and {verb:?} is the first that it hears"), |world| {
                        world.pods[at].frozen = false;
                        let verb = world.verbs.remove(which);
                        world.input(bounds, at, verb.input());
                    });
                }
                continue;
            }
            self.add(format!("{at} freezes"), |world| world.pods[at].frozen = true);
            self.add(format!("{at} and the API server: cut"), |world| {
                world.pods[at].cut = !world.pods[at].cut;
            });
            self.add(format!("{at} and the operator: cut"), |world| {
                world.pods[at].deaf = !world.pods[at].deaf;
            });
            if pod.server.alive {
                self.add(format!("the server of {at} ends"), |world| world.end_server(bounds, at));
            }
            self.add(format!("{at} restarts"), |world| world.restart(bounds, at));
            self.add(format!("the server of {at} does not answer"), |world| {
                world.input(bounds, at, Input::Unresponsive);
            });
            if !pod.manager.is_leaving() {
                self.add(format!("{at} is about to stop"), |world| world.input(bounds, at, Input::Leave));
            }
            self.add(format!("{at} has to stop"), |world| world.input(bounds, at, Input::Stop));
        }
        self.add("another operator takes over".to_owned(), |world| {
            world.read = None;
            (world.watched, world.refused) = (0, None);
            world.vacant = 0;
            world.fresh = false;
        });
    }

    /// Requests, questions and verbs that are lost, late or repeated.
    fn losses(&mut self, bounds: &Bounds) {
        for at in 0..self.world.requests.len() {
            self.add(format!("request {at} is lost"), |world| {
                world.requests.remove(at);
            });
            self.add(format!("request {at} takes effect, its answer is lost"), |world| {
                world.serve(bounds, at, false);
            });
        }
        for (which, question) in self.world.questions.iter().enumerate() {
            if self.world.pods[question.from].frozen {
                continue;
            }
            self.add(format!("question {which} is not answered"), |world| {
                world.give_up_question(bounds, which);
            });
        }
        for (at, verb) in self.world.verbs.iter().enumerate() {
            self.add(format!("{verb:?} is lost"), |world| {
                world.verbs.remove(at);
            });
            if self.world.pods[verb.to()].hears() {
                self.add(format!("{verb:?} arrives and will again"), |world| {
                    world.input(bounds, verb.to(), verb.input());
                });
            }
        }
    }
}
