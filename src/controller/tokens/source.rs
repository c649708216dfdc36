//! Which token a resource uses: its own `authSecretRef`, else the one of its namespace, else the operator's
//! default.

use crate::{controller::secret_tracker::SecretKey, settings::Settings};
use kube::ResourceExt as _;
use valkeeper_api::{Custom, common::SecretKeyReference, field_path::FieldPath, names, validate::Violation};

/// Where to read a token.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::controller) struct TokenSource {
    /// The namespace of the resource.
    pub(in crate::controller) namespace: String,
    /// The resource's own `authSecretRef`.
    pub(in crate::controller) own: Option<SecretKeyReference>,
    /// The resource uses the token of its namespace, and no other takes its place.
    pub(in crate::controller) pinned: bool,
}

impl TokenSource {
    /// Where the token of `object` is.
    pub(in crate::controller) fn of<K: Custom>(settings: &Settings, object: &K) -> Self {
        let own = object.auth_secret_ref();
        let noted = object.annotations().get(names::TOKEN_SECRET);
        let of_namespace = settings.namespace_token_secret.as_deref();
        let uses = |noted: &String| noted.split(',').any(|name| Some(name) == of_namespace);
        Self {
            namespace: object.namespace().unwrap_or_default(),
            own: own.cloned(),
            pinned: own.is_none() && noted.is_some_and(uses),
        }
    }
}

/// The Secret with the token of a namespace must never become one with a connection, not even where it does
/// not exist yet.
pub(in crate::controller) fn misplaced_connection(
    settings: &Settings,
    target: Option<&str>,
) -> Option<Violation> {
    let target = target?;
    (settings.namespace_token_secret.as_deref() == Some(target)).then(|| Violation {
        field: FieldPath::of(&["spec", "connInfoSecretTarget", "name"]),
        value: String::new(),
        rule: format!("{target:?} is the Secret that holds the token of the namespace; choose another name"),
    })
}

/// The Secret in which the token of `object` is, if it is in one.
pub(in crate::controller) fn secret<K: Custom>(settings: &Settings, object: &K) -> Option<SecretKey> {
    let own = object.auth_secret_ref();
    let name = own.map(|reference| &reference.name).or(settings.namespace_token_secret.as_ref())?;
    Some((object.namespace().unwrap_or_default(), name.clone()))
}
