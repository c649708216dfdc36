//! What a session needs to know for one command: who may ask, and what the manager says about itself.

use super::session::Host;
use crate::access::{Access, MONITOR};

/// Who may log in.
pub(crate) enum Login {
    /// Everybody, without a password.
    Open,
    /// Clients with a password.
    With(Access),
    /// Nobody: what is needed to judge cannot be read.
    Closed,
}

/// What a session needs to know for one command.
pub(crate) struct Asked {
    pub(super) login: Login,
    pub(super) open: bool,
    pub(super) cluster: String,
    pub(super) id: String,
}

impl Host for Asked {
    fn accepts(&self, password: &[u8]) -> Option<bool> {
        match &self.login {
            Login::Open => None,
            Login::With(access) => Some(access.accepts(password)),
            Login::Closed => Some(false),
        }
    }

    fn is_peer(&self, user: &[u8], password: &[u8]) -> bool {
        let Login::With(access) = &self.login else { return false };
        user == MONITOR.as_bytes() && access.is_of_servers(password)
    }

    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn is_open(&self) -> bool {
        self.open || matches!(self.login, Login::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_let_in_while_passwords_cannot_be_read() {
        let host = |login| Asked { login, open: false, cluster: String::new(), id: String::new() };
        let access = Access {
            revision: String::new(),
            clients: vec![crate::access::hash(b"word")],
            servers: "own".to_owned(),
        };
        let with = host(Login::With(access));
        assert_eq!((with.accepts(b"word"), with.accepts(b"own")), (Some(true), Some(false)));
        for (user, password, is_peer) in [
            ("valkeeper-monitor", "own", true),
            ("valkeeper-monitor", "word", false),
            ("default", "own", false),
        ] {
            assert_eq!(with.is_peer(user.as_bytes(), password.as_bytes()), is_peer, "{user} {password}");
        }
        assert_eq!(host(Login::Closed).accepts(b"word"), Some(false));
        let open = host(Login::Open);
        assert_eq!((open.accepts(b"x"), open.is_open(), with.is_open()), (None, true, false));
    }
}
