//! What instances need before they can start: a password, certificates, settings, Services, and rights.

use crate::access::{self, AccessSeen};
use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::{self, reason};
use crate::objects::{OwnedKind, owned};
use crate::observed::{Certificates, ObjectSeen, Observed, Password};
use crate::report::State;
use crate::serving;
use crate::step::{RequeueClass, Step};
use chrono::TimeDelta;

/// What is to be done for them.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    password(desired, observed)
        .and(|| access::concern(desired, observed))
        .and(|| certificates(desired, observed))
        .and(|| objects(desired, observed))
        // Where clients use addresses, certificates are for those of the Services.
        .and(|| serving::concern(desired, observed))
}

/// Whether instances can be started.
pub(crate) fn are_there(desired: &Desired, observed: &Observed) -> bool {
    let certificate = matches!(observed.certificate, Certificates::Present(_));
    let access = matches!(observed.access, AccessSeen::Present(_));
    let needed = |kind: OwnedKind, name: &str| {
        let target = desired.spec.conn_info_config_map_target.as_ref();
        kind != OwnedKind::ConfigMap || target.is_none_or(|target| target.name != *name)
    };
    let mut needed = observed.objects.iter().filter(|((kind, name), _)| needed(*kind, name));
    certificate
        && access
        && serving::is_there(desired, observed)
        && needed.all(|(_, seen)| *seen == ObjectSeen::Current)
}

fn password(desired: &Desired, observed: &Observed) -> Concern {
    match &observed.password {
        Password::Missing(_) if desired.generates_password() => Concern::act(Step::CreatePassword),
        Password::Missing(message) => {
            Concern::is_stuck(RequeueClass::Active, state(desired), reason::PASSWORD_MISSING, message.clone())
        }
        Password::Foreign(message) => {
            Concern::is_stuck(RequeueClass::Active, state(desired), reason::OBJECT_CONFLICT, message.clone())
        }
        Password::Unknown | Password::Present => Concern::fine(),
    }
}

/// No certificate is renewed later than this.
const LONGEST: TimeDelta = TimeDelta::days(61);

fn certificates(desired: &Desired, observed: &Observed) -> Concern {
    let due = |seen: Certificates| match seen {
        Certificates::Missing => true,
        // One of the future was made by a clock that was wrong.
        Certificates::Present(renew_at) => observed.now >= renew_at || renew_at - observed.now > LONGEST,
        Certificates::Unknown | Certificates::Foreign => false,
    };
    for (seen, name, step) in [
        (observed.authority, names::authority(&desired.name), Step::IssueAuthority),
        (observed.certificate, names::certificate(&desired.name), Step::IssueCertificate),
    ] {
        if seen == Certificates::Foreign {
            return conflict(desired, "Secret", &name);
        }
        if due(seen) {
            return Concern::act(step);
        }
    }
    Concern::fine()
}

fn objects(desired: &Desired, observed: &Observed) -> Concern {
    for object in owned(desired, observed) {
        let (_, kind, _) = object.kind.names();
        match observed.objects.get(&(object.kind, object.name.clone())) {
            Some(ObjectSeen::Missing | ObjectSeen::Different) => {
                return Concern::act(Step::Apply(Box::new(object)));
            }
            Some(ObjectSeen::Foreign) => return conflict(desired, kind, &object.name),
            Some(ObjectSeen::Current) | None => {}
        }
    }
    let unwanted = observed.unwanted.iter().next();
    unwanted.map_or_else(Concern::fine, |((kind, name), uid)| {
        Concern::act(Step::Remove(*kind, name.clone(), uid.clone()))
    })
}

pub(crate) fn conflict(desired: &Desired, kind: &str, name: &str) -> Concern {
    let message = format!("{kind} {name} belongs to another owner. Delete it or rename the cluster.");
    Concern::is_stuck(RequeueClass::Active, state(desired), reason::OBJECT_CONFLICT, message)
}

pub(crate) fn state(desired: &Desired) -> State {
    if desired.status.current_primary.is_some() { State::Running } else { State::Creating }
}
