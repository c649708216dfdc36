//! What was observed of a `ServiceUser`. Passwords are invisible in `Debug`.

use super::access::Access;
use crate::observed::{Connection, ConnectionSecret, ServiceState};
use secrecy::SecretString;
use std::{collections::BTreeSet, fmt};

/// What was observed of a `ServiceUser`.
#[derive(Debug, Default)]
pub struct ObservedServiceUser {
    /// The service; none if it was not read yet.
    pub service: Option<ServiceOfUser>,
    /// What other resources say of the same user.
    pub claims: Claims,
    /// The last creation was refused, and the note of it could not be taken back.
    pub creation_was_refused: bool,
    /// Aiven does not show the user yet to those who change it.
    pub is_invisible: bool,
    /// What the last reads did not show does not exist, and no earlier request can bring it about any more.
    pub absence_is_certain: bool,
    /// The password that is declared.
    pub password: PasswordSeen,
    /// The password was accepted, and reads may not show it yet.
    pub password_is_pending: bool,
    /// The access control was accepted, and reads may not show it yet.
    pub access_is_pending: bool,
    /// The password was accepted, reads do not show it although there was time for it, and it is not time to send it again.
    pub password_is_ignored: bool,
    /// What Aiven answered to this password, if it refused it, and it is not time to send it again.
    pub password_refused: Option<String>,
    /// What Aiven answered to this access control, if it refused it, and it is not time to send it again.
    pub access_refused: Option<String>,
    /// What Aiven answered to the question for the certificate of the project's authority, if it refused it.
    pub authority_refused: Option<String>,
    /// The connection Secret.
    pub secret: ConnectionSecret,
    /// The Secret with the token is protected.
    pub token_is_held: bool,
    /// Those of its token Secrets that are protected from deletion; none when they were not read.
    pub held_names: Option<BTreeSet<String>>,
    /// Aiven accepted a deletion a moment ago.
    pub deletion_requested: bool,
    /// The object was read from the API server, not from a cache, in this reconciliation.
    pub object_is_live: bool,
}

/// What other resources say of the same user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claims {
    /// They were not read yet.
    #[default]
    Unknown,
    /// No other resource manages it.
    None,
    /// One does.
    Other(Claim),
}

/// Another resource that stands for the same user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its kind, namespace and name.
    pub resource: String,
    /// It comes before this resource. Of two that manage the user, one does.
    pub comes_first: bool,
}

/// The service that the user belongs to.
#[derive(Debug)]
pub enum ServiceOfUser {
    /// Aiven reports that it does not exist.
    Absent,
    /// It exists.
    Present(Box<SeenService>),
}

/// A service, as far as its users are concerned.
#[derive(Debug)]
pub struct SeenService {
    /// `valkey`, `redis`, or another type.
    pub service_type: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// How to connect, with the password of the user; none until both are known.
    pub connection: Option<Connection>,
    /// The token may not read credentials.
    pub credentials_are_withheld: bool,
    /// The user.
    pub user: UserOfService,
}

/// The user, among those of its service.
#[derive(Debug)]
pub enum UserOfService {
    /// The answer did not contain the users.
    Unlisted,
    /// It is not among them.
    Absent,
    /// It exists.
    Present(SeenServiceUser),
}

/// A user at Aiven.
#[derive(Clone, Default)]
pub struct SeenServiceUser {
    /// Its type, as Aiven names it.
    pub user_type: Option<String>,
    /// Its password; none where Aiven does not show it.
    pub password: Option<SecretString>,
    /// What it may do.
    pub access: Access,
}

impl fmt::Debug for SeenServiceUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeenServiceUser").field("user_type", &self.user_type).finish_non_exhaustive()
    }
}

/// The Secret with the password that is declared.
#[derive(Debug, Default)]
pub enum PasswordSeen {
    /// Not read yet.
    #[default]
    Unknown,
    /// It cannot be used; why, and what to do.
    Unusable(String),
    /// The password.
    Present(SecretString),
}
