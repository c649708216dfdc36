//! What a simulated instance concludes about its data, and answers when it is asked: as `progress` of the instance
//! manager does.

use crate::{
    server::{Attached, Link},
    world::{Place, World},
};
use std::time::Duration;
use valkeeper_failover::{
    Position, Term,
    manager::Input,
    protocol::{Role, Status},
};

/// What is known of the data since the server was started or got another role.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    pub(crate) live: bool,
    pub(crate) anchor: Option<(Term, u64, usize)>,
    pub(crate) begun: Option<usize>,
    pub(crate) synced: bool,
    pub(crate) promoted: Option<Term>,
    pub(crate) reigned: bool,
}

impl World {
    /// Asks the server every 250 ms how it is.
    pub(crate) fn watch(&mut self, pod: usize, boot: u64) {
        self.manager_does(pod, boot, Duration::from_millis(250), move |world| {
            let own = &mut world.pods[pod];
            if own.server.alive && own.server.frozen {
                let since = *own.silent_since.get_or_insert(world.now);
                if world.now.saturating_sub(since) >= Duration::from_secs(5) {
                    world.input(pod, Input::Unresponsive);
                }
            } else if own.server.alive {
                own.silent_since = None;
                world.observe(pod);
                world.anchor(pod);
            }
            world.watch(pod, boot);
        });
    }

    /// Reads the offset of the primary once the link is up.
    pub(crate) fn anchor(&mut self, pod: usize) {
        let own = &self.pods[pod];
        let Attached::To(primary) = own.server.attached else { return };
        let is_replica = matches!(own.manager.role(), Role::Replica(_));
        if !is_replica || own.server.link != Link::Up || own.progress.anchor.is_some() {
            return;
        }
        let (boot, term) = (own.boot, own.following);
        let (here, there) = (Place::Pod(pod), Place::Pod(primary));
        let Some(delay) = self.wire(here, there) else { return };
        let life = self.pods[primary].server.life;
        self.server_does(primary, life, delay, move |world| {
            let source = &world.pods[primary].server;
            let anchor = (term, source.history, source.log.len());
            if source.attached != Attached::Primary {
                return;
            }
            let Some(delay) = world.wire(there, here) else { return };
            world.manager_does(pod, boot, delay, move |world| {
                if world.pods[pod].following == term {
                    world.pods[pod].progress.anchor = Some(anchor);
                }
            });
        });
    }

    /// Where the data stands, as the instance concludes it.
    pub(crate) fn observe(&mut self, pod: usize) -> (Option<Position>, bool) {
        let own = &mut self.pods[pod];
        let (server, progress) = (&own.server, &mut own.progress);
        let streaming = matches!(server.attached, Attached::To(_)) && server.link == Link::Up;
        if !streaming {
            (progress.anchor, progress.begun, progress.synced) = (None, None, false);
        }
        if server.link == Link::Copying {
            return (None, streaming);
        }
        let role = own.manager.role();
        if let (Role::Primary(term), Attached::Primary) = (&role, server.attached) {
            own.histories.insert(server.history, *term);
            progress.live = true;
        }
        let anchor = progress.anchor.filter(|(_, history, _)| *history == server.history);
        if let (Some((term, history, offset)), Role::Replica(_)) = (anchor, &role) {
            let begun = *progress.begun.get_or_insert(server.log.len());
            progress.live = true;
            progress.synced |= server.log.len() >= offset && server.log.len() > begun;
            own.histories.insert(history, term);
        }
        let offset = u64::try_from(server.log.len()).unwrap_or(u64::MAX);
        let position = own.histories.get(&server.history).map(|term| Position { term: *term, offset });
        let mut position = position.unwrap_or_default();
        if role == Role::Held && progress.live {
            position.term = position.term.max(own.manager.reigned());
        }
        (Some(position), streaming)
    }

    /// What the manager answers; `before` is its role when it asked the server.
    pub(crate) fn status(&mut self, pod: usize, before: &Role) -> Status {
        let answers = self.pods[pod].server.alive && !self.pods[pod].server.frozen;
        let (position, streaming) = if answers { self.observe(pod) } else { (None, false) };
        let own = &self.pods[pod];
        let role = if own.manager.role() == *before { before.clone() } else { Role::Changing };
        Status {
            identity: own.manager.identity().clone(),
            seen: own.manager.seen(),
            role,
            position,
            live: answers && own.progress.live,
            streaming,
            synced: answers && own.progress.synced,
            leaving: own.manager.is_leaving(),
            stopping: own.manager.is_stopping(),
            restarted: own.manager.is_restarted(),
            misrouted: own.progress.reigned && !own.manager.accepts_writes(),
            stored: own.stored,
            by_consent: own.manager.reigns_by_consent(),
        }
    }
}
