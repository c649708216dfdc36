//! Which token a resource uses: its own `authSecretRef`, else the operator's default. Tokens are read
//! anew for every pass and dropped with it, so that a rotated one is picked up without a restart.

use super::{context::Context, error::PassError, token_reads};
use crate::{
    api::{ServiceSpec, common::SecretKeyReference},
    provider::Token,
};
use secrecy::ExposeSecret;

/// Where the token of a resource comes from, in words for messages.
pub(super) fn source(namespace: &str, spec: &ServiceSpec) -> String {
    place(namespace, spec.auth_secret_ref.as_ref())
}

fn place(namespace: &str, own: Option<&SecretKeyReference>) -> String {
    match own {
        Some(reference) => format!("Secret {namespace}/{}, key {}", reference.name, reference.key),
        None => "the operator's default token".to_owned(),
    }
}

/// Where to read a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TokenSource {
    /// The namespace of the resource.
    pub(super) namespace: String,
    /// The resource's own `authSecretRef`.
    pub(super) own: Option<SecretKeyReference>,
}

/// Reads the token of a source.
pub(super) async fn read(context: &Context, source: &TokenSource) -> Result<Token, PassError> {
    token(context, &source.namespace, source.own.as_ref()).await
}

/// Reads the token for a resource of `namespace` that names `own` as its token.
pub(super) async fn token(
    context: &Context,
    namespace: &str,
    own: Option<&SecretKeyReference>,
) -> Result<Token, PassError> {
    let text = match own {
        Some(reference) => {
            let value = token_reads::key(context, namespace, &reference.name, &reference.key).await?;
            let value = value.ok_or_else(|| {
                PassError::Token(format!(
                    "Secret {namespace}/{}, which spec.authSecretRef names, does not exist. Create it with the token under key {}",
                    reference.name, reference.key
                ))
            })?;
            value.ok_or_else(|| {
                PassError::Token(format!(
                    "Secret {namespace}/{} has no key {}. Add the key, or correct spec.authSecretRef.key",
                    reference.name, reference.key
                ))
            })?
        }
        None => default_token(context).await?,
    };
    Token::parse(text.expose_secret()).map_err(|error| {
        PassError::Token(format!("{error}. Put a valid token into {}", place(namespace, own)))
    })
}

async fn default_token(context: &Context) -> Result<secrecy::SecretString, PassError> {
    if let Some(token) = &context.settings.default_token {
        return Ok(token.clone());
    }
    let Some(path) = &context.settings.default_token_file else {
        return Err(PassError::Token(
            "No token: set spec.authSecretRef to a Secret of this namespace, or give the operator a default token".to_owned(),
        ));
    };
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        PassError::Token(format!("Cannot read the operator's default token from {}: {error}", path.display()))
    })?;
    Ok(text.into())
}
