//! The ways in which one call can go wrong.

use super::plan::Side;
use std::fmt;
use std::str::FromStr;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The operator ends before the call is made.
    CrashBefore,
    /// The call takes effect, and the operator ends before it receives the answer.
    CrashAfter,
    /// The call takes effect, and the connection breaks instead of an answer.
    LostResponse,
    /// The connection breaks before the call takes effect.
    Reset,
    /// Nothing happens and no answer ever comes.
    Hang,
    /// The call takes effect, and its answer arrives in drips.
    SlowBody,
    /// The call takes effect, and its answer ends half-way.
    Truncated,
    /// The call takes effect, and its answer is not JSON.
    Malformed,
    /// The call takes effect, and its answer is far too large.
    Oversized,
    /// Refused with this status.
    Status(u16),
    /// The call takes effect, and is answered with this status nevertheless.
    StatusAfter(u16),
    /// No answer comes, and the call takes effect after the caller's timeout.
    Late,
    /// A proxy answers with an HTML page and this status.
    Page(u16),
    /// The provider answers 404 because it does not find the project.
    ProjectMissing,
}

impl Mode {
    /// Every mode, with the statuses that mean something of their own.
    pub const ALL: [Self; 21] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::LostResponse,
        Self::Reset,
        Self::Hang,
        Self::SlowBody,
        Self::Truncated,
        Self::Malformed,
        Self::Oversized,
        Self::Status(500),
        Self::StatusAfter(504),
        Self::Status(503),
        Self::Status(429),
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(409),
        Self::Late,
        Self::Page(404),
        Self::Page(502),
        Self::ProjectMissing,
    ];

    /// Whether a call to `side` can go wrong in this way.
    pub fn suits(self, side: Side) -> bool {
        side == Side::Provider || !matches!(self, Self::Late | Self::ProjectMissing)
    }

    /// Whether the call takes effect before it is answered.
    pub fn executes(self) -> bool {
        match self {
            Self::CrashBefore
            | Self::Reset
            | Self::Hang
            | Self::Status(_)
            | Self::Late
            | Self::Page(_)
            | Self::ProjectMissing => false,
            Self::CrashAfter
            | Self::LostResponse
            | Self::SlowBody
            | Self::Truncated
            | Self::Malformed
            | Self::Oversized
            | Self::StatusAfter(_) => true,
        }
    }

    /// Whether the operator ends.
    pub fn crashes(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(formatter, "{code}"),
            Self::StatusAfter(code) => write!(formatter, "{code}After"),
            Self::Page(code) => write!(formatter, "{code}Page"),
            other => write!(formatter, "{other:?}"),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(found) = Self::ALL.into_iter().find(|mode| mode.to_string() == text) {
            return Ok(found);
        }
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let code = digits.parse().ok().filter(|code| (400..600).contains(code));
        match (code, &text[digits.len()..]) {
            (Some(code), "After") => Ok(Self::StatusAfter(code)),
            (Some(code), "Page") => Ok(Self::Page(code)),
            (Some(code), "") => Ok(Self::Status(code)),
            _ => Err(format!("{text:?} is neither a mode nor a status")),
        }
    }
}
