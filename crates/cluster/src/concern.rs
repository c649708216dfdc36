//! What one concern of a cluster answers: a step that it can take now, and what it found.

use crate::report::{Finding, State};
use crate::step::{RequeueClass, Step};
use valkeeper_engine::Ready;

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Concern {
    pub(crate) step: Option<Step>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) again: Option<RequeueClass>,
}

impl Concern {
    pub(crate) fn fine() -> Self {
        Self::default()
    }

    /// Something can be done now, which is worth no words.
    pub(crate) fn act(step: Step) -> Self {
        Self { step: Some(step), ..Self::default() }
    }

    /// It will be as it should be without a user.
    pub(crate) fn waits(
        requeue: RequeueClass,
        state: State,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::finds(Ready::Progressing, requeue, state, reason, message)
    }

    /// A user has to act.
    pub(crate) fn is_stuck(
        requeue: RequeueClass,
        state: State,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::finds(Ready::Stuck, requeue, state, reason, message)
    }

    pub(crate) fn finds(
        ready: Ready,
        requeue: RequeueClass,
        state: State,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let finding = Finding { ready, state, reason, message: message.into() };
        Self { step: None, findings: vec![finding], again: Some(requeue) }
    }

    /// The same step, and this to say while it is taken.
    pub(crate) fn saying(mut self, state: State, reason: &'static str, message: impl Into<String>) -> Self {
        self.findings.push(Finding { ready: Ready::Progressing, state, reason, message: message.into() });
        self
    }

    /// Everything of this one, and of the other what this one leaves open.
    pub(crate) fn and(mut self, other: impl FnOnce() -> Self) -> Self {
        if self.step.is_some() {
            return self;
        }
        let other = other();
        self.step = other.step;
        self.findings.extend(other.findings);
        self.again = self.again.into_iter().chain(other.again).min();
        self
    }
}
