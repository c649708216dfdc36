//! What was seen of a cluster: objects, pods, instances, the Lease.

use crate::access::AccessSeen;
use crate::final_backup::FinalBackupSeen;
use crate::pod_seen::PodSeen;
use crate::scheduled::Freshness;
use crate::serving::{ServingSeen, SourceSeen};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_engine::ConnectionSecret;
use valkeeper_failover::{
    Name,
    observer::LeaseReading,
    operator::View,
    protocol::{Peers, Status},
};

/// Everything that one look shows.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When, on the wall clock: for certificates, and for the grace period of a password.
    pub now: DateTime<Utc>,
    /// The password that is asked for.
    pub password: Password,
    /// A user asks for another generated password.
    pub password_is_due: bool,
    /// The passwords that servers should accept.
    pub access: AccessSeen,
    /// The authority of the cluster, with the certificate of the operator.
    pub authority: Certificates,
    /// The certificate of the servers.
    pub certificate: Certificates,
    /// The Secret that the certificate for clients comes from.
    pub source: SourceSeen,
    /// The Secret that servers read it from.
    pub serving: ServingSeen,
    /// Objects that should look as they were rendered, by kind and name; none that nobody looked at.
    pub objects: BTreeMap<(crate::OwnedKind, String), ObjectSeen>,
    /// Objects of the cluster that should not be there any more, with their identities.
    pub unwanted: BTreeMap<(crate::OwnedKind, String), String>,
    /// Addresses of Services by name, where clients have no name server to ask; none where they have.
    pub addresses: Option<BTreeMap<String, String>>,
    /// Volume claims by ordinal.
    pub claims: BTreeMap<u32, ClaimSeen>,
    /// Why a claim may not ask for a larger volume, as the API server said.
    pub growth_refused: Option<String>,
    /// Pods by ordinal.
    pub pods: BTreeMap<u32, PodSeen>,
    /// Pods of now and before that have ended for good, as their kubelets have reported.
    pub gone: Peers,
    /// Answers of instances by ordinal.
    pub instances: BTreeMap<u32, InstanceSeen>,
    /// The Lease.
    pub lease: LeaseSeen,
    /// The Lease says that the only instance may do without it.
    pub lease_is_optional: bool,
    /// What all this means together with what was seen before; none for an instance without a lease.
    pub view: Option<View>,
    /// The connection Secret.
    pub secret: ConnectionSecret,
    /// Instances that were asked to read their settings in this reconciliation.
    pub reloaded: BTreeSet<u32>,
    /// The backup or the server that the data is to come from.
    pub restore_source: RestoreSource,
    /// The first instance was asked to restore so recently that another attempt waits.
    pub restore_backs_off: bool,
    /// What the schedules of its backups say.
    pub backups: BackupsSeen,
    /// The backup that its deletion waits for.
    pub final_backup: FinalBackupSeen,
}

/// What the schedules of the backups of a cluster say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackupsSeen {
    /// Nobody looked, or not all of them are known.
    #[default]
    Unknown,
    /// This; none without a schedule.
    Schedules(Option<Freshness>),
}

/// The password that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Password {
    /// Nobody looked.
    #[default]
    Unknown,
    /// There is none; what is missing.
    Missing(String),
    /// The Secret that the operator would make belongs to another owner, in words.
    Foreign(String),
    /// It is there.
    Present,
}

/// The backup or the server that the data is to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestoreSource {
    /// Nobody looked, or none is needed.
    #[default]
    Unknown,
    /// It cannot be used; why, and what to do.
    Problem(String),
    /// It has this key, or is this server.
    Found(String),
}

/// How far an instance is with the data of a backup or of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreSeen {
    /// It waits to be told which.
    Waiting,
    /// The data is on its way.
    Running,
    /// It follows the server.
    Following {
        /// It was asked to take over.
        cutting_over: bool,
        /// What it waits for, for people.
        waits_for: Option<String>,
        /// It cannot be followed, and is copied when it is taken over from.
        copies: bool,
    },
    /// It did not get it.
    Failed {
        /// It may succeed at another time.
        passing: bool,
        /// For people.
        message: String,
    },
    /// It has it.
    Done,
    /// It had other data before, from an earlier cluster of this name, and keeps that.
    HadData,
}

/// A Secret with a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// Nobody looked.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// One belongs to another owner.
    Foreign,
    /// There is one, which is to be renewed at that time.
    Present(DateTime<Utc>),
}

/// An object that should look as it was rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectSeen {
    /// There is none.
    Missing,
    /// Another owner has one of its name.
    Foreign,
    /// It differs.
    Different,
    /// It is as it should be.
    Current,
}

/// A volume claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimSeen {
    /// It is being deleted.
    pub deleting: bool,
    /// When it was created, in seconds since the epoch.
    pub created: i64,
    /// Its version.
    pub version: String,
    /// Bytes that it asks for.
    pub requested: u64,
    /// Bytes of its volume; 0 before it has one.
    pub capacity: u64,
    /// Since when the driver waits for another pod, or for the kubelet, to enlarge the file system.
    pub waits_for_pod_since: Option<DateTime<Utc>>,
    /// Why the driver cannot enlarge the volume.
    pub trouble: Option<String>,
}

/// The answer of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSeen {
    /// What the protocol needs.
    pub status: Status,
    /// The revision of the settings in force.
    pub settings: String,
    /// The revision of the passwords that its server accepts.
    pub access: String,
    /// Directives that wait for a restart.
    pub need_restart: Vec<String>,
    /// Directives whose values its server does not take, with its reasons.
    pub refused: Vec<String>,
    /// Bytes of memory that its server uses for data, if it answers.
    pub used_memory: Option<u64>,
    /// How many it may use.
    pub max_memory: Option<u64>,
    /// It accepts writes without a lease.
    pub alone: bool,
    /// Where its server is, if that answers.
    pub host: Option<String>,
    /// Port of its server.
    pub port: u16,
    /// Whether its last write to the disk succeeded.
    pub writes_succeed: bool,
    /// How far it is with the data of a backup; none where its data comes from none.
    pub restore: Option<RestoreSeen>,
    /// TLS of its server; none in a pod without.
    pub tls: Option<TlsSeen>,
}

/// TLS of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSeen {
    /// Its port with TLS.
    pub port: u16,
    /// Whether its program was built with TLS.
    pub supported: bool,
    /// What stands for the certificate that a handshake has shown.
    pub certificate: Option<String>,
}

/// The Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaseSeen {
    /// Nobody looked.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// Another owner has it.
    Foreign,
    /// This.
    Present(LeaseReading),
}

impl Observed {
    /// The instance that accepts writes, with its ordinal: it says so, and holds the Lease or needs none.
    pub fn primary(&self) -> Option<(u32, &InstanceSeen)> {
        use valkeeper_failover::protocol::Role;
        self.instances.iter().map(|(ordinal, seen)| (*ordinal, seen)).find(|(_, seen)| {
            let Role::Primary(term) = seen.status.role else { return false };
            match &self.lease {
                LeaseSeen::Present(lease) => {
                    seen.alone || lease.holder.as_ref() == Some(&seen.status.identity) && lease.term == term
                }
                _ => seen.alone,
            }
        })
    }

    /// The ordinal of an instance that a verb names.
    pub fn ordinal(&self, cluster: &str, name: &Name) -> Option<u32> {
        crate::names::ordinal(cluster, name.as_str())
    }
}
