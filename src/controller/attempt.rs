//! One reconciliation of a resource that stands for something small at Aiven, a VPC or a user: what both kinds do alike
//! around their own decisions. It keeps the newest version of the object, its token, its events and its failures.

use super::{
    announcements::Announcements,
    context::Context,
    edits,
    error::ReconcileError,
    managed_service::{measure, outcome, requeue},
    memory::Memory,
    reconcile,
    schedule::{
        clock::Ending,
        queue::{Permit, Priority},
        scheduler::Next,
    },
    token_use::{self, TokenUse},
    watch::cached,
    work_item::WorkItem,
};
use crate::{
    cluster::{events::Severity, metadata, status},
    provider::{Client, ProviderError, Token},
};
use kube::{Api, ResourceExt as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};
use tokio::time::{Duration, Instant};
use valkeeper_api::{
    Custom,
    names::{self, reason},
};
use valkeeper_engine::{Ready, Report, RequeueClass, failure::Class};

/// How long to wait for a deletion that Aiven accepted before requesting it again.
const DELETION_PATIENCE: Duration = Duration::from_mins(1);

/// A reconciliation in progress.
pub(super) struct Attempt<K: Custom> {
    pub(super) context: Arc<Context>,
    pub(super) api: Api<K>,
    pub(super) object: K,
    pub(super) memory: Memory,
    pub(super) provider: Client,
    pub(super) permit: Permit,
    pub(super) token_use: TokenUse,
    announcements: Announcements,
    /// The edit that the last decision was made for. A later one, which the answer to a write may bring along, was not
    /// seen.
    pub(super) decided_edit: u64,
    pub(super) released: bool,
}

/// A failure that was noted.
pub(super) struct Failed {
    /// After which time to try again.
    pub(super) delay: Duration,
    /// The object has only changed meanwhile, which the next read resolves.
    pub(super) is_stale: bool,
    /// How often it was seen in a row.
    pub(super) times: u32,
}

