//! The connection Secret of a user that is this resource's own.

use super::{
    decision::{Decision, stuck, waits},
    desired::DesiredServiceUser,
    observed::{ObservedServiceUser, SeenService, SeenServiceUser},
    step::{ServiceUserStep, ServiceUserTarget},
};
use crate::{
    connection,
    observed::{Connection, ConnectionSecret},
    report::{Ready, Report},
    secret,
    secret_target::SecretTarget,
    shape_concern,
};
use valkeeper_api::{Custom as _, ServiceUser, names::reason};

/// The step that is due for the Secret, or what stands in its way; none if it is as it should be.
pub(super) fn step(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    user: &SeenServiceUser,
) -> Option<Decision> {
    let target = desired.secret.as_ref()?;
    let Some(connection) = &service.connection else {
        return Some(without_connection(desired, service, user));
    };
    if let (None, Some(answer)) = (&connection.authority, &observed.authority_refused) {
        let message = format!(
            "Cannot read the certificate of the authority of project {}. Aiven answered: {}. Give the token the permission organization:projects:write, or another one that shows it.",
            desired.project,
            answer.trim_end_matches('.')
        );
        return Some(stuck(reason::PROVIDER_REJECTED, message));
    }
    if connection.authority.is_none() {
        return Some(observe(
            ServiceUserTarget::Authority,
            "Reading the certificate of the project's authority.",
        ));
    }
    let Some(routed) = connection.over(target.route) else {
        let message = format!(
            "Cannot write the {} endpoint of service {}: the service has none. Enable it in the settings of the service, or correct spec.connInfoSecretTarget.route.",
            target.route.name(),
            desired.service
        );
        return Some(stuck(reason::ROUTE_UNAVAILABLE, message));
    };
    match &observed.secret {
        ConnectionSecret::Unknown | ConnectionSecret::Exists => {
            Some(observe(ServiceUserTarget::Secret, &format!("Reading Secret {}.", target.name)))
        }
        ConnectionSecret::Foreign { owner } => {
            Some(stuck(reason::SECRET_CONFLICT, secret::conflict(ServiceUser::NAME, target, owner)))
        }
        ConnectionSecret::Ours { current: false, immutable: true } => {
            Some(stuck(reason::SECRET_IMMUTABLE, secret::immutable(&target.name)))
        }
        ConnectionSecret::Absent | ConnectionSecret::Ours { current: false, .. } => {
            Some(write(target, &routed))
        }
        ConnectionSecret::Ours { current: true, .. } => {
            let message = shape_concern::inexpressible_message(target, &routed)?;
            Some(stuck(reason::INEXPRESSIBLE_PASSWORD, message))
        }
    }
}

fn write(target: &SecretTarget, connection: &Connection) -> Decision {
    let step = ServiceUserStep::WriteSecret(Box::new(connection::content(target, connection)));
    let message = format!("Writing Secret {}.", target.name);
    (step, Report::new(Ready::Progressing, reason::BUILDING, message))
}

fn observe(target: ServiceUserTarget, message: &str) -> Decision {
    (ServiceUserStep::Observe(target), Report::new(Ready::Progressing, reason::BUILDING, message))
}

fn without_connection(
    desired: &DesiredServiceUser,
    service: &SeenService,
    user: &SeenServiceUser,
) -> Decision {
    let DesiredServiceUser { username, service: name, .. } = desired;
    if user.password.is_some() {
        let message = format!(
            "Aiven does not report how to reach service {name} yet. The operator reads again automatically."
        );
        return waits(reason::CREDENTIALS_UNAVAILABLE, message);
    }
    if service.credentials_are_withheld {
        let message = format!(
            "Cannot keep the Secret of user {username} up to date: the token may not read credentials. Give the token the permission service:secrets:read."
        );
        return stuck(reason::CREDENTIALS_UNAVAILABLE, message);
    }
    let message = format!(
        "Aiven does not report the password of user {username} of service {name}. If it was changed in the server, name a Secret with a password in spec.connInfoSecretSource, or reset it at Aiven. The operator reads again automatically."
    );
    waits(reason::CREDENTIALS_UNAVAILABLE, message)
}
