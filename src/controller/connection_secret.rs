//! The connection Secret, as far as a reconciliation has read it, and the one write that makes it what the engine decided.
//!
//! Guarantees: one that is there is changed only in the version that was read, and one that was not seen is only created.

use super::context::Context;
use crate::cluster::{ClusterError, data_objects};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use valkeeper_api::service_facts::WrittenSecret;
use valkeeper_engine::{
    Connection, ConnectionSecret, SecretTarget,
    connection::SecretContent,
    existing_secret::{self, Finding},
};

/// The connection Secret, as far as the reconciliation has read it.
#[derive(Default)]
pub(super) enum SecretSeen {
    #[default]
    Unknown,
    Absent,
    /// Creating it was refused, because there is one.
    Exists,
    Present(Box<Secret>),
}

/// A Secret that was written.
pub(super) struct Written {
    pub(super) secret: Secret,
    /// What of it is ours.
    pub(super) record: WrittenSecret,
    /// Text of the event.
    pub(super) note: String,
}

impl SecretSeen {
    /// What a read has found.
    pub(super) fn found(found: Option<Secret>) -> Self {
        found.map_or(Self::Absent, |secret| Self::Present(Box::new(secret)))
    }

    /// What it means for `owner`, whose service has this connection.
    pub(super) fn judge(
        &self,
        owner: &OwnerReference,
        target: &SecretTarget,
        connection: Option<&Connection>,
    ) -> Finding {
        let secret = match self {
            Self::Unknown => ConnectionSecret::Unknown,
            Self::Absent => ConnectionSecret::Absent,
            Self::Exists => ConnectionSecret::Exists,
            Self::Present(secret) => return existing_secret::judge(secret, owner, target, connection),
        };
        Finding { secret, record: None }
    }

    /// Writes `wanted` for `owner`; none if there is a Secret that was not seen.
    pub(super) async fn write(
        &self,
        context: &Context,
        namespace: &str,
        wanted: &SecretContent,
        owner: &OwnerReference,
    ) -> Result<Option<Written>, ClusterError> {
        let client = &context.client;
        let written = match self {
            Self::Present(found) => {
                let (patch, record) = existing_secret::repaired(found, wanted, owner);
                let note = existing_secret::changes(found, wanted);
                let written = data_objects::patch::<Secret>(client, namespace, &wanted.name, patch).await;
                written.map(|secret| Some(Written { secret, record, note }))
            }
            Self::Unknown | Self::Absent | Self::Exists => {
                let (secret, record) = existing_secret::new(wanted, owner);
                let note = format!("Created Secret {} with the connection.", wanted.name);
                let written = data_objects::create(client, namespace, &secret).await;
                written.map(|secret| secret.map(|secret| Written { secret, record, note }))
            }
        };
        context.metrics.secret_written(written.as_ref().err().map(|error| error.class().label()));
        written
    }
}
