//! Who may do what: tokens, their projects and permissions, and the rate limit. Guarantees that a
//! token's value leaves this file only as a yes or no.

use super::clock::{Moment, after};
use super::options::{ProviderOptions, RateLimit, TokenSpec};
use super::outcome::ApiError;
use super::secret::Secret;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Permissions that include another one.
const INCLUDED: [(&str, &str); 1] = [("service:secrets:read", "project:services:read")];

/// A token that is accepted.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) name: String,
    value: Secret,
    projects: Option<BTreeSet<String>>,
    permissions: Option<BTreeSet<String>>,
}

impl Token {
    pub(super) fn sees(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.contains(project))
    }

    pub(super) fn may(&self, permission: &str) -> bool {
        let Some(granted) = &self.permissions else { return true };
        granted.contains(permission)
            || INCLUDED.iter().any(|(wide, narrow)| *narrow == permission && granted.contains(*wide))
    }

    /// Whether the token has any of `permissions`; an empty list requires none.
    pub(super) fn may_any(&self, permissions: &[&str]) -> bool {
        permissions.is_empty() || permissions.iter().any(|permission| self.may(permission))
    }

    pub(super) fn may_read_secrets(&self) -> bool {
        self.may_any(&["service:secrets:read", "service:users:write"])
    }
}

/// Access control and the pace of answers.
pub(super) struct Control {
    tokens: Vec<Arc<Token>>,
    /// Tokens that are refused until they are restored.
    suspended: Vec<Arc<Token>>,
    pub(super) latency: Duration,
    pub(super) time_per_request: Duration,
    rate_limit: Option<RateLimit>,
    windows: HashMap<String, (Moment, u32)>,
}

impl Control {
    pub(super) fn new(options: &ProviderOptions) -> Self {
        let mut control = Self {
            tokens: Vec::new(),
            suspended: Vec::new(),
            latency: options.latency,
            time_per_request: Duration::ZERO,
            rate_limit: options.rate_limit,
            windows: HashMap::new(),
        };
        options.tokens.iter().for_each(|token| control.add_token(token));
        control
    }

    /// Adds a token, or replaces the one with the same name.
    pub(super) fn add_token(&mut self, spec: &TokenSpec) {
        self.revoke_token(&spec.name);
        self.tokens.push(Arc::new(Token {
            name: spec.name.clone(),
            value: Secret::new(&spec.value),
            projects: spec.projects.clone(),
            permissions: spec.permissions.clone(),
        }));
    }

    /// Whether a token of that name existed.
    pub(super) fn revoke_token(&mut self, name: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.name != name);
        self.tokens.len() < before
    }

    /// Names of all tokens, and whether they are accepted.
    pub(super) fn token_names(&self) -> Vec<(String, bool)> {
        let list = |tokens: &[Arc<Token>], accepted| {
            tokens.iter().map(|token| (token.name.clone(), accepted)).collect::<Vec<_>>()
        };
        let mut names = [list(&self.tokens, true), list(&self.suspended, false)].concat();
        names.sort();
        names
    }

    /// Refuses a token until it is restored; whether there was one to refuse.
    pub(super) fn suspend_token(&mut self, name: &str) -> bool {
        let taken: Vec<_> = self.tokens.extract_if(.., |token| token.name == name).collect();
        let any = !taken.is_empty();
        self.suspended.extend(taken);
        any
    }

    /// Accepts a token again; whether there was one to accept.
    pub(super) fn restore_token(&mut self, name: &str) -> bool {
        let taken: Vec<_> = self.suspended.extract_if(.., |token| token.name == name).collect();
        let any = !taken.is_empty();
        self.tokens.extend(taken);
        any
    }

    /// The token in an `Authorization` header.
    pub(super) fn authenticate(&self, header: Option<&str>) -> Result<Arc<Token>, ApiError> {
        let denied = || ApiError::new(401, "Invalid token").code("authentication_failed");
        let (scheme, value) = header.and_then(|header| header.split_once(' ')).ok_or_else(denied)?;
        if !scheme.eq_ignore_ascii_case("aivenv1") && !scheme.eq_ignore_ascii_case("bearer") {
            return Err(denied());
        }
        self.tokens.iter().find(|token| token.value.expose() == value).cloned().ok_or_else(denied)
    }

    /// Counts a request against the token's limit.
    pub(super) fn admit(&mut self, token: &Token, now: Moment) -> Result<(), ApiError> {
        let Some(limit) = self.rate_limit else { return Ok(()) };
        let window = self.windows.entry(token.name.clone()).or_insert((now, 0));
        if after(window.0, limit.per) <= now {
            *window = (now, 0);
        }
        window.1 += 1;
        if window.1 > limit.requests { Err(ApiError::new(429, "Too many requests")) } else { Ok(()) }
    }

    pub(super) fn set_rate_limit(&mut self, limit: Option<RateLimit>) {
        self.rate_limit = limit;
        self.windows.clear();
    }
}
