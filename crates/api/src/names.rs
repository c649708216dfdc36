//! Every name that other programs and people match on: finalizers, annotations, condition types, reasons.
//!
//! The `aiven.io` names are those of the operator this one replaces, so that objects written by either are
//! understood by both. Names of our own live under `valkeeper.io`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Keeps a resource until its remote service is gone (or deliberately left).
pub const FINALIZER: &str = "finalizers.aiven.io/delete-remote-resource";

/// Keeps a `ValkeyCluster` until its servers have ended.
pub const CLUSTER_FINALIZER: &str = "valkeeper.io/servers";

/// Keeps a `ValkeyBackup` until what is stored of it is gone, or left on purpose.
pub const BACKUP_FINALIZER: &str = "valkeeper.io/backup";

/// Keeps a user until the Secret of its cluster no longer lists it.
pub const USER_FINALIZER: &str = "valkeeper.io/user";

/// Annotation set by owners of a cluster or a user: another value of it asks for another generated password. On the Secret
/// with that, the value that it was generated for.
pub const ROTATE_PASSWORD: &str = "valkeeper.io/rotate-password";

/// Whether a resource carries the finalizer of its kind.
pub fn has_finalizer(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|finalizer| {
        [FINALIZER, CLUSTER_FINALIZER, BACKUP_FINALIZER, USER_FINALIZER].contains(&&**finalizer)
    })
}

/// Keeps a token Secret until no resource needs it to delete its service.
pub const TOKEN_FINALIZER: &str = "finalizers.aiven.io/needed-to-delete-services";

/// Annotation: the `metadata.uid` of a resource that is being deleted and whose service is settled, so that
/// only its token is still held.
pub const SERVICE_SETTLED: &str = "valkeeper.io/service-settled";

/// Annotation: the Secret with the token. Its finalizer is removed when the resource names another Secret; during
/// that change the annotation holds both names, separated by a comma.
pub const TOKEN_SECRET: &str = "valkeeper.io/token-secret";

/// Annotation: the fields that the spec declared when the finalizer was put on, separated by commas; removed
/// when `status.declaredFields` lists them.
pub const DECLARED_FIELDS: &str = "valkeeper.io/declared-fields";

/// Annotation: the last `metadata.generation` the provider accepted.
pub const GENERATION_PROCESSED: &str = "controllers.aiven.io/generation-was-processed";
/// Annotation: `true` when running as desired, `false` when powered off as desired, absent otherwise.
pub const INSTANCE_RUNNING: &str = "controllers.aiven.io/instance-is-running";
/// Annotation set by users: what happens to the service when the resource is deleted.
pub const DELETION_POLICY: &str = "controllers.aiven.io/deletion-policy";
/// The value of [`DELETION_POLICY`] that leaves the service at the provider.
pub const DELETION_POLICY_ORPHAN: &str = "Orphan";
/// Annotation set by users: what happens to an existing service that the resource did not create. It wins over
/// `spec.adoptionPolicy`, and manifests that carry it are valid for the operator that this one replaces.
pub const ADOPTION_POLICY: &str = "valkeeper.io/adoption-policy";
/// Annotation set by users: the resource is left alone until it is removed.
pub const PAUSED: &str = "valkeeper.io/paused";
/// Annotation set by users: `On` or `Off`, which overrides `spec.powerSchedule` until its next switch. The operator
/// removes it then.
pub const POWER: &str = "valkeeper.io/power";
/// Annotation set by users: any new value applies the maintenance updates that wait for their window.
pub const APPLY_MAINTENANCE: &str = "valkeeper.io/apply-maintenance";
/// Annotation set by users: any new value requests a reconciliation.
pub const RECONCILE_AT: &str = "valkeeper.io/reconcile-at";

/// Annotation set by users on a `ProjectVPC`: the namespaces, separated by commas, whose services may refer to
/// it, or `*` for all.
pub const REFERENCED_FROM: &str = "valkeeper.io/referenced-from";

/// What the names of all annotations start with that this program reads or writes.
const ANNOTATION_PREFIXES: [&str; 2] = ["valkeeper.io/", "controllers.aiven.io/"];
/// Annotations that this program writes; an edit of them is no request of a user.
const BOOKKEEPING: [&str; 5] =
    [SERVICE_SETTLED, TOKEN_SECRET, DECLARED_FIELDS, GENERATION_PROCESSED, INSTANCE_RUNNING];

/// Whether an edit of this annotation is a request; edits of other programs' annotations are not.
pub fn is_request(annotation: &str) -> bool {
    ANNOTATION_PREFIXES.iter().any(|prefix| annotation.starts_with(prefix))
        && !BOOKKEEPING.contains(&annotation)
}

