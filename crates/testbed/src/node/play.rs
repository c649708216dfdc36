//! Plays a schedule. Guarantees that each fault is recorded before it happens, and its end after it; at which moment
//! exactly is left to the machine. What cannot happen, to a pod without processes for example, is reported.

use anyhow::Context as _;
use tokio::time::{Instant, sleep_until};

use super::Nodes;
use super::faults::NodeFault;
use super::schedule::{Event, NodeSchedule};
use crate::faults::FaultPlan;
use crate::history::{Fault, Recorder};

/// Who takes part in a schedule besides the nodes.
#[derive(Debug, Default)]
pub struct Company<'a> {
    /// Records the faults, for the judge.
    pub recorder: Option<&'a Recorder>,
    /// The plan of faults at calls of an operator; without it, a line about calls is an error.
    pub plan: Option<&'a FaultPlan>,
}

impl Nodes {
    /// Plays a schedule to its end. Lasting faults that have not ended by then continue. Returns the events that did
    /// not happen, with the reason of each.
    pub async fn play(&self, schedule: &NodeSchedule, company: &Company<'_>) -> anyhow::Result<Vec<String>> {
        let begun = Instant::now();
        let mut open: Vec<(NodeFault, Fault)> = Vec::new();
        let mut missed = Vec::new();
        for (time, event) in schedule.events() {
            sleep_until(begun + *time).await;
            match event {
                Event::Calls(calls) => {
                    let plan = company.plan.context("there is no plan of calls to arm")?;
                    plan.arm(calls.clone());
                }
                Event::Node(fault) => {
                    if let Err(error) = self.happen(fault, company.recorder, &mut open) {
                        missed.push(format!("{fault}: {error:#}"));
                    }
                }
            }
        }
        Ok(missed)
    }

    fn happen(
        &self,
        fault: &NodeFault,
        recorder: Option<&Recorder>,
        open: &mut Vec<(NodeFault, Fault)>,
    ) -> anyhow::Result<()> {
        if !fault.heals()
            && let Some(recorder) = recorder
        {
            let noted = recorder.fault(fault);
            if let Some(end) = fault.healed_by() {
                open.push((end, noted));
            } else {
                // Instantaneous.
                self.inject(fault)?;
                recorder.healed(noted);
                return Ok(());
            }
        }
        self.inject(fault)?;
        if let Some(place) = open.iter().position(|(end, _)| end == fault)
            && let Some(recorder) = recorder
        {
            recorder.healed(open.remove(place).1);
        }
        Ok(())
    }
}
