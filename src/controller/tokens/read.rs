//! Reads the token of a resource. Tokens are read again for every reconciliation and dropped with it, so that a
//! rotated one is picked up without a restart. A token Secret that is there but unusable is an error, never a
//! reason to fall back to a token with other permissions; and neither is one that is gone, once a resource uses
//! it.

use super::source::TokenSource;
use crate::{
    cluster::token_secret,
    controller::{context::Context, error::ReconcileError},
    provider::Token,
};
use secrecy::{ExposeSecret, SecretString};
use valkeeper_api::common::SecretKeyReference;

/// The last source of tokens, in words for messages.
pub(in crate::controller) const OF_OPERATOR: &str = "the operator's default token";

/// A token, and where it came from.
#[derive(Clone, Debug)]
pub(in crate::controller) struct Sourced {
    pub(in crate::controller) token: Token,
    /// In words for messages.
    pub(in crate::controller) source: String,
    /// The name of the Secret, if it came from one.
    pub(in crate::controller) secret: Option<String>,
}

/// The text that should be a token, and where it is.
struct Text {
    value: SecretString,
    source: String,
    secret: Option<String>,
}

/// A token that cannot be used, and where it is or should be, in the same words.
#[derive(Debug)]
pub(in crate::controller) struct Unusable {
    pub(in crate::controller) error: ReconcileError,
    pub(in crate::controller) source: String,
}

impl From<Unusable> for ReconcileError {
    fn from(unusable: Unusable) -> Self {
        unusable.error
    }
}

/// Reads the token of a source.
pub(in crate::controller) async fn token(
    context: &Context,
    source: &TokenSource,
) -> Result<Sourced, Unusable> {
    let Text { value, source, secret } = find(context, source).await?;
    let usable = |text: SecretString| {
        let token = Token::parse(text.expose_secret()).map_err(|error| {
            ReconcileError::Token(format!(
                "Cannot use the token in {source}: {error}. Write a valid token there."
            ))
        })?;
        context.token_pauses.check(&token, &source)?;
        Ok(token)
    };
    match usable(value) {
        Ok(token) => Ok(Sourced { token, source, secret }),
        Err(error) => Err(Unusable { error, source }),
    }
}

impl Context {
    /// The token in this Secret and key of a namespace, else the one that resources without a reference use there.
    /// The error names the fix.
    pub async fn token_for_reading(
        &self,
        namespace: &str,
        secret: Option<(&str, &str)>,
    ) -> Result<Token, String> {
        let own = secret.map(|(name, key)| SecretKeyReference { name: name.to_owned(), key: key.to_owned() });
        let source = TokenSource { namespace: namespace.to_owned(), own, pinned: false };
        let found = token(self, &source).await;
        found.map(|found| found.token).map_err(|unusable| unusable.error.to_string())
    }
}

async fn find(context: &Context, token: &TokenSource) -> Result<Text, Unusable> {
    let namespace = &token.namespace;
    if let Some(reference) = &token.own {
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
        None if token.pinned => {
            let error = ReconcileError::token_is_gone(namespace, settings.namespace_token_secret.as_deref());
            Err(Unusable { error, source: source() })
        }
        None => {
            of_operator(context).await.map_err(|error| Unusable { error, source: OF_OPERATOR.to_owned() })
        }
    }
}

async fn from_reference(
    context: &Context,
    namespace: &str,
    reference: &SecretKeyReference,
) -> Result<Text, ReconcileError> {
    let SecretKeyReference { name, key } = reference;
    let value = read_key(context, namespace, name, key).await?;
    let value = value.ok_or_else(|| {
        let secret = format!("{namespace}/{name}");
        let message = format!(
            "Secret {secret}, which spec.authSecretRef names, does not exist. Create it with the token under key {key}."
        );
        ReconcileError::NoTokenSecret { secret, message }
    })?;
    let value = value.ok_or_else(|| {
        ReconcileError::Token(format!(
            "Secret {namespace}/{name} has no key {key}. Add the key, or correct spec.authSecretRef.key."
        ))
    })?;
    Ok(Text { value, source: source(namespace, name, key), secret: Some(name.clone()) })
}

async fn of_namespace(context: &Context, namespace: &str) -> Result<Option<Text>, ReconcileError> {
    let Some(name) = &context.settings.namespace_token_secret else { return Ok(None) };
    let key = &context.settings.namespace_token_key;
    let Some(value) = read_key(context, namespace, name, key).await? else {
        return Ok(None);
    };
    let value = value.ok_or_else(|| {
        ReconcileError::Token(format!(
            "Secret {namespace}/{name}, which holds the token of this namespace, has no key {key}. Add the key, or set spec.authSecretRef."
        ))
    })?;
    Ok(Some(Text { value, source: source(namespace, name, key), secret: Some(name.clone()) }))
}

async fn of_operator(context: &Context) -> Result<Text, ReconcileError> {
    let settings = &context.settings;
    let given = settings.default_token.as_ref().filter(|token| !token.expose_secret().trim().is_empty());
    let text = match (given, &settings.default_token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                let path = path.display();
                ReconcileError::Token(format!(
                    "Cannot read the operator's default token from {path}: {error}."
                ))
            })?;
            text.into()
        }
        (None, None) => return Err(ReconcileError::Token(no_token(context))),
    };
    Ok(Text { value: text, source: OF_OPERATOR.to_owned(), secret: None })
}

fn no_token(context: &Context) -> String {
    let of_namespace = match &context.settings.namespace_token_secret {
        Some(name) => format!(", create Secret {name} in this namespace"),
        None => String::new(),
    };
    format!(
        "No token is configured. Set spec.authSecretRef to a Secret of this namespace{of_namespace}, or give the operator a default token."
    )
}

/// The value of a key; `Ok(None)` when there is no such Secret, `Ok(Some(None))` when it has no such key.
async fn read_key(
    context: &Context,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Option<SecretString>>, ReconcileError> {
    let place = ((namespace.to_owned(), name.to_owned()), key.to_owned());
    if let Some(value) = context.token_reads.recall(&place) {
        return Ok(Some(Some(value)));
    }
    let read = token_secret::read_key(&context.client, namespace, name, key).await?;
    context.token_reads.keep(place, read.as_ref());
    Ok(read.map(|read| read.value))
}

fn source(namespace: &str, name: &str, key: &str) -> String {
    format!("Secret {namespace}/{name}, key {key}")
}
