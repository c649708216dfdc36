//! Access tokens, their permissions, and the decision which secrets a caller sees.

use crate::call::Call;
use crate::config::{Config, SecretDefault};
use crate::reply::Fail;

/// Permissions of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Everything.
    All,
    /// The legacy read-only role: reads succeed, secrets are always `<redacted>`, writes answer 403.
    LegacyReadOnly,
    /// Only the listed permissions, for example `project:services:read`.
    Granular(Vec<String>),
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// Value after `aivenv1` or `Bearer`.
    pub secret: String,
    /// Projects whose member the token owner is; `None` means all.
    pub projects: Option<Vec<String>>,
    /// What the token may do.
    pub permissions: Permissions,
}

impl TokenSpec {
    /// Returns a token with all permissions in all projects.
    pub fn full(secret: &str) -> Self {
        Self { secret: secret.to_owned(), projects: None, permissions: Permissions::All }
    }

    /// Returns a token with granular permissions in all projects.
    pub fn granular(secret: &str, permissions: &[&str]) -> Self {
        let list = permissions.iter().map(|item| (*item).to_owned()).collect();
        Self { permissions: Permissions::Granular(list), ..Self::full(secret) }
    }

    /// Restricts the token to projects.
    #[must_use]
    pub fn in_projects(mut self, projects: &[&str]) -> Self {
        self.projects = Some(projects.iter().map(|item| (*item).to_owned()).collect());
        self
    }

    pub(crate) fn is_member(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|list| list.iter().any(|item| item == project))
    }

    fn holds(&self, permission: &str) -> bool {
        match &self.permissions {
            Permissions::All => true,
            Permissions::LegacyReadOnly => false,
            Permissions::Granular(list) => list.iter().any(|item| {
                // service:secrets:read includes project:services:read. The reference names no other
                // inclusion, so a write permission does not include the read permission here.
                item == permission
                    || (item == "service:secrets:read" && permission == "project:services:read")
            }),
        }
    }

    /// Refuses the call unless the token holds one of the permissions.
    pub(crate) fn require(&self, call: &Call, any_of: &[&str]) -> Result<(), Fail> {
        let allowed = match self.permissions {
            Permissions::LegacyReadOnly => call.method == "GET",
            _ => any_of.iter().any(|item| self.holds(item)),
        };
        if allowed { Ok(()) } else { Err(denied()) }
    }

    fn reads_secrets(&self) -> bool {
        self.holds("service:secrets:read") || self.holds("service:users:write")
    }
}

/// Which secrets an answer contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// All of them.
    Clear,
    /// Connection secrets, but no secrets of `user_config`.
    ConnectionOnly,
    /// None.
    Redacted,
}

fn denied() -> Fail {
    Fail::new(403, "User does not have the required permission").code("permission_denied")
}

/// Decides which secrets a read returns, or refuses the read.
pub(crate) fn visibility(
    config: &Config,
    token: &TokenSpec,
    call: &Call,
    list: bool,
) -> Result<Visibility, Fail> {
    let asked = match call.query.get("include_secrets").map(String::as_str) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Fail::new(400, "Invalid input for include_secrets: must be true or false")),
    };
    if token.permissions == Permissions::LegacyReadOnly {
        return Ok(Visibility::Redacted);
    }
    if config.hide_secrets_everywhere || !token.reads_secrets() {
        return if asked == Some(true) { Err(denied()) } else { Ok(Visibility::Redacted) };
    }
    if list && config.hide_secrets_in_lists {
        return Ok(Visibility::Redacted);
    }
    Ok(match (asked, config.secret_default) {
        (Some(true), _) => Visibility::Clear,
        (Some(false), _) | (None, SecretDefault::Redacted) => Visibility::Redacted,
        // Without the key, secrets of `user_config` "may be" redacted: the harder variant.
        (None, SecretDefault::Shown) => Visibility::ConnectionOnly,
    })
}