/// Field manager under which connection Secrets are written.
pub const SECRET_MANAGER: &str = "valkeeper/secret";

/// Tag on a service: the `metadata.uid` of the resource it belongs to.
pub const OWNER_TAG: &str = "valkeeper-owner";
/// What all tags that mark ownership start with; they are never counted as tags of the user.
pub const OWNERSHIP_TAG_PREFIX: &str = "valkeeper-";

/// The `type` of each condition.
pub mod condition {
    /// The service is as declared and its connection Secret is in place.
    pub const READY: &str = "Ready";
    /// The service was created or updated at the provider.
    pub const INITIALIZED: &str = "Initialized";
    /// The service runs, or is powered off as declared.
    pub const RUNNING: &str = "Running";
    /// The resource is paused; present only then.
    pub const PAUSED: &str = "Paused";
    /// Data from another server has arrived; present only with `userConfig.migration`.
    pub const MIGRATION_COMPLETE: &str = "MigrationComplete";
    /// A password stands in the spec, where every reader of the resource sees it; present only then.
    pub const PASSWORD_EXPOSED: &str = "PasswordExposed";
    /// Work is in progress (kstatus).
    pub const RECONCILING: &str = "Reconciling";
    /// Reconciliation cannot progress until a user acts (kstatus).
    pub const STALLED: &str = "Stalled";
    /// The last reconciliation succeeded: the provider was reached, and nothing was refused.
    pub const SYNCED: &str = "Synced";
    /// Declared fields have other values at the provider.
    pub const DRIFTED: &str = "Drifted";
    /// A self-hosted cluster accepts writes.
    pub const AVAILABLE: &str = "Available";
    /// A replica of a self-hosted cluster is in sync.
    pub const PROTECTED: &str = "Protected";
    /// The backup of a self-hosted cluster that was last due is stored.
    pub const BACKUP_FRESH: &str = "BackupFresh";
    /// The certificate that clients of a self-hosted cluster see is valid, and so is the one that comes next.
    pub const CERTIFICATE_VALID: &str = "CertificateValid";
    /// The password of a self-hosted cluster is being changed; present only then.
    pub const PASSWORD_ROTATING: &str = "PasswordRotating";
    /// Every type that this operator writes; further types in the same list belong to other controllers.
    pub const OURS: [&str; 15] = [
        READY,
        INITIALIZED,
        RUNNING,
        PAUSED,
        MIGRATION_COMPLETE,
        PASSWORD_EXPOSED,
        RECONCILING,
        STALLED,
        SYNCED,
        DRIFTED,
        AVAILABLE,
        PROTECTED,
        BACKUP_FRESH,
        CERTIFICATE_VALID,
        PASSWORD_ROTATING,
    ];
    /// What aiven-operator wrote about failures, and never took back.
    pub const LEGACY_ERROR: &str = "Error";
}

