//! What stands in the way of the requested shape of a connection: a route without an endpoint, a certificate that was
//! not read, a password that a format cannot express. None of it empties or delays the other keys longer than needed.

use super::{
    concern::Concern,
    desired::Desired,
    observed::{Connection, ObservedService, Replica},
    request::Target,
    route::Route,
    secret_target::SecretTarget,
    shape::inexpressible as inexpressible_keys,
    step::{RequeueClass, Step},
};
use valkeeper_api::names::reason;

/// The certificate of the project's authority, where the Secret is to hold it.
pub(super) fn authority(desired: &Desired, service: &ObservedService) -> Concern {
    let wanted = desired.secret.as_ref().is_some_and(|target| target.authority);
    let missing = service.connection.as_ref().is_some_and(|connection| connection.authority.is_none());
    if !wanted || !missing {
        return Concern::fine();
    }
    let message = format!("Reading the certificate authority of project {}.", desired.project);
    Concern::act(Step::Observe(Target::Authority), reason::BUILDING, message)
}

/// The finding for a service without an endpoint on `route`. `connection` is that of the default route.
pub(super) fn without_route(
    desired: &Desired,
    connection: &Connection,
    route: Route,
    target: &str,
) -> Concern {
    let (name, route_name) = (&desired.name, route.name());
    if connection.replica == Replica::Unlisted && connection.routes.is_empty() {
        let message = format!(
            "Service {name} is running. Aiven does not list its endpoints yet; the operator retries automatically."
        );
        return Concern::waits(reason::ROUTE_UNAVAILABLE, message, RequeueClass::AwaitingExternal);
    }
    let setting = route.setting().unwrap_or_default();
    let kind = desired.kind.service_type();
    let message = format!(
        "Cannot write the {route_name} endpoint of service {name}: the service has none. Set spec.userConfig.{setting}.{kind}: true, or correct spec.{target}.route."
    );
    Concern::is_stuck(reason::ROUTE_UNAVAILABLE, message, RequeueClass::AwaitingExternal)
}

/// The finding for a password that a requested format cannot express.
pub(super) fn inexpressible(target: &SecretTarget, connection: &Connection) -> Concern {
    inexpressible_message(target, connection).map_or_else(Concern::fine, |message| {
        Concern::is_stuck(reason::INEXPRESSIBLE_PASSWORD, message, RequeueClass::AwaitingExternal)
    })
}

/// What is said of a password that a requested format cannot express, if there is one.
pub(super) fn inexpressible_message(target: &SecretTarget, connection: &Connection) -> Option<String> {
    let keys = inexpressible_keys(target, connection);
    (!keys.is_empty()).then(|| {
        format!(
            "Cannot write {} to Secret {}: its format cannot express the password, which has a comma or a space at an end. Reset the password at Aiven, or remove the preset.",
            keys.join(", "),
            target.name
        )
    })
}
