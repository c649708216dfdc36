//! Scripted misbehaviour: which requests go wrong, how often, and how. Rules apply in the order of their addition,
//! and each rule is used up exactly as often as requested.

use regex::Regex;
use std::collections::VecDeque;
use std::time::Duration;

/// Which requests a script applies to.
#[derive(Debug, Clone)]
pub struct Matcher {
    method: Option<String>,
    path: Regex,
}

impl Matcher {
    /// Requests with this method (any if `None`) whose path contains a match of `path`.
    pub fn new(method: Option<&str>, path: &str) -> anyhow::Result<Self> {
        Ok(Self { method: method.map(str::to_ascii_uppercase), path: Regex::new(path)? })
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|expected| expected == method) && self.path.is_match(path)
    }
}

/// A fault. `executed` states whether the request takes effect first.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An error in the provider's shape.
    Status {
        /// HTTP status.
        code: u16,
        /// Message of the error.
        message: String,
        /// `error_code` of the error.
        error_code: Option<&'static str>,
        /// `Retry-After` in seconds.
        retry_after: Option<u64>,
        /// Whether the request takes effect nevertheless.
        executed: bool,
    },
    /// An error page that is not JSON, as a proxy in front of the API sends it.
    ProxyPage {
        /// HTTP status.
        code: u16,
    },
    /// 404: the project does not exist, or does not exist yet.
    ProjectMissing,
    /// No answer; the request takes effect some time after the client's timeout.
    Late {
        /// How long after.
        after: Duration,
    },
    /// No answer ever.
    Hang {
        /// Whether the request takes effect nevertheless.
        executed: bool,
    },
    /// The connection is closed without an answer.
    CloseConnection {
        /// Whether the request takes effect nevertheless: the answer is lost.
        executed: bool,
    },
    /// The answer is delayed; then it is correct.
    Delay(Duration),
    /// The answer takes effect but ends in the middle of its body.
    TruncatedBody,
    /// The request takes effect but the body of the answer is not JSON.
    MalformedJson,
    /// The request takes effect but the body of the answer has at least this many bytes.
    OversizedBody(usize),
    /// The request takes effect and its answer arrives one byte per pause.
    SlowBody(Duration),
}

impl Fault {
    /// An error in the provider's shape, before the request takes effect.
    pub fn status(code: u16, message: impl Into<String>) -> Self {
        Self::Status { code, message: message.into(), error_code: None, retry_after: None, executed: false }
    }

    /// Whether the request takes effect before it is answered.
    pub(super) fn executes(&self) -> bool {
        match self {
            Self::Status { executed, .. } | Self::Hang { executed } | Self::CloseConnection { executed } => {
                *executed
            }
            Self::ProxyPage { .. } | Self::ProjectMissing | Self::Late { .. } => false,
            Self::Delay(_)
            | Self::TruncatedBody
            | Self::MalformedJson
            | Self::OversizedBody(_)
            | Self::SlowBody(_) => true,
        }
    }
}

/// The scripts that are not used up.
#[derive(Default)]
pub(super) struct Script {
    rules: VecDeque<Rule>,
}

struct Rule {
    matcher: Matcher,
    remaining: u32,
    fault: Fault,
}

impl Script {
    pub(super) fn add(&mut self, matcher: Matcher, times: u32, fault: Fault) {
        if times > 0 {
            self.rules.push_back(Rule { matcher, remaining: times, fault });
        }
    }

    /// The fault of the first rule that matches, which is then used up once.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let index = self.rules.iter().position(|rule| rule.matcher.matches(method, path))?;
        let rule = self.rules.get_mut(index)?;
        rule.remaining -= 1;
        let fault = rule.fault.clone();
        if rule.remaining == 0 {
            self.rules.remove(index);
        }
        Some(fault)
    }

    pub(super) fn remaining(&self) -> u32 {
        self.rules.iter().map(|rule| rule.remaining).sum()
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }
}
