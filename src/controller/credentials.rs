//! Which token a resource uses: its own `authSecretRef`, else the operator's default. Tokens are read
//! anew for every pass and dropped with it, so that a rotated one is picked up without a restart.

use super::{context::Context, error::PassError};
use crate::{
    api::{ManagedService, ServiceSpec},
    cluster::secrets,
    provider::Token,
};
use secrecy::ExposeSecret;

/// Where the token of a resource comes from, in words for messages.
pub(super) fn source(namespace: &str, spec: &ServiceSpec) -> String {
    match &spec.auth_secret_ref {
        Some(reference) => format!("Secret {namespace}/{}, key {}", reference.name, reference.key),
        None => "the operator's default token".to_owned(),
    }
}

/// Reads the token of `object`.
pub(super) async fn token<K: ManagedService>(
    context: &Context,
    namespace: &str,
    object: &K,
) -> Result<Token, PassError> {
    let spec = object.service();
    let text = match &spec.auth_secret_ref {
        Some(reference) => {
            let value =
                secrets::read_key(&context.client, namespace, &reference.name, &reference.key).await?;
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
        PassError::Token(format!("{error}. Put a valid token into {}", source(namespace, spec)))
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
