//! Chooses the runs of the matrix that are made unless all are requested: the same in every test run, with every call
//! and every fault among them.

use crate::cluster::Place;
use valkeeper_testbed::faults::Mode;

/// Which runs of the matrix are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    All,
    /// A crash after every call, and every eighth of the other faults.
    Part,
    /// Every sixteenth fault. An API server with a store on disk is ten times slower.
    Few,
}

impl Extent {
    /// The extent in the environment: `VALKEEPER_ALL=1` means all runs, `VALKEEPER_ALL=sandbox` those on the sandbox.
    /// A named scenario, and a report, have all their runs on the sandbox.
    pub(crate) fn wanted(place: Place) -> Self {
        let all = std::env::var("VALKEEPER_ALL").ok();
        let is_set = |name| std::env::var_os(name).is_some();
        let is_all = match place {
            Place::Sandbox => all.is_some() || is_set("VALKEEPER_SCENARIO") || is_set("VALKEEPER_REPORT"),
            Place::Real => all.is_some_and(|value| value != "sandbox"),
        };
        match (is_all, place) {
            (true, _) => Self::All,
            (false, Place::Sandbox) => Self::Part,
            (false, Place::Real) => Self::Few,
        }
    }

    /// Whether to make the run in which this call of a scenario, by their numbers, fails in this mode. The choice
    /// moves on from call to call, so that each mode is included.
    pub(crate) fn includes(self, scenario: usize, call: usize, mode: Mode) -> bool {
        let number = Mode::ALL.iter().position(|known| *known == mode).unwrap_or_default();
        let turn = 3 * scenario + 5 * call + number;
        match self {
            Self::All => true,
            Self::Part => mode == Mode::CrashAfter || turn.is_multiple_of(8),
            Self::Few => turn.is_multiple_of(16),
        }
    }
}

#[test]
fn sample_meets_every_call_and_every_fault() {
    for scenario in 0..30 {
        for (extent, calls, most) in [(Extent::Part, 8, 4), (Extent::Few, 16, 2)] {
            let modes =
                |call| Mode::ALL.into_iter().filter(move |mode| extent.includes(scenario, call, *mode));
            assert!((0..calls).all(|call| (1..=most).contains(&modes(call).count())), "{extent:?}");
            let met: std::collections::BTreeSet<Mode> = (0..calls).flat_map(modes).collect();
            assert_eq!(met.len(), Mode::ALL.len(), "{extent:?}: {met:?}");
        }
        assert!((0..8).all(|call| Extent::Part.includes(scenario, call, Mode::CrashAfter)));
    }
}
