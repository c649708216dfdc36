//! Which calls go wrong, and how, and what is disturbed all along, as one line such as
//! `read-lag=3s,2:CrashAfter,9:404Page*5,e0:Hang`.

use super::disturbance::Disturbance;
use super::mode::Mode;
use std::fmt;
use std::str::FromStr;

/// Calls that are numbered on their own. The order of calls is the same in every run within a lane; an
/// event is sent beside the work, so its place among the other calls is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Everything that a decision depends on or leads to.
    Work,
    /// Kubernetes events.
    Events,
    /// Lists, watches and leases: what runs all the time.
    Background,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Work, Self::Events, Self::Background];

    fn prefix(self) -> &'static str {
        match self {
            Self::Work => "",
            Self::Events => "e",
            Self::Background => "b",
        }
    }
}

/// One call: its lane and its number there, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The lane.
    pub lane: Lane,
    /// The number.
    pub number: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.lane.prefix(), self.number)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        let prefix = &text[..text.len() - digits.len()];
        let lane = Lane::ALL.into_iter().find(|lane| lane.prefix() == prefix);
        match (lane, digits.parse()) {
            (Some(lane), Ok(number)) => Ok(Self { lane, number }),
            _ => Err(format!("{text:?} does not name a call")),
        }
    }
}

/// Faults by the calls they happen at, and lasting disturbances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Schedule {
    faults: Vec<Scheduled>,
    disturbances: Vec<Disturbance>,
}

/// What goes wrong from one call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scheduled {
    place: Place,
    pub(super) mode: Mode,
    /// One call, or so many calls to the provider in a row.
    pub(super) times: u32,
}

impl Schedule {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault at a call of the [`Lane::Work`].
    pub fn single(number: usize, mode: Mode) -> Self {
        Self::none().and(Place { lane: Lane::Work, number }, mode)
    }

    /// This and one more.
    #[must_use]
    pub fn and(self, place: Place, mode: Mode) -> Self {
        self.and_repeated(place, mode, 1)
    }

    /// This, and `times` calls to the provider in a row that go wrong from `place` on.
    #[must_use]
    pub fn and_repeated(mut self, place: Place, mode: Mode, times: u32) -> Self {
        self.faults.push(Scheduled { place, mode, times });
        self
    }

    /// This under a disturbance that lasts.
    #[must_use]
    pub fn under(mut self, disturbance: Disturbance) -> Self {
        self.disturbances.push(disturbance);
        self
    }

    /// Only what is disturbed all along.
    #[must_use]
    pub fn without_faults(&self) -> Self {
        Self { faults: Vec::new(), disturbances: self.disturbances.clone() }
    }

    /// What is disturbed for as long as the plan is armed.
    pub fn disturbances(&self) -> &[Disturbance] {
        &self.disturbances
    }

    /// Reads the line that `Display` writes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut schedule = Self::none();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((place, fault)) = part.split_once(':') else {
                schedule.disturbances.push(part.parse()?);
                continue;
            };
            let (mode, times) = match fault.trim().split_once('*') {
                Some((mode, times)) => {
                    (mode, times.parse().map_err(|_| format!("{times:?} is not a number"))?)
                }
                None => (fault.trim(), 1),
            };
            schedule = schedule.and_repeated(place.trim().parse()?, mode.parse()?, times);
        }
        Ok(schedule)
    }

    /// The fault at a call, if one is left there; it happens once.
    pub(super) fn take(&mut self, place: Place) -> Option<Scheduled> {
        let index = self.faults.iter().position(|fault| fault.place == place)?;
        Some(self.faults.remove(index))
    }

    /// How many faults have not happened.
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Whether all have happened.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Scheduled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.place, self.mode)?;
        if self.times == 1 { Ok(()) } else { write!(formatter, "*{}", self.times) }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.disturbances.iter().map(ToString::to_string);
        let parts: Vec<String> = parts.chain(self.faults.iter().map(ToString::to_string)).collect();
        formatter.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_back_as_it_prints() {
        let mut line: Vec<String> = Disturbance::examples().iter().map(ToString::to_string).collect();
        for (number, mode) in Mode::ALL.into_iter().enumerate() {
            line.push(format!("{number}:{mode}"));
        }
        let line = format!("{},e0:Hang,b3:410,7:404Page*12", line.join(","));
        assert_eq!(Schedule::parse(&line).unwrap().to_string(), line);
        assert!(Schedule::parse(" ").unwrap().is_empty());
        for wrong in ["1", "1:", "x1:500", "1:Nothing", ":500", "1:200", "1:404Later", "1:500*x", "read-lag"]
        {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_fault_happens_once() {
        let mut schedule = Schedule::parse("2:500,2:Hang").unwrap();
        let place = Place { lane: Lane::Work, number: 2 };
        let mut take = || schedule.take(place).map(|fault| fault.mode);
        assert_eq!([take(), take(), take()], [Some(Mode::Status(500)), Some(Mode::Hang), None]);
    }
}
