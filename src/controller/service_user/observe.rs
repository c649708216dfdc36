//! What one step of a `ServiceUser` reads: its service with the user, the Secrets, and what other resources manage.

use super::{Reconciliation, sent::is_refusal};
use crate::{
    cluster::{claims, data_objects, secrets},
    controller::{error::ReconcileError, managed_service::facts, memory::Missing},
    provider::{Absence, FoundWithUsers, Service, User},
};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use valkeeper_engine::{
    Connection, Power, ServiceState,
    service_user::{
        Access, Claims, PasswordSeen, SeenService, SeenServiceUser, ServiceOfUser, ServiceUserTarget,
        UserOfService,
    },
};

/// How long a password may be, in characters.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

impl Reconciliation {
    pub(super) async fn observe(&mut self, target: ServiceUserTarget) -> Result<(), ReconcileError> {
        match target {
            ServiceUserTarget::Service => self.observe_service().await,
            ServiceUserTarget::Object => self.read_object().await,
            ServiceUserTarget::Claims => {
                let attempt = &self.attempt;
                let (client, namespaces) = (&attempt.context.client, attempt.context.namespaces());
                let other = claims::service_user(client, &namespaces, &attempt.object).await?;
                self.observed.claims = other.map_or(Claims::None, Claims::Other);
                Ok(())
            }
            ServiceUserTarget::Password => {
                self.observed.password = self.password().await?;
                self.recall_what_was_sent(Instant::now());
                Ok(())
            }
            ServiceUserTarget::Secret => self.observe_secret().await,
            ServiceUserTarget::Authority => self.observe_authority().await,
            ServiceUserTarget::TokenSecrets => {
                let secrets = self.desired().token_secrets().map(str::to_owned).collect();
                self.observed.held_names = Some(self.attempt.held(secrets).await?);
                Ok(())
            }
        }
    }

    async fn observe_service(&mut self) -> Result<(), ReconcileError> {
        let token = self.attempt.token().await?;
        let (provider, reference) = (self.attempt.provider.clone(), self.reference());
        let found = self.attempt.permit.during(provider.service_with_users(&token, &reference)).await?;
        let seen = match found {
            FoundWithUsers::Absent(absence) => {
                self.saw_no_service(absence).await?;
                ServiceOfUser::Absent
            }
            FoundWithUsers::Service(service, users) => {
                let seen = seen(&service, users, &self.desired().username);
                self.service = Some(service);
                self.saw_service(&seen);
                ServiceOfUser::Present(Box::new(seen))
            }
        };
        self.observed.service = Some(seen);
        let project = &self.attempt.object.spec.project;
        if let Some(certificate) = self.attempt.context.authorities.known(project, Instant::now()) {
            self.authority = Some(certificate);
        }
        self.connect();
        Ok(())
    }

    /// Takes in an answer that there is no service. Where it may be about the project, the list of the project has to lack
    /// the service as well.
    async fn saw_no_service(&mut self, absence: Absence) -> Result<(), ReconcileError> {
        let now = Instant::now();
        let pause = self.attempt.context.settings.external_wait_interval;
        let missing = &mut self.attempt.memory.missing;
        missing.reported(absence, now);
        let matters = self.desired().created || self.status().creation_requested;
        if !matters || !self.attempt.memory.missing.should_list(absence, now, pause) {
            return Ok(());
        }
        let token = self.attempt.token().await?;
        let (provider, reference) = (self.attempt.provider.clone(), self.reference());
        if self.attempt.permit.during(provider.is_listed(&token, &reference)).await? {
            self.attempt.memory.missing = Missing::default();
            return Err(ReconcileError::Contradiction(format!(
                "Cannot read {reference}: Aiven reports that it does not exist, and lists it in its project"
            )));
        }
        self.attempt.memory.missing.unlisted = true;
        Ok(())
    }

    /// Only what a service shows that is complete proves that a user is absent.
    fn saw_service(&mut self, service: &SeenService) {
        let missing = &mut self.attempt.memory.missing;
        let is_absent = matches!(service.user, UserOfService::Absent);
        if is_absent && service.state.power() == Power::Serving && !missing.unlisted {
            missing.reported(Absence::Named, Instant::now());
        } else {
            *missing = Missing::default();
        }
        if let UserOfService::Present(SeenServiceUser { password: Some(password), .. }) = &service.user {
            self.saw_password(password);
        }
    }

