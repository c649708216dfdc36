//! What was sent for a user, so that nothing is sent twice without a reason: reads show a password late or never, and what
//! was refused is refused again.

use super::Reconciliation;
use crate::{
    controller::memory::{AcceptedValue, RefusedValue, UserMemory},
    provider::ProviderError,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};
use tokio::time::Instant;
use valkeeper_engine::{
    failure::Class,
    service_user::{Access, PasswordSeen},
};

impl Reconciliation {
    pub(super) fn sent(&mut self) -> &mut UserMemory {
        self.attempt.memory.user.get_or_insert_default()
    }

    /// Adds what was sent to the observation.
    pub(super) fn recall_what_was_sent(&mut self, now: Instant) {
        let access = self.desired().access.map(|access| of_access(&access));
        let sent = self.attempt.memory.user.as_deref().cloned().unwrap_or_default();
        self.observed.creation_was_refused = sent.creation_was_refused;
        let refused = |refused: Option<RefusedValue>, value: Option<u64>| {
            refused.filter(|refused| Some(refused.value) == value && now < refused.until)
        };
        self.observed.access_refused = refused(sent.access_refused, access).map(|refused| refused.answer);
        let wanted = self.wanted().map(of_password);
        self.observed.password_refused = refused(sent.password_refused, wanted).map(|refused| refused.answer);
        let accepted = sent.password.filter(|accepted| Some(accepted.value) == wanted);
        // What was accepted before and did not appear proves less than what reads show.
        let is_pending = |accepted: AcceptedValue| now < accepted.pending_until && accepted.times == 1;
        self.observed.password_is_pending = accepted.is_some_and(is_pending);
        self.observed.password_is_ignored =
            accepted.is_some_and(|accepted| !is_pending(accepted) && now < accepted.again);
        let sent_access = sent.access.filter(|accepted| Some(accepted.value) == access);
        self.observed.access_is_pending = sent_access.is_some_and(|accepted| now < accepted.pending_until);
        self.connect();
    }

    /// The password that is declared, if it can be used.
    pub(super) fn wanted(&self) -> Option<&SecretString> {
        match &self.observed.password {
            PasswordSeen::Present(password) => Some(password),
            PasswordSeen::Unknown | PasswordSeen::Unusable(_) => None,
        }
    }

    /// Forgets a password that reads show.
    pub(super) fn saw_password(&mut self, shown: &SecretString) {
        if let Some(sent) = &mut self.attempt.memory.user {
            sent.password.take_if(|accepted| accepted.value == of_password(shown));
        }
    }

    /// The acceptance of this value, after an earlier one. Reads may lag behind it.
    pub(super) fn accepted(&self, value: u64, before: Option<AcceptedValue>) -> AcceptedValue {
        let times = before.filter(|before| before.value == value).map_or(0, |before| before.times) + 1;
        let settings = &self.attempt.context.settings;
        let pending_until = Instant::now() + settings.late_effect();
        let again = pending_until + settings.retry.delay(Class::Invalid, times, rand::random());
        AcceptedValue { value, times, pending_until, again }
    }

    /// The refusal of this value, after an earlier one.
    pub(super) fn refused(
        &self,
        value: u64,
        before: Option<&RefusedValue>,
        error: &ProviderError,
    ) -> RefusedValue {
        let times = before.filter(|before| before.value == value).map_or(0, |before| before.times) + 1;
        let delay = self.attempt.context.settings.retry.delay(error.class(), times, rand::random());
        RefusedValue { value, answer: error.answer().to_owned(), times, until: Instant::now() + delay }
    }
}

/// Whether Aiven itself refused what was requested, so that it holds up nothing else.
pub(super) fn is_refusal(error: &ProviderError) -> bool {
    matches!(error.class(), Class::Invalid | Class::Denied | Class::Conflict) && error.status() != Some(401)
}

pub(super) fn of_password(password: &SecretString) -> u64 {
    hashed(password.expose_secret())
}

pub(super) fn of_access(access: &Access) -> u64 {
    hashed(&access.request("").to_string())
}

/// A number that stands for a text in this process only.
fn hashed(text: &str) -> u64 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    STATE.hash_one(text)
}
