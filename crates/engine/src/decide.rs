//! The heart: from the wish and one look to the next step. Every concern of a resource is asked on its own;
//! the first step that one of them can take is the next one, and when none can the most severe of what
//! they found is said.

use super::{
    bookkeeping,
    claim::{self, Claim},
    concern::{Concern, Concerns},
    config_map_concern, deletion,
    desired::Desired,
    existence, maintenance, migration, network,
    observed::{Observed, ObservedService, Power, Remote},
    power, recording,
    report::{Ready, Report},
    request::Target,
    secret, settings, shape_concern,
    step::{Decision, RequeueClass, Step},
    tags, token, violations,
};
use valkeeper_api::names::reason;

/// The next step for `desired`, given what was seen.
pub fn decide(desired: &Desired, observed: &Observed) -> Decision {
    let resolved = network::resolved(desired, observed);
    let desired = resolved.as_ref().unwrap_or(desired);
    let mut decision = next(desired, observed);
    decision.step = recording::before(decision.step, desired, observed);
    if observed.listed && !decision.step.suits_a_listing() {
        // A list only says where to look: whatever matters is decided on the service itself.
        decision.step = Step::Observe(Target::Service);
    }
    decision.report.password_exposed = desired.password_in_spec;
    decision.report.migration = migration::note(desired, observed, &decision.step);
    decision
}

fn next(desired: &Desired, observed: &Observed) -> Decision {
    if desired.policies.paused {
        return paused(desired);
    }
    if desired.deleting {
        return deletion::decide(desired, observed);
    }
    if !desired.violations.is_empty() && !desired.has_finalizer {
        return settle(Concerns(vec![violations::told(desired)]), Report::new);
    }
    match &observed.remote {
        Remote::Unknown => {
            let report = Report::new(Ready::Progressing, reason::CREATING, "Reading the service.");
            Decision { step: Step::Observe(Target::Service), report }
        }
        Remote::Absent => absent(desired, observed),
        Remote::Present(service) => present(desired, observed, service),
    }
}

fn paused(desired: &Desired) -> Decision {
    let what = if desired.deleting { "Deletion" } else { "Reconciliation" };
    let report = Report::paused(what);
    Decision { step: Step::Refuse(RequeueClass::AwaitingSpecChange), report }
}

fn absent(desired: &Desired, observed: &Observed) -> Decision {
    let mut decision = settle(existence::concerns(desired, observed), Report::new);
    if decision.report.reason == reason::EXTERNAL_MISSING && observed.absence_is_certain {
        decision.report.running = Some(false);
    }
    decision
}

fn present(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    let about = |ready, reason, message| Report::about(service, ready, reason, message);
    match claim::claim(desired, observed, service) {
        Claim::Ours => {}
        Claim::Adopts(concern) => {
            // Not its own before the mark is there, whatever is written down before.
            let unmarked =
                |ready, reason, message| Report { initialized: false, ..about(ready, reason, message) };
            return settle(Concerns(vec![concern]), unmarked);
        }
        Claim::Refused(concern) => {
            return settle(Concerns(vec![violations::told(desired), concern]), Report::new);
        }
    }
    let concerns = concerns(desired, observed, service);
    if concerns.is_idle() && concerns.are_fine() {
        let running = service.state.power() == Power::Serving;
        if let (Some(step), Some(report)) =
            (bookkeeping::step(desired, observed, running), concerns.report(about))
        {
            return Decision { step, report };
        }
    }
    settle(concerns, about)
}

/// The concerns of a service that is the resource's own, those first whose step comes first. The Secret comes
/// before everything that may fail.
fn concerns(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concerns {
    let mut concerns = vec![
        violations::told(desired),
        shape_concern::authority(desired, service),
        secret::concern(desired, observed, service),
        config_map_concern::concern(desired, observed, service),
        existence::finalizer(desired),
        power::request(desired),
        token::concern(desired, observed),
        migration::password(desired, observed, Some(service)),
    ];
    concerns.extend(settings::concern(desired, observed, service));
    concerns.extend(tags::concern(desired, observed, service));
    concerns.extend([
        power::concern(desired, observed, service),
        maintenance::concern(desired, observed, service),
        migration::progress(desired, observed, service),
        network::concern(desired, observed),
    ]);
    Concerns(concerns.into_iter().map(|concern| concern.unless_refused(observed)).collect())
}

/// The first step that can be taken; when there is none, what to say and how to rest.
fn settle(mut concerns: Concerns, about: impl Fn(Ready, &'static str, String) -> Report) -> Decision {
    if let Some((step, Concern { finding: Some(finding), drift, .. })) = concerns.first_step() {
        let report = about(finding.ready, finding.reason, finding.message);
        return Decision { step, report: Report { drift, ..report } };
    }
    let nothing =
        || about(Ready::Unchanged, reason::INTERNAL_ERROR, "The state is not known yet.".to_owned());
    let report = concerns.report(&about).unwrap_or_else(nothing);
    Decision { step: concerns.final_step(), report }
}
