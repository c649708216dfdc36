//! Errors of calls to a server, in one enum with classes for decisions of callers. No error contains an argument of a
//! command, which may be a password.

use std::io;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be reached, or the connection has ended.
    #[error("cannot reach the server: {0}")]
    Unreachable(#[from] io::Error),
    /// There was no answer in time.
    #[error("no answer to {0} in time")]
    TimedOut(String),
    /// The answer is not RESP, or not what the command answers.
    #[error("unexpected answer to {command}: {reason}")]
    Malformed {
        /// The command's name.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server answered with an error.
    #[error("the server refused {command}: {answer}")]
    Refused {
        /// The command's name.
        command: String,
        /// The server's text.
        answer: String,
    },
}

/// What an error means for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Connect again later; whether the command was executed is unknown.
    Unreachable,
    /// The server loads its data, runs a script or has lost its primary; the command was not executed.
    Busy,
    /// The credentials are missing, wrong, or do not permit the command.
    Denied,
    /// The server is a replica or held; the command was not executed.
    ReadOnly,
    /// The server understands the command and refuses it.
    Refused,
    /// The other side is not a server of the kind expected.
    Malformed,
}

impl Error {
    /// The class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) => ErrorClass::Unreachable,
            Self::Malformed { .. } => ErrorClass::Malformed,
            Self::Refused { answer, .. } => class_of(answer),
        }
    }

    /// Whether the connection can be used for another call.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Servers put a code in front of the text; it is the part that is documented.
fn class_of(answer: &str) -> ErrorClass {
    match answer.split_whitespace().next().unwrap_or_default() {
        "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "NOMASTERLINK" => ErrorClass::Busy,
        "NOAUTH" | "WRONGPASS" | "NOPERM" => ErrorClass::Denied,
        "READONLY" => ErrorClass::ReadOnly,
        _ => ErrorClass::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_follows_code_of_answer() {
        let table = [
            ("LOADING Redis is loading the dataset in memory", ErrorClass::Busy),
            ("BUSY Redis is busy running a script.", ErrorClass::Busy),
            ("NOAUTH Authentication required.", ErrorClass::Denied),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorClass::Denied),
            ("READONLY You can't write against a read only replica.", ErrorClass::ReadOnly),
            ("ERR unknown command", ErrorClass::Refused),
            ("", ErrorClass::Refused),
        ];
        for (answer, class) in table {
            let error = Error::Refused { command: "SET".to_owned(), answer: answer.to_owned() };
            assert_eq!(error.class(), class, "{answer}");
        }
        assert_eq!(Error::TimedOut("INFO".to_owned()).class(), ErrorClass::Unreachable);
    }
}
