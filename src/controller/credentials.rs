//! Which token a resource uses: its own `authSecretRef`, else the one of its namespace, else the operator's
//! default. Tokens are read anew for every pass and dropped with it, so that a rotated one is picked up
//! without a restart. A token Secret that is there but unusable is an error, never a reason to fall back
//! to a token with other permissions.

use super::{context::Context, error::PassError, secret_news::Place, token_reads};
use crate::{api::common::SecretKeyReference, engine::Desired, provider::Token, settings::Settings};
use secrecy::{ExposeSecret, SecretString};

/// The last source of tokens, in words for messages.
const OF_OPERATOR: &str = "the operator's default token";

/// Where to read a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TokenSource {
    /// The namespace of the resource.
    pub(super) namespace: String,
    /// The resource's own `authSecretRef`.
    pub(super) own: Option<SecretKeyReference>,
}

/// Reads the token of a source.
pub(super) async fn read(context: &Context, source: &TokenSource) -> Result<Sourced, PassError> {
    Ok(token(context, &source.namespace, source.own.as_ref()).await?)
}

/// A token, and where it came from in words for messages.
#[derive(Clone, Debug)]
pub(super) struct Sourced {
    pub(super) token: Token,
    pub(super) source: String,
}

/// A token that cannot be used, and where it is or should be, in the same words.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) error: PassError,
    pub(super) source: String,
}

impl From<Unusable> for PassError {
    fn from(unusable: Unusable) -> Self {
        unusable.error
    }
}

/// Reads the token for a resource of `namespace` that names `own` as its token.
pub(super) async fn token(
    context: &Context,
    namespace: &str,
    own: Option<&SecretKeyReference>,
) -> Result<Sourced, Unusable> {
    let (text, source) = find(context, namespace, own).await?;
    let usable = |text: SecretString| {
        let token = Token::parse(text.expose_secret())
            .map_err(|error| PassError::Token(format!("{error}. Put a valid token into {source}")))?;
        context.token_pauses.check(&token, &source)?;
        Ok(token)
    };
    match usable(text) {
        Ok(token) => Ok(Sourced { token, source }),
        Err(error) => Err(Unusable { error, source }),
    }
}

/// The text that should be a token, and where it is.
async fn find(
    context: &Context,
    namespace: &str,
    own: Option<&SecretKeyReference>,
) -> Result<(SecretString, String), Unusable> {
    if let Some(reference) = own {
        let found = from_reference(context, namespace, reference).await;
        let source = || source(namespace, &reference.name, &reference.key);
        return found.map_err(|error| Unusable { error, source: source() });
    }
    let settings = &context.settings;
    let source = || {
        let name = settings.namespace_token_secret.as_deref().unwrap_or_default();
        source(namespace, name, &settings.namespace_token_key)
    };
    let found = of_namespace(context, namespace).await;
    match found.map_err(|error| Unusable { error, source: source() })? {
        Some(found) => Ok(found),
        None => {
            of_operator(context).await.map_err(|error| Unusable { error, source: OF_OPERATOR.to_owned() })
        }
    }
}

async fn from_reference(
    context: &Context,
    namespace: &str,
    reference: &SecretKeyReference,
) -> Result<(SecretString, String), PassError> {
    let SecretKeyReference { name, key } = reference;
    let value = token_reads::key(context, namespace, name, key).await?;
    let value = value.ok_or_else(|| {
        PassError::Token(format!(
            "Secret {namespace}/{name}, which spec.authSecretRef names, does not exist. Create it with the token under key {key}"
        ))
    })?;
    let value = value.ok_or_else(|| {
        PassError::Token(format!(
            "Secret {namespace}/{name} has no key {key}. Add the key, or correct spec.authSecretRef.key"
        ))
    })?;
    Ok((value, source(namespace, name, key)))
}

async fn of_namespace(
    context: &Context,
    namespace: &str,
) -> Result<Option<(SecretString, String)>, PassError> {
    let Some(name) = &context.settings.namespace_token_secret else { return Ok(None) };
    let key = &context.settings.namespace_token_key;
    let Some(value) = token_reads::key(context, namespace, name, key).await? else {
        return Ok(None);
    };
    let value = value.ok_or_else(|| {
        PassError::Token(format!(
            "Secret {namespace}/{name}, which holds the token of this namespace, has no key {key}. Add the key, or set spec.authSecretRef"
        ))
    })?;
    Ok(Some((value, source(namespace, name, key))))
}

async fn of_operator(context: &Context) -> Result<(SecretString, String), PassError> {
    let settings = &context.settings;
    let given = settings.default_token.as_ref().filter(|token| !token.expose_secret().trim().is_empty());
    let text = match (given, &settings.default_token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                let path = path.display();
                PassError::Token(format!("Cannot read the operator's default token from {path}: {error}"))
            })?;
            text.into()
        }
        (None, None) => return Err(PassError::Token(no_token(context))),
    };
    Ok((text, OF_OPERATOR.to_owned()))
}

fn no_token(context: &Context) -> String {
    let of_namespace = match &context.settings.namespace_token_secret {
        Some(name) => format!(", create Secret {name} in this namespace"),
        None => String::new(),
    };
    format!(
        "No token: set spec.authSecretRef to a Secret of this namespace{of_namespace}, or give the operator a default token"
    )
}

/// The Secret with the token of a namespace must never become one with a connection, not even where it does
/// not exist yet.
pub(super) fn misplaced_connection(settings: &Settings, desired: &Desired) -> Option<String> {
    let target = &desired.secret.as_ref()?.name;
    (settings.namespace_token_secret.as_ref() == Some(target)).then(|| {
        format!(
            "spec.connInfoSecretTarget.name: {target:?} is the Secret that holds the token of the namespace; choose another name"
        )
    })
}

/// The Secret in which the token of such a resource is, if it is in one.
pub(super) fn secret(
    settings: &Settings,
    namespace: &str,
    own: Option<&SecretKeyReference>,
) -> Option<Place> {
    let name = own.map(|reference| &reference.name).or(settings.namespace_token_secret.as_ref())?;
    Some((namespace.to_owned(), name.clone()))
}

fn source(namespace: &str, name: &str, key: &str) -> String {
    format!("Secret {namespace}/{name}, key {key}")
}
