//! Service users: create, read, modify, reset, and delete.

use serde_json::{Map, Value, json};

use crate::call::Context;
use crate::config::Config;
use crate::render::{REDACTED, render_user};
use crate::reply::{Fail, Outcome};
use crate::service::{Service, User};
use crate::token::{Visibility, visibility};
use crate::world::World;

const LISTS: [&str; 4] = ["categories", "commands", "keys", "channels"];

fn missing(user: &str) -> Fail {
    Fail::new(404, format!("User {user} does not exist")).code("user_not_found")
}

fn powered(service: &Service) -> Result<(), Fail> {
    if service.wants_off() { Err(Fail::not_powered()) } else { Ok(()) }
}

/// POST `…/user`. The only write whose answer shows a secret.
pub(crate) fn create(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["service:users:write"])?;
    world.gate_post(context.project, name)?;
    let body = context.call.object()?;
    let username = body.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
    check_name(&username)?;
    world.edit(context.project, name, |service, config, now| {
        powered(service)?;
        if service.users.iter().any(|user| user.name == username) {
            return Err(Fail::new(409, format!("Service user '{username}' already exists")));
        }
        let mut user = User::new(&username, now);
        user.hidden_reads = config.user_lag_reads;
        if let Some(rules) = body.get("access_control") {
            user.access_control = access_control(&service.kind, rules, config)?;
        }
        let answer = json!({"user": render_user(&user, true)});
        service.users.push(user);
        Ok(answer)
    })
}

fn check_name(name: &str) -> Result<(), Fail> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(legal) && !name.starts_with(['-', '.']);
    if fits {
        return Ok(());
    }
    Err(Fail::bad_request(format!("Invalid input for username: '{name}' is not valid"))
        .code("username_is_invalid"))
}

/// GET `…/user/{u}`.
pub(crate) fn get(world: &mut World, context: &Context<'_>, name: &str, user: &str) -> Outcome {
    context.require(&["service:users:write", "service:configuration:write"])?;
    let visibility = visibility(&world.config, context.token, context.call, false)?;
    let service = world.read(context.project, name)?;
    let found = service.users.iter().find(|found| found.name == user && found.hidden_reads == 0);
    let found = found.ok_or_else(|| missing(user))?;
    let mut answer = render_user(found, true);
    if visibility == Visibility::Redacted && answer["password"].is_string() {
        answer["password"] = REDACTED.into();
    }
    Ok(json!({"user": answer}))
}

/// PUT `…/user/{u}`.
pub(crate) fn modify(world: &mut World, context: &Context<'_>, name: &str, user: &str) -> Outcome {
    context.require(&["service:users:write"])?;
    let body = context.call.object()?;
    let operation = body.get("operation").and_then(Value::as_str).unwrap_or_default().to_owned();
    match operation.as_str() {
        "reset-credentials" => {
            let chosen = body.get("new_password").and_then(Value::as_str).map(str::to_owned);
            if chosen.as_ref().is_some_and(|text| !(8..=256).contains(&text.chars().count())) {
                return Err(Fail::bad_request("Invalid input for new_password: length must be 8 to 256"));
            }
            reset_user(world, context.project, name, user, chosen)?;
        }
        "set-access-control" => {
            let rules = body.get("access_control").cloned().unwrap_or_default();
            world.edit(context.project, name, |service, config, _| {
                powered(service)?;
                let rules = access_control(&service.kind, &rules, config)?;
                let found = service.users.iter_mut().find(|found| found.name == user);
                found.ok_or_else(|| missing(user))?.access_control = rules;
                Ok(())
            })?;
        }
        "acknowledge-renewal" => {}
        _ => return Err(Fail::bad_request(format!("Invalid input for operation: '{operation}'"))),
    }
    world.write_answer(context.project, name)
}

/// Resets a password.
pub(crate) fn reset_user(
    world: &mut World,
    project: &str,
    name: &str,
    user: &str,
    chosen: Option<String>,
) -> Result<(), Fail> {
    world.edit(project, name, |service, config, now| {
        powered(service)?;
        let found = service.users.iter_mut().find(|found| found.name == user);
        found.ok_or_else(|| missing(user))?.reset(chosen, config.reset_lag_reads, now);
        Ok(())
    })
}

/// PUT `…/user/{u}/credentials/reset`, and `…/credentials/reset` for all users.
pub(crate) fn reset(world: &mut World, context: &Context<'_>, name: &str, user: Option<&str>) -> Outcome {
    context.require(&["service:users:write"])?;
    let users = match user {
        Some(user) => vec![user.to_owned()],
        None => world.present(context.project, name)?.users.iter().map(|user| user.name.clone()).collect(),
    };
    for user in users {
        reset_user(world, context.project, name, &user, None)?;
    }
    world.write_answer(context.project, name)
}

/// DELETE `…/user/{u}`.
pub(crate) fn delete(world: &mut World, context: &Context<'_>, name: &str, user: &str) -> Outcome {
    context.require(&["service:users:write"])?;
    world.edit(context.project, name, |service, _, _| {
        powered(service)?;
        let index = service.users.iter().position(|found| found.name == user).ok_or_else(|| missing(user))?;
        if index == 0 {
            // The status of this refusal is not recorded.
            return Err(Fail::new(403, format!("Primary user {user} cannot be deleted")));
        }
        service.users.remove(index);
        Ok(())
    })?;
    Ok(json!({"message": "deleted"}))
}

/// Validates and normalizes ACL rules; empty lists are omitted.
fn access_control(kind: &str, rules: &Value, config: &Config) -> Result<Map<String, Value>, Fail> {
    let bad = |text: String| Fail::bad_request(format!("Invalid input for access_control: {text}"));
    let rules = rules.as_object().ok_or_else(|| bad("must be an object".into()))?;
    let key = |list: &str| format!("{kind}_acl_{list}");
    if let Some(unknown) = rules.keys().find(|sent| !LISTS.iter().any(|list| key(list) == **sent)) {
        return Err(bad(format!("Additional properties are not allowed ('{unknown}' was unexpected)")));
    }
    let present = LISTS[..3].iter().filter(|list| rules.contains_key(&key(list))).count();
    if !matches!(present, 0 | 3) {
        return Err(bad("categories, commands, and keys must be supplied together".into()));
    }
    let mut result = Map::new();
    for list in LISTS {
        let Some(sent) = rules.get(&key(list)) else { continue };
        let items = sent.as_array().filter(|items| items.len() <= 256).ok_or_else(|| bad(key(list)))?;
        let mut clean =
            items.iter().map(|item| acl_rule(list, item).map_err(bad)).collect::<Result<Vec<_>, _>>()?;
        if config.normalize {
            clean.sort();
            clean.dedup();
            if list == "channels" && !clean.is_empty() {
                clean.insert(0, "resetchannels".into());
            }
        }
        if !clean.is_empty() {
            result.insert(key(list), clean.into());
        }
    }
    Ok(result)
}

/// Validates one ACL rule and returns it in normal form.
fn acl_rule(list: &str, item: &Value) -> Result<String, String> {
    let rule = item.as_str().unwrap_or_default();
    let valid = match list {
        "categories" => rule.starts_with("+@") || rule.starts_with("-@"),
        "commands" => rule.starts_with(['+', '-']) && !rule[1..].starts_with('@'),
        _ => !rule.is_empty(),
    };
    match list {
        _ if !valid => Err(format!("'{rule}' is not valid in {list}")),
        "categories" | "commands" => Ok(rule.to_lowercase()),
        _ => Ok(rule.to_owned()),
    }
}