    /// Puts together how clients reach the service as the user, from all that is known.
    pub(super) fn connect(&mut self) {
        let (object, name) = (&self.attempt.object, self.attempt.object.name_any());
        let username = object.spec.username(&name).to_owned();
        let shown = self.seen().and_then(|user| user.password.clone());
        // What Aiven has accepted is in force, also while reads show the former one.
        let accepted = self.wanted().filter(|_| self.observed.password_is_pending).cloned();
        let password = accepted.or(shown);
        if let (Some(ServiceOfUser::Present(seen)), Some(service)) =
            (&mut self.observed.service, &self.service)
        {
            let connection =
                password.and_then(|password| facts::connection_of(service, &username, &password));
            let authority = self.authority.clone();
            seen.connection = connection.map(|connection| Connection { authority, ..connection });
        }
        self.judge_secret();
    }

    async fn observe_authority(&mut self) -> Result<(), ReconcileError> {
        let token = self.attempt.token().await?;
        let (provider, project) = (self.attempt.provider.clone(), self.attempt.object.spec.project.clone());
        let certificate = match self.attempt.permit.during(provider.authority(&token, &project)).await {
            Ok(certificate) => certificate,
            Err(error) if is_refusal(&error) => {
                self.observed.authority_refused = Some(error.answer().to_owned());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.attempt.context.authorities.learn(&project, &certificate, Instant::now());
        self.authority = Some(certificate);
        self.connect();
        Ok(())
    }

    /// The user of the service is as `user` from now on.
    pub(super) fn saw_user(&mut self, user: SeenServiceUser) {
        if let Some(ServiceOfUser::Present(service)) = &mut self.observed.service {
            service.user = UserOfService::Present(user);
        }
        self.attempt.memory.missing = Missing::default();
        self.connect();
    }

    /// The password that is declared.
    async fn password(&self) -> Result<PasswordSeen, ReconcileError> {
        let Some((name, key)) = self.desired().password else { return Ok(PasswordSeen::Unknown) };
        let namespace = self.attempt.object.namespace().unwrap_or_default();
        let found = secrets::read_key(&self.attempt.context.client, &namespace, &name, &key).await?;
        let unusable = |what: String| {
            Ok(PasswordSeen::Unusable(format!(
                "{what}. Correct it, or spec.connInfoSecretSource. The password of the user stays as it is."
            )))
        };
        match found {
            None => unusable(format!("Secret {namespace}/{name} with the password does not exist")),
            Some(None) => unusable(format!("Secret {namespace}/{name} has no password under the key {key}")),
            Some(Some(password)) if !fits(&password) => unusable(format!(
                "The password in Secret {namespace}/{name} must have {} to {} characters",
                PASSWORD_LENGTH.start(),
                PASSWORD_LENGTH.end()
            )),
            Some(Some(password)) => Ok(PasswordSeen::Present(password)),
        }
    }

    async fn observe_secret(&mut self) -> Result<(), ReconcileError> {
        let Some(target) = self.desired().secret else { return Ok(()) };
        let namespace = self.attempt.object.namespace().unwrap_or_default();
        let found = data_objects::get(&self.attempt.context.client, &namespace, &target.name).await?;
        self.saw_secret(found);
        Ok(())
    }
}

fn fits(password: &SecretString) -> bool {
    PASSWORD_LENGTH.contains(&password.expose_secret().chars().count())
}

/// The engine's view of a service and its user.
fn seen(service: &Service, users: Option<Vec<User>>, username: &str) -> SeenService {
    let user = users.map(|users| users.into_iter().find(|user| user.username.as_deref() == Some(username)));
    let is_redacted = user.iter().flatten().any(User::is_redacted);
    let user = match user {
        None => UserOfService::Unlisted,
        Some(None) => UserOfService::Absent,
        Some(Some(user)) => UserOfService::Present(seen_user(&service.service_type, &user)),
    };
    SeenService {
        service_type: service.service_type.clone(),
        state: ServiceState::parse(&service.state),
        connection: None,
        credentials_are_withheld: service.secrets_denied || is_redacted,
        user,
    }
}

/// The engine's view of a user of a service of this type.
pub(super) fn seen_user(service_type: &str, user: &User) -> SeenServiceUser {
    SeenServiceUser {
        user_type: user.user_type.clone(),
        password: user.password(),
        access: user
            .access_control
            .as_ref()
            .map(|shown| Access::shown(service_type, shown))
            .unwrap_or_default(),
    }
}
