//! The calls about services, one function each.

use super::{
    call::{Call, Reference},
    client::{Client, lacking},
    elements::Heading,
    error::ProviderError,
    lenient,
    listing::Listing,
    refusal::Absence,
    service::{Backup, Lacking, Migration, Service},
    token::Token,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Requests credentials, which the provider otherwise hides from some callers.
pub(super) const WITH_SECRETS: [(&str, &str); 1] = [("include_secrets", "true")];

/// Longest wait for a whole list: it arrives as fast as its services are worked on.
const LISTING: Duration = Duration::from_mins(5);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Enveloped {
    #[serde(deserialize_with = "lenient::part")]
    service: Option<Service>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tagged {
    #[serde(deserialize_with = "lenient::texts")]
    tags: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BackedUp {
    #[serde(deserialize_with = "lenient::parts")]
    backups: Option<Vec<Backup>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Migrating {
    #[serde(deserialize_with = "lenient::part")]
    migration: Option<Migration>,
}

/// Outcome of reading a service.
#[derive(Debug)]
pub enum Found {
    /// The service.
    Service(Box<Service>),
    /// The provider reports that it does not exist.
    Absent(Absence),
}

impl Client {
    /// Reads a service with its credentials, or without them if the token may not read them.
    pub async fn service(&self, token: &Token, reference: &Reference) -> Result<Found, ProviderError> {
        let call = || Call::about(reference, "get", "read", Method::GET, &[], None);
        let mut outcome = self.send_about(token, reference, call().with_query(&WITH_SECRETS)).await;
        if outcome.as_ref().is_err_and(ProviderError::may_be_about_secrets) {
            outcome = self.send_about(token, reference, call()).await.map(Service::without_secrets);
        }
        match outcome {
            Ok(service) => Ok(Found::Service(Box::new(service))),
            Err(error) => error.absence().map(Found::Absent).ok_or(error),
        }
    }

    /// All tags of a service; a value that is not a text is `None`.
    pub async fn tags(
        &self,
        token: &Token,
        reference: &Reference,
    ) -> Result<BTreeMap<String, Option<String>>, ProviderError> {
        let call = Call::about(reference, "get_tags", "read the tags of", Method::GET, &["tags"], None);
        let doing = call.doing.clone();
        self.send::<Tagged>(token, call).await?.tags.ok_or_else(|| lacking(doing, Lacking("tags")))
    }

    /// The backups of a service that can be restored.
    pub async fn backups(&self, token: &Token, reference: &Reference) -> Result<Vec<Backup>, ProviderError> {
        let verb = "list the backups of";
        let call = Call::about(reference, "list_backups", verb, Method::GET, &["backups"], None);
        let doing = call.doing.clone();
        self.send::<BackedUp>(token, call).await?.backups.ok_or_else(|| lacking(doing, Lacking("backups")))
    }

    /// Whether the list of the project shows a service, or may hide it among those that cannot be read.
    pub async fn is_listed(&self, token: &Token, reference: &Reference) -> Result<bool, ProviderError> {
        let mut listed = false;
        let mut services = self.services(token, &reference.project).await?;
        let mut find = |name: &str, _: &Heading<'_>| {
            listed |= name == reference.service;
            false
        };
        while services.next(&mut find).await?.is_some() {}
        Ok(listed || services.nameless() > 0)
    }

    /// Creates a service from a complete request body; 409 when the name is taken.
    pub async fn create(
        &self,
        token: &Token,
        reference: &Reference,
        body: Value,
    ) -> Result<Service, ProviderError> {
        let call = Call {
            operation: "create",
            doing: format!("create {reference}"),
            method: Method::POST,
            segments: vec!["v1", "project", &reference.project, "service"],
            query: &[],
            body: Some(body),
            patience: None,
        };
        self.send_about(token, reference, call).await
    }

    /// Changes the fields in `body` and leaves all other fields unchanged.
    pub async fn update(
        &self,
        token: &Token,
        reference: &Reference,
        body: Value,
    ) -> Result<Service, ProviderError> {
        let call = Call::about(reference, "update", "update", Method::PUT, &[], Some(body));
        self.send_about(token, reference, call).await
    }

    /// Makes a service of another type of it, in place.
    pub async fn change_type(
        &self,
        token: &Token,
        reference: &Reference,
        service_type: &str,
    ) -> Result<Service, ProviderError> {
        let body = Some(json!({ "service_type": service_type }));
        let (verb, path) = ("change the type of", ["service_type"]);
        let call = Call::about(reference, "change_type", verb, Method::PATCH, &path, body);
        self.send_about(token, reference, call).await
    }

    /// Applies the maintenance updates that are pending; the provider accepts it where there are none.
    pub async fn start_maintenance(&self, token: &Token, reference: &Reference) -> Result<(), ProviderError> {
        let (verb, path) = ("start the maintenance of", ["maintenance", "start"]);
        let call = Call::about(reference, "start_maintenance", verb, Method::PUT, &path, None);
        self.confirm(token, call).await
    }

    /// Sets tags of a service, or removes those without a value; leaves all other tags unchanged.
    pub async fn patch_tags(
        &self,
        token: &Token,
        reference: &Reference,
        tags: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ProviderError> {
        let body = Some(json!({ "tags": tags }));
        let call = Call::about(reference, "tags", "change the tags of", Method::PATCH, &["tags"], body);
        self.confirm(token, call).await
    }

    /// Requests the deletion of a service; `false` when the provider reports in any form that it does not exist.
    pub async fn delete(&self, token: &Token, reference: &Reference) -> Result<bool, ProviderError> {
        let call = Call::about(reference, "delete", "delete", Method::DELETE, &[], None);
        match self.confirm(token, call).await {
            Ok(()) => Ok(true),
            Err(error) if error.absence().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Progress of a migration into a service; `None` when none is in progress.
    pub async fn migration(
        &self,
        token: &Token,
        reference: &Reference,
    ) -> Result<Option<Migration>, ProviderError> {
        let call =
            Call::about(reference, "migration", "read the migration of", Method::GET, &["migration"], None);
        let doing = call.doing.clone();
        match self.send::<Migrating>(token, call).await {
            Ok(answer) => answer.migration.map(Some).ok_or_else(|| lacking(doing, Lacking("migration"))),
            // The requested part does not exist; the service may.
            Err(error) if error.absence() == Some(Absence::Unnamed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All services of a project, with their credentials where the token may read them, one by one as
    /// they arrive.
    pub async fn services(&self, token: &Token, project: &str) -> Result<Listing, ProviderError> {
        let call = |query| Call {
            operation: "list",
            doing: format!("list the services of project {project}"),
            method: Method::GET,
            segments: vec!["v1", "project", project, "service"],
            query,
            body: None,
            patience: Some(LISTING),
        };
        match self.stream(token, call(&WITH_SECRETS)).await {
            Err(error) if error.may_be_about_secrets() => self.stream(token, call(&[])).await,
            outcome => outcome,
        }
    }

    /// Sends a call whose answer holds the service of `reference`.
    async fn send_about(
        &self,
        token: &Token,
        reference: &Reference,
        call: Call<'_>,
    ) -> Result<Service, ProviderError> {
        let doing = call.doing.clone();
        let answer = self.send::<Enveloped>(token, call).await?;
        let service = answer.service.ok_or(Lacking("service"));
        service
            .and_then(|service| service.complete(Some(&reference.service)))
            .map_err(|error| lacking(doing, error))
    }
}
