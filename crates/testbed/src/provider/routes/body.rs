//! The parsed bodies of create and update requests. "Absent", `null` and a value stay three different things where
//! the API distinguishes them, and malformed values are refused with 400. The endpoints decide whether a value suits
//! a service.

use crate::provider::call::Call;
use crate::provider::normalize;
use crate::provider::options::UnknownKeys;
use crate::provider::outcome::ApiError;
use crate::provider::schema::Object;
use crate::provider::service::{MaintenanceWindow, WEEKDAYS};
use crate::provider::world::World;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys of a create request.
pub(super) const CREATE_KEYS: &[&str] = &[
    "service_name",
    "service_type",
    "plan",
    "cloud",
    "project_vpc_id",
    "disk_space_mb",
    "maintenance",
    "termination_protection",
    "tech_emails",
    "tags",
    "copy_tags",
    "service_integrations",
    "static_ips",
    "user_config",
    "cmk_id",
    "group_name",
];

/// Keys of an update request.
pub(super) const UPDATE_KEYS: &[&str] = &[
    "cloud",
    "plan",
    "powered",
    "project_vpc_id",
    "disk_space_mb",
    "maintenance",
    "termination_protection",
    "tech_emails",
    "user_config",
    "cmk_id",
    "group_name",
    "karapace",
    "schema_registry_authz",
    "disaster_recovery_role",
];

/// Where a service is to be placed.
#[derive(Default)]
pub(super) enum Network {
    /// Absent in the request.
    #[default]
    Unspecified,
    /// The public network: `null` in the request.
    Public,
    /// The VPC with this id.
    Vpc(String),
}

/// Content of a create or update request.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) plan: Option<String>,
    pub(super) cloud: Option<String>,
    pub(super) powered: Option<bool>,
    pub(super) network: Network,
    pub(super) disk_mb: Option<u64>,
    pub(super) day: Option<String>,
    pub(super) time: Option<String>,
    pub(super) termination_protection: Option<bool>,
    pub(super) tech_emails: Option<Vec<String>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) copy_tags: bool,
    pub(super) static_ips: bool,
    pub(super) integrations: Vec<Object>,
    pub(super) user_config: Object,
}

impl Fields {
    /// Content of the body, in the stored form.
    pub(super) fn read(body: &Object, known: &[&str], world: &World) -> Result<Self, ApiError> {
        let mut fields = Self::parse(body, known, world.unknowns.unknown_body_keys)?;
        if world.disturbances.normalize_values() {
            fields.normalize();
        }
        Ok(fields)
    }

    fn parse(body: &Object, known: &[&str], unknown_keys: UnknownKeys) -> Result<Self, ApiError> {
        if unknown_keys == UnknownKeys::Rejected
            && let Some(key) = body.keys().find(|key| !known.contains(&key.as_str()))
        {
            return Err(ApiError::bad_request(format!(
                "Invalid input: Additional properties are not allowed ('{key}' was unexpected)"
            )));
        }
        let mut fields = Self {
            plan: text(body, "plan", 128)?,
            cloud: nullable_text(body, "cloud", 256)?,
            powered: flag(body, "powered")?,
            network: network(body)?,
            disk_mb: number(body, "disk_space_mb")?,
            termination_protection: flag(body, "termination_protection")?,
            tech_emails: emails(body)?,
            copy_tags: flag(body, "copy_tags")?.unwrap_or_default(),
            static_ips: array(body, "static_ips", 128)?.is_some_and(|items| !items.is_empty()),
            user_config: object(body, "user_config")?.cloned().unwrap_or_default(),
            ..Self::default()
        };
        if let Some(tags) = object(body, "tags")? {
            fields.tags = parse_tags(tags)?;
        }
        for item in array(body, "service_integrations", 64)?.into_iter().flatten() {
            let integration = item.as_object().ok_or_else(|| wrong_type("service_integrations", "object"))?;
            fields.integrations.push(integration.clone());
        }
        fields.parse_maintenance(body)?;
        Ok(fields)
    }

    fn parse_maintenance(&mut self, body: &Object) -> Result<(), ApiError> {
        let Some(maintenance) = object(body, "maintenance")? else { return Ok(()) };
        self.day = text(maintenance, "dow", 16)?;
        self.time = text(maintenance, "time", 16)?;
        if self.day.as_deref().is_some_and(|day| !WEEKDAYS.contains(&day)) {
            let days = WEEKDAYS.map(|day| format!("'{day}'")).join(", ");
            let message = format!("Invalid input for maintenance: Invalid dow, must be one of [{days}]");
            return Err(ApiError::bad_request(message));
        }
        if self
            .time
            .as_deref()
            .is_some_and(|time| chrono::NaiveTime::parse_from_str(time, "%H:%M:%S").is_err())
        {
            return Err(ApiError::bad_request(
                "Invalid input for maintenance: Invalid time, must be HH:MM:SS",
            ));
        }
        Ok(())
    }

    /// Converts values with several spellings to their stored form.
    fn normalize(&mut self) {
        for email in self.tech_emails.iter_mut().flatten() {
            *email = email.to_lowercase();
        }
        if let Some(filter) = self.user_config.get_mut("ip_filter") {
            normalize::ip_filter(filter);
        }
    }

