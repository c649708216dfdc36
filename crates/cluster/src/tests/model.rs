//! A small model of a cluster: objects that are written, pods that start and end, instances that obey verbs by the
//! rules of their manager. It does one thing at a time, and checks after each step what must always hold.

use super::passwords::{Given, Passwords};
use super::pods::Pod;
use super::resizes::Kubelet;
use crate::resize::{ResizeSeen, declared};
use crate::{
    Certificates, ClaimSeen, Desired, LeaseSeen, ObjectSeen, Observed, OwnedKind, Password, PodSeen,
    RestoreSource, Step, contains, decide, names, owned, pod, policy, reading,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use valkeeper_engine::ConnectionSecret;
use valkeeper_failover::{
    Name, Position,
    observer::{LeaseReading, Observer},
    protocol::{Peers, Role, Timing},
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(super) struct Model {
    pub(super) desired: Desired,
    pub(super) pods: BTreeMap<u32, Pod>,
    pub(super) claims: BTreeMap<u32, ClaimSeen>,
    pub(super) lease: Option<LeaseReading>,
    lease_is_optional: bool,
    pub(super) steps: Vec<Step>,
    pub(super) objects: BTreeMap<(OwnedKind, String), Value>,
    pub(super) password: Option<u32>,
    pub(super) password_is_due: bool,
    pub(super) access: Option<Passwords>,
    pub(super) given: Given,
    certificates: [Certificates; 2],
    pub(super) kubelet: Kubelet,
    observer: Observer,
    now: Duration,
    uids: u32,
}

impl Model {
    pub(super) fn new(desired: Desired) -> Self {
        Self {
            desired,
            pods: BTreeMap::new(),
            claims: BTreeMap::new(),
            lease: None,
            lease_is_optional: false,
            steps: Vec::new(),
            objects: BTreeMap::new(),
            password: None,
            password_is_due: false,
            access: None,
            given: Given::default(),
            certificates: [Certificates::Missing; 2],
            kubelet: Kubelet::default(),
            observer: Observer::default(),
            now: Duration::ZERO,
            uids: 0,
        }
    }

    /// What the wall clock says.
    pub(super) fn wall(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(self.now).unwrap()
    }

    /// What a look shows.
    pub(super) fn observe(&mut self) -> Observed {
        let now = self.wall();
        let answers = self.pods.iter().filter(|(_, pod)| !pod.silent);
        let mut observed = Observed {
            now,
            password: match self.password {
                Some(_) => Password::Present,
                None => Password::Missing("none".to_owned()),
            },
            password_is_due: self.password_is_due,
            access: self.access(),
            authority: self.certificates[0],
            certificate: self.certificates[1],
            claims: self.claims.clone(),
            pods: self.pods.iter().map(|(ordinal, pod)| (*ordinal, pod.seen.clone())).collect(),
            instances: answers.filter_map(|(ordinal, pod)| Some((*ordinal, pod.instance.clone()?))).collect(),
            lease: self.lease.clone().map_or(LeaseSeen::Missing, LeaseSeen::Present),
            lease_is_optional: self.lease_is_optional,
            restore_source: if self.desired.spec.bootstrap.is_some() {
                RestoreSource::Found("key".to_owned())
            } else {
                RestoreSource::Unknown
            },
            secret: match self.given.now {
                Some(_) => ConnectionSecret::Ours { current: self.clients_are_current(), immutable: false },
                None => ConnectionSecret::Absent,
            },
            ..Observed::default()
        };
        for object in owned(&self.desired, &observed) {
            let key = (object.kind, object.name.clone());
            let seen = match self.objects.get(&key) {
                None => ObjectSeen::Missing,
                Some(live) if contains(live, &object.body) => ObjectSeen::Current,
                Some(_) => ObjectSeen::Different,
            };
            observed.objects.insert(key, seen);
        }
        for key in crate::unwanted(&self.desired) {
            if self.objects.contains_key(&key) {
                observed.unwanted.insert(key, "uid".to_owned());
            }
        }
        let began = self.now;
        if let Some(reading) = reading(&self.desired, &observed, began, began) {
            let view = self.observer.view(&policy(&self.desired), &Timing::default(), reading);
            observed.view = Some(view);
        }
        observed
    }

    /// Looks, decides and performs; answers whether there was something to do.
    pub(super) fn step(&mut self) -> bool {
        self.now += LOOK;
        let observed = self.observe();
        let decision = decide(&self.desired, &observed);
        let primary = observed.primary().map(|(ordinal, _)| ordinal);
        let rests = matches!(decision.step, Step::Requeue(_));
        if rests {
            self.desired.status =
                crate::next_status(&self.desired, &observed, &decision.report, None, observed.now);
        }
        self.check(&decision.step, primary);
        self.steps.push(decision.step.clone());
        self.perform(decision.step);
        self.check_passwords();
        !rests
    }

    fn perform(&mut self, step: Step) {
        let renew = DateTime::UNIX_EPOCH + TimeDelta::days(60);
        match step {
            Step::IssueClientCertificate | Step::ServeCertificate(_) => {
                panic!("no cluster of the model has TLS")
            }
            Step::AddFinalizer => self.desired.has_finalizer = true,
            Step::ReleaseFinalizer => self.desired.has_finalizer = false,
            Step::CreatePassword => self.password = Some(1),
            Step::RotatePassword => {
                self.password = self.password.map(|password| password + 10);
                self.password_is_due = false;
            }
            Step::WriteAccess(change, revision) => self.write_access(change, &revision),
            Step::IssueAuthority => self.certificates[0] = Certificates::Present(renew),
            Step::IssueCertificate => self.certificates[1] = Certificates::Present(renew),
            Step::Apply(object) => drop(self.objects.insert((object.kind, object.name), object.body)),
            Step::Remove(kind, name, _) => drop(self.objects.remove(&(kind, name)).unwrap()),
            Step::CreateClaim(ordinal) => self.create_claim(ordinal),
            Step::GrowClaim(ordinal) => self.grow_claim(ordinal),
            Step::DeleteClaim(ordinal) => drop(self.claims.remove(&ordinal)),
            Step::CreatePod(ordinal) => self.create_pod(ordinal),
            Step::DeletePod(ordinal, uid) => {
                assert_eq!(self.pods[&ordinal].seen.uid, uid);
                self.pods.get_mut(&ordinal).unwrap().seen.deleting = true;
            }
            Step::ResizePod(ordinal, uid, part) => self.resize(ordinal, &uid, part),
            Step::CreateLease(term) => {
                assert!(self.lease.is_none());
                self.lease = Some(LeaseReading { holder: None, term, version: 1, peers: Peers::new() });
                self.lease_is_optional = false;
            }
            Step::MakeLeaseOptional(version) => {
                let lease = self.lease.as_mut().unwrap();
                assert_eq!(lease.version, version);
                lease.version += 1;
                self.lease_is_optional = true;
            }
            Step::DeleteLease(version) => {
                assert_eq!(self.lease.take().unwrap().version, version);
            }
            Step::Label(ordinal, _, role) => {
                self.pods.get_mut(&ordinal).unwrap().seen.role = Some(role.to_owned());
            }
            Step::WriteSecret => self.give(),
            Step::Hold(name, term) => self.instance(&name, |pod, _| pod.hold(term)),
            Step::Promote(name, term, version, _) => {
                self.instance(&name, |pod, lease| pod.promote(term, version, lease));
            }
            Step::Follow(name, primary, term) => {
                let ordinal = names::ordinal("c", primary.as_str()).unwrap();
                let at = self.pods[&ordinal].instance.as_ref().and_then(|instance| instance.status.position);
                self.instance(&name, |pod, _| pod.follow(primary.clone(), term, at));
            }
            Step::Kick(..) | Step::Requeue(_) => {}
            Step::Reload(ordinal, _) => self.reload(ordinal),
            Step::CreateFinalBackup => panic!("no deletion here waits for a backup"),
            Step::Restore(ordinal) => self.pods.get_mut(&ordinal).unwrap().restore(),
        }
    }

    fn create_pod(&mut self, ordinal: u32) {
        assert!(!self.pods.contains_key(&ordinal));
        self.uids += 1;
        let body = pod(&self.desired, ordinal);
        self.mount(ordinal);
        let annotation = |name: &str| body["metadata"]["annotations"][name].as_str().unwrap().to_owned();
        let seen = PodSeen {
            uid: format!("uid-{}", self.uids),
            created: Some(self.wall()),
            revision: annotation(names::REVISION),
            revision_without_resources: annotation(names::REVISION_WITHOUT_RESOURCES),
            resize: ResizeSeen { asked: declared(&self.desired), ..ResizeSeen::default() },
            role: body["metadata"]["labels"][names::ROLE].as_str().map(str::to_owned),
            unstarted: true,
            starts_alone: body["metadata"]["annotations"][names::STARTS_ALONE].is_string(),
            ..PodSeen::default()
        };
        self.pods.insert(ordinal, Pod::new(seen, self.access.clone()));
    }

    fn instance(&mut self, name: &Name, verb: impl FnOnce(&mut Pod, &mut Option<LeaseReading>)) {
        let ordinal = names::ordinal("c", name.as_str()).unwrap();
        let Some(pod) = self.pods.get_mut(&ordinal).filter(|pod| !pod.silent && pod.instance.is_some())
        else {
            return;
        };
        verb(pod, &mut self.lease);
    }

    /// The world goes on: pods start and end, replicas catch up, the holder renews its Lease, an only instance promotes
    /// itself.
    pub(super) fn pass(&mut self) {
        self.pods.retain(|_, pod| !pod.seen.deleting);
        let settings = self.pods.values().any(|pod| pod.instance.is_none()).then(|| self.settings());
        let mut renewed = false;
        for (ordinal, pod) in &mut self.pods {
            pod.start(*ordinal, settings.as_ref(), self.claims.contains_key(ordinal));
            self.kubelet.resize(pod);
            let Some(instance) = pod.instance.as_mut() else { continue };
            match instance.status.role {
                Role::Held if instance.alone => {
                    instance.status.seen = instance.status.seen.next();
                    instance.status.role = Role::Primary(instance.status.seen);
                    instance.status.position =
                        Some(Position { term: instance.status.seen, offset: instance.offset() });
                }
                Role::Replica(_) => instance.status.synced = true,
                Role::Primary(_) => {
                    let holds =
                        |lease: &LeaseReading| lease.holder.as_ref() == Some(&instance.status.identity);
                    renewed |= !pod.silent && !instance.alone && self.lease.as_ref().is_some_and(holds);
                }
                _ => {}
            }
        }
        self.fence();
        if let Some(lease) = self.lease.as_mut().filter(|_| renewed) {
            lease.version += 1;
        }
        self.deliver();
        self.check_passwords();
    }

    /// A primary that cannot renew the Lease, or finds another holder, holds itself.
    fn fence(&mut self) {
        for pod in self.pods.values_mut() {
            let silent = pod.silent;
            let Some(instance) = pod.instance.as_mut().filter(|instance| !instance.alone) else { continue };
            let holder = self.lease.as_ref().and_then(|lease| lease.holder.as_ref());
            let holds = !silent && holder == Some(&instance.status.identity);
            if matches!(instance.status.role, Role::Primary(_)) && !holds {
                instance.status.role = Role::Held;
            }
        }
    }

    /// The server of a pod and its manager are ended, and started again.
    pub(super) fn kill(&mut self, ordinal: u32) {
        let Some(pod) = self.pods.get_mut(&ordinal) else { return };
        let boot = pod.instance.as_ref().map_or(1, |instance| instance.status.identity.boot + 1);
        if let Some(instance) = pod.instance.as_mut() {
            instance.status.identity.boot = boot;
            (instance.status.role, instance.status.synced) = (Role::Held, false);
            instance.status.restarted = true;
            // It reads its settings again.
            self.reload(ordinal);
        }
    }
}
