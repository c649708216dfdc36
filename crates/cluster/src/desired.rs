//! What a `ValkeyCluster` asks for, with everything that a decision needs from outside its spec.

use crate::parameters::PREFIX;
use crate::{final_backup, names};
use chrono::TimeDelta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use std::time::Duration;
use valkeeper_api::{
    ClusterStatus, ValkeyCluster, ValkeyClusterSpec, Violation, common::ConnectionSecretTarget,
    names as api_names, service_facts::WrittenSecret, valkey_cluster,
};
use valkeeper_engine::{KindOfSecret, SecretTarget};
use valkeeper_failover::Term;

/// Who runs these servers, for programs that read service bindings.
const PROVIDER: &str = "valkeeper";

/// What the operator was started with.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Image that the instance manager is copied from.
    pub manager_image: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of the resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its identity.
    pub uid: String,
    /// The version of its spec.
    pub generation: i64,
    /// When it was created, in seconds since the epoch.
    pub created: i64,
    /// Its spec.
    pub spec: ValkeyClusterSpec,
    /// What was last reported about it.
    pub status: ClusterStatus,
    /// It is being deleted, and nothing stands in the way of that.
    pub deleting: bool,
    /// Its deletion waits for a backup; until then it is like any other.
    pub awaits_final_backup: bool,
    /// The finalizer is on it.
    pub has_finalizer: bool,
    /// It is to be left alone, but for failovers.
    pub paused: bool,
    /// Rules that its spec breaks.
    pub violations: Vec<Violation>,
    /// What the user asks for with whom another generated password is due.
    pub rotation_request: Option<String>,
    /// The revision with which the primary may be replaced.
    pub approved: Option<String>,
    /// The term after which missing instances are not waited for.
    pub without_missing: Option<String>,
    /// Where the connection goes.
    pub target: Option<SecretTarget>,
    /// What the operator was started with.
    pub defaults: Defaults,
}

