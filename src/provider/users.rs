//! The calls about users of a service. There is none that lists them: they are part of the service.

use super::{
    call::{Call, Reference},
    client::{Client, lacking},
    error::ProviderError,
    lenient,
    refusal::Absence,
    service::{Lacking, Service},
    services::WITH_SECRETS,
    token::Token,
};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt;

/// The provider's name for a user that does not exist.
const NO_USER: &str = "user_not_found";
/// What stands in the place of a password that is not shown.
const HIDDEN: &str = "<redacted>";

/// A user of a service. `Debug` shows no password.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct User {
    /// The name to log in with.
    #[serde(deserialize_with = "lenient::text")]
    pub username: Option<String>,
    /// Its type, such as `primary` or `normal`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub user_type: Option<String>,
    /// Absent or empty after it was changed in the server.
    #[serde(deserialize_with = "lenient::text")]
    password: Option<String>,
    /// Lists of rules, whose names begin with the type of the service.
    #[serde(deserialize_with = "lenient::object")]
    pub access_control: Option<Map<String, Value>>,
}

impl User {
    /// The password, if it is shown.
    pub fn password(&self) -> Option<SecretString> {
        let shown = self.password.as_ref().filter(|text| !text.is_empty() && *text != HIDDEN)?;
        Some(SecretString::from(shown.clone()))
    }

    /// Whether something stands in the place of the password.
    pub fn is_redacted(&self) -> bool {
        self.password.as_deref() == Some(HIDDEN)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Outcome of reading a service with its users.
#[derive(Debug)]
pub enum FoundWithUsers {
    /// The service, and its users if the answer has them.
    Service(Box<Service>, Option<Vec<User>>),
    /// The provider reports that it does not exist.
    Absent(Absence),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Enveloped {
    #[serde(deserialize_with = "lenient::object")]
    service: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Users {
    #[serde(deserialize_with = "lenient::parts")]
    users: Option<Vec<User>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Created {
    #[serde(deserialize_with = "lenient::part")]
    user: Option<User>,
}

impl Client {
    /// Reads a service with its users and their passwords, or without passwords if the token may not read them.
    pub async fn service_with_users(
        &self,
        token: &Token,
        reference: &Reference,
    ) -> Result<FoundWithUsers, ProviderError> {
        let call = || Call::about(reference, "get", "read", Method::GET, &[], None);
        let with_secrets = call().with_query(&WITH_SECRETS);
        let mut outcome = self.send_about_users(token, reference, with_secrets).await;
        if outcome.as_ref().is_err_and(ProviderError::may_be_about_secrets) {
            outcome = self
                .send_about_users(token, reference, call())
                .await
                .map(|(service, users)| (service.without_secrets(), users));
        }
        match outcome {
            Ok((service, users)) => Ok(FoundWithUsers::Service(Box::new(service), users)),
            Err(error) => error.absence().map(FoundWithUsers::Absent).ok_or(error),
        }
    }

    /// Creates a user; 409 when the name is taken. The answer has the password.
    pub async fn create_user(
        &self,
        token: &Token,
        reference: &Reference,
        username: &str,
        access_control: Option<Value>,
    ) -> Result<User, ProviderError> {
        let mut body = json!({ "username": username });
        if let Some(access_control) = access_control {
            body["access_control"] = access_control;
        }
        let verb = format!("create user {username} of");
        let call = Call::about(reference, "create_user", &verb, Method::POST, &["user"], Some(body));
        let doing = call.doing.clone();
        self.send::<Created>(token, call).await?.user.ok_or_else(|| lacking(doing, Lacking("user")))
    }

    /// Gives a user another password.
    pub async fn set_user_password(
        &self,
        token: &Token,
        reference: &Reference,
        username: &str,
        password: &SecretString,
    ) -> Result<(), ProviderError> {
        let body = json!({"operation": "reset-credentials", "new_password": password.expose_secret()});
        let (verb, path) = (format!("set the password of user {username} of"), ["user", username]);
        let call = Call::about(reference, "set_user_password", &verb, Method::PUT, &path, Some(body));
        self.confirm(token, call).await
    }

    /// Sets what a user may do. Answers the users of the service as they are afterwards.
    pub async fn set_user_access(
        &self,
        token: &Token,
        reference: &Reference,
        username: &str,
        access_control: Value,
    ) -> Result<Option<Vec<User>>, ProviderError> {
        let body = json!({"operation": "set-access-control", "access_control": access_control});
        let (verb, path) = (format!("set the access control of user {username} of"), ["user", username]);
        let call = Call::about(reference, "set_user_access", &verb, Method::PUT, &path, Some(body));
        let answer = self.send::<Enveloped>(token, call).await?;
        Ok(answer.service.and_then(|parts| users(&Value::Object(parts))))
    }

    /// Deletes a user; `false` when the provider reports that it does not exist.
    pub async fn delete_user(
        &self,
        token: &Token,
        reference: &Reference,
        username: &str,
    ) -> Result<bool, ProviderError> {
        let (verb, path) = (format!("delete user {username} of"), ["user", username]);
        let call = Call::about(reference, "delete_user", &verb, Method::DELETE, &path, None);
        match self.confirm(token, call).await {
            Ok(()) => Ok(true),
            Err(error) if error.absence().is_some() || error.code() == Some(NO_USER) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn send_about_users(
        &self,
        token: &Token,
        reference: &Reference,
        call: Call<'_>,
    ) -> Result<(Service, Option<Vec<User>>), ProviderError> {
        let doing = call.doing.clone();
        let answer = self.send::<Enveloped>(token, call).await?;
        let parts = answer.service.ok_or_else(|| lacking(doing.clone(), Lacking("service")))?;
        let parts = Value::Object(parts);
        let service = Service::deserialize(&parts).unwrap_or_default();
        let service = service.complete(Some(&reference.service)).map_err(|part| lacking(doing, part))?;
        Ok((service, users(&parts)))
    }
}

fn users(parts: &Value) -> Option<Vec<User>> {
    Users::deserialize(parts).ok()?.users
}
