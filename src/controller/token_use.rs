//! The token that one reconciliation uses, of a service or of a VPC: its Secret, the finalizer that protects the
//! Secret while it is needed, and the release when the engine decides so. `tokens` reads the Secret and records
//! whether the token was accepted.

use super::{
    context::Context,
    error::ReconcileError,
    tokens::{self, Sourced, TokenSource, cache::TokenSecret},
};
use crate::{cluster::token_secret, provider::Token};
use kube::ResourceExt as _;
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::{Custom, names};

/// The token of one reconciliation.
#[derive(Default)]
pub(super) struct TokenUse {
    found: Option<Sourced>,
    /// Where a token is, or should be, that cannot be used.
    unusable: Option<String>,
    /// The finalizer was put on the token Secret in this reconciliation, or could not be.
    tried_to_hold: bool,
}

impl TokenUse {
    /// The token of `object`, read once.
    pub(super) async fn read<K: Custom>(
        &mut self,
        context: &Context,
        object: &K,
    ) -> Result<Token, ReconcileError> {
        if let Some(found) = &self.found {
            return Ok(found.token.clone());
        }
        let source = TokenSource::of(&context.settings, object);
        let read = tokens::token(context, &source).await;
        let read = read.inspect_err(|unusable| self.unusable = Some(unusable.source.clone()));
        Ok(self.found.insert(read?).token.clone())
    }

    /// The token, if it was read.
    pub(super) fn token(&self) -> Option<&Token> {
        self.found.as_ref().map(|found| &found.token)
    }

    /// Whether what should be a token cannot be used as one.
    pub(super) fn is_unusable(&self) -> bool {
        self.unusable.is_some()
    }

    /// The Secret with the token of `object`: the one that it names, or that of the namespace if it uses it.
    pub(super) fn secret<K: Custom>(&self, context: &Context, object: &K) -> Option<TokenSecret> {
        let name = match (object.auth_secret_ref(), &self.found) {
            (Some(reference), _) => Some(reference.name.clone()),
            (None, Some(found)) => found.secret.clone(),
            // Not read in this reconciliation: the one that was used last.
            (None, None) => {
                let pinned = TokenSource::of(&context.settings, object).pinned;
                context.settings.namespace_token_secret.clone().filter(|_| pinned)
            }
        };
        Some((object.namespace().unwrap_or_default(), name?))
    }

    /// Where the token came from, or should have come from, in words.
    pub(super) fn source<K: Custom>(&self, context: &Context, object: &K) -> String {
        let used = self.found.as_ref().map(|found| &found.source);
        if let Some(source) = used.or(self.unusable.as_ref()) {
            return source.clone();
        }
        match self.secret(context, object) {
            Some((namespace, name)) => format!("Secret {namespace}/{name}"),
            None => tokens::OF_OPERATOR.to_owned(),
        }
    }

    /// Records what the end of the reconciliation proves about its token, which other objects may use as well.
    pub(super) fn learn<T>(
        &self,
        context: &Context,
        outcome: Result<T, ReconcileError>,
    ) -> Result<T, ReconcileError> {
        let Some(Sourced { token, source, .. }) = &self.found else { return outcome };
        let pauses = &context.token_pauses;
        outcome.inspect(|_| pauses.accepted(token)).map_err(|error| pauses.learn(token, source, error))
    }

    /// Whether nothing is left to be done to keep the token Secret from deletion.
    pub(super) fn is_held<K: Custom>(&self, context: &Context, object: &K) -> bool {
        let held = |secret| context.token_reads.is_held(&secret);
        self.tried_to_hold || self.secret(context, object).is_none_or(held)
    }

    /// Takes the token Secret as held, where nothing may be written.
    pub(super) fn take_as_held(&mut self) {
        self.tried_to_hold = true;
    }

    /// Keeps the token Secret from deletion. One that is being deleted cannot be kept, and is no token to begin
    /// something `new` with.
    pub(super) async fn hold<K: Custom>(
        &mut self,
        context: &Context,
        object: &K,
        new: bool,
    ) -> Result<(), ReconcileError> {
        let Some(secret) = self.secret(context, object) else { return Ok(()) };
        let held = token_secret::hold(&context.client, &secret.0, &secret.1).await?;
        if !held && new {
            return Err(ReconcileError::token_is_going(&secret.0, &secret.1));
        }
        context.token_reads.saw_held(secret, held);
        self.tried_to_hold = true;
        Ok(())
    }

    /// Those of these Secrets of the namespace of `object` that this program keeps from deletion.
    pub(super) async fn held<K: Custom>(
        context: &Context,
        object: &K,
        secrets: Vec<String>,
    ) -> Result<BTreeSet<String>, ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        let mut held = BTreeSet::new();
        for name in secrets {
            if token_secret::is_held(&context.client, &namespace, &name).await? {
                held.insert(name);
            } else {
                context.token_reads.released(&(namespace.clone(), name));
            }
        }
        Ok(held)
    }

    /// Lets a token Secret of `object` go, unless another object needs it; it is not among those `held` any more.
    pub(super) async fn release<K: Custom>(
        context: &Context,
        object: &K,
        name: &str,
        held: &mut Option<BTreeSet<String>>,
    ) -> Result<(), ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        context.token_reads.released(&(namespace.clone(), name.to_owned()));
        // Objects use the Secret of their namespace without naming it.
        let shared = context.settings.namespace_token_secret.as_deref() == Some(name);
        token_secret::release(&context.client, &namespace, name, shared).await?;
        if let Some(held) = held {
            held.remove(name);
        }
        Ok(())
    }
}

/// Whether `annotations` note of `object` that its token comes from another place than before.
pub(super) fn is_new_source<K: Custom>(
    object: &K,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> bool {
    let noted = object.annotations().get(names::TOKEN_SECRET).map(String::as_str).unwrap_or_default();
    // The token Secret of today comes first, and the former ones after it.
    annotations.get(names::TOKEN_SECRET).is_some_and(|names| {
        let current = names.as_deref().and_then(|names| names.split(',').next());
        current.is_none_or(|current| noted.split(',').all(|name| name != current))
    })
}
