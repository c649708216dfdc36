//! Which calls go wrong, and how, as one line such as `2:CrashAfter,9:500,e0:Hang`.

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

/// Faults by the calls they happen at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Schedule(Vec<(Place, Mode)>);

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
    pub fn and(mut self, place: Place, mode: Mode) -> Self {
        self.0.push((place, mode));
        self
    }

    /// Reads the line that `Display` writes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |part: &str| {
            let (place, mode) = part.split_once(':').ok_or(format!("{part:?} is not CALL:MODE"))?;
            Ok((place.trim().parse()?, mode.trim().parse()?))
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(fault).collect::<Result<_, _>>().map(Self)
    }

    /// The fault at a call, if one is left there; it happens once.
    pub(super) fn take(&mut self, place: Place) -> Option<Mode> {
        let index = self.0.iter().position(|(at, _)| *at == place)?;
        Some(self.0.remove(index).1)
    }

    /// How many faults have not happened.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all have happened.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, mode)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{place}:{mode}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_back_as_it_prints() {
        let mut line = Vec::new();
        for (number, mode) in Mode::ALL.into_iter().enumerate() {
            line.push(format!("{number}:{mode}"));
        }
        let line = format!("{},e0:Hang,b3:410", line.join(","));
        assert_eq!(Schedule::parse(&line).unwrap().to_string(), line);
        assert!(Schedule::parse(" ").unwrap().is_empty());
        for wrong in ["1", "1:", "x1:500", "1:Nothing", ":500", "1:200"] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_fault_happens_once() {
        let mut schedule = Schedule::parse("2:500,2:Hang").unwrap();
        let place = Place { lane: Lane::Work, number: 2 };
        assert_eq!(schedule.take(place), Some(Mode::Status(500)));
        assert_eq!(schedule.take(place), Some(Mode::Hang));
        assert_eq!(schedule.take(place), None);
    }
}
