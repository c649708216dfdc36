//! What is promised, and the verdict about it.

use super::counterexample::Counterexample;
use std::fmt;
use std::time::Duration;

/// A promise of a self-hosted cluster, by its number in the guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// A value is there only if a client wrote it and was not refused, once, and in the order of the writes.
    Faithful,
    /// G1: two instances never hold one term.
    OneHolder,
    /// G2: two sides never acknowledge writes at the same time.
    OneSide,
    /// G3: a write that enough replicas confirmed survives.
    Confirmed,
    /// G4: a planned switchover loses no acknowledged write.
    Planned,
    /// G5: an unplanned failover loses at most the end of what the old primary acknowledged.
    LastLag,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Faithful, Self::OneHolder, Self::OneSide, Self::Confirmed, Self::Planned, Self::LastLag];

    /// Its number.
    pub fn number(self) -> &'static str {
        match self {
            Self::Faithful => "G0",
            Self::OneHolder => "G1",
            Self::OneSide => "G2",
            Self::Confirmed => "G3",
            Self::Planned => "G4",
            Self::LastLag => "G5",
        }
    }
}

/// What the judged cluster promises beyond what all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// W: a write that so many replicas confirmed survives. None: nothing is promised about `WAIT`.
    pub confirmed_by: Option<u64>,
    /// What an unplanned failover may lose: writes acknowledged up to so long before the fault.
    pub lag: Duration,
    /// For how long after a fault a primary may acknowledge while it is cut off or has not detected the fault.
    pub cut_off: Duration,
}

impl Default for Promises {
    /// One replica confirms; the lag and the deadlines of the default settings.
    fn default() -> Self {
        Self { confirmed_by: Some(1), lag: Duration::from_secs(1), cut_off: Duration::from_secs(10) }
    }
}

/// One promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How, in a sentence.
    pub what: String,
    /// How many writes or claims break it.
    pub count: usize,
    /// The fewest records that show it.
    pub counterexample: Counterexample,
}

/// What the judge found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The broken promises, each once.
    pub broken: Vec<Broken>,
    /// How many writes were acknowledged.
    pub acknowledged: usize,
    /// How many of them are lost, as far as promised or not.
    pub lost: usize,
    /// How many reigns acknowledged a write.
    pub reigns: usize,
}

impl Verdict {
    /// Whether no promise was broken.
    pub fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }

    /// The broken promises.
    pub fn promises(&self) -> Vec<Promise> {
        self.broken.iter().map(|broken| broken.promise).collect()
    }

    /// The shortest counterexample of all.
    pub fn shortest(&self) -> Option<&Broken> {
        self.broken.iter().min_by_key(|broken| broken.counterexample.len())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.promise.number();
        writeln!(formatter, "{number} is broken {} times: {}", self.count, self.what)?;
        write!(formatter, "{}", self.counterexample)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost, reigns, .. } = self;
        writeln!(formatter, "{acknowledged} writes acknowledged in {reigns} reigns, {lost} of them lost")?;
        let mut sorted: Vec<&Broken> = self.broken.iter().collect();
        sorted.sort_by_key(|broken| broken.counterexample.len());
        sorted.iter().try_for_each(|broken| write!(formatter, "{broken}"))
    }
}