impl<K: Custom> Attempt<K> {
    pub(super) fn new(context: Arc<Context>, item: WorkItem<K>) -> Self {
        let WorkItem { object, memory, permit, .. } = item;
        Self {
            api: Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default()),
            memory,
            provider: context.provider.urgent(permit.priority() == Priority::Edit),
            context,
            permit,
            token_use: TokenUse::default(),
            announcements: Announcements::default(),
            decided_edit: edits::edit(&object),
            object,
            released: false,
        }
    }

    /// Ends the reconciliation, in which Aiven has `answered` or not: keeps what the next one has to know, and answers when
    /// that is.
    pub(super) fn end(mut self, ending: Ending, answered: bool) -> Next {
        self.memory.clock = Some(requeue::planned(&self.context.settings, ending, Instant::now())(None));
        measure::read(&self.context, &self.object, answered);
        let (uid, name) = (self.uid(), self.object.name_any());
        if self.released {
            // Should the object be there still, because the answer was not the truth, it is reconciled again.
            self.context.forget(&uid, &name);
            return Next::After(self.context.settings.external_wait_interval);
        }
        self.memory.edit = Some(self.decided_edit);
        reconcile::keep(&self.context, &name, &uid, self.memory)
    }

    pub(super) fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    pub(super) fn ending(&mut self, requeue: RequeueClass) -> Ending {
        match requeue {
            RequeueClass::Building => {
                Ending::Waiting(self.memory.building_since.get_or_insert_with(Instant::now).elapsed())
            }
            RequeueClass::AwaitingExternal | RequeueClass::AwaitingSpecChange => {
                self.memory.building_since = None;
                if requeue == RequeueClass::AwaitingSpecChange {
                    Ending::AwaitingSpecChange
                } else {
                    Ending::AwaitingExternal
                }
            }
        }
    }

    /// Reads the object itself, which for irreversible steps must not come from a cache.
    pub(super) async fn read_object(&mut self) -> Result<(), ReconcileError> {
        let object = metadata::read_live(&self.api, &self.object).await?;
        self.adopt(object);
        Ok(())
    }

    /// The object is now `object`, as the API server answered.
    pub(super) fn adopt(&mut self, mut object: K) {
        cached::prune(&mut object);
        self.memory.wrote(&object);
        self.object = object;
    }

    pub(super) async fn token(&mut self) -> Result<Token, ReconcileError> {
        self.token_use.read(&self.context, &self.object).await
    }

    /// Whether nothing is left to be done to keep the token Secret from deletion.
    pub(super) fn token_is_held(&self) -> bool {
        self.token_use.is_held(&self.context, &self.object)
    }

    /// Whether Aiven accepted a deletion a moment ago.
    pub(super) fn deletion_is_requested(&self, now: Instant) -> bool {
        self.memory.deletion_requested.is_some_and(|at| now < at + DELETION_PATIENCE)
    }

    /// Whether reads have reported for long enough that it is not there.
    pub(super) fn absence_is_certain(&self, now: Instant) -> bool {
        let evidence = self.memory.missing.evidence(now, false);
        let late_effect = self.context.settings.late_effect();
        evidence.unlisted || evidence.reported_for.is_some_and(|time| time >= late_effect)
    }

    /// The name of the Secret with the token, if one is used.
    pub(super) fn token_secret(&self) -> Option<String> {
        self.token_use.secret(&self.context, &self.object).map(|(_, name)| name)
    }

    /// Where the token came from, or should have come from, in words.
    pub(super) fn token_source(&self) -> String {
        self.token_use.source(&self.context, &self.object)
    }

    pub(super) async fn add_finalizer(&mut self) -> Result<(), ReconcileError> {
        let notes = self.token_secret().map(|name| (names::TOKEN_SECRET, name)).into_iter().collect();
        let object = metadata::add_finalizer(&self.api, &self.object, &notes).await?;
        self.adopt(object);
        Ok(())
    }

    pub(super) async fn release_finalizer(&mut self) -> Result<(), ReconcileError> {
        metadata::release_finalizer(&self.api, &self.object).await?;
        self.released = true;
        Ok(())
    }

    pub(super) async fn note_settled(&mut self) -> Result<(), ReconcileError> {
        let object = metadata::note_settled(&self.api, &self.object).await?;
        self.adopt(object);
        Ok(())
    }

    pub(super) async fn annotate(
        &mut self,
        annotations: &BTreeMap<&'static str, Option<String>>,
    ) -> Result<(), ReconcileError> {
        let noted = self.object.annotations().contains_key(names::TOKEN_SECRET);
        if noted && token_use::is_new_source(&self.object, annotations) {
            let note = format!("Using the token in {} from now on", self.token_source());
            self.emit(Severity::Normal, reason::TOKEN_CHANGED, "Reconcile", &note);
        }
        let object = metadata::annotate(&self.api, &self.object, annotations).await?;
        self.adopt(object);
        Ok(())
    }

    /// Keeps the token Secret from deletion; `new` when it is to begin something with it.
    pub(super) async fn hold_token(&mut self, new: bool) -> Result<(), ReconcileError> {
        self.token_use.hold(&self.context, &self.object, new).await
    }

    /// Those of these token Secrets that are kept from deletion.
    pub(super) async fn held(&self, secrets: Vec<String>) -> Result<BTreeSet<String>, ReconcileError> {
        TokenUse::held(&self.context, &self.object, secrets).await
    }

    pub(super) async fn release_token(
        &self,
        name: &str,
        held: &mut Option<BTreeSet<String>>,
    ) -> Result<(), ReconcileError> {
        TokenUse::release(&self.context, &self.object, name, held).await
    }

    /// Records what the end of the reconciliation proves about its token, and that it went well.
    pub(super) fn learn<T>(&mut self, outcome: Result<T, ReconcileError>) -> Result<T, ReconcileError> {
        let outcome = self.token_use.learn(&self.context, outcome)?;
        self.memory.failures = 0;
        outcome::went_well(&self.context, &self.uid());
        Ok(outcome)
    }

    /// Notes a failure.
    pub(super) fn failed(&mut self, error: &ReconcileError) -> Failed {
        let class = error.class();
        self.memory.failures += 1;
        let stale = class == Class::Conflict && matches!(error, ReconcileError::Cluster(_));
        self.memory.conflicted |= stale;
        if class == Class::Denied {
            self.context.token_reads.forget();
        }
        let delay = self.context.settings.retry.delay(class, self.memory.failures, rand::random());
        let times = outcome::failed(&self.context, &self.uid(), error, delay);
        Failed { delay, is_stale: stale && self.memory.failures <= 3, times }
    }

    /// The report of a failed reconciliation, of something that `exists` at Aiven and that users call `what`.
    pub(super) fn failure(&self, error: &ReconcileError, exists: bool, what: &str) -> Report {
        let mut failure = error.failure(&self.token_source());
        let deleting = self.object.meta().deletion_timestamp.is_some();
        // A project that cannot be found anymore proves nothing about what is in it.
        failure.passing |= exists && error.is_about_the_project();
        if deleting && !failure.passing {
            // A text takes everything.
            let _ = write!(
                failure.message,
                " To delete {} without its {what}, annotate it with {}={}.",
                self.object.name_any(),
                names::DELETION_POLICY,
                names::DELETION_POLICY_ORPHAN
            );
        }
        let ready = match (failure.passing, deleting) {
            (false, _) => Ready::Stuck,
            (true, true) => Ready::Progressing,
            (true, false) => Ready::Unchanged,
        };
        Report::new(ready, failure.reason, failure.message).of_a_failure(self.memory.failures)
    }

    /// Emits an event for `report`, if it is news.
    pub(super) fn announce(&mut self, report: &Report) {
        let Self { context, object, memory, announcements, .. } = self;
        announcements.emit_transition(context, object, memory, report);
    }

    pub(super) fn emit(
        &mut self,
        severity: Severity,
        reason: &'static str,
        action: &'static str,
        note: &str,
    ) {
        self.announcements.emit(&self.context, &self.object, severity, [reason, action], note);
    }

    pub(super) async fn write_status(&mut self, next: &K::Status) -> Result<(), ReconcileError> {
        if let Some(object) = status::write_onto(&self.api, &self.object, next).await? {
            self.adopt(object);
        }
        Ok(())
    }
}

/// Whether a create request that failed in this way certainly creates nothing: Aiven itself refused it, or it was not
/// sent.
pub(super) fn has_no_effect(error: &ProviderError) -> bool {
    match error.class() {
        Class::Denied | Class::NotFound | Class::Conflict | Class::Invalid => true,
        Class::Throttled { .. } => error.status() == Some(429),
        Class::Transient | Class::Bug => matches!(error, ProviderError::Fenced { .. }),
    }
}
