//! Reasons of conditions and events.

/// Everything is as declared.
pub const RUNNING: &str = "Running";
/// Servers are started for the first time.
pub const CREATING: &str = "Creating";
/// Servers are ended or have ended, as declared.
pub const POWERED_OFF: &str = "PoweredOff";
/// Servers are ended.
pub const POWERING_OFF: &str = "PoweringOff";
/// Another server becomes primary.
pub const FAILING_OVER: &str = "FailingOver";
/// A server takes over as primary on request.
pub const SWITCHING_OVER: &str = "SwitchingOver";
/// Servers are replaced.
pub const UPDATING: &str = "Updating";
/// The number of servers changes.
pub const SCALING: &str = "Scaling";
/// Writes are accepted, and servers are missing or behind.
pub const DEGRADED: &str = "Degraded";
/// The primary is to be replaced, and nobody approved it yet.
pub const APPROVAL_NEEDED: &str = "ApprovalNeeded";
/// Servers are replaced when a window begins.
pub const UPDATE_SCHEDULED: &str = "UpdateScheduled";
/// Servers that may have the latest data do not answer.
pub const INSTANCES_MISSING: &str = "InstancesMissing";
/// The Lease is older than what the status remembers.
pub const LEASE_WENT_BACK: &str = "LeaseWentBack";
/// The password Secret cannot be used.
pub const PASSWORD_MISSING: &str = "PasswordMissing";
/// Another password is generated.
pub const PASSWORD_GENERATED: &str = "PasswordGenerated";
/// Servers are given a new password beside the present one.
pub const PASSWORD_OFFERED: &str = "PasswordOffered";
/// Servers do not get a new password any more: the present one is asked for again.
pub const PASSWORD_WITHDRAWN: &str = "PasswordWithdrawn";
/// Clients are given a new password, and servers accept the earlier one as well.
pub const PASSWORD_PUBLISHED: &str = "PasswordPublished";
/// Servers do not accept the earlier password any more.
pub const PASSWORD_RETIRED: &str = "PasswordRetired";
/// Servers and clients have not been told of a user so far.
pub const USER_PENDING: &str = "UserPending";
/// All servers know a user.
pub const USER_ACCEPTED: &str = "UserAccepted";
/// A server does not take the rules of a user.
pub const RULES_REFUSED: &str = "RulesRefused";
/// An object of a needed name belongs to another owner.
pub const OBJECT_CONFLICT: &str = "ObjectConflict";
/// The certificate for clients cannot be used; the one before stays.
pub const CERTIFICATE_REFUSED: &str = "CertificateRefused";
/// The certificate for clients gets another authority.
pub const CERTIFICATE_REPLACED: &str = "ReplacingAuthority";
/// No server has presented its certificate so far.
pub const CERTIFICATE_PENDING: &str = "CertificatePending";
/// The certificate that clients see has expired.
pub const CERTIFICATE_EXPIRED: &str = "CertificateExpired";
/// The certificate that clients see expires within days.
pub const CERTIFICATE_EXPIRES_SOON: &str = "ExpiresSoon";
/// The certificate that clients see is valid.
pub const CERTIFICATE_VALID: &str = "Valid";
/// The server of an image was built without TLS.
pub const TLS_UNSUPPORTED: &str = "TlsUnsupported";
/// A pod cannot be started.
pub const POD_FAILED: &str = "PodFailed";
/// A pod finds no node.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// A volume is being enlarged.
pub const VOLUME_GROWING: &str = "VolumeGrowing";
/// A volume may not be enlarged.
pub const VOLUME_GROWTH_REFUSED: &str = "VolumeGrowthRefused";
/// The disk refuses writes.
pub const DISK_FAILED: &str = "DiskFailed";
/// The spec breaks a rule.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// The resource is paused.
pub const PAUSED: &str = "Paused";
/// The resource is being deleted.
pub const DELETING: &str = "Deleting";
/// The connection Secret belongs to another owner.
pub const SECRET_CONFLICT: &str = "SecretConflict";
/// The connection Secret is immutable and outdated.
pub const SECRET_IMMUTABLE: &str = "SecretImmutable";
/// The first server fetches a backup.
pub const RESTORING: &str = "Restoring";
/// A server does not take a value of `spec.config`.
pub const SETTING_REFUSED: &str = "SettingRefused";
/// Data does not fit into less memory.
pub const MEMORY_TOO_SMALL: &str = "MemoryTooSmall";
/// The first server follows the server that the data comes from.
pub const IMPORTING: &str = "Importing";
/// The backup or the server that the data should come from cannot be used.
pub const RESTORE_FAILED: &str = "RestoreFailed";
/// A backup has not begun.
pub const BACKUP_PENDING: &str = "BackupPending";
/// A backup is being taken.
pub const BACKING_UP: &str = "BackingUp";
/// An attempt failed and is repeated.
pub const BACKUP_RETRIED: &str = "BackupRetried";
/// A second server reads a backup.
pub const VERIFYING: &str = "Verifying";
/// A backup is stored.
pub const BACKUP_COMPLETED: &str = "BackupCompleted";
/// There is no backup.
pub const BACKUP_FAILED: &str = "BackupFailed";
/// A second server did not find what was backed up.
pub const VERIFICATION_FAILED: &str = "VerificationFailed";
/// There is no cluster of that name.
pub const CLUSTER_MISSING: &str = "ClusterMissing";
/// The Secret of the destination cannot be used, or no pod that can open it.
pub const DESTINATION_UNAVAILABLE: &str = "DestinationUnavailable";
/// The next backup of a schedule is awaited.
pub const SCHEDULED: &str = "Scheduled";
/// A schedule is suspended.
pub const SUSPENDED: &str = "Suspended";
/// A backup was not begun at its time.
pub const BACKUP_MISSED: &str = "BackupMissed";
/// The backup that was last due is not stored.
pub const BACKUP_OVERDUE: &str = "BackupOverdue";
/// No time of a schedule has come so far.
pub const NO_BACKUP_DUE: &str = "NoBackupDue";
/// Another verification of a backup is asked for.
pub const VERIFICATION_DUE: &str = "VerificationDue";
/// A verification had no result and is repeated.
pub const VERIFICATION_POSTPONED: &str = "VerificationPostponed";
/// A deletion waits for a backup.
pub const FINAL_BACKUP: &str = "FinalBackup";
/// A deletion waits for a backup, which will not be there without a user.
pub const FINAL_BACKUP_FAILED: &str = "FinalBackupFailed";
/// Uploads that were cut off could not be aborted.
pub const UPLOADS_LEFT: &str = "UploadsLeft";
/// A backup is deleted by retention.
pub const BACKUP_EXPIRED: &str = "BackupExpired";
/// A server became primary.
pub const PROMOTED: &str = "Promoted";
/// A server was asked to stop accepting writes.
pub const HELD: &str = "Held";
/// Clients are directed to another server.
pub const ROUTED: &str = "Routed";
/// A pod is created.
pub const POD_CREATED: &str = "PodCreated";
/// Kubernetes refuses other resources, also for another pod.
pub const RESIZE_REFUSED: &str = "ResizeRefused";
/// A running pod has other resources.
pub const POD_RESIZED: &str = "PodResized";
/// A pod is deleted.
pub const POD_DELETED: &str = "PodDeleted";
/// A volume claim is deleted.
pub const CLAIM_DELETED: &str = "ClaimDeleted";
/// The connection Secret was written.
pub const SECRET_WRITTEN: &str = "SecretWritten";
