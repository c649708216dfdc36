//! Pods of the model, and instances in them that obey verbs by the rules of their manager.

use super::model::Model;
use super::passwords::Passwords;
use crate::{InstanceSeen, OwnedKind, PodSeen, RestoreSeen};
use serde_json::Value;
use valkeeper_failover::{
    Identity, Name, Position, Term,
    observer::LeaseReading,
    protocol::{Peers, Role, Status},
};

/// What an instance reads of its settings.
pub(super) struct Settings {
    pub(super) revision: String,
    pub(super) alone: bool,
    pub(super) restore: Option<String>,
    pub(super) max_memory: u64,
}

/// A held instance of the first pod that was ever created.
pub(crate) fn instance(ordinal: u32) -> InstanceSeen {
    let name: Name = format!("c-{ordinal}").as_str().into();
    InstanceSeen {
        status: Status {
            identity: Identity { name, pod: "1".into(), boot: 1 },
            seen: Term(0),
            role: Role::Held,
            position: None,
            live: false,
            streaming: false,
            synced: false,
            leaving: false,
            stopping: false,
            restarted: true,
            misrouted: false,
            stored: Term(0),
            by_consent: false,
        },
        settings: String::new(),
        access: String::new(),
        need_restart: Vec::new(),
        refused: Vec::new(),
        used_memory: Some(1 << 20),
        max_memory: None,
        alone: false,
        host: Some("10.0.0.1".to_owned()),
        port: 6379,
        writes_succeed: true,
        restore: None,
        tls: None,
    }
}

#[derive(Clone)]
pub(super) struct Pod {
    pub(super) seen: PodSeen,
    pub(super) instance: Option<InstanceSeen>,
    /// What its container can read of the passwords, and what its server accepts.
    pub(super) file: Option<Passwords>,
    pub(super) accepts: Vec<u32>,
    /// It does not answer, though it may go on.
    pub(super) silent: bool,
    /// Terms up to this one are over for it.
    reigned: Term,
}

impl InstanceSeen {
    pub(super) fn offset(&self) -> u64 {
        self.status.position.map_or(0, |position| position.offset)
    }
}

impl Pod {
    pub(super) fn new(seen: PodSeen, file: Option<Passwords>) -> Self {
        Self { seen, instance: None, file, accepts: Vec::new(), silent: false, reigned: Term(0) }
    }

    pub(super) fn start(&mut self, ordinal: u32, settings: Option<&Settings>, volume: bool) {
        let (Some(Settings { revision, alone, restore, max_memory }), None) = (settings, &self.instance)
        else {
            return;
        };
        let name: Name = format!("c-{ordinal}").as_str().into();
        let restores = restore.as_deref() == Some(name.as_str());
        (self.seen.unstarted, self.seen.ready) = (false, true);
        let held = self::instance(ordinal);
        let status = Status {
            identity: Identity { name, pod: self.seen.uid.as_str().into(), boot: 1 },
            role: if restores { Role::Changing } else { Role::Held },
            position: volume.then(Position::default).or(Some(Position::default())),
            ..held.status
        };
        self.instance = Some(InstanceSeen {
            status,
            settings: revision.clone(),
            alone: *alone,
            max_memory: Some(*max_memory),
            restore: restores.then_some(RestoreSeen::Waiting),
            ..held
        });
    }

    /// The data of the backup is there, and the server starts.
    pub(super) fn restore(&mut self) {
        let instance = self.instance.as_mut().unwrap();
        instance.restore = Some(RestoreSeen::Done);
        instance.status.role = Role::Held;
    }

    pub(super) fn hold(&mut self, term: Term) {
        let instance = self.instance.as_mut().unwrap();
        if term >= instance.status.seen && term > self.reigned {
            (instance.status.seen, instance.status.restarted) = (term, false);
            instance.status.role = Role::Held;
            (instance.status.streaming, instance.status.synced) = (false, false);
        }
    }

    pub(super) fn promote(&mut self, term: Term, version: u64, lease: &mut Option<LeaseReading>) {
        let instance = self.instance.as_mut().unwrap();
        let lease = lease.as_mut().unwrap();
        let may = instance.status.role == Role::Held
            && !instance.status.restarted
            && !instance.alone
            && term >= instance.status.seen;
        if may && lease.version == version {
            assert!(term > lease.term, "terms go up");
            let (holder, peers) = (Some(instance.status.identity.clone()), Peers::new());
            *lease = LeaseReading { holder, term, version: version + 1, peers };
            self.reigned = term;
            instance.status.seen = term;
            instance.status.role = Role::Primary(term);
            instance.status.live = true;
            instance.status.position = Some(Position { term, offset: instance.offset() + 10 });
        }
    }

    pub(super) fn follow(&mut self, primary: Name, term: Term, at: Option<Position>) {
        let instance = self.instance.as_mut().unwrap();
        if term >= instance.status.seen && !matches!(instance.status.role, Role::Primary(own) if own == term)
        {
            instance.status.seen = term;
            instance.status.role = Role::Replica(primary);
            (instance.status.position, instance.status.live) = (at, true);
            (instance.status.streaming, instance.status.synced) = (true, false);
        }
    }
}

impl Model {
    /// What instances that start now read.
    pub(super) fn settings(&self) -> Settings {
        let map = &self.objects[&(OwnedKind::ConfigMap, "c-settings".to_owned())];
        let text: Value = serde_json::from_str(map["data"]["instance.yaml"].as_str().unwrap()).unwrap();
        Settings {
            revision: text["revision"].as_str().unwrap().to_owned(),
            alone: text["lease"] == "alone",
            restore: text["restore"].as_str().map(str::to_owned),
            max_memory: text["server"]["maxMemory"].as_u64().unwrap(),
        }
    }

    pub(super) fn reload(&mut self, ordinal: u32) {
        let Settings { revision, alone, max_memory, .. } = self.settings();
        let instance = self.pods.get_mut(&ordinal).and_then(|pod| pod.instance.as_mut());
        let Some(instance) = instance else { return };
        (instance.settings, instance.alone, instance.max_memory) = (revision, alone, Some(max_memory));
    }
}
