//! One primary, and clients that find it: what `valkeeper-failover` decides becomes a step, and its waiting a finding.
//! It goes before everything else, and goes on whatever else is wrong with the resource.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::durability;
use crate::lease_mode;
use crate::names::{self, reason};
use crate::observed::{LeaseSeen, Observed};
use crate::report::State;
use crate::step::{PromotionCause, RequeueClass, Step};
use valkeeper_engine::Ready;
use valkeeper_failover::{
    Name, Term,
    operator::{self, View, Wait},
    protocol::{Peer, Role, Timing},
};

/// What is to be done so that there is one primary.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if lease_mode::is_alone(desired, observed) {
        return alone(desired, observed);
    }
    match &observed.lease {
        LeaseSeen::Unknown => Concern::fine(),
        LeaseSeen::Foreign => {
            let message =
                format!("Lease {} belongs to another owner. Delete it or rename the cluster.", desired.name);
            Concern::is_stuck(RequeueClass::Active, State::Unavailable, reason::OBJECT_CONFLICT, message)
        }
        LeaseSeen::Missing => without_lease(desired, observed, Step::CreateLease),
        LeaseSeen::Present(lease) if lease_mode::may_leave_the_lease(desired, observed) => {
            Concern::act(Step::MakeLeaseOptional(lease.version))
        }
        LeaseSeen::Present(lease) if observed.lease_is_optional => {
            // The only instance may have had terms since that this Lease does not know.
            without_lease(desired, observed, |_| Step::DeleteLease(lease.version))
        }
        LeaseSeen::Present(_) if accepts_writes_alone(observed) => moving_to_the_lease(),
        LeaseSeen::Present(_) => {
            observed.view.as_ref().map_or_else(Concern::fine, |view| leased(desired, observed, view))
        }
    }
}

/// The only instance promotes itself; clients are directed to it.
fn alone(desired: &Desired, observed: &Observed) -> Concern {
    let Some(instance) = observed.instances.get(&0) else { return Concern::fine() };
    if let (LeaseSeen::Present(lease), true) = (&observed.lease, instance.alone) {
        return Concern::act(Step::DeleteLease(lease.version));
    }
    let is_primary = instance.alone && matches!(instance.status.role, Role::Primary(_));
    if is_primary {
        return route(desired, observed, 0);
    }
    Concern::fine()
}

/// No Lease yet, or one that the only instance may do without: first, no instance may accept writes without one.
fn without_lease(desired: &Desired, observed: &Observed, lease: impl FnOnce(Term) -> Step) -> Concern {
    let started = || observed.pods.iter().filter(|(_, pod)| !pod.unstarted && !pod.ended);
    // One that has not started yet may find settings of the time when it was the only one.
    let starts = || observed.pods.iter().filter(|(_, pod)| pod.unstarted && pod.starts_alone);
    let silent = |ordinal: &u32| !observed.instances.contains_key(ordinal);
    if let Some((ordinal, _)) = started().chain(starts()).find(|(ordinal, _)| silent(ordinal)) {
        let message =
            format!("Waiting for {}, which may accept writes without the Lease.", desired.instance(*ordinal));
        return Concern::waits(RequeueClass::Active, State::Degraded, reason::SCALING, message);
    }
    if accepts_writes_alone(observed) {
        return moving_to_the_lease();
    }
    let seen = observed.instances.values().map(|instance| instance.status.seen).max().unwrap_or_default();
    Concern::act(lease(seen.max(desired.remembered())))
}

fn accepts_writes_alone(observed: &Observed) -> bool {
    observed.instances.values().any(|instance| instance.alone)
}

/// The instance reads its settings before anything depends on the Lease.
fn moving_to_the_lease() -> Concern {
    let message = "Moving the only instance to the Lease.".to_owned();
    Concern::waits(RequeueClass::Active, State::Updating, reason::SCALING, message)
}

