//! The two conditions that tools reading kstatus look at besides `Ready`: `Reconciling` while something is
//! under way and `Stalled` while somebody has to act. Both are there only while they are true, and never
//! both at once.

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
