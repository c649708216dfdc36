//! The two conditions that kstatus tools read besides `Ready`: `Reconciling` while work is in progress and `Stalled`
//! while a user has to act. Both exist only while they are true, and never together.

use super::report::{Ready, Report};
use valkeeper_api::names::condition;

/// The condition that goes with `report`; `ready` is the status of its `Ready` condition.
pub(super) fn condition(report: &Report, ready: &str) -> Option<&'static str> {
    if ready == "True" {
        return None;
    }
    let stalled = report.ready == Ready::Stuck || report.paused;
    Some(if stalled { condition::STALLED } else { condition::RECONCILING })
}
