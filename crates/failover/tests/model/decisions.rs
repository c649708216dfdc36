//! What the operator of the model sees and decides, and what must hold whenever it does.

use crate::*;

impl World {
    pub(crate) fn status(&self, bounds: &Bounds, at: usize) -> Status {
        let pod = &self.pods[at];
        let streaming = self.link_is_up(at);
        let mut position = Position { term: pod.history, offset: pod.data.count_ones().into() };
        let mut synced = streaming && pod.begun;
        match bounds.mutation {
            Mutation::OffsetsAlone => position.term = self.term,
            Mutation::LinkIsSync if streaming => (position.term, synced) = (self.term, true),
            _ => {}
        }
        Status {
            identity: pod.manager.identity().clone(),
            seen: pod.manager.seen(),
            role: pod.manager.role(),
            position: Some(position),
            live: pod.live || bounds.mutation == Mutation::RestartedElector,
            streaming,
            synced,
            leaving: pod.manager.is_leaving(),
            stopping: pod.manager.is_stopping(),
            restarted: pod.manager.is_restarted(),
            misrouted: false,
            stored: pod.manager.seen(),
            by_consent: pod.manager.reigns_by_consent(),
        }
    }

    /// What the operator sees, if the members of `answering` answer now.
    pub(crate) fn view(&self, bounds: &Bounds, answering: &[bool]) -> Option<View> {
        let LeaseReading { holder, term, version, peers } = self.read.clone()?;
        let unchanged = if bounds.mutation == Mutation::NoWait { bounds.lease() } else { self.watched };
        let refused =
            if bounds.mutation == Mutation::NoRefusal { bounds.lease() } else { self.refused.unwrap_or(0) };
        let members = (0..self.pods.len()).map(|at| {
            let status = answering[at].then(|| self.status(bounds, at));
            (name(at), Member { status, ..Member::default() })
        });
        let mut view = View {
            lease: Some(Lease {
                holder,
                term,
                version,
                peers,
                unchanged_for: Duration::from_secs(unchanged.into()),
                refused_for: Duration::from_secs(refused.into()),
            }),
            members: members.collect(),
            remembered: Term(0),
            vacant_for: Duration::ZERO,
            routed: self.routed.map(name).into_iter().collect(),
            gone: Peers::new(),
        };
        if operator::is_vacant(&policy(bounds), &timing(bounds, Mutation::None), &view) {
            view.vacant_for = Duration::from_secs(self.vacant.into());
        }
        Some(view)
    }

    /// What the operator decides, if the members of `answering` answer now.
    pub(crate) fn decide(&self, bounds: &Bounds, answering: &[bool]) -> Option<Verb> {
        let view = self.view(bounds, answering)?;
        let drain = if bounds.mutation == Mutation::NoDrain { Duration::ZERO } else { POLICY.drain };
        match operator::decide(&Policy { drain, ..policy(bounds) }, &timing(bounds, Mutation::None), &view) {
            Step::Hold(name, term) => Some(Verb::Hold(index(&name), term)),
            Step::Promote(name, term, _)
                if bounds.mutation == Mutation::LabelFirst && self.routed != Some(index(&name)) =>
            {
                Some(Verb::Route(index(&name), term))
            }
            Step::Promote(name, term, version) => Some(Verb::Promote(index(&name), term, version)),
            Step::Follow(name, primary, term) => Some(Verb::Follow(index(&name), index(&primary), term)),
            Step::Route(name, term) => Some(Verb::Route(index(&name), term)),
            // None of these changes permissions or roles.
            Step::CreateLease(_) | Step::Wait(_) | Step::Settled(..) | Step::Kick(..) => None,
        }
    }

    /// What must hold whenever the operator, to whom these answer, does this.
    pub(crate) fn allow(&self, bounds: &Bounds, answering: &[bool], verb: &Verb) -> Result<(), String> {
        let others = |at: usize| self.pods.iter().enumerate().filter(move |(other, _)| *other != at);
        match verb {
            Verb::Promote(at, ..) => {
                let lost = |(other, pod): (usize, &Pod)| {
                    let known = pod.data & self.kept & !self.pods[*at].data;
                    answering[other] && pod.manager.role() == Role::Held && known != 0
                };
                if others(*at).any(lost) {
                    return Err(
                        "one is promoted, and another one has more of what was acknowledged".to_owned()
                    );
                }
            }
            // It is refused otherwise.
            Verb::Hold(at, term) if *term > self.pods[*at].manager.reigned() => {
                let pod = &self.pods[*at];
                let elsewhere = others(*at).fold(0, |all, (_, pod)| all | pod.data);
                let view = self.view(bounds, answering);
                let vacant = view.is_some_and(|view| {
                    operator::is_vacant(&policy(bounds), &timing(bounds, Mutation::None), &view)
                });
                if vacant && self.vacant == 0 && pod.incoming & self.kept & !elsewhere != 0 {
                    return Err("what lies in the socket of a replica is thrown away".to_owned());
                }
                let has_all = |(other, replica): (usize, &Pod)| {
                    answering[other] && replica.begun && pod.data & !(replica.data | replica.incoming) == 0
                };
                let ahead = others(*at).any(|(_, pod)| pod.manager.seen() > self.term);
                let planned = pod.manager.role() == Role::Primary(self.term) && pod.manager.is_leaving();
                if planned && !ahead && !others(*at).any(has_all) {
                    return Err("a primary is held, and no replica has what it acknowledged".to_owned());
                }
            }
            Verb::Route(at, term) if self.pods[*at].manager.reigned() < *term => {
                return Err("clients are directed to an instance that was not promoted".to_owned());
            }
            Verb::Hold(..) | Verb::Route(..) | Verb::Follow(..) => {}
        }
        Ok(())
    }

    pub(crate) fn note_vacancy(&mut self, bounds: &Bounds) {
        let answering: Vec<_> = self.pods.iter().map(Pod::hears).collect();
        let view = self.view(bounds, &answering);
        let vacant = view
            .is_some_and(|view| operator::is_vacant(&policy(bounds), &timing(bounds, Mutation::None), &view));
        self.vacant = u8::from(vacant);
    }
}
