//! Users of a self-hosted cluster: what to do for a `ValkeyUser`. Pure; the time is an argument.
//!
//! ```text
//!   rules ──checked by a server──▶ entry in the Secret of users ──files──▶ servers ──all have it──▶ connection Secret
//!
//!   password:  [now] ──another one──▶ [next, now] ──all have both──▶ Secret has next ──grace──▶ [next]
//! ```
//!
//! Guarantees: no server is given rules that no server has accepted; those before stay in force. Clients are given a password
//! only after every server that they may reach has reported that it accepts it, and it is accepted until the grace is over
//! after they were given the next one. One entry belongs to one resource: a second one of its name changes nothing.
//!
//! Left to others: what servers do with an entry (`valkeeper-instance`).

mod decide;
mod passwords;
mod status;

#[cfg(test)]
mod tests;

pub use decide::decide;
pub use status::{next as next_status, reported as reported_status};

use crate::desired::{self, Desired};
use crate::names::ROTATE_PASSWORD;
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use std::{collections::BTreeMap, fmt};
use valkeeper_api::{ValkeyUser, valkey_user};
use valkeeper_engine::{ConnectionSecret, Ready, SecretTarget};

/// What servers are given of a user.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What servers report that have taken it.
    pub revision: String,
    /// What it may do.
    pub rules: Vec<String>,
    /// Hashes of the passwords that are accepted, the newest first; none for a user that servers are to end.
    pub passwords: Vec<String>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords that people choose can be guessed from their hashes.
        let Self { revision, rules, passwords } = self;
        write!(formatter, "Entry({revision:?}, {rules:?}, {} passwords)", passwords.len())
    }
}

/// The entry of a user in the Secret that servers read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EntrySeen {
    /// There is none, or none that can be used.
    #[default]
    Missing,
    /// It is of another resource, or its Secret is; in words.
    Foreign(String),
    /// This.
    Present(Entry),
}

/// The cluster of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserClusterSeen {
    /// There is none of its name, or it is being deleted.
    #[default]
    Missing,
    /// It exists, and an earlier password is accepted for so long.
    Present(TimeDelta),
}

/// The password that is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum UserPassword {
    /// It was not read.
    #[default]
    Unknown,
    /// It is not there; in words.
    Missing(String),
    /// The Secret for a generated one is of another owner; in words.
    Foreign(String),
    /// Its hash.
    Present(String),
}

impl fmt::Debug for UserPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Missing(message) | Self::Foreign(message) => message,
            Self::Present(_) => "Present",
        })
    }
}

/// What a server says of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RulesSeen {
    /// No server could be asked, or there was nothing to ask.
    #[default]
    Unknown,
    /// It takes them.
    Accepted,
    /// It does not; in its words.
    Refused(String),
}

/// What a server answers about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    /// It does not answer.
    Silent,
    /// It has taken this revision; empty for none.
    Taken(String),
    /// It does not take this revision; in its words.
    Refused(String, String),
}

impl ServerAnswer {
    /// Whether the server has taken this entry.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        matches!(self, Self::Taken(revision) if *revision == entry.revision)
    }
}

/// Everything that was seen of a user.
#[derive(Clone, Debug, Default)]
pub struct ObservedUser {
    /// The time.
    pub now: DateTime<Utc>,
    /// Its cluster.
    pub cluster: UserClusterSeen,
    /// The password that is asked for.
    pub password: UserPassword,
    /// A user asks for another generated password.
    pub password_is_due: bool,
    /// The hash of the password in the connection Secret.
    pub given: Option<String>,
    /// What servers are given.
    pub entry: EntrySeen,
    /// What a server says of the rules of the spec, if they are not those of the entry.
    pub rules: RulesSeen,
    /// This process has not found out so far which servers there are.
    pub servers_are_unknown: bool,
    /// What each server that clients may reach has taken, by the name of its instance.
    pub servers: BTreeMap<String, ServerAnswer>,
    /// The connection Secret, compared with the newest of the accepted passwords, or with the one that it keeps.
    pub secret: ConnectionSecret,
}

impl ObservedUser {
    /// What is seen before more than the entry is read.
    pub fn new(now: DateTime<Utc>, entry: EntrySeen) -> Self {
        Self { now, entry, ..Self::default() }
    }

    /// Whether every server that clients may reach has taken this entry.
    pub fn is_taken(&self, entry: &Entry) -> bool {
        !self.servers_are_unknown && self.servers.values().all(|answer| answer.has(entry))
    }

    /// Whether the connection Secret keeps its password, because servers accept it and not all have taken the newest.
    pub fn keeps_password(&self, entry: &Entry) -> bool {
        !self.is_taken(entry) && self.given.as_ref().is_some_and(|given| entry.passwords.contains(given))
    }
}

/// What can be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserStep {
    /// Keep the resource until servers have ended the user.
    AddFinalizer,
    /// Generate a password, or another one.
    GeneratePassword,
    /// Give the servers these rules and passwords, if they were given what was seen.
    WriteEntry(Entry),
    /// Remove what they were given, which says that the user has ended.
    RemoveEntry,
    /// Give clients the newest password.
    WriteSecret,
    /// Let Kubernetes remove the resource.
    ReleaseFinalizer,
    /// Nothing can be done now; whether that changes soon.
    Rest {
        /// Something else is at work.
        soon: bool,
    },
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserReport {
    /// Whether all is as declared.
    pub ready: Ready,
    /// One of the reasons in [`names::reason`](crate::names::reason).
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The name to log in with.
pub fn username(object: &ValkeyUser) -> String {
    object.spec.username(object.metadata.name.as_deref().unwrap_or_default()).to_owned()
}

/// Where the password comes from: Secret and key.
pub fn password_source(object: &ValkeyUser) -> (String, String) {
    object.spec.password_secret_ref.as_ref().map_or_else(
        || {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            (format!("{name}-user-password"), crate::names::PASSWORD_KEY.to_owned())
        },
        |reference| (reference.name.clone(), reference.key.clone()),
    )
}

/// The request for another generated password, if there is one.
pub fn rotation_request(object: &ValkeyUser) -> Option<&String> {
    let request = object.metadata.annotations.as_ref()?.get(ROTATE_PASSWORD);
    request.filter(|_| object.spec.password_secret_ref.is_none())
}

/// The reference by which Secrets belong to the resource.
pub fn owner(object: &ValkeyUser) -> OwnerReference {
    OwnerReference {
        api_version: ValkeyUser::api_version(&()).into_owned(),
        kind: valkey_user::NAME.to_owned(),
        name: object.metadata.name.clone().unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Where the connection goes; `more` is what the Secret of the cluster has besides.
pub fn secret_target(object: &ValkeyUser, cluster: &Desired, more: BTreeMap<String, String>) -> SecretTarget {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let written = object.status.as_ref().and_then(|status| status.connection_secret.clone());
    let declared = object.spec.conn_info_secret_target.as_ref();
    SecretTarget { more, ..desired::secret_target(&cluster.spec, declared, name, written) }
}
