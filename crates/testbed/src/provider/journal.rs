//! What readers of a lagging replica see: each change is kept together with the moment until which its
//! predecessor was current. Guarantees that reading as of a moment gives what was current then, for every
//! moment that the journal still covers.

use super::clock::Moment;
use std::collections::{BTreeMap, VecDeque};

/// Earlier values of what has a name in a project.
pub(super) struct Journal<T> {
    entries: VecDeque<Entry<T>>,
}

struct Entry<T> {
    /// The value was current before this moment.
    until: Moment,
    project: String,
    name: String,
    /// `None` if there was nothing of this name.
    value: Option<T>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<T: Clone> Journal<T> {
    /// Keeps a value that is replaced at `until`.
    pub(super) fn note(&mut self, until: Moment, project: &str, name: &str, value: Option<T>) {
        let (project, name) = (project.to_owned(), name.to_owned());
        self.entries.push_back(Entry { until, project, name, value });
    }

    /// Drops what was replaced before `moment`.
    pub(super) fn forget_before(&mut self, moment: Moment) {
        while self.entries.front().is_some_and(|entry| entry.until < moment) {
            self.entries.pop_front();
        }
    }

    /// The value that was current at `moment`, given the present one.
    pub(super) fn as_of(&self, moment: Moment, project: &str, name: &str, present: Option<&T>) -> Option<T> {
        let mut later = self.entries.iter().filter(|entry| entry.until > moment);
        let found = later.find(|entry| entry.project == project && entry.name == name);
        found.map_or_else(|| present.cloned(), |entry| entry.value.clone())
    }

    /// All values of a project that were current at `moment`, in order of name.
    pub(super) fn all_as_of(&self, moment: Moment, project: &str, present: &BTreeMap<String, T>) -> Vec<T> {
        let mut then: BTreeMap<&str, Option<&T>> =
            present.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
        // The earliest entry of a name counts, so it is the last one to be put in.
        for entry in self.entries.iter().rev().filter(|entry| entry.project == project) {
            if entry.until > moment {
                then.insert(&entry.name, entry.value.as_ref());
            }
        }
        then.into_values().flatten().cloned().collect()
    }

    /// Every value of a name that the journal covers, without the present one.
    pub(super) fn earlier(&self, project: &str, name: &str) -> impl Iterator<Item = &T> {
        let own = self.entries.iter().filter(move |entry| entry.project == project && entry.name == name);
        own.filter_map(|entry| entry.value.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn journal_gives_the_value_current_at_a_moment() {
        let start = Moment::UNIX_EPOCH;
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let mut journal = Journal::default();
        // `a` is 1 from second 10 on, 2 from 20 on, and removed at 30; `b` was 5 all along.
        journal.note(at(10), "p", "a", None);
        journal.note(at(20), "p", "a", Some(1));
        journal.note(at(30), "p", "a", Some(2));
        let present = BTreeMap::from([("b".to_owned(), 5)]);
        let seen = |journal: &Journal<i32>, second| {
            (journal.as_of(at(second), "p", "a", None), journal.all_as_of(at(second), "p", &present))
        };
        assert_eq!(seen(&journal, 5), (None, vec![5]));
        assert_eq!(seen(&journal, 10), (Some(1), vec![1, 5]));
        assert_eq!(seen(&journal, 29), (Some(2), vec![2, 5]));
        assert_eq!(seen(&journal, 30), (None, vec![5]));
        assert_eq!(journal.earlier("p", "a").collect::<Vec<_>>(), [&1, &2]);
        journal.forget_before(at(25));
        assert_eq!(seen(&journal, 29), (Some(2), vec![2, 5]));
    }
}
