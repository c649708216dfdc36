//! Passwords that the operator generates.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, names};

/// Letters of a generated password.
const PASSWORD_LENGTH: usize = 32;

/// The Secret with a new password.
pub(super) fn new_password(desired: &Desired) -> Secret {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letter = |_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let password: String = (0..PASSWORD_LENGTH).map(letter).collect();
    let metadata = json!({
        "name": names::password(&desired.name),
        "labels": {names::CLUSTER: desired.name},
        "ownerReferences": [desired.owner()],
    });
    let data = BTreeMap::from([(names::PASSWORD_KEY.to_owned(), ByteString(password.into_bytes()))]);
    Secret {
        metadata: serde_json::from_value(metadata).unwrap_or_default(),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}
