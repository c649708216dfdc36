//! `valkeeper import`: existing services as manifests that only observe. Guarantees that applying one changes nothing:
//! each has `adoptionPolicy: Observe`, holds only what the service has, and no secret.

use super::session::{Connection, Output, Session};
use crate::{
    controller::observed_service,
    provider::{Client, Listed, Service, Token},
};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use valkeeper_api::{GROUP, Kind, VERSION, names, yaml};
use valkeeper_engine::ServiceState;

/// The flags of `valkeeper import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  printed
  1  a service does not exist, is of another type or cannot be read
  2  wrong usage

Examples:
  kubectl valkeeper import --project my-project --token-secret aiven-token > services.yaml
  kubectl valkeeper import --project my-project cache sessions
  kubectl valkeeper plan -f services.yaml")]
pub(in crate::cli) struct Import {
    /// Project of the services
    #[arg(long, value_name = "NAME")]
    project: String,

    /// Secret with the token, for the manifests and for reading; without it the token of the flags below
    #[arg(long, value_name = "NAME")]
    token_secret: Option<String>,

    /// Key in that Secret
    #[arg(long, value_name = "KEY", default_value = "token")]
    token_key: String,

    /// Services; all Valkey and Redis services of the project without any
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,

    /// Output format; text is YAML for kubectl
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    connection: Connection,
}

impl Import {
    pub(in crate::cli) async fn run(self) -> anyhow::Result<ExitCode> {
        let session = self.connection.open().await?;
        let token =
            session.token(self.token_secret.as_deref().map(|name| (name, self.token_key.as_str()))).await?;
        let services = self.read(session.context.provider(), &token).await?;
        let mut manifests = Vec::new();
        for service in &services {
            manifests.push(self.manifest(&session, &token, service).await?);
        }
        let documents: Result<Vec<_>, _> = manifests.iter().map(yaml::document).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        self.output.write(&documents?.join("---\n"), &list)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The requested services, with all that Aiven shows of each.
    async fn read(&self, provider: &Client, token: &Token) -> anyhow::Result<Vec<Service>> {
        let mut listing = provider.services(token, &self.project).await?;
        let mut services = Vec::new();
        let wanted = |name: &str| self.services.is_empty() || self.services.iter().any(|one| one == name);
        while let Some(listed) = listing.next(|name, _| wanted(name)).await? {
            match listed {
                Listed::Service(service) if kind_of(&service).is_some() => services.push(*service),
                Listed::Service(service) if self.services.is_empty() => drop(service),
                Listed::Service(service) => {
                    bail!("service {} is of type {}", service.service_name, service.service_type)
                }
                Listed::Unreadable { name, cause } => bail!("cannot read service {name}: {cause}"),
            }
        }
        for name in &self.services {
            let found = services.iter().any(|service| service.service_name == *name);
            ensure!(found, "project {} has no service {name}", self.project);
        }
        services.sort_by(|one, other| one.service_name.cmp(&other.service_name));
        Ok(services)
    }

    async fn manifest(&self, session: &Session, token: &Token, service: &Service) -> anyhow::Result<Value> {
        let kind = kind_of(service).context("not a service of ours")?;
        let provider = session.context.provider();
        let usual = provider.plan_disk(token, &self.project, kind.service_type(), &service.plan).await;
        let mut spec = spec(kind, service, usual.ok().flatten());
        spec.insert("project".to_owned(), json!(self.project));
        if let Some(name) = &self.token_secret {
            spec.insert("authSecretRef".to_owned(), json!({"name": name, "key": self.token_key}));
        }
        Ok(json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": kind.name(),
            "metadata": {"name": service.service_name, "namespace": session.namespace},
            "spec": spec,
        }))
    }
}

fn kind_of(service: &Service) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.service_type() == service.service_type)
}

/// What a service has that is not so by default. Maintenance window and version are left out: Aiven chooses both where
/// nothing is declared, and one that is declared would stay when Aiven upgrades.
fn spec(kind: Kind, service: &Service, usual_disk: Option<u64>) -> Map<String, Value> {
    let seen = observed_service(service.clone());
    let mut spec = Map::new();
    let mut set = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
    set("adoptionPolicy", json!("Observe"));
    set("plan", json!(seen.plan));
    if let Some(cloud) = &seen.cloud {
        set("cloudName", json!(cloud));
    }
    if let Some(vpc) = &seen.project_vpc_id {
        set("projectVpcId", json!(vpc));
    }
    let unusual = |size: &u64| usual_disk.is_some_and(|usual| usual != *size) && size.is_multiple_of(1024);
    if let Some(size) = seen.disk_space_mb.filter(unusual) {
        set("disk_space", json!(format!("{}GiB", size / 1024)));
    }
    if seen.termination_protection {
        set("terminationProtection", json!(true));
    }
    if seen.state == ServiceState::PoweredOff {
        set("powered", json!(false));
    }
    if !seen.technical_emails.is_empty() {
        let emails: Vec<_> = seen.technical_emails.iter().map(|email| json!({"email": email})).collect();
        set("technicalEmails", emails.into());
    }
    let tags = seen.tags.iter().filter(|(key, _)| !key.starts_with(names::OWNERSHIP_TAG_PREFIX));
    let tags: Map<_, _> = tags.map(|(key, value)| (key.clone(), json!(value))).collect();
    if !tags.is_empty() {
        set("tags", tags.into());
    }
    let settings = settings(kind, &seen.user_config);
    if !settings.is_empty() {
        set("userConfig", settings.into());
    }
    spec
}

/// The settings with a value of their own.
fn settings(kind: Kind, all: &Map<String, Value>) -> Map<String, Value> {
    let mut own = Map::new();
    for fact in kind.user_config_facts().iter().filter(|fact| !fact.create_only && !left_out(fact.name)) {
        let Some(value) = all.get(fact.name) else { continue };
        let is = |text: Option<&str>| {
            text.and_then(|text| serde_json::from_str::<Value>(text).ok())
                .is_some_and(|usual| same(&usual, value))
        };
        if !(is_unset(value) || is(fact.default) || is(fact.unset)) {
            own.insert(fact.name.to_owned(), without_nulls(value));
        }
    }
    own
}

/// Settings that Aiven chooses, and one that holds a password.
fn left_out(setting: &str) -> bool {
    setting == "migration" || setting.ends_with("_version")
}

/// Whether a value equals a setting that no user changed: members that are off, or nothing at all.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(|member| member.is_null() || *member == json!(false)),
        _ => false,
    }
}

/// Networks are written as texts or as objects.
fn same(one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::Array(entries) => entries
            .iter()
            .map(|entry| {
                entry.get("network").filter(|_| entry.get("description").is_none()).unwrap_or(entry).clone()
            })
            .collect(),
        other => other.clone(),
    };
    plain(one) == plain(other)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            kept.map(|(key, member)| (key.clone(), member.clone())).collect::<Map<_, _>>().into()
        }
        // The manifest has objects where Aiven accepts texts as well.
        Value::Array(entries)
            if entries.iter().all(|entry| entry.as_str().is_some_and(|text| text.contains('/'))) =>
        {
            entries.iter().map(|entry| json!({"network": entry})).collect()
        }
        other => other.clone(),
    }
}

impl Session {
    /// The token in a Secret of the namespace, or the default one.
    async fn token(&self, secret: Option<(&str, &str)>) -> anyhow::Result<Token> {
        let found = self.context.token_for_reading(&self.namespace, secret).await;
        found.map_err(|message| anyhow::anyhow!(message))
    }
}
