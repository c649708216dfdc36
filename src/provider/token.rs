//! An API token: trimmed when it is read, wiped from memory when it is dropped, and invisible in every
//! `Debug` and `Display`.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, hash::BuildHasher};

/// A token that has the form of one; whether the provider accepts it shows at the first call.
#[derive(Clone)]
pub struct Token(SecretString);

/// Why a text cannot be a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Nothing but white space.
    #[error("the token is empty")]
    Empty,
    /// Contains characters that no token has, such as a line break inside.
    #[error("the token contains characters that cannot be sent in a header")]
    Unsendable,
}

impl Token {
    /// Reads a token as people store it, with or without a trailing line break.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unsendable);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The value of the `Authorization` header, marked so that no HTTP layer prints it.
    pub(super) fn header(&self) -> Result<HeaderValue, TokenError> {
        let text = SecretString::from(format!("aivenv1 {}", self.0.expose_secret()));
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| TokenError::Unsendable)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A number that distinguishes tokens without revealing them.
    pub fn fingerprint(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(self.0.expose_secret())
    }

    /// The token itself, for removing it from texts.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_token_does_not_matter() {
        assert_eq!(Token::parse(" abc=\n").unwrap(), Token::parse("abc=").unwrap());
        assert_eq!(Token::parse(" \n").unwrap_err(), TokenError::Empty);
        assert_eq!(Token::parse("a\nb").unwrap_err(), TokenError::Unsendable);
        assert_eq!(Token::parse("pässwort").unwrap_err(), TokenError::Unsendable);
    }

    #[test]
    fn a_token_never_shows() {
        let token = Token::parse("canary").unwrap();
        assert!(!format!("{token:?} {:?}", token.header().unwrap()).contains("canary"));
    }
}
