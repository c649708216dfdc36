//! When a service counts as gone. A single answer is not enough to release what costs money, or to report that data
//! is lost: it may come from a read that lags behind, or be about something other than the service.

use std::time::Duration;

/// Evidence for the absence of a service at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// How long all answers have reported that this service does not exist; none without such an answer.
    pub reported_for: Option<Duration>,
    /// A complete list of the project lacked the service, with no answer since that shows it.
    pub unlisted: bool,
    /// The provider accepted the deletion of the service.
    pub deletion_accepted: bool,
}

/// Whether the service is gone; `period` is how long it has to be reported missing where nothing else proves it.
pub fn is_certain(evidence: Evidence, period: Duration) -> bool {
    let Evidence { reported_for, unlisted, deletion_accepted } = evidence;
    deletion_accepted || unlisted || reported_for.is_some_and(|time| time >= period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_certain_by_time_a_list_or_an_accepted_deletion() {
        let period = Duration::from_secs(30);
        let reported =
            |seconds| Evidence { reported_for: Some(Duration::from_secs(seconds)), ..Evidence::default() };
        for (evidence, certain) in [
            (Evidence::default(), false),
            (reported(0), false),
            (reported(29), false),
            (reported(30), true),
            (Evidence { unlisted: true, ..Evidence::default() }, true),
            (Evidence { deletion_accepted: true, ..Evidence::default() }, true),
        ] {
            assert_eq!(is_certain(evidence, period), certain, "{evidence:?}");
        }
    }
}
