//! The next step and what may be reported before it is done, for the parts of a user that come to the same kinds of end.

use super::step::ServiceUserStep;
use crate::{
    report::{Ready, Report},
    step::RequeueClass,
};

/// The next step, and what may be reported before it is done.
pub(super) type Decision = (ServiceUserStep, Report);

/// A user has to act.
pub(super) fn stuck(reason: &'static str, message: impl Into<String>) -> Decision {
    let step = ServiceUserStep::Requeue(RequeueClass::AwaitingExternal);
    (step, Report::new(Ready::Stuck, reason, message))
}

/// It comes by itself: Aiven works on it, or reads lag.
pub(super) fn waits(reason: &'static str, message: impl Into<String>) -> Decision {
    let step = ServiceUserStep::Requeue(RequeueClass::Building);
    (step, Report::new(Ready::Progressing, reason, message))
}
