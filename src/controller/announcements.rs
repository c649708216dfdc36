//! What one reconciliation tells in events: what it does, and when the object passes from one condition into another.
//! Nothing is told twice in one reconciliation, and a failure that passes is told once until another takes its place.

use super::{context::Context, memory::Memory};
use crate::cluster::events::Severity;
use valkeeper_api::{Custom, names::reason};
use valkeeper_engine::{Ready, Report, conditions, sync};

/// The reasons of the events of one reconciliation.
#[derive(Default)]
pub(super) struct Announcements(Vec<&'static str>);

impl Announcements {
    /// Writes an event about `object`, and a line of the log.
    pub(super) fn emit<K: Custom>(
        &mut self,
        context: &Context,
        object: &K,
        severity: Severity,
        [reason, action]: [&'static str; 2],
        note: &str,
    ) {
        tracing::info!(reason, note, "{action}");
        self.0.push(reason);
        context.recorder.emit(object, severity, reason, action, note);
    }

    /// Tells what `report` says, if the object does not say so yet.
    pub(super) fn emit_transition<K: Custom>(
        &mut self,
        context: &Context,
        object: &K,
        memory: &mut Memory,
        report: &Report,
    ) {
        let severity = match (report.ready, report.paused) {
            (Ready::Stuck, _) | (Ready::Unchanged, false) => Severity::Warning,
            _ => Severity::Normal,
        };
        let is_news = if report.ready == Ready::Unchanged {
            memory.told.replace(report.reason) != Some(report.reason)
        } else {
            let told = memory.told.take();
            if let Some(note) = sync::recovery(object.conditions(), told, report) {
                let recovered = [reason::RECONCILE_SUCCEEDED, "Reconcile"];
                self.emit(context, object, Severity::Normal, recovered, note);
            }
            let before = conditions::reason_of_ready(object.conditions());
            before != Some(report.reason) && !self.0.contains(&report.reason)
        };
        if is_news {
            self.emit(context, object, severity, [report.reason, "Reconcile"], &report.message);
        }
    }
}
