//! Passwords of the model: what servers are asked to accept, what they accept, and what clients are given. Files arrive in
//! pods late, and not at all in those that are cut off.

use super::{desired, model::Model};
use crate::{Access, AccessChange, AccessSeen, Stage, Step, Wanted, decide};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// The Secret that servers read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passwords {
    revision: u32,
    current: u32,
    next: Option<u32>,
    previous: Option<u32>,
}

/// What was given to clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// What they have now.
    pub(super) now: Option<u32>,
    /// What they had before, and until when it has to be accepted.
    before: Vec<(u32, DateTime<Utc>)>,
}

impl Passwords {
    fn accepted(&self) -> impl Iterator<Item = u32> {
        [Some(self.current), self.next, self.previous].into_iter().flatten()
    }
}

impl Model {
    pub(super) fn access(&self) -> AccessSeen {
        let Some(access) = &self.access else { return AccessSeen::Missing };
        let (stage, newest) = match (access.next, access.previous) {
            (Some(next), _) => (Stage::Offered, next),
            (None, Some(_)) => (Stage::Published, access.current),
            (None, None) => (Stage::Settled, access.current),
        };
        let wanted = match self.password {
            None => Wanted::Unknown,
            Some(password) if password == newest => Wanted::Newest,
            Some(password) if stage == Stage::Offered && password == access.current => Wanted::Former,
            Some(_) => Wanted::Other,
        };
        AccessSeen::Present(Access { revision: access.revision.to_string(), stage, wanted })
    }

    /// Whether clients have what they should.
    pub(super) fn clients_are_current(&self) -> bool {
        self.access.as_ref().map(|access| access.current) == self.given.now
    }

    pub(super) fn write_access(&mut self, change: AccessChange, revision: &str) {
        let wanted = self.password;
        let mut access = self.access.take().unwrap_or_default();
        match change {
            AccessChange::Create => access.current = wanted.unwrap(),
            AccessChange::Offer => (access.next, access.previous) = (wanted, None),
            AccessChange::Withdraw => access.next = None,
            AccessChange::Publish => {
                access.previous = Some(access.current);
                access.current = access.next.take().unwrap();
            }
            AccessChange::Retire => access.previous = None,
        }
        assert!(change == AccessChange::Create || revision == access.revision.to_string());
        access.revision += 1;
        self.access = Some(access);
    }

    pub(super) fn give(&mut self) {
        let current = self.access.as_ref().unwrap().current;
        let until = self.wall() + TimeDelta::seconds(2);
        if let Some(before) = self.given.now.replace(current).filter(|before| *before != current) {
            self.given.before.push((before, until));
        }
    }

    /// Files arrive in pods, after what arrived before was read. In one that starts, they are as they were when it was
    /// created, or newer.
    pub(super) fn deliver(&mut self) {
        for pod in self.pods.values_mut() {
            let Some(instance) = pod.instance.as_mut() else { continue };
            if let Some(file) = &pod.file {
                instance.access = file.revision.to_string();
                pod.accepts = file.accepted().collect();
            }
            if !pod.silent {
                pod.file.clone_from(&self.access);
            }
        }
    }

    /// Whoever has a password that was given to clients gets in.
    pub(super) fn check_passwords(&self) {
        let now = self.wall();
        let before =
            self.given.before.iter().filter(|(_, until)| now < *until).map(|(password, _)| *password);
        let valid: Vec<u32> = self.given.now.into_iter().chain(before).collect();
        for (ordinal, pod) in self.pods.iter().filter(|(_, pod)| pod.instance.is_some()) {
            for password in &valid {
                assert!(
                    pod.accepts.contains(password),
                    "{ordinal} accepts {:?}, not {password}",
                    pod.accepts
                );
            }
        }
    }

    /// Goes on until clients have what is asked for, and servers accept nothing else.
    pub(super) fn rest_of_rotations(&mut self) {
        for _ in 0..180 {
            let access = self.desired.status.access.as_ref();
            if self.given.now == self.password && access.is_some_and(|access| access.rotation.is_none()) {
                return;
            }
            self.step();
            self.pass();
        }
    }

