//! What is known of a service, as digests: one for what looks show, one for what lists show. Lists may
//! withhold what looks show (secrets, for example), so that each is only compared with its own kind.
//!
//! ```text
//!            look ──▶ { looked: g }
//!   list shows d:  d = looked ─▶ lists show everything: { looked: g, listed: g }
//!                  d = listed ─▶ nothing new
//!                  otherwise  ─▶ news: the resource is reconciled with d; if it looks besides and finds g',
//!                                { looked: g', listed: d }; if not, { listed: d }
//! ```

/// What is known of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct Known {
    looked: Option<u64>,
    listed: Option<u64>,
}

impl Known {
    /// All that is known is a list that showed `digest`.
    pub(in crate::controller) fn listed(digest: u64) -> Self {
        Self { looked: None, listed: Some(digest) }
    }

    /// After a look that showed `digest`, in a reconciliation that a list led to which showed `list`.
    pub(in crate::controller) fn then_observed(self, digest: u64, list: Option<u64>) -> Self {
        // What lists showed before stands for the service as it is only if that has not changed.
        let listed = list.or(self.listed.filter(|_| self.looked == Some(digest)));
        Self { looked: Some(digest), listed }
    }

    /// A list shows what is known already.
    pub(super) fn listed_again(&mut self, digest: u64) {
        self.listed = Some(digest);
    }

    /// Nobody has seen the service.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether a list that shows `digest` shows something new.
    pub(super) fn is_changed(self, digest: u64) -> bool {
        self.looked != Some(digest) && self.listed != Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service in state `s`, as looks and as lists show it where those withhold something.
    fn both(s: u64) -> (u64, u64) {
        (s * 2, s * 2 + 1)
    }

    #[test]
    fn lists_that_withhold_something_lead_to_one_look_per_change() {
        let mut known = Known::default().then_observed(both(1).0, None);
        for state in 1..5 {
            let (look, list) = both(state);
            assert!(known.is_changed(list), "state {state}");
            known = known.then_observed(look, Some(list));
            for _ in 0..3 {
                assert!(!known.is_changed(list));
                known.listed_again(list);
                // The resync of a resource whose service is as it was.
                known = known.then_observed(look, None);
            }
        }
        assert!(known.is_changed(both(1).1), "back to an earlier state");
    }

    #[test]
    fn lists_that_show_everything_lead_to_no_look() {
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
