//! The acknowledged writes of a history by the reign that acknowledged them, and which of them survived.

use super::record::{Content, History, Moment, Reign, Structure, Write};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A history with the indexes that the judge needs repeatedly.
pub(super) struct View<'a> {
    pub(super) history: &'a History,
    /// By their first acknowledgment.
    pub(super) reigns: Vec<Reigned>,
    /// Acknowledged writes that the contents contradict.
    pub(super) lost: Vec<usize>,
    present: HashSet<(&'a str, u64)>,
}

/// The writes that one reign acknowledged.
pub(super) struct Reigned {
    pub(super) writes: Vec<usize>,
    /// The write that was acknowledged first. It took effect then at the latest.
    pub(super) earliest: usize,
    /// The write that was sent last. It took effect then at the earliest.
    pub(super) latest: usize,
}

impl<'a> View<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut by_reign: BTreeMap<&Reign, Vec<usize>> = BTreeMap::new();
        for (number, write) in history.writes.iter().enumerate() {
            if let Some((_, reign)) = write.acknowledged() {
                by_reign.entry(reign).or_default().push(number);
            }
        }
        let mut reigns: Vec<Reigned> =
            by_reign.into_values().filter_map(|writes| reigned(history, writes)).collect();
        reigns.sort_by_key(|reign| acknowledged(history, reign.earliest));
        let contents = history.contents.iter();
        let present = contents
            .flat_map(|(key, content)| content.values().into_iter().map(|value| (key.as_str(), value)))
            .collect();
        let mut view = Self { history, reigns, lost: Vec::new(), present };
        view.lost = view.find_lost();
        view
    }

    fn find_lost(&self) -> Vec<usize> {
        let survivors = self.survivors();
        let is_lost = |write: &Write| match (write.acknowledged(), write.structure) {
            (None, _) => false,
            (Some(_), Structure::Set | Structure::List) => !self.is_present(write),
            // A later value may have replaced it; an earlier one cannot.
            (Some(_), Structure::Register) => match survivors.get(write.key.as_str()) {
                None => true,
                Some(survivor) => survivor.acknowledged().is_some_and(|(at, _)| at < write.invoked),
            },
        };
        let all = self.history.writes.iter().enumerate();
        all.filter(|(_, write)| is_lost(write)).map(|(number, _)| number).collect()
    }

    /// The write that each register holds.
    fn survivors(&self) -> HashMap<&'a str, &'a Write> {
        let registers = self.history.writes.iter().filter(|write| write.structure == Structure::Register);
        registers.filter(|write| self.is_present(write)).map(|write| (write.key.as_str(), write)).collect()
    }

    /// Whether the value of a write is there.
    pub(super) fn is_present(&self, write: &Write) -> bool {
        self.present.contains(&(write.key.as_str(), write.value))
    }

    pub(super) fn write(&self, number: usize) -> &'a Write {
        &self.history.writes[number]
    }

    /// When a write of a reign was acknowledged.
    pub(super) fn at(&self, number: usize) -> Moment {
        acknowledged(self.history, number)
    }

    /// The write that a register holds instead of a lost one, as part of a counterexample.
    pub(super) fn instead_of(&self, number: usize) -> Option<usize> {
        let lost = self.write(number);
        let held = match self.history.contents.get(&lost.key) {
            Some(Content::Register(Some(held))) if lost.structure == Structure::Register => *held,
            _ => return None,
        };
        self.history.writes.iter().position(|write| write.key == lost.key && write.value == held)
    }
}

fn reigned(history: &History, writes: Vec<usize>) -> Option<Reigned> {
    let earliest = *writes.iter().min_by_key(|number| acknowledged(history, **number))?;
    let latest = *writes.iter().max_by_key(|number| history.writes[**number].invoked)?;
    Some(Reigned { writes, earliest, latest })
}

fn acknowledged(history: &History, number: usize) -> Moment {
    history.writes[number].acknowledged().map(|(at, _)| at).unwrap_or_default()
}
