//! The connection Secret. As long as the service is this resource's own and its connection is complete, the Secret
//! matches it. Other problems of the resource and changes at the provider do not delay it.

use super::{
    concern::Concern,
    connection,
    desired::Desired,
    observed::{Connection, ConnectionSecret, Observed, ObservedService, Power},
    request::Target,
    secret_target::SecretTarget,
    shape_concern,
    step::{RequeueClass, Step},
    violations::{self, Part},
};
use valkeeper_api::names::{self, reason};

/// What is to be done for the Secret of a service that is this resource's own.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let Some(target) = desired.secret.as_ref().filter(|_| !violations::concern(desired, Part::Secret)) else {
        return Concern::fine();
    };
    let name = &target.name;
    let serves = service.state.power() == Power::Serving;
    let Some(connection) = &service.connection else {
        if observed.listed && observed.secret_may_wait {
            return Concern::fine();
        }
        return if serves && desired.powered {
            without_credentials(desired, service)
        } else {
            Concern::fine()
        };
    };
    let Some(connection) = &connection.over(target.route) else {
        return shape_concern::without_route(desired, connection, target.route, "connInfoSecretTarget");
    };
    match &observed.secret {
        // A first Secret is written without a read: the API server reports a conflict if one exists.
        ConnectionSecret::Unknown if serves && !was_there_before(desired) => write(target, connection),
        ConnectionSecret::Unknown | ConnectionSecret::Exists => {
            let message = format!("Reading Secret {name}.");
            Concern::act(Step::Observe(Target::Secret), reason::BUILDING, message)
        }
        ConnectionSecret::Foreign { owner } => conflicts(desired, target, owner),
        ConnectionSecret::Ours { current: false, immutable: true } => {
            Concern::is_stuck(reason::SECRET_IMMUTABLE, immutable(name), RequeueClass::AwaitingExternal)
        }
        ConnectionSecret::Absent if !serves && !was_there_before(desired) => Concern::fine(),
        ConnectionSecret::Absent | ConnectionSecret::Ours { current: false, .. } => write(target, connection),
        ConnectionSecret::Ours { current: true, .. } => shape_concern::inexpressible(target, connection),
    }
}

/// Whether the name of the Secret is free, before anything is created that costs money.
pub(super) fn before_creation(desired: &Desired, observed: &Observed) -> Concern {
    let Some(target) = &desired.secret else { return Concern::fine() };
    match &observed.secret {
        ConnectionSecret::Unknown | ConnectionSecret::Exists => {
            let message = format!("Reading Secret {}.", target.name);
            Concern::act(Step::Observe(Target::Secret), reason::CREATING, message)
        }
        ConnectionSecret::Foreign { owner } => conflicts(desired, target, owner),
        ConnectionSecret::Absent | ConnectionSecret::Ours { .. } => Concern::fine(),
    }
}

fn write(target: &SecretTarget, connection: &Connection) -> Concern {
    let step = Step::WriteSecret(Box::new(connection::content(target, connection)));
    Concern::act(step, reason::BUILDING, format!("Writing Secret {}.", target.name))
}

fn conflicts(desired: &Desired, target: &SecretTarget, owner: &str) -> Concern {
    let message = conflict(desired.kind.name(), target, owner);
    Concern::is_stuck(reason::SECRET_CONFLICT, message, RequeueClass::AwaitingExternal)
}

/// What is said of a Secret that cannot be changed.
pub(super) fn immutable(name: &str) -> String {
    format!("Secret {name} is immutable and outdated. Delete it; the operator creates it again.")
}

/// What is said of a Secret of another owner.
pub(super) fn conflict(kind: &str, target: &SecretTarget, owner: &str) -> String {
    let name = &target.name;
    let advice = if target.is_named {
        format!(
            "Recreate this {kind} with another spec.connInfoSecretTarget.name (the field is immutable), or delete Secret {name} if nothing uses it."
        )
    } else {
        format!(
            "Set spec.connInfoSecretTarget.name to another name, or delete Secret {name} if nothing uses it."
        )
    };
    format!("Cannot write Secret {name}: it exists and {owner}. {advice}")
}

fn without_credentials(desired: &Desired, service: &ObservedService) -> Concern {
    if service.credentials_are_withheld {
        let message = format!(
            "Cannot write the Secret of service {}: the token may not read credentials. Give the token the permission service:secrets:read.",
            desired.name
        );
        return Concern::is_stuck(reason::CREDENTIALS_UNAVAILABLE, message, RequeueClass::AwaitingExternal);
    }
    let message = format!(
        "Service {} is running. Aiven does not report its connection yet; the operator retries automatically.",
        desired.name
    );
    Concern::waits(reason::CREDENTIALS_UNAVAILABLE, message, RequeueClass::AwaitingExternal)
}

/// Applications may start when their Secret appears: the first one waits until the service serves for the first
/// time.
fn was_there_before(desired: &Desired) -> bool {
    let written = desired.secret.as_ref().is_some_and(|target| target.written.is_some());
    written || desired.annotations.contains_key(names::INSTANCE_RUNNING)
}
