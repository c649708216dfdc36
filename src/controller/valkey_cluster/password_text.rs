//! Passwords as texts: from a Secret, and new ones.

use crate::cluster::secrets;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use secrecy::SecretString;
use valkeeper_cluster::names::ROTATE_PASSWORD;

/// Letters of a generated password.
const PASSWORD_LENGTH: usize = 32;

/// Letters that cannot be guessed.
pub(in crate::controller) fn random_word() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letter = |_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    (0..PASSWORD_LENGTH).map(letter).collect()
}

/// The password in this Secret under this key, which `field` names; in words, why there is none.
pub(in crate::controller) fn password_in(
    secret: Option<&Secret>,
    (name, key): (&str, &str),
    field: &str,
) -> Result<SecretString, String> {
    let secret =
        secret.ok_or_else(|| format!("Secret {name} does not exist. Create it, or correct {field}."))?;
    match secrets::text(secret, key).map(|text| text.trim_end_matches('\n').to_owned()) {
        Some(text) if !text.is_empty() && !text.contains(['\n', '\r', '\0']) => Ok(text.into()),
        Some(_) => Err(format!(
            "Key {key} of Secret {name} is empty or has several lines. Set a password of one line."
        )),
        None => Err(format!("Secret {name} has no key {key}. Add it, or correct {field}.")),
    }
}

/// Whether this request is for another generated password than the one in this Secret.
pub(in crate::controller) fn is_due(request: Option<&String>, secret: Option<&Secret>) -> bool {
    let noted = |secret: &Secret| secret.annotations().get(ROTATE_PASSWORD) == request;
    request.is_some() && secret.is_some_and(|secret| !noted(secret))
}