    /// Goes on for so long that every grace period is over.
    pub(super) fn outlast(&mut self) {
        for _ in 0..60 {
            self.step();
            self.pass();
        }
    }
}

fn started() -> Model {
    let mut model = Model::new(desired(&json!({"access": {"rotation": {"grace": "2s"}}})));
    model.outlast();
    assert_eq!((model.given.now, model.password), (Some(1), Some(1)));
    model
}

fn changes(model: &Model) -> Vec<AccessChange> {
    let change = |step: &Step| match step {
        Step::WriteAccess(change, _) => Some(*change),
        _ => None,
    };
    model.steps.iter().filter_map(change).collect()
}

#[test]
fn rotation_is_told_with_its_times_and_comes_to_an_end() {
    use AccessChange::{Create, Offer, Publish, Retire};
    let mut model = started();
    model.password = Some(2);
    let mut said = Vec::new();
    for _ in 0..60 {
        model.step();
        model.pass();
        let conditions = &model.desired.status.conditions;
        let rotating = conditions.iter().find(|condition| condition.type_ == "PasswordRotating");
        let reason = rotating.map_or("none", |condition| &condition.reason).to_owned();
        if said.last() != Some(&reason) {
            said.push(reason);
        }
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!(ready.status, "True", "clients go on");
    }
    assert_eq!(said, ["none", "PasswordOffered", "PasswordPublished", "none"]);
    let status = model.desired.status.access.clone().unwrap();
    assert!(status.rotation.is_none() && status.rotated_at.is_some());
    assert!(model.desired.status.instances.iter().all(|instance| instance.access == status.revision));
    assert_eq!((changes(&model), model.given.now), (vec![Create, Offer, Publish, Retire], Some(2)));
}

#[test]
fn silent_server_keeps_clients_on_the_earlier_password() {
    let mut model = started();
    let primary = model.observe().primary().map(|(ordinal, _)| ordinal);
    let replica = (0..3).find(|ordinal| Some(*ordinal) != primary).unwrap();
    model.pods.get_mut(&replica).unwrap().silent = true;
    model.password = Some(2);
    model.outlast();
    assert_eq!(model.given.now, Some(1));
    let conditions = &model.desired.status.conditions;
    let rotating = conditions.iter().find(|condition| condition.type_ == "PasswordRotating");
    let message = &rotating.unwrap().message;
    assert!(message.starts_with(&format!("Waiting for c-{replica} to accept")), "{message}");
    model.pods.get_mut(&replica).unwrap().silent = false;
    model.outlast();
    assert_eq!(model.given.now, Some(2));
}

#[test]
fn second_change_waits_and_one_taken_back_is_withdrawn() {
    use AccessChange::{Create, Offer, Publish, Retire, Withdraw};
    let mut model = started();
    model.password = Some(2);
    while model.given.now != Some(2) {
        model.step();
        model.pass();
    }
    model.password = Some(3);
    model.outlast();
    model.outlast();
    assert_eq!(model.given.now, Some(3));
    assert_eq!(changes(&model), [Create, Offer, Publish, Retire, Offer, Publish, Retire]);
    let mut model = started();
    model.password = Some(2);
    while changes(&model).last() != Some(&Offer) {
        model.step();
    }
    model.password = Some(1);
    model.outlast();
    assert_eq!((changes(&model), model.given.now), (vec![Create, Offer, Withdraw], Some(1)));
}

#[test]
fn grace_ends_only_after_clients_had_the_password_for_so_long() {
    let mut model = started();
    let before = model.observe();
    let published = |model: &mut Model, secret: bool| {
        model.access = Some(Passwords { revision: 9, current: 2, next: None, previous: Some(1) });
        model.password = Some(2);
        model.given.now = Some(if secret { 2 } else { 1 });
        let mut observed = model.observe();
        observed.now = before.now + TimeDelta::days(1);
        observed
    };
    // The operator did not run between the two writes.
    let observed = published(&mut model, false);
    assert!(matches!(decide(&model.desired, &observed).step, Step::WriteSecret));
    let observed = published(&mut model, true);
    assert!(matches!(decide(&model.desired, &observed).step, Step::Requeue(_)), "it is not noted yet");
}
