//! The password of a user that is this resource's own: the declared one, or whatever Aiven reports.

use super::{
    decision::{Decision, stuck, waits},
    desired::DesiredServiceUser,
    observed::{ObservedServiceUser, PasswordSeen, SeenService, SeenServiceUser},
    step::{ServiceUserStep, ServiceUserTarget},
};
use crate::report::{Ready, Report};
use secrecy::ExposeSecret as _;
use valkeeper_api::names::reason;

/// The step that is due for the password, or what stands in its way; none if it is as it should be.
pub(super) fn step(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    user: &SeenServiceUser,
) -> Option<Decision> {
    desired.password.as_ref()?;
    let username = &desired.username;
    if service.credentials_are_withheld {
        let message = format!(
            "Cannot compare the password of user {username}: the token may not read credentials. Give the token the permission service:secrets:read."
        );
        return Some(stuck(reason::CREDENTIALS_UNAVAILABLE, message));
    }
    let wanted = match &observed.password {
        PasswordSeen::Unknown => {
            let message = format!("Reading the password of user {username}.");
            return Some((ServiceUserStep::Observe(ServiceUserTarget::Password), updating(message)));
        }
        PasswordSeen::Unusable(message) => return Some(stuck(reason::PASSWORD_MISSING, message.clone())),
        PasswordSeen::Present(wanted) => wanted,
    };
    if observed.password_is_pending {
        let message = format!("Waiting until Aiven shows the password that user {username} was given.");
        return Some(waits(reason::UPDATING, message));
    }
    let shown = user.password.as_ref();
    if shown.is_some_and(|shown| shown.expose_secret() == wanted.expose_secret()) {
        return None;
    }
    if let Some(answer) = &observed.password_refused {
        let message = format!(
            "Cannot set the password of user {username}. Aiven answered: {}. Correct the password in the Secret that spec.connInfoSecretSource names, or the permissions of the token.",
            answer.trim_end_matches('.')
        );
        return Some(stuck(reason::PROVIDER_REJECTED, message));
    }
    if observed.password_is_ignored {
        let message = format!(
            "Aiven accepted the password of user {username} and shows another one. Compare the Secret that spec.connInfoSecretSource names with the password in the Aiven Console, and correct one of them. The operator retries automatically."
        );
        return Some(stuck(reason::NOT_APPLIED, message));
    }
    Some((ServiceUserStep::SetPassword, updating(format!("Setting the password of user {username}."))))
}

fn updating(message: String) -> Report {
    Report::new(Ready::Progressing, reason::UPDATING, message)
}