fn leased(desired: &Desired, observed: &Observed, view: &View) -> Concern {
    let policy = crate::members::policy(desired);
    match operator::decide(&policy, &Timing::default(), view) {
        operator::Step::CreateLease(term) => Concern::act(Step::CreateLease(term)),
        operator::Step::Hold(name, term) => hold(desired, observed, view, &name, term),
        operator::Step::Promote(name, term, version) => {
            let cause = cause(view);
            let message = format!("Promoting {name} to primary in term {}.", term.0);
            let why = why(desired, cause.planned);
            Concern::act(Step::Promote(name, term, version, cause)).saying(
                failing_over(desired),
                why,
                message,
            )
        }
        operator::Step::Route(name, _) => match names::ordinal(&desired.name, name.as_str()) {
            Some(ordinal) => route(desired, observed, ordinal),
            None => Concern::fine(),
        },
        operator::Step::Kick(name, term) => Concern::act(Step::Kick(name, term)),
        operator::Step::Follow(name, primary, term) => Concern::act(Step::Follow(name, primary, term)),
        operator::Step::Wait(wait) => waiting(desired, observed, view, wait),
        operator::Step::Settled(..) => settled(desired, observed),
    }
}

fn hold(desired: &Desired, observed: &Observed, view: &View, name: &Name, term: Term) -> Concern {
    let ordinal = names::ordinal(&desired.name, name.as_str());
    let is_primary = ordinal.is_some() && observed.primary().map(|(ordinal, _)| ordinal) == ordinal;
    let step = Step::Hold(name.clone(), term);
    let leaving = view
        .members
        .get(name)
        .is_some_and(|member| member.leaving || member.status.as_ref().is_some_and(|status| status.leaving));
    if is_primary && leaving {
        let message = format!("Moving the primary away from {name}.");
        return Concern::act(step).saying(failing_over(desired), why(desired, true), message);
    }
    let message = format!("Preparing term {}: holding {name}.", term.0);
    Concern::act(step).saying(failing_over(desired), why(desired, false), message)
}

/// Before the first primary, nothing fails over.
fn failing_over(desired: &Desired) -> State {
    if desired.remembered() == Term(0) { State::Creating } else { State::FailingOver }
}

fn why(desired: &Desired, planned: bool) -> &'static str {
    match (desired.remembered(), planned) {
        (Term(0), _) => reason::CREATING,
        (_, true) => reason::SWITCHING_OVER,
        (_, false) => reason::FAILING_OVER,
    }
}

/// How it is known that the holder has stopped, and whether it was asked to.
fn cause(view: &View) -> PromotionCause {
    let lease = view.lease.as_ref();
    let Some(holder) = lease.and_then(|lease| lease.holder.as_ref()) else {
        // It released the Lease when it stopped.
        let leaving = view.members.iter().find(|(name, member)| {
            view.routed.contains(*name)
                && (member.leaving || member.status.as_ref().is_some_and(|status| status.leaving))
        });
        let from = view.routed.first().map(ToString::to_string);
        return PromotionCause { planned: from.is_none() || leaving.is_some(), from, confirmed: true };
    };
    let member = view.members.get(&holder.name);
    let leaving = member
        .is_some_and(|member| member.leaving || member.status.as_ref().is_some_and(|status| status.leaving));
    let ended = view.gone.contains(&Peer::from(holder))
        || member.is_some_and(|member| member.ended.is_some() || member.status.is_some());
    PromotionCause { from: Some(holder.name.to_string()), planned: leaving, confirmed: ended }
}

/// Clients are directed to this instance and no other: off the old first, then on the new.
fn route(desired: &Desired, observed: &Observed, ordinal: u32) -> Concern {
    let is_primary = |role: &Option<String>| role.as_deref() == Some(names::PRIMARY);
    let old = observed.pods.iter().find(|(other, pod)| **other != ordinal && is_primary(&pod.role));
    if let Some((other, pod)) = old {
        return Concern::act(Step::Label(*other, pod.uid.clone(), names::REPLICA));
    }
    match observed.pods.get(&ordinal) {
        Some(pod) if !is_primary(&pod.role) => {
            let message = format!("Directing clients to {}.", desired.instance(ordinal));
            Concern::act(Step::Label(ordinal, pod.uid.clone(), names::PRIMARY)).saying(
                failing_over(desired),
                why(desired, false),
                message,
            )
        }
        _ => Concern::fine(),
    }
}

