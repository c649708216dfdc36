//! The users of a service. Guarantees that the main user is never deleted, and that nothing here
//! works while the service is off: users live in the data of the service.

use super::acl;
use super::body::{object, required, text};
use crate::provider::call::Call;
use crate::provider::catalogue::ServiceType;
use crate::provider::outcome::{ApiError, Outcome, Reply};
use crate::provider::render;
use crate::provider::schema::Object;
use crate::provider::secret::Secret;
use crate::provider::service::{Service, User};
use crate::provider::world::World;
use serde_json::{Value, json};

/// `POST …/user`
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let name = required(&body, "username", 64)?;
    let mut world = call.world();
    let service = world.service(call.project(), call.service())?;
    if service.lag.missing_posts > 0 {
        world.edit(call.project(), call.service(), |service| service.lag.missing_posts -= 1)?;
        return Err(world.missing_service(call.service()));
    }
    check_powered(&world, service)?;
    if !well_formed(&name) {
        return Err(ApiError::bad_request(format!("Invalid username '{name}'")).code("username_is_invalid"));
    }
    if service.connection.users.iter().any(|user| user.name == name) {
        return Err(ApiError::conflict(format!("User {name} already exists")));
    }
    let user = User {
        name: name.clone(),
        password: Secret::generate(),
        kind: "normal",
        access: access(service.service_type, &body)?.unwrap_or_default(),
        password_time: call.now,
        missing_reads: world.unknowns.missing_user_reads,
        blank_reads: 0,
    };
    let reply = reply(service.service_type, &user);
    world.edit(call.project(), call.service(), |service| service.connection.users.push(user))?;
    reply
}

/// `GET …/user/{user}`
pub(super) fn get(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let service = world.seen_service(call.project(), call.service())?;
    check_powered(&world, &service)?;
    let user = find(&service, call.parameter(2))?.clone();
    let service_type = service.service_type;
    if user.missing_reads > 0 || user.blank_reads > 0 {
        edit(call, &mut world, |user| {
            user.missing_reads = user.missing_reads.saturating_sub(1);
            user.blank_reads = user.blank_reads.saturating_sub(1);
        })?;
    }
    if user.missing_reads > 0 {
        return Err(missing(&user.name));
    }
    reply(service_type, &user)
}

/// `PUT …/user/{user}`
pub(super) fn modify(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let operation = required(&body, "operation", 64)?;
    let mut world = call.world();
    let service = world.service(call.project(), call.service())?;
    check_powered(&world, service)?;
    let service_type = service.service_type;
    match operation.as_str() {
        "reset-credentials" => {
            let password = match text(&body, "new_password", 256)? {
                Some(chosen) if chosen.len() < 8 => {
                    return Err(ApiError::bad_request("Invalid input for new_password: value is too short"));
                }
                Some(chosen) => Secret::new(chosen),
                None => Secret::generate(),
            };
            set_password(call, &mut world, password)?;
        }
        "set-access-control" => {
            let access = access(service_type, &body)?.ok_or_else(|| {
                ApiError::bad_request("Invalid input: 'access_control' is a required property")
            })?;
            edit(call, &mut world, |user| user.access = access)?;
        }
        "acknowledge-renewal" => edit(call, &mut world, |_| ())?,
        _ => return Err(ApiError::bad_request(format!("Invalid operation '{operation}'"))),
    }
    call.named_service_reply(world, call.project(), call.service())
}

/// `PUT …/user/{user}/credentials/reset`
pub(super) fn reset(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    check_powered(&world, world.service(call.project(), call.service())?)?;
    set_password(call, &mut world, Secret::generate())?;
    call.named_service_reply(world, call.project(), call.service())
}

/// `PUT …/credentials/reset`
pub(super) fn reset_all(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    check_powered(&world, world.service(call.project(), call.service())?)?;
    world.edit(call.project(), call.service(), |service| {
        for user in &mut service.connection.users {
            user.password = Secret::generate();
            user.password_time = call.now;
        }
    })?;
    call.named_service_reply(world, call.project(), call.service())
}

/// `DELETE …/user/{user}`
pub(super) fn delete(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let service = world.service(call.project(), call.service())?;
    check_powered(&world, service)?;
    let user = find(service, call.parameter(2))?;
    if user.kind == "primary" {
        return Err(ApiError::bad_request(format!("User {} cannot be deleted", user.name))
            .code("username_is_reserved"));
    }
    let name = call.parameter(2);
    world.edit(call.project(), call.service(), |service| {
        service.connection.users.retain(|user| user.name != name);
    })?;
    Reply::message("deleted")
}

fn check_powered(world: &World, service: &Service) -> Result<(), ApiError> {
    if service.is_powered_off() {
        let status = world.unknowns.powered_off_data_status;
        return Err(ApiError::new(status, "Database not powered on").code("not_powered"));
    }
    Ok(())
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("Service user {name} does not exist")).code("user_not_found")
}

fn find<'a>(service: &'a Service, name: &str) -> Result<&'a User, ApiError> {
    service.connection.users.iter().find(|user| user.name == name).ok_or_else(|| missing(name))
}

/// Changes the user in the path.
fn edit(call: &Call<'_>, world: &mut World, change: impl FnOnce(&mut User)) -> Result<(), ApiError> {
    let name = call.parameter(2);
    world.edit(call.project(), call.service(), |service| {
        let user = service.connection.users.iter_mut().find(|user| user.name == name);
        user.map(change).ok_or_else(|| missing(name))
    })?
}

fn set_password(call: &Call<'_>, world: &mut World, password: Secret) -> Result<(), ApiError> {
    let blank_reads = world.unknowns.blank_password_reads;
    edit(call, world, |user| {
        user.password = password;
        user.password_time = call.now;
        user.blank_reads = blank_reads;
    })
}

/// A single user is shown with the password: a caller with this permission may also set it.
fn reply(service_type: ServiceType, user: &User) -> Outcome {
    let password = if user.blank_reads > 0 { "" } else { user.password.expose() };
    Reply::json(&json!({ "user": render::user_object(user, service_type, password) }))
}

fn well_formed(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && name.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '-' | '.' | '_'))
}

/// Access lists by short name, normalised; empty ones are left out.
fn access(service_type: ServiceType, body: &Object) -> Result<Option<Object>, ApiError> {
    let Some(sent) = object(body, "access_control")? else { return Ok(None) };
    let prefix = format!("{}_acl_", service_type.name());
    let mut access = Object::new();
    for (key, value) in sent {
        let list = key
            .strip_prefix(&prefix)
            .filter(|list| ["categories", "commands", "keys", "channels"].contains(list));
        let items = value.as_array().filter(|items| items.len() <= 256);
        let items = items.and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let (Some(list), Some(items)) = (list, items) else {
            return Err(ApiError::bad_request(format!("Invalid input for access_control: invalid '{key}'")));
        };
        let items: Vec<String> =
            items.into_iter().map(|item| acl::rule(key, list, item)).collect::<Result<_, _>>()?;
        if !items.is_empty() {
            access.insert(list.to_owned(), items.into());
        }
    }
    Ok(Some(access))
}