    /// The window after this request: what it does not mention stays.
    pub(super) fn maintenance(&self, current: &MaintenanceWindow) -> MaintenanceWindow {
        MaintenanceWindow {
            day: self.day.clone().unwrap_or_else(|| current.day.clone()),
            time: self.time.clone().unwrap_or_else(|| current.time.clone()),
        }
    }
}

/// Tags that are all well-formed.
pub(super) fn parse_tags(tags: &Object) -> Result<BTreeMap<String, String>, ApiError> {
    tags.iter().map(|(key, value)| Ok((key.clone(), tag_value(key, value)?.to_owned()))).collect()
}

/// The tags in the body of a request.
pub(super) fn sent_tags(call: &Call<'_>) -> Result<Object, ApiError> {
    let body = call.object()?;
    let missing = || ApiError::bad_request("Invalid input: 'tags' is a required property");
    object(&body, "tags")?.cloned().ok_or_else(missing)
}

/// Changes of single tags; no value removes one.
pub(super) struct TagChanges(Vec<(String, Option<String>)>);

/// Changes that are all well-formed.
pub(super) fn parse_tag_changes(sent: &Object) -> Result<TagChanges, ApiError> {
    let change = |(key, value): (&String, &Value)| {
        let value = if value.is_null() { None } else { Some(tag_value(key, value)?.to_owned()) };
        Ok((key.clone(), value))
    };
    sent.iter().map(change).collect::<Result<_, _>>().map(TagChanges)
}

impl TagChanges {
    pub(super) fn apply(self, tags: &mut BTreeMap<String, String>) {
        for (key, value) in self.0 {
            match value {
                Some(value) => tags.insert(key, value),
                None => tags.remove(&key),
            };
        }
    }
}

/// The value of one tag, if key and value are well-formed.
fn tag_value<'a>(key: &str, value: &'a Value) -> Result<&'a str, ApiError> {
    let well_formed = key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.len() <= 64
        && key.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '-'));
    if !well_formed {
        return Err(ApiError::bad_request(format!("Invalid input for tags: invalid key '{key}'")));
    }
    match value.as_str() {
        Some(text) if text.chars().count() <= 64 => Ok(text),
        _ => Err(ApiError::bad_request(format!("Invalid input for tags: invalid value of '{key}'"))),
    }
}

fn wrong_type(key: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid input for {key}: value is not of type '{expected}'"))
}

/// A text of limited length.
pub(super) fn text(body: &Object, key: &str, limit: usize) -> Result<Option<String>, ApiError> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= limit => Ok(Some(text.clone())),
        Some(Value::String(_)) => {
            Err(ApiError::bad_request(format!("Invalid input for {key}: value is too long")))
        }
        Some(_) => Err(wrong_type(key, "string")),
    }
}

/// A text of limited length; `null` is the same as none.
pub(super) fn nullable_text(body: &Object, key: &str, limit: usize) -> Result<Option<String>, ApiError> {
    if body.get(key).is_some_and(Value::is_null) { Ok(None) } else { text(body, key, limit) }
}

/// A text that must be there.
pub(super) fn required(body: &Object, key: &str, limit: usize) -> Result<String, ApiError> {
    text(body, key, limit)?
        .ok_or_else(|| ApiError::bad_request(format!("Invalid input: '{key}' is a required property")))
}

fn flag(body: &Object, key: &str) -> Result<Option<bool>, ApiError> {
    body.get(key).map(|value| value.as_bool().ok_or_else(|| wrong_type(key, "boolean"))).transpose()
}

fn number(body: &Object, key: &str) -> Result<Option<u64>, ApiError> {
    body.get(key).map(|value| value.as_u64().ok_or_else(|| wrong_type(key, "integer"))).transpose()
}

/// An object.
pub(super) fn object<'a>(body: &'a Object, key: &str) -> Result<Option<&'a Object>, ApiError> {
    body.get(key).map(|value| value.as_object().ok_or_else(|| wrong_type(key, "object"))).transpose()
}

fn array<'a>(body: &'a Object, key: &str, limit: usize) -> Result<Option<&'a Vec<Value>>, ApiError> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::Array(items)) if items.len() <= limit => Ok(Some(items)),
        Some(Value::Array(_)) => {
            Err(ApiError::bad_request(format!("Invalid input for {key}: too many items")))
        }
        Some(_) => Err(wrong_type(key, "array")),
    }
}

fn network(body: &Object) -> Result<Network, ApiError> {
    match body.get("project_vpc_id") {
        None => Ok(Network::Unspecified),
        Some(Value::Null) => Ok(Network::Public),
        Some(Value::String(id)) => Ok(Network::Vpc(id.clone())),
        Some(_) => Err(wrong_type("project_vpc_id", "string")),
    }
}

fn emails(body: &Object) -> Result<Option<Vec<String>>, ApiError> {
    let Some(items) = array(body, "tech_emails", 10)? else { return Ok(None) };
    let address = |item: &Value| {
        let email = item["email"].as_str().filter(|email| email.len() <= 254 && email.contains('@'));
        email
            .map(str::to_owned)
            .ok_or_else(|| ApiError::bad_request("Invalid input for tech_emails: invalid email"))
    };
    items.iter().map(address).collect::<Result<_, _>>().map(Some)
}
