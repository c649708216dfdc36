//! What can be done next: at most one external change, or nothing.

use crate::access::AccessChange;
use crate::objects::{Owned, OwnedKind};
use crate::report::ClusterReport;
use crate::resize::ResizeStep;
use crate::serving::Serve;
use valkeeper_failover::{Name, Term};

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Put the finalizer on the resource.
    AddFinalizer,
    /// Take it off.
    ReleaseFinalizer,
    /// Create the Secret with a new password.
    CreatePassword,
    /// Replace the generated password by another one.
    RotatePassword,
    /// Change the Secret that servers take passwords from, which has this revision.
    WriteAccess(AccessChange, String),
    /// Write the Secret with the authority and the operator's certificate; an authority that exists stays.
    IssueAuthority,
    /// Write the Secret with the certificate of the servers.
    IssueCertificate,
    /// Write the Secret with an authority for clients and a certificate of it; an authority that is valid stays.
    IssueClientCertificate,
    /// Write the Secret with the certificate that servers present to clients.
    ServeCertificate(Serve),
    /// Make an object what it should be.
    Apply(Box<Owned>),
    /// Delete the object of this kind, name and identity, which the spec does not ask for any more.
    Remove(OwnedKind, String, String),
    /// Create the volume claim of an instance.
    CreateClaim(u32),
    /// Ask for a volume as large as declared.
    GrowClaim(u32),
    /// Delete the volume claim of an instance.
    DeleteClaim(u32),
    /// Create the pod of an instance.
    CreatePod(u32),
    /// Delete the pod with this identity.
    DeletePod(u32, String),
    /// Take this part of the resize of the pod with this identity.
    ResizePod(u32, String, ResizeStep),
    /// Create the Lease without a holder, with this term.
    CreateLease(Term),
    /// Note on the Lease of this version that the only instance may do without it.
    MakeLeaseOptional(u64),
    /// Delete the Lease of this version, which no instance needs any more.
    DeleteLease(u64),
    /// Ask an instance to stop what it does for the sake of a coming term.
    Hold(Name, Term),
    /// Ask an instance to take the Lease of this version with this term.
    Promote(Name, Term, u64, PromotionCause),
    /// Ask an instance to follow the primary of a term.
    Follow(Name, Name, Term),
    /// Ask an instance to disconnect its clients.
    Kick(Name, Term),
    /// Give a pod with this identity this role.
    Label(u32, String, &'static str),
    /// Ask an instance to read its settings, in this term.
    Reload(u32, Term),
    /// Create the backup that the deletion waits for.
    CreateFinalBackup,
    /// Ask an instance to fetch the data of the backup, before its server starts.
    Restore(u32),
    /// Write the connection Secret.
    WriteSecret,
    /// Nothing now.
    Requeue(RequeueClass),
}

/// How a promotion came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotionCause {
    /// The holder before.
    pub from: Option<String>,
    /// It was leaving, or there was none.
    pub planned: bool,
    /// It is known to have stopped; otherwise its term has elapsed.
    pub confirmed: bool,
}

/// How soon to look again if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequeueClass {
    /// Clients wait.
    Urgent,
    /// Something is under way.
    Active,
    /// All is well; instances are asked whether it still is.
    Steady,
    /// Nothing runs, or a user has to act.
    Idle,
}

/// A step and what is to be said.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// What is true.
    pub report: ClusterReport,
}
