//! Names of what belongs to a cluster, its labels and annotations, and the reasons of its conditions and events.

pub mod reason;

pub use valkeeper_api::names::ROTATE_PASSWORD;

/// Label: the cluster that an object belongs to.
pub const CLUSTER: &str = "valkeeper.io/cluster";
/// Label of a pod that verifies a backup of this cluster.
pub const VERIFIES_BACKUPS_OF: &str = "valkeeper.io/verifies-backups-of";
/// Label of a pod: what clients may use it for.
pub const ROLE: &str = "valkeeper.io/role";
/// The role of the server that accepts writes.
pub const PRIMARY: &str = "primary";
/// The role of every other server.
pub const REPLICA: &str = "replica";
/// Annotation of a pod, or of a ConfigMap with parameters: what it is made of.
pub const REVISION: &str = "valkeeper.io/revision";
/// Annotation of a pod: what it is made of, but for the amounts of its resources.
pub const REVISION_WITHOUT_RESOURCES: &str = "valkeeper.io/revision-without-resources";
/// Annotation of a pod: when the operator began to resize it.
pub const RESIZE_BEGAN: &str = "valkeeper.io/resize-began";
/// Annotation of a Lease: the only instance may accept writes without it.
pub const OPTIONAL: &str = "valkeeper.io/optional";
/// Annotation of a pod: it may have been given settings that let its instance accept writes without the Lease.
pub const STARTS_ALONE: &str = "valkeeper.io/starts-alone";
/// Annotation of a Secret with a certificate: when it is renewed.
pub const RENEW_AT: &str = "valkeeper.io/renew-at";
/// Annotation of the Secret with the certificate that servers present to clients: when it was last written.
pub const WRITTEN_AT: &str = "valkeeper.io/written-at";
/// Annotation set by users: the revision with which the primary may be replaced.
pub const APPROVE_UPDATE: &str = "valkeeper.io/approve-update";
/// Annotation set by users: the term after which a primary is elected although servers are missing.
pub const ELECT_WITHOUT_MISSING: &str = "valkeeper.io/elect-without-missing";
/// Annotation set by users: the cluster is deleted without the backup of `spec.finalBackup`.
pub const SKIP_FINAL_BACKUP: &str = "valkeeper.io/skip-final-backup";
/// Label of a backup: the UID of the cluster whose deletion waits for it.
pub const FINAL_BACKUP: &str = "valkeeper.io/final-backup";

/// Port of the servers.
pub const SERVER_PORT: u16 = 6379;
/// Port of the servers with TLS.
pub const TLS_PORT: u16 = 6380;
/// Port for verbs.
pub const CONTROL_PORT: u16 = 7379;
/// Port for probes and metrics.
pub const HEALTH_PORT: u16 = 8080;
/// Port for clients that are set up for Sentinel.
pub const SENTINEL_PORT: u16 = 26379;
/// Variable of pods that have a certificate for clients: where its files are.
pub const SERVER_TLS_DIR: &str = "SERVER_TLS_DIR";
/// Variable of pods that have a volume for backups: where it is mounted.
pub const BACKUPS_DIR: &str = "BACKUPS_DIR";
/// Container of the server.
pub const CONTAINER: &str = "server";
/// Key of a password in a Secret that the operator generated.
pub const PASSWORD_KEY: &str = "password";

/// Key of what servers read in the Secret with their passwords.
pub const ACCESS_KEY: &str = "access.json";

/// Name of an instance and its pod.
pub fn instance(cluster: &str, ordinal: u32) -> String {
    format!("{cluster}-{ordinal}")
}

/// The ordinal of an instance.
pub fn ordinal(cluster: &str, instance: &str) -> Option<u32> {
    let digits = instance.strip_prefix(cluster)?.strip_prefix('-')?;
    let ordinal: u32 = digits.parse().ok()?;
    (ordinal.to_string() == digits).then_some(ordinal)
}

/// Name of the volume claim of an instance.
pub fn claim(cluster: &str, ordinal: u32) -> String {
    format!("data-{cluster}-{ordinal}")
}

/// Service of the server that accepts writes.
pub fn leader(cluster: &str) -> String {
    format!("{cluster}-leader")
}

/// Service of the replicas.
pub fn replica(cluster: &str) -> String {
    format!("{cluster}-replica")
}

/// Service of all servers.
pub fn any(cluster: &str) -> String {
    format!("{cluster}-any")
}

/// Service for clients that are set up for Sentinel.
pub fn sentinel(cluster: &str) -> String {
    format!("{cluster}-sentinel")
}

/// Settings of the servers.
pub fn settings(cluster: &str) -> String {
    format!("{cluster}-settings")
}

/// Secret with the passwords that servers accept.
pub fn access(cluster: &str) -> String {
    format!("{cluster}-access")
}

/// Secret with the users of the cluster, which `ValkeyUser` resources describe.
pub fn users(cluster: &str) -> String {
    format!("{cluster}-users")
}

/// Secret with the generated password.
pub fn password(cluster: &str) -> String {
    format!("{cluster}-password")
}

/// Secret with the authority of the cluster and the certificate of the operator; no pod has it.
pub fn authority(cluster: &str) -> String {
    format!("{cluster}-authority")
}

/// Secret with the certificate of the servers.
pub fn certificate(cluster: &str) -> String {
    format!("{cluster}-certificate")
}

/// Secret with the authority for clients and a certificate of it, where the operator issues one; no pod has it.
pub fn client_authority(cluster: &str) -> String {
    format!("{cluster}-client-authority")
}

/// Secret with the certificate that servers present to clients.
pub fn client_tls(cluster: &str) -> String {
    format!("{cluster}-client-tls")
}

/// The name that certificates of servers are for, and by which the operator calls an instance.
pub fn host(instance: &str, cluster: &str, namespace: &str) -> String {
    format!("{instance}.{cluster}.{namespace}.valkeeper")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_read_from_names_of_instances_only() {
        assert_eq!(ordinal("cache", &instance("cache", 12)), Some(12));
        for other in ["cache", "cache-", "cache-x", "cache-01", "cache-b-1", "other-1", "cache--1"] {
            assert_eq!(ordinal("cache", other), None, "{other}");
        }
    }
}
