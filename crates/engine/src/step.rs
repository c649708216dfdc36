//! The vocabulary of decisions: at most one external change, or a reason to rest.

use super::{
    config_map::ConfigMapContent,
    connection::SecretContent,
    refusal::Request,
    report::Report,
    request::{CreateRequest, ServicePatch, TagPatch, Target},
};
use std::collections::BTreeMap;
use valkeeper_api::status::Migration;

/// The next action, and the report about the resource before the action.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// What is true now, for status and events.
    pub report: Report,
}

/// At most one external change.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read what the decision depends on and was not read yet.
    Observe(Target),
    /// Put the finalizer on the custom resource, and these annotations with it.
    AddFinalizer(BTreeMap<&'static str, String>),
    /// Keep the token Secret in place until the service is gone.
    AddTokenFinalizer,
    /// Create the service. Irreversible: it costs money.
    Create(Box<CreateRequest>),
    /// Change some fields of the service.
    Update(Box<ServicePatch>),
    /// Make a Valkey of a Redis service. Irreversible: there is no way back.
    ChangeType,
    /// Apply the maintenance updates that are pending, as this value of the annotation asks.
    StartMaintenance(String),
    /// Record what the spec declares, before it is sent. If this process ends in between, a field that the user then
    /// removes is still recorded as one to reset.
    Record {
        /// The declared fields, in the form of the status.
        declared: BTreeMap<String, String>,
        /// The migration that is about to begin.
        migration: Option<Migration>,
    },
    /// Set tags of the service, or remove those without a value.
    PatchTags(TagPatch),
    /// Write the connection Secret.
    WriteSecret(Box<SecretContent>),
    /// Write the connection ConfigMap.
    WriteConfigMap(Box<ConfigMapContent>),
    /// Bring these annotations of the custom resource up to date; `None` removes one.
    Annotate(BTreeMap<&'static str, Option<String>>),
    /// Delete the service. Irreversible.
    Delete,
    /// Note on the custom resource that nothing is left at the provider that it needs its token for.
    NoteSettled,
    /// Let the token Secret of this name go, unless another resource needs it.
    ReleaseToken(String),
    /// Let Kubernetes remove the custom resource.
    ReleaseFinalizer,
    /// Nothing can be done now; observe again later.
    Wait(RequeueClass),
    /// Nothing can be done until a user changes something.
    Refuse(RequeueClass),
    /// Everything is as declared.
    Done,
}

impl Step {
    /// A stable name for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Observe(target) => target.name(),
            Self::AddFinalizer(_) => "add finalizer",
            Self::AddTokenFinalizer => "add token finalizer",
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::ChangeType => "change type",
            Self::StartMaintenance(_) => "start maintenance",
            Self::Record { .. } => "record",
            Self::PatchTags(_) => "patch tags",
            Self::WriteSecret(_) => "write secret",
            Self::WriteConfigMap(_) => "write config map",
            Self::Annotate(_) => "annotate",
            Self::Delete => "delete",
            Self::NoteSettled => "note settled",
            Self::ReleaseToken(_) => "release token",
            Self::ReleaseFinalizer => "release finalizer",
            Self::Wait(_) => "wait",
            Self::Refuse(_) => "refuse",
            Self::Done => "done",
        }
    }

    /// Whether a service that was only read from a list is sufficient. It is when nothing is sent to the provider,
    /// nothing is reported except the regular progress of the resource, and the finalizer stays.
    pub fn suits_a_listing(&self) -> bool {
        match self {
            Self::Observe(_)
            | Self::AddTokenFinalizer
            | Self::Record { .. }
            | Self::WriteSecret(_)
            | Self::WriteConfigMap(_)
            | Self::Annotate(_)
            | Self::Wait(RequeueClass::Building)
            | Self::Done => true,
            Self::AddFinalizer(_)
            | Self::Create(_)
            | Self::Update(_)
            | Self::ChangeType
            | Self::StartMaintenance(_)
            | Self::PatchTags(_)
            | Self::Delete
            | Self::NoteSettled
            | Self::ReleaseToken(_)
            | Self::ReleaseFinalizer
            | Self::Wait(_)
            | Self::Refuse(_) => false,
        }
    }

    /// Whether the reconciliation ends here.
    pub fn ends_reconciliation(&self) -> bool {
        matches!(self, Self::Wait(_) | Self::Refuse(_) | Self::Done)
    }
}

/// How soon to requeue, the soonest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequeueClass {
    /// The provider works on it: often at first, then less often.
    Building,
    /// A user has to act elsewhere; detected within a minute.
    AwaitingExternal,
    /// Only an edit of the resource itself helps, and an edit triggers a reconciliation.
    AwaitingSpecChange,
}

impl Request {
    /// The request of `step`; none for a step on which every other concern depends.
    pub fn of(step: &Step) -> Option<Self> {
        Some(match step {
            Step::Update(patch) => Self::Update(patch.clone()),
            Step::ChangeType => Self::ChangeType,
            Step::StartMaintenance(request) => Self::Maintenance(request.clone()),
            Step::PatchTags(tags) => Self::Tags(tags.clone()),
            Step::WriteSecret(_) | Step::Observe(Target::Secret) => Self::Secret,
            Step::WriteConfigMap(_) | Step::Observe(Target::ConfigMap) => Self::ConfigMap,
            Step::AddTokenFinalizer => Self::Token,
            Step::Observe(
                target @ (Target::Vpc
                | Target::MigrationPassword
                | Target::Migration
                | Target::Authority
                | Target::Predecessor),
            ) => Self::Observe(*target),
            Step::Observe(
                Target::Service | Target::Object | Target::Source | Target::TokenSecrets | Target::Successor,
            )
            | Step::AddFinalizer(_)
            | Step::Record { .. }
            | Step::Create(_)
            | Step::Annotate(_)
            | Step::Delete
            | Step::NoteSettled
            | Step::ReleaseToken(_)
            | Step::ReleaseFinalizer
            | Step::Wait(_)
            | Step::Refuse(_)
            | Step::Done => return None,
        })
    }
}