/// The `reason` of conditions and events.
pub mod reason {
    /// The provider accepted the declared state.
    pub const CREATED_OR_UPDATED: &str = "CreatedOrUpdated";
    /// The operator read the state of the service.
    pub const CHECK_RUNNING: &str = "CheckRunning";
    /// The service is being created.
    pub const CREATING: &str = "Creating";
    /// The provider is building or moving nodes.
    pub const BUILDING: &str = "Building";
    /// A change is being sent.
    pub const UPDATING: &str = "Updating";
    /// The service is being powered off.
    pub const POWERING_OFF: &str = "PoweringOff";
    /// The service is powered off as declared.
    pub const POWERED_OFF: &str = "PoweredOff";
    /// The service is being powered on.
    pub const POWERING_ON: &str = "PoweringOn";
    /// The provider accepted a change that does not show.
    pub const NOT_APPLIED: &str = "NotApplied";
    /// The service is being deleted.
    pub const DELETING: &str = "Deleting";
    /// Powering off waits for the first backup.
    pub const WAITING_FOR_BACKUP: &str = "WaitingForBackup";
    /// Declared fields were changed externally at the provider.
    pub const DRIFT: &str = "Drift";
    /// All declared fields are as declared.
    pub const IN_SYNC: &str = "InSync";
    /// The last reconciliation succeeded.
    pub const RECONCILE_SUCCEEDED: &str = "ReconcileSucceeded";
    /// The resource is paused; nothing is written.
    pub const PAUSED: &str = "Paused";
    /// An existing service is only compared with the spec, as the spec requests.
    pub const OBSERVING: &str = "Observing";
    /// An existing service is being adopted, as the spec requests.
    pub const ADOPTING: &str = "Adopting";
    /// The service that this one is made from does not exist or cannot be used yet.
    pub const SOURCE_NOT_READY: &str = "SourceNotReady";
    /// Disk space is managed by an autoscaler integration.
    pub const DISK_SPACE_MANAGED: &str = "DiskSpaceManaged";
    /// A migration is in progress.
    pub const MIGRATING: &str = "Migrating";
    /// A migration has ended.
    pub const MIGRATED: &str = "Migrated";
    /// Something speaks against taking over a Redis.
    pub const MIGRATION_BLOCKED: &str = "MigrationBlocked";
    /// A migration failed.
    pub const MIGRATION_FAILED: &str = "MigrationFailed";
    /// The password of a migration source stands in the spec.
    pub const PASSWORD_IN_SPEC: &str = "PasswordInSpec";
    /// The Secret with the password of a migration source cannot be used.
    pub const MIGRATION_SECRET_MISSING: &str = "MigrationSecretMissing";
    /// The spec breaks a rule; nothing is sent.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The service belongs to another resource.
    pub const NOT_OWNED: &str = "NotOwned";
    /// A service of this name exists but is of another type.
    pub const WRONG_SERVICE_TYPE: &str = "WrongServiceType";
    /// No token was found.
    pub const TOKEN_MISSING: &str = "TokenMissing";
    /// The token comes from another place than before.
    pub const TOKEN_CHANGED: &str = "TokenChanged";
    /// The provider does not accept the token.
    pub const TOKEN_REJECTED: &str = "TokenRejected";
    /// The provider refused the declared state.
    pub const PROVIDER_REJECTED: &str = "ProviderRejected";
    /// The provider cannot find the project, or hides it from the token.
    pub const PROJECT_NOT_FOUND: &str = "ProjectNotFound";
    /// The provider cannot be reached or fails.
    pub const PROVIDER_UNAVAILABLE: &str = "ProviderUnavailable";
    /// The provider throttles the token.
    pub const THROTTLED: &str = "Throttled";
    /// The service runs, but the provider does not return its connection.
    pub const CREDENTIALS_UNAVAILABLE: &str = "CredentialsUnavailable";
    /// Another owner uses the name of the connection Secret.
    pub const SECRET_CONFLICT: &str = "SecretConflict";
    /// The connection Secret is immutable and out of date.
    pub const SECRET_IMMUTABLE: &str = "SecretImmutable";
    /// The connection ConfigMap was written.
    pub const CONFIG_MAP_WRITTEN: &str = "ConfigMapWritten";
    /// The connection ConfigMap belongs to another owner, or cannot be changed.
    pub const CONFIG_MAP_CONFLICT: &str = "ConfigMapConflict";
    /// The service has no endpoint on the requested route.
    pub const ROUTE_UNAVAILABLE: &str = "RouteUnavailable";
    /// A requested format cannot express the password.
    pub const INEXPRESSIBLE_PASSWORD: &str = "InexpressiblePassword";
    /// The service was deleted at the provider.
    pub const EXTERNAL_MISSING: &str = "ExternalMissing";
    /// Termination protection forbids the deletion.
    pub const TERMINATION_PROTECTED: &str = "TerminationProtected";
    /// The deletion-policy annotation has an unknown value.
    pub const UNKNOWN_DELETION_POLICY: &str = "UnknownDeletionPolicy";
    /// The service that a user belongs to does not exist, or does not run.
    pub const SERVICE_NOT_READY: &str = "ServiceNotReady";
    /// The Secret with the declared password cannot be used.
    pub const PASSWORD_MISSING: &str = "PasswordMissing";
    /// Something that is to be deleted is still needed.
    pub const IN_USE: &str = "InUse";
    /// The VPC of the service cannot be used yet.
    pub const VPC_NOT_READY: &str = "VpcNotReady";
    /// The VPC of the service may not be used from here.
    pub const VPC_REFUSED: &str = "VpcRefused";
    /// The stored object cannot be decoded.
    pub const MALFORMED: &str = "Malformed";
    /// Kubernetes refused something that the resource needs.
    pub const CLUSTER_REJECTED: &str = "ClusterRejected";
    /// Kubernetes does not answer.
    pub const CLUSTER_UNAVAILABLE: &str = "ClusterUnavailable";
    /// A defect of the operator; the resource is tried again later.
    pub const INTERNAL_ERROR: &str = "InternalError";
    /// The connection Secret was written.
    pub const SECRET_WRITTEN: &str = "SecretWritten";
    /// The service runs.
    pub const RUNNING: &str = "Running";
}
