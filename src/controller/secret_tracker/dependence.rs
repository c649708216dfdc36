//! The Secrets that one resource depends on.

/// Namespace and name of a Secret.
pub(in crate::controller) type SecretKey = (String, String);

/// The Secrets that one resource depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct Dependence {
    /// Where its connection is, or should be.
    pub(in crate::controller) connection: Option<SecretKey>,
    /// Where its declared password is.
    pub(in crate::controller) password: Option<SecretKey>,
    /// Where its token is.
    pub(in crate::controller) token: Option<SecretKey>,
}

impl Dependence {
    pub(super) fn keys(&self) -> impl Iterator<Item = &SecretKey> {
        self.connection.iter().chain(&self.password).chain(&self.token)
    }
}
