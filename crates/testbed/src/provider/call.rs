//! One request on its way through a handler: its caller, target and body. A handler gets decoded parameters, a state
//! in which everything due has happened, and the provider's messages for malformed bodies.

use super::clock::Moment;
use super::control::Token;
use super::options::{DefaultSecrets, DeniedSecrets, Unknowns};
use super::outcome::{ApiError, Outcome, Reply};
use super::render::{self, Scene, Secrets};
use super::schema::Object;
use super::server::Shared;
use super::service::Service;
use super::world::World;
use serde_json::Value;
use std::sync::{Arc, MutexGuard};

/// A request that was matched, authenticated and admitted.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared,
    pub(super) parameters: Vec<String>,
    pub(super) query: Query,
    pub(super) body: &'a [u8],
    /// `None` only on endpoints that need no token.
    pub(super) token: Option<Arc<Token>>,
    pub(super) now: Moment,
    /// Whether the request only reads.
    pub(super) reads: bool,
}

/// The supported query keys; all other keys are ignored.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Query {
    pub(super) include_secrets: Option<bool>,
    pub(super) allow_unclean_poweroff: Option<bool>,
    pub(super) limit: Option<usize>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "include_secrets" => query.include_secrets = flag(value),
                "allow_unclean_poweroff" => query.allow_unclean_poweroff = flag(value),
                "limit" => query.limit = value.parse().ok(),
                _ => {}
            }
        }
        query
    }
}

fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

impl Call<'_> {
    /// The parameter at `index` of the route's template.
    pub(super) fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).map_or("", String::as_str)
    }

    pub(super) fn project(&self) -> &str {
        self.parameter(0)
    }

    pub(super) fn service(&self) -> &str {
        self.parameter(1)
    }

    pub(super) fn actor(&self) -> &str {
        self.token.as_ref().map_or("anonymous", |token| &token.name)
    }

    /// Locks the world. Handlers hold it briefly and render without it.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world_at(self.now)
    }

    /// The body as an object; a missing body is an empty one.
    pub(super) fn object(&self) -> Result<Object, ApiError> {
        if self.body.is_empty() {
            return Ok(Object::new());
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => {
                Err(ApiError::bad_request("Invalid input: request body must be an object")
                    .code("bad_request"))
            }
            Err(_) => Err(ApiError::bad_request("Invalid JSON in request body").code("bad_request")),
        }
    }

    /// How much of a service the caller gets to see. Answers to writes never show a secret.
    fn secrets(&self, unknowns: &Unknowns) -> Result<Secrets, ApiError> {
        if !self.reads {
            return Ok(Secrets::Redacted);
        }
        let allowed = self.token.as_ref().is_some_and(|token| token.may_read_secrets());
        match (self.query.include_secrets, allowed) {
            (Some(true), true) => Ok(Secrets::Shown),
            (Some(true), false) => match unknowns.secrets_without_permission {
                DeniedSecrets::Redacted => Ok(Secrets::Redacted),
                DeniedSecrets::Forbidden => {
                    let message = "Missing permission: service:secrets:read";
                    Err(ApiError::forbidden(message).code("permission_denied"))
                }
            },
            (Some(false), _) => Ok(Secrets::Redacted),
            (None, allowed) => Ok(match unknowns.secrets_by_default {
                DefaultSecrets::Empty => Secrets::Empty,
                _ if !allowed || self.now >= unknowns.secrets_hidden_from => Secrets::Redacted,
                DefaultSecrets::Shown => Secrets::Shown,
                DefaultSecrets::ConnectionOnly => Secrets::ConnectionOnly,
                DefaultSecrets::Redacted => Secrets::Redacted,
            }),
        }
    }

    /// `{"service": …}` as it is now.
    pub(super) fn service_reply(&self, world: MutexGuard<'_, World>, service: &Arc<Service>) -> Outcome {
        let service = Arc::clone(service);
        self.rendered(world, |scene| Reply::wrapped("service", &render::text(&service, scene)))
    }

    /// `{"service": …}` for a service found by name.
    pub(super) fn named_service_reply(
        &self,
        world: MutexGuard<'_, World>,
        project: &str,
        name: &str,
    ) -> Outcome {
        let service = Arc::clone(world.service(project, name)?);
        self.service_reply(world, &service)
    }

    /// Renders after the world was unlocked.
    pub(super) fn rendered(
        &self,
        world: MutexGuard<'_, World>,
        render: impl FnOnce(&Scene<'_>) -> Outcome,
    ) -> Outcome {
        let unknowns = world.unknowns.clone();
        let redis_end_of_life = world.timing.redis_end_of_life;
        drop(world);
        let secrets = self.secrets(&unknowns)?;
        render(&Scene { now: self.now, unknowns: &unknowns, redis_end_of_life, secrets })
    }
}
