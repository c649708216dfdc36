//! The events of one reconciliation: its actions, and the transitions of the object between conditions. A
//! reconciliation emits no event twice. A transient failure is reported once, until another failure replaces it.

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

    /// Emits an event for `report`, unless the object has these conditions already.
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
        let is_new = if report.ready == Ready::Unchanged {
            memory.last_reported.replace(report.reason) != Some(report.reason)
        } else {
            let last_reported = memory.last_reported.take();
            if let Some(note) = sync::recovery(object.conditions(), last_reported, report) {
                let recovered = [reason::RECONCILE_SUCCEEDED, "Reconcile"];
                self.emit(context, object, Severity::Normal, recovered, note);
            }
            let before = conditions::reason_of_ready(object.conditions());
            before != Some(report.reason) && !self.0.contains(&report.reason)
        };
        if is_new {
            self.emit(context, object, severity, [report.reason, "Reconcile"], &report.message);
        }
    }
}
