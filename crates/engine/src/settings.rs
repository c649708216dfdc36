//! Brings an existing service to the declared settings: the next update, and the report of an update without effect.

use super::{
    concern::Concern,
    desired::Desired,
    difference::{self, Difference},
    drift::{self, Plan},
    migration,
    normal::MIGRATION,
    observed::{Observed, ObservedService, Power},
    power,
    refusal::Request,
    request::ServicePatch,
    step::{RequeueClass, Step},
    violations::{self, Part},
};
use valkeeper_api::names::reason;

/// What is to be done so that the service is what the spec declares; whether it runs is decided elsewhere.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Vec<Concern> {
    if violations::concern(desired, Part::Settings) {
        return Vec::new();
    }
    let mut differences = difference::settings(desired, service);
    if migration::lacks_password(desired, observed) {
        differences.retain(|one| one.path != format!("userConfig.{MIGRATION}"));
    }
    let disk = disk(desired, observed, service, &mut differences);
    let plan = Plan::of(desired, differences.iter(), |one| &one.path);
    let reported = drift::reported(desired, plan.left.iter().map(|one| one.drifted_field()));
    let drifted = drift::corrected(plan.drift.iter().map(|one| one.drifted_field()));
    let sent = drift::named(send(desired, observed, service, &plan), plan.is_drift(), drifted);
    vec![sent, disk, reported]
}

/// Takes the disk out of the differences where the provider would refuse another size now.
fn disk(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    differences: &mut Vec<Difference>,
) -> Concern {
    let Some(position) = differences.iter().position(|one| one.path == "disk_space") else {
        return Concern::fine();
    };
    let was_sent = observed.was_sent(&difference::patch([&differences[position]], desired, service));
    let changes = service.state.power() == Power::Changing;
    if was_sent || !(service.disk_is_managed || changes) {
        return Concern::fine();
    }
    differences.remove(position);
    let name = &desired.name;
    if service.disk_is_managed {
        let message = format!(
            "Cannot apply spec.disk_space: an autoscaler integration manages the disk of service {name}. Remove the field, or the integration."
        );
        return Concern::is_stuck(reason::DISK_SPACE_MANAGED, message, RequeueClass::AwaitingExternal);
    }
    let message = format!(
        "Changing spec.disk_space of service {name} when the present change is complete (state {}).",
        service.state.as_str()
    );
    Concern::waits(reason::UPDATING, message, RequeueClass::Building)
}

/// Sends each change once. An answer with the old values is awaited; if the old values stay, that is reported and the
/// change is not sent again.
fn send(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    plan: &Plan<'_, Difference>,
) -> Concern {
    let patch = difference::patch(plan.sent.iter().copied(), desired, service);
    if patch.is_empty() {
        return Concern::fine();
    }
    let rest = observed.sent.as_ref().map_or_else(|| patch.clone(), |sent| patch.without(sent));
    if rest.is_empty() && (observed.unsettled || service.state.power() == Power::Changing) {
        return power::building(desired, observed, service);
    }
    if rest.is_empty() {
        return not_applied(desired, plan, &patch);
    }
    if observed.refusal(&Request::Update(Box::new(rest.clone()))).is_some()
        && let Some(protection) = protection_alone(&rest)
    {
        let message = format!("Changing terminationProtection of service {}.", desired.name);
        return Concern::act(Step::Update(Box::new(protection)), reason::UPDATING, message);
    }
    let fields = rest.changed_fields().join(", ");
    let message = format!("Changing {fields} of service {}.", desired.name);
    Concern::act(Step::Update(Box::new(rest)), reason::UPDATING, message)
}

/// Deletion and power wait for protection to be lifted, and it must not wait for another field to be corrected.
fn protection_alone(patch: &ServicePatch) -> Option<ServicePatch> {
    let protection =
        ServicePatch { termination_protection: patch.termination_protection, ..ServicePatch::default() };
    (!protection.is_empty() && protection != *patch).then_some(protection)
}

fn not_applied(desired: &Desired, plan: &Plan<'_, Difference>, patch: &ServicePatch) -> Concern {
    let drifted: Vec<_> = plan.sent.iter().map(|one| one.drifted_field()).collect();
    let message = format!(
        "Cannot change {} of service {}: Aiven accepted the change and still shows other values: {}. To retry, edit the spec.",
        patch.changed_fields().join(", "),
        desired.name,
        difference::summary(&drifted)
    );
    Concern::is_stuck(reason::NOT_APPLIED, message, RequeueClass::AwaitingExternal)
}
