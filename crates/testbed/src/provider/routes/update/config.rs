//! Merging the `user_config` of an update into what a service has: key by key, never deeper.
//! Guarantees that `null` resets a nullable key and is refused elsewhere.

use crate::provider::options::CreateOnlyOnUpdate;
use crate::provider::outcome::ApiError;
use crate::provider::schema::{Object, Schema};
use crate::provider::service::Service;
use serde_json::Value;

/// A `user_config` after an update.
pub(super) struct Merge {
    pub(super) merged: Object,
    pub(super) rebuilds: bool,
    pub(super) starts_migration: bool,
    pub(super) changes_migration: bool,
}

/// Merges `sent` into the configuration of `service`.
pub(super) fn merge(
    service: &Service,
    sent: &Object,
    create_only: CreateOnlyOnUpdate,
) -> Result<Merge, ApiError> {
    let schema = Schema::of(service.service_type);
    schema.check(sent)?;
    check_version(service, sent)?;
    let mut sent = sent.clone();
    if create_only == CreateOnlyOnUpdate::Ignored {
        sent.retain(|key, _| !schema.is_create_only(key));
    } else if let Some(key) = sent.keys().find(|key| schema.is_create_only(key)) {
        return Err(ApiError::bad_request(format!(
            "Invalid 'user_config': '{key}' cannot be changed after creation"
        )));
    }
    schema.complete(&mut sent);
    let mut merged = service.user_config.clone();
    let mut rebuilds = false;
    for (key, value) in sent {
        let value = if value.is_null() { schema.default_of(&key).cloned() } else { Some(value) };
        rebuilds |= schema.rebuilds(&key) && merged.get(&key) != value.as_ref();
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&key),
        };
    }
    let migration = merged.get("migration");
    let changes_migration = migration != service.user_config.get("migration");
    let starts_migration = migration.is_some() && changes_migration;
    Ok(Merge { merged, rebuilds, starts_migration, changes_migration })
}

fn check_version(service: &Service, sent: &Object) -> Result<(), ApiError> {
    let key = format!("{}_version", service.service_type.name());
    let asked = sent.get(&key).and_then(Value::as_str);
    if let (Some(asked), Some(current)) = (asked, service.version())
        && number(asked) < number(current)
    {
        let message = format!("Invalid 'user_config': downgrade from {current} to {asked} is not supported");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// `9.1` as something that orders correctly.
fn number(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}
