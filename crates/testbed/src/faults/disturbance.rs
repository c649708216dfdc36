//! Lasting disturbances: what the provider or the API server does differently for as long as a plan is
//! armed, each written as one word such as `read-lag=3s`. What goes wrong with single calls is [`super::Mode`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A condition under which an operator has to work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Disturbance {
    /// Reads of the provider's API lag this far behind writes.
    ReadLag(Duration),
    /// Watches of custom resources deliver each change this much later.
    WatchLag(Duration),
    /// Lists of services contain only the fields that the API guarantees.
    BareLists,
    /// Lists of services hide secrets, whether the request wants them or not.
    RedactedLists,
    /// Lists contain the service with this name in a form that does not decode.
    BrokenListEntry(String),
    /// Each project contains this many foreign services.
    ForeignServices(u32),
    /// A policy of the provider adds a tag to every service, and adds it again when it is removed.
    ForeignTag,
    /// The provider stores networks without host bits, and IPv6 and email addresses in lower case.
    NormalizedValues,
    /// The status of the refusal to change the disk size during a rebuild, which is 409 otherwise.
    DiskRefusal(u16),
    /// The provider answers 404 for a migration that failed a while ago.
    ForgottenMigrations,
}

impl Disturbance {
    /// Each disturbance once, with a typical value.
    pub fn examples() -> Vec<Self> {
        let lag = Duration::from_secs(3);
        vec![
            Self::ReadLag(lag),
            Self::WatchLag(lag),
            Self::BareLists,
            Self::RedactedLists,
            Self::BrokenListEntry("cache".to_owned()),
            Self::ForeignServices(50),
            Self::ForeignTag,
            Self::NormalizedValues,
            Self::DiskRefusal(400),
            Self::ForgottenMigrations,
        ]
    }

    fn word(&self) -> &'static str {
        match self {
            Self::ReadLag(_) => "read-lag",
            Self::WatchLag(_) => "watch-lag",
            Self::BareLists => "bare-lists",
            Self::RedactedLists => "redacted-lists",
            Self::BrokenListEntry(_) => "broken-list-entry",
            Self::ForeignServices(_) => "foreign-services",
            Self::ForeignTag => "foreign-tag",
            Self::NormalizedValues => "normalized-values",
            Self::DiskRefusal(_) => "disk-refusal",
            Self::ForgottenMigrations => "forgotten-migrations",
        }
    }

    fn value(&self) -> Option<String> {
        match self {
            Self::ReadLag(lag) | Self::WatchLag(lag) => Some(humantime::format_duration(*lag).to_string()),
            Self::BrokenListEntry(name) => Some(name.clone()),
            Self::ForeignServices(count) => Some(count.to_string()),
            Self::DiskRefusal(status) => Some(status.to_string()),
            Self::BareLists
            | Self::RedactedLists
            | Self::ForeignTag
            | Self::NormalizedValues
            | Self::ForgottenMigrations => None,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())?;
        self.value().map_or(Ok(()), |value| write!(formatter, "={value}"))
    }
}

impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, value) = text.split_once('=').map_or((text, None), |(word, value)| (word, Some(value)));
        let refused = || format!("{text:?} is not a disturbance such as {}", examples());
        let known = Self::examples().into_iter().find(|known| known.word() == word).ok_or_else(refused)?;
        let read = match (known, value) {
            (Self::ReadLag(_), Some(value)) => duration(value).map(Self::ReadLag),
            (Self::WatchLag(_), Some(value)) => duration(value).map(Self::WatchLag),
            (Self::BrokenListEntry(_), Some(name)) => {
                (!name.is_empty()).then(|| Self::BrokenListEntry(name.to_owned()))
            }
            (Self::ForeignServices(_), Some(value)) => value.parse().ok().map(Self::ForeignServices),
            (Self::DiskRefusal(_), Some(value)) => {
                value.parse().ok().filter(|status| (400..600).contains(status)).map(Self::DiskRefusal)
            }
            (known, None) if known.value().is_none() => Some(known),
            _ => None,
        };
        read.ok_or_else(refused)
    }
}

fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

fn examples() -> String {
    Disturbance::examples().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbance_parses_from_its_display_form() {
        for disturbance in Disturbance::examples() {
            assert_eq!(disturbance.to_string().parse(), Ok(disturbance));
        }
    }

    #[test]
    fn disturbance_with_wrong_value_is_refused_with_examples() {
        for wrong in [
            "",
            "lag",
            "read-lag",
            "read-lag=soon",
            "bare-lists=1",
            "disk-refusal=200",
            "foreign-services=-1",
        ] {
            let refusal = wrong.parse::<Disturbance>().unwrap_err();
            assert!(refusal.contains("read-lag=3s"), "{refusal}");
        }
    }
}
