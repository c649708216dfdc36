//! Recorded digests of a service: one of what reads show, one of what lists show. Lists may withhold what reads show
//! (secrets, for example), so each is compared only with its own kind.
//!
//! ```text
//!            read ──▶ { observed: g }
//!   list shows d:  d = observed ─▶ lists show everything: { observed: g, listed: g }
//!                  d = listed ───▶ no change
//!                  otherwise ────▶ change: the resource is reconciled with d; if it also reads and finds g',
//!                                  { observed: g', listed: d }; if not, { listed: d }
//! ```

/// Recorded digests of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct Known {
    observed: Option<u64>,
    listed: Option<u64>,
}

impl Known {
    /// Only a list has shown the service, with `digest`.
    pub(in crate::controller) fn listed(digest: u64) -> Self {
        Self { observed: None, listed: Some(digest) }
    }

    /// After a read that showed `digest`, in a reconciliation triggered by a list that showed `list`.
    pub(in crate::controller) fn then_observed(self, digest: u64, list: Option<u64>) -> Self {
        // What lists showed before stands for the service as it is only if that has not changed.
        let listed = list.or(self.listed.filter(|_| self.observed == Some(digest)));
        Self { observed: Some(digest), listed }
    }

    /// A list shows the recorded state.
    pub(super) fn listed_again(&mut self, digest: u64) {
        self.listed = Some(digest);
    }

    /// The service was never observed.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether a list that shows `digest` shows something new.
    pub(super) fn is_changed(self, digest: u64) -> bool {
        self.observed != Some(digest) && self.listed != Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service in state `s`, as reads and as lists show it where lists withhold something.
    fn both(s: u64) -> (u64, u64) {
        (s * 2, s * 2 + 1)
    }

    #[test]
    fn incomplete_lists_trigger_one_read_per_change() {
        let mut known = Known::default().then_observed(both(1).0, None);
        for state in 1..5 {
            let (read, list) = both(state);
            assert!(known.is_changed(list), "state {state}");
            known = known.then_observed(read, Some(list));
            for _ in 0..3 {
                assert!(!known.is_changed(list));
                known.listed_again(list);
                // The resync of a resource whose service is as it was.
                known = known.then_observed(read, None);
            }
        }
        assert!(known.is_changed(both(1).1), "back to an earlier state");
    }

    #[test]
    fn complete_lists_trigger_no_read() {
        let mut known = Known::default().then_observed(1, None);
        assert!(!known.is_changed(1));
        known.listed_again(1);
        assert!(known.is_changed(2));
        known = Known::listed(2);
        assert!(!known.is_changed(2) && known.is_changed(1), "back to what was seen before");
        known = known.then_observed(3, None);
        assert!(known.is_changed(2), "back to what lists showed before the last look");
    }
}
