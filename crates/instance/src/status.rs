//! What an instance answers on the wire: verbs, statuses and refusals. Used by managers and by who asks them.

use crate::restore::RestoreStatus;
use serde::{Deserialize, Serialize};
use valkeeper_failover::{Identity, Name, Term, manager::Refusal, protocol::Status};

/// The body of most verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermRequest {
    /// The term that the verb belongs to.
    pub term: Term,
}

/// The answer to `GET /v1/term`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermAnswer {
    /// Who answers.
    pub identity: Identity,
    /// The highest term that it has seen.
    pub seen: Term,
    /// The last term in which it accepted writes, or may have.
    pub reigned: Term,
}

/// The body of `promote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteRequest {
    /// The term to take.
    pub term: Term,
    /// The version of the lease that was judged.
    pub version: u64,
}

/// The body of `follow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowRequest {
    /// The primary's term.
    pub term: Term,
    /// The primary.
    pub primary: Name,
    /// Where its server is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its port with TLS, which a server with TLS follows.
    #[serde(default, rename = "tlsPort", skip_serializing_if = "Option::is_none")]
    pub tls_port: Option<u16>,
}

/// A replica as its primary sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Where its server is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The offset that it has acknowledged.
    pub offset: u64,
    /// Seconds since then.
    pub lag: u64,
}

/// What the server says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatus {
    /// Where clients and replicas reach it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its version.
    pub version: String,
    /// Name of its history.
    pub replication_id: String,
    /// Its offset.
    pub offset: u64,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// Whether it reads its data from the disk.
    pub loading: bool,
    /// Whether its last write to the disk succeeded.
    pub writes_succeed: bool,
    /// Bytes of memory in use.
    pub used_memory: u64,
    /// The limit; 0 for none.
    pub max_memory: u64,
}

/// Which settings are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SettingsStatus {
    /// Their revision.
    pub revision: String,
    /// Directives among them that get their value when the server is started again.
    pub need_restart: Vec<String>,
    /// Directives whose values the server does not take, with its reasons.
    pub refused: Vec<String>,
    /// Whether they name no lease: the instance accepts writes on its own.
    pub alone: bool,
}

/// TLS of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsStatus {
    /// Its port with TLS.
    pub port: u16,
    /// Whether its program was built with TLS; it is not started otherwise.
    pub supported: bool,
    /// What stands for the certificate that a handshake has shown.
    #[serde(default)]
    pub certificate: Option<String>,
}

/// The answer to `status`, and to every verb that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// What the protocol needs.
    #[serde(flatten)]
    pub status: Status,
    /// What the server says; none while it does not answer.
    pub server: Option<ServerStatus>,
    /// Which settings are in force.
    #[serde(default)]
    pub settings: SettingsStatus,
    /// The revision of who may log in, as the server has taken it.
    #[serde(default)]
    pub access: String,
    /// How far the first data is, from a backup or a running server; none where it comes from neither.
    #[serde(default)]
    pub restore: Option<RestoreStatus>,
    /// TLS of the server; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStatus>,
}

/// Why a verb was refused, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalReason {
    /// It belongs to an older term.
    Stale,
    /// The instance is not held.
    NotHeld,
    /// The instance is the primary.
    IsPrimary,
    /// The instance is not the primary.
    NotPrimary,
    /// The instance is about to end.
    Stopping,
}

impl From<Refusal> for RefusalReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Stale => Self::Stale,
            Refusal::NotHeld => Self::NotHeld,
            Refusal::IsPrimary => Self::IsPrimary,
            Refusal::NotPrimary => Self::NotPrimary,
            Refusal::Stopping => Self::Stopping,
        }
    }
}

/// The answer to a verb that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalAnswer {
    /// Why.
    pub refused: RefusalReason,
    /// The status at that time.
    #[serde(flatten)]
    pub status: StatusAnswer,
}

/// The answer to `reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadAnswer {
    /// Directives that have their new value.
    pub applied: Vec<String>,
    /// Directives that get it when the server is started again.
    pub need_restart: Vec<String>,
    /// Directives whose values the server does not take, with its reasons.
    #[serde(default)]
    pub refused: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{ImportRequest, SourceServer};
    use serde_json::{from_value, json, to_value};

    /// As the first managers answered. Pods keep theirs while the operator is upgraded.
    #[test]
    fn answers_of_first_managers_are_read_and_later_fields_ignored() {
        let mut answer = json!({
            "identity": {"name": "c-0", "pod": "u", "boot": 1}, "seen": 3, "role": {"Primary": 3},
            "position": {"term": 3, "offset": 70}, "live": true, "streaming": false, "synced": false,
            "server": {"host": "10.0.0.1", "port": 6379, "version": "8.0.1", "writesSucceed": true},
            "settings": {"revision": "r"},
        });
        let first: StatusAnswer = from_value(answer.clone()).unwrap();
        assert_eq!(first.status.role, valkeeper_failover::protocol::Role::Primary(Term(3)));
        assert!(first.server.as_ref().is_some_and(|server| server.writes_succeed));
        answer["of_a_later_manager"] = true.into();
        answer["server"]["of_a_later_manager"] = json!([]);
        assert_eq!(from_value::<StatusAnswer>(answer).unwrap(), first);
    }

    /// Earlier managers refuse fields that they do not know.
    #[test]
    fn requests_have_later_fields_only_where_they_are_used() {
        let source = SourceServer {
            host: "old".to_owned(),
            port: 6379,
            username: None,
            password: Some("word".to_owned()),
            tls: None,
        };
        let request = ImportRequest { source, is_redis: false, version: "8.1".to_owned(), cut_over: false };
        let expected = json!({
            "source": {"host": "old", "port": 6379, "username": null, "password": "word"},
            "isRedis": false, "version": "8.1", "cutOver": false,
        });
        assert_eq!(to_value(&request).unwrap(), expected);
        let follow = FollowRequest {
            term: Term(3),
            primary: "c-0".into(),
            host: "10.0.0.1".to_owned(),
            port: 6379,
            tls_port: None,
        };
        let expected = json!({"term": 3, "primary": "c-0", "host": "10.0.0.1", "port": 6379});
        assert_eq!(to_value(&follow).unwrap(), expected);
    }
}