fn settled(desired: &Desired, observed: &Observed) -> Concern {
    // The label of a primary that is gone goes with its pod; one that came back is told here.
    let primary = observed.primary().map(|(ordinal, _)| ordinal);
    let stale = observed.pods.iter().find(|(ordinal, pod)| {
        Some(**ordinal) != primary && pod.role.as_deref() != Some(names::REPLICA) && primary.is_some()
    });
    match stale {
        Some((ordinal, pod)) => Concern::act(Step::Label(*ordinal, pod.uid.clone(), names::REPLICA)),
        None if durability::needs_every_replica(observed) => {
            let message = "The primary cannot reach the Kubernetes API. It accepts writes while all its replicas consent. \
                           Restore its connection to the API.";
            let (again, why) = (RequeueClass::Active, reason::DEGRADED);
            Concern::finds(Ready::Yes, again, State::Degraded, why, message.to_owned())
        }
        None if primary.is_none() => {
            let message = "The primary does not answer.".to_owned();
            Concern::waits(RequeueClass::Urgent, failing_over(desired), why(desired, false), message)
        }
        None => Concern::fine(),
    }
}

/// At most two names, and how many more there are.
fn a_few(names: &[Name]) -> String {
    match names {
        [one, other, more @ ..] if !more.is_empty() => format!("{one}, {other} and {} more", more.len()),
        few => few.iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn waiting(desired: &Desired, observed: &Observed, view: &View, wait: Wait) -> Concern {
    let state = failing_over(desired);
    let progress =
        |message: String| Concern::waits(RequeueClass::Urgent, state, why(desired, false), message);
    match wait {
        Wait::Term => progress("The primary does not answer. Waiting until its term has elapsed.".to_owned()),
        Wait::Consent(peers) => {
            let message = format!(
                "Cannot elect a primary: the primary of term {term} may accept writes with consent of {peers}. Restore one of \
                 them. Only if no process of the primary runs, set annotation {annotation}: \"{term}/{version}\".",
                term = desired.remembered().0,
                version = view.lease.as_ref().map_or(0, |lease| lease.version),
                peers = a_few(&peers),
                annotation = names::ELECT_WITHOUT_MISSING,
            );
            Concern::is_stuck(RequeueClass::Active, State::Unavailable, reason::INSTANCES_MISSING, message)
        }
        Wait::Change(name) => progress(format!("Waiting for {name}, which changes its role.")),
        Wait::Drain(name) => progress(format!("Waiting until {name} has taken in what was sent to it.")),
        Wait::Missing(names) => {
            let starting = names.iter().all(|name| is_starting(desired, observed, name));
            let names: Vec<_> = names.iter().map(Name::as_str).collect();
            let names = names.join(", ");
            if starting {
                return progress(format!("Waiting for {names}, which may have the latest data."));
            }
            let message = format!(
                "Cannot elect a primary: {names} may have the latest data and does not answer. Restore it, or set \
                 annotation {}: \"{}\" to elect one without it.",
                names::ELECT_WITHOUT_MISSING,
                desired.remembered().0,
            );
            Concern::is_stuck(RequeueClass::Active, State::Unavailable, reason::INSTANCES_MISSING, message)
        }
        Wait::Candidates => progress("Waiting for an instance that can become primary.".to_owned()),
        Wait::LeaseWentBack(term) => {
            let message = format!(
                "Lease {} is older than term {}, which this cluster has reached. Restore it: set its \
                 leaseTransitions to {}.",
                desired.name, term.0, term.0
            );
            Concern::is_stuck(RequeueClass::Active, State::Unavailable, reason::LEASE_WENT_BACK, message)
        }
    }
}

/// A pod that is there, or about to be, and has no trouble.
fn is_starting(desired: &Desired, observed: &Observed, name: &Name) -> bool {
    let ordinal = names::ordinal(&desired.name, name.as_str());
    let pod = ordinal.and_then(|ordinal| observed.pods.get(&ordinal));
    pod.is_none_or(|pod| pod.problem.is_none() && !pod.finished)
}