impl Desired {
    /// From a resource.
    pub fn of(object: &ValkeyCluster, defaults: Defaults) -> Self {
        let meta = object.meta();
        let annotation = |name: &str| meta.annotations.as_ref()?.get(name).cloned();
        let name = meta.name.clone().unwrap_or_default();
        let created = meta.creation_timestamp.as_ref().map(|time| time.0.as_second());
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            created: created.unwrap_or_default(),
            spec: object.spec.clone(),
            status: object.status.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some() && !final_backup::is_awaited(object),
            awaits_final_backup: final_backup::is_awaited(object),
            has_finalizer: api_names::has_finalizer(meta),
            paused: annotation(api_names::PAUSED).is_some_and(|value| value != "false"),
            violations: valkey_cluster::violations(object),
            rotation_request: annotation(names::ROTATE_PASSWORD),
            approved: annotation(names::APPROVE_UPDATE),
            without_missing: annotation(names::ELECT_WITHOUT_MISSING),
            target: target(object, &name),
            defaults,
            name,
        }
    }

    /// How many instances there should be.
    pub fn instances(&self) -> u32 {
        u32::try_from(self.spec.instances).unwrap_or(1).clamp(1, 9)
    }

    /// Whether servers should run.
    pub fn is_powered(&self) -> bool {
        self.spec.powered.unwrap_or(true) && !self.deleting
    }

    /// Whether it runs Redis.
    pub fn is_redis(&self) -> bool {
        self.spec.engine.0 == "Redis"
    }

    /// The highest term that the status remembers.
    pub fn remembered(&self) -> Term {
        Term(self.status.term.and_then(|term| u64::try_from(term).ok()).unwrap_or_default())
    }

    /// How long a primary may be silent.
    pub fn failover_after(&self) -> Duration {
        let after = self.spec.failover.as_ref().and_then(|failover| failover.after.strip_suffix('s'));
        Duration::from_secs(after.and_then(|seconds| seconds.parse().ok()).unwrap_or(5))
    }

    /// Whether a primary goes on without the Kubernetes API while its replicas consent.
    pub fn continues_without_api(&self) -> bool {
        self.spec.failover.as_ref().is_some_and(|failover| failover.api_server_outage == "Continue")
    }

    /// Whether clients that are set up for Sentinel are served.
    pub fn serves_sentinel_clients(&self) -> bool {
        self.spec.clients.as_ref().is_some_and(|clients| clients.sentinel)
    }

    /// The name of the primary in the settings of those clients.
    pub fn primary_name(&self) -> &str {
        let named = self.spec.clients.as_ref().and_then(|clients| clients.primary_name.as_deref());
        named.unwrap_or(&self.name)
    }

    /// The image of the servers.
    pub fn image(&self) -> String {
        let repository = if self.is_redis() { "redis" } else { "valkey/valkey" };
        self.spec.image.clone().unwrap_or_else(|| format!("{repository}:{}", self.spec.version))
    }

    /// The program of the servers.
    pub fn program(&self) -> &'static str {
        if self.is_redis() { "redis-server" } else { "valkey-server" }
    }

    /// The size of each volume, as it is declared.
    pub fn volume_size(&self) -> Option<&str> {
        self.spec.persistence.as_ref()?.size.as_deref()
    }

    /// Whether the primary is replaced after an approval only.
    pub fn asks_for_approval(&self) -> bool {
        self.spec.update.as_ref().is_some_and(|update| update.primary == "Approve")
    }

    /// Whether volumes outlive the resource and the instances that had them.
    pub fn retains_volumes(&self) -> bool {
        self.spec.persistence.as_ref().is_none_or(|persistence| persistence.when_deleted != "Delete")
    }

    /// The reference by which everything belongs to the resource.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: ValkeyCluster::api_version(&()).into_owned(),
            kind: valkey_cluster::NAME.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// The Secret that the certificate for clients comes from.
    pub fn certificate_source(&self) -> String {
        let given = self.spec.tls.as_ref().and_then(|tls| tls.secret_name.clone());
        given.unwrap_or_else(|| names::client_authority(&self.name))
    }

    /// Whether servers take connections without TLS.
    pub fn serves_plaintext(&self) -> bool {
        self.spec.tls.as_ref().is_none_or(|tls| tls.plaintext)
    }

    /// Where the password comes from: Secret and key.
    pub fn password(&self) -> (String, String) {
        let own = self.spec.access.as_ref().and_then(|access| access.password_secret_ref.as_ref());
        own.map_or_else(
            || (names::password(&self.name), names::PASSWORD_KEY.to_owned()),
            |reference| (reference.name.clone(), reference.key.clone()),
        )
    }

    /// How long servers accept an earlier password.
    pub fn password_grace(&self) -> TimeDelta {
        let rotation = self.spec.access.as_ref().and_then(|access| access.rotation.clone());
        TimeDelta::from_std(rotation.unwrap_or_default().grace()).unwrap_or(TimeDelta::MAX)
    }

    /// Whether the operator makes the password.
    pub fn generates_password(&self) -> bool {
        self.spec.access.as_ref().is_none_or(|access| access.password_secret_ref.is_none())
    }

    /// The name of an instance.
    pub fn instance(&self, ordinal: u32) -> String {
        names::instance(&self.name, ordinal)
    }
}

fn target(object: &ValkeyCluster, name: &str) -> Option<SecretTarget> {
    let spec = &object.spec;
    if spec.conn_info_secret_target_disabled == Some(true) {
        return None;
    }
    let written = object.status.as_ref().and_then(|status| status.connection_secret.clone());
    Some(secret_target(spec, spec.conn_info_secret_target.as_ref(), name, written))
}

/// The Secret for a connection to a cluster with this spec.
pub(crate) fn secret_target(
    spec: &ValkeyClusterSpec,
    declared: Option<&ConnectionSecretTarget>,
    name: &str,
    written: Option<WrittenSecret>,
) -> SecretTarget {
    let kind = KindOfSecret {
        // The same for both engines: a Redis that becomes a Valkey changes no key.
        prefix: PREFIX,
        provider: PROVIDER,
        binding: if spec.engine.0 == "Redis" { "redis" } else { "valkey" },
        bare_keys: false,
    };
    let target = SecretTarget::new(declared, name, written, kind);
    // Without its authority, no client accepts the certificate of a cluster.
    SecretTarget { authority: target.authority || spec.tls.is_some(), ..target }
}
