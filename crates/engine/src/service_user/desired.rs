//! What a `ServiceUser` requests, and the record of earlier reconciliations in its status and annotations.

use super::access::Access;
use crate::{
    policies::{Defaults, Policies},
    secret_target::{KindOfSecret, SecretTarget, UsualKeys},
    spec::is_releasing,
    token_release,
};
use std::collections::BTreeMap;
use valkeeper_api::{
    Kind, ServiceUser, Violation, names,
    policies::Policies as Declared,
    service_user::{AccessControlRecord, DEFAULT_USER, SECRET_PREFIX},
};

/// The desired state of a user.
#[derive(Clone, Debug)]
pub struct DesiredServiceUser {
    /// Name of the object.
    pub name: String,
    /// Project of the service.
    pub project: String,
    /// The service.
    pub service: String,
    /// The name to log in with.
    pub username: String,
    /// `metadata.generation` of the spec this was read from.
    pub generation: i64,
    /// The Secret with the token, if the object names one.
    pub token_secret: Option<String>,
    /// The object is being deleted, and its user is gone or left: only the token and the object are still held.
    pub is_releasing: bool,
    /// What the user may do; none leaves that alone.
    pub access: Option<Access>,
    /// The Secret and the key with the password.
    pub password: Option<(String, String)>,
    /// The Secret that receives the connection; none when it is switched off.
    pub secret: Option<SecretTarget>,
    pub(super) deleting: bool,
    pub(super) has_finalizer: bool,
    pub(super) policies: Policies,
    pub(super) annotations: BTreeMap<String, String>,
    /// The rules that the spec breaks, as far as it was judged.
    pub violations: Vec<Violation>,
    /// The user exists, and is this resource's own.
    pub created: bool,
    /// The status says so, and not only the annotation of aiven-operator.
    pub(super) is_recorded: bool,
    /// A user was requested, and the result is unknown.
    pub(super) requested: bool,
    /// The access control that was last sent.
    pub(super) sent: Option<AccessControlRecord>,
}

impl DesiredServiceUser {
    /// Reads a `ServiceUser`.
    pub fn of(object: &ServiceUser, defaults: Defaults) -> Self {
        let (meta, spec) = (&object.metadata, &object.spec);
        let status = object.status.clone().unwrap_or_default();
        let annotations = meta.annotations.clone().unwrap_or_default();
        let name = meta.name.clone().unwrap_or_default();
        let source = spec.conn_info_secret_source.as_ref();
        Self {
            project: spec.project.clone(),
            service: spec.service_name.clone(),
            username: spec.username(&name).to_owned(),
            generation: meta.generation.unwrap_or_default(),
            token_secret: spec.auth_secret_ref.as_ref().map(|reference| reference.name.clone()),
            is_releasing: is_releasing(meta),
            access: spec.access_control.as_ref().map(Access::declared),
            password: source.map(|source| (source.name.clone(), source.password_key.clone())),
            secret: secret(object, &name),
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: names::has_finalizer(meta),
            policies: Policies::of(&Declared::default(), &annotations, defaults),
            violations: Vec::new(),
            // aiven-operator notes that a user exists only here.
            is_recorded: status.created,
            created: status.created || annotations.contains_key(names::INSTANCE_RUNNING),
            requested: status.creation_requested,
            sent: status.access_control,
            annotations,
            name,
        }
    }

    /// Sets the type of the service, which a service binding names.
    pub fn is_of(&mut self, service_type: &str) {
        let kind = Kind::ALL.into_iter().find(|kind| kind.service_type() == service_type);
        if let (Some(kind), Some(target)) = (kind, &mut self.secret) {
            target.binding = target.binding.map(|_| kind.service_type());
        }
    }

    /// Whether each service has the user from the beginning.
    pub(super) fn is_built_in(&self) -> bool {
        self.username == DEFAULT_USER
    }

    /// The names of the Secrets with its token: of today, and of before it was edited.
    pub fn token_secrets(&self) -> impl Iterator<Item = &str> {
        let current = self.token_secret.as_deref();
        current.into_iter().chain(token_release::former(current, &self.annotations))
    }
}

/// The Secret that the object declares.
fn secret(object: &ServiceUser, name: &str) -> Option<SecretTarget> {
    let spec = &object.spec;
    if spec.conn_info_secret_target_disabled == Some(true) {
        return None;
    }
    let written = object.status.as_ref().and_then(|status| status.connection_secret.clone());
    // What runs there is known when the service was read.
    let kind = KindOfSecret { prefix: SECRET_PREFIX, provider: "aiven", binding: "valkey", bare_keys: false };
    let target = SecretTarget::new(spec.conn_info_secret_target.as_ref(), name, written, kind);
    // aiven-operator writes these two for services of every type; for Valkey and Redis they are empty.
    let more = ["ACCESS_CERT", "ACCESS_KEY"].map(|key| (key.to_owned(), String::new()));
    Some(SecretTarget { usual_keys: UsualKeys::ServiceUser, authority: true, more: more.into(), ..target })
}
