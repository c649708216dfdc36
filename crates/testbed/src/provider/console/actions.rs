//! What the buttons of the console do: what people do to services behind an operator's back, and what
//! happens to an API on a bad day. Guarantees a sentence about what was done, or why it was not.

use super::{Fields, Outcome};
use crate::faults::Disturbance;
use crate::provider::faults::{Fault, Matcher};
use crate::provider::handle::ProviderHandle;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most requests that one button makes fail.
const MOST_FAILURES: u32 = 1_000;
/// How long after the client's timeout a late request takes effect.
const LATE: Duration = Duration::from_secs(2);
/// Furthest that one button moves the clock.
const LONGEST_LEAP: Duration = Duration::from_hours(24 * 366);
/// Longest delay of every answer.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Does something to a service.
pub(super) fn on_service(handle: &ProviderHandle, service: &str, action: &str, fields: &Fields) -> Outcome {
    let project = project_of(handle, service, fields.get("project"))?;
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let (done, text) = match action {
        "plan" => {
            let plan = field("plan");
            let known = handle.set_plan(&project, service, plan);
            (
                known.then_some(()).ok_or_else(|| format!("There is no plan {plan}.")),
                format!("has the plan {plan} now"),
            )
        }
        "tags" => {
            let tags = tags(field("tags"))?;
            let text = format!("has {} tags now", tags.len());
            (found(handle.set_tags(&project, service, tags)), text)
        }
        "reset-password" => {
            (found(handle.reset_password(&project, service)), "has a new password".to_owned())
        }
        "take-backup" => (found(handle.take_backup(&project, service)), "has a new backup".to_owned()),
        "power-off" => {
            (found(handle.set_powered(&project, service, false)), "is being powered off".to_owned())
        }
        "power-on" => (found(handle.set_powered(&project, service, true)), "is being powered on".to_owned()),
        "delete" => (found(handle.delete_service(&project, service)), "was deleted with its data".to_owned()),
        _ => return Err(format!("Nothing is called {action}.")),
    };
    done.map(|()| format!("{service} {text}."))
}

fn found(found: bool) -> Result<(), String> {
    found.then_some(()).ok_or_else(|| "The service is gone.".to_owned())
}

/// The project of a service: as given, or the only one that has such a service.
fn project_of(handle: &ProviderHandle, service: &str, given: Option<&String>) -> Result<String, String> {
    let world = handle.shared.world();
    let mut having = world
        .projects
        .iter()
        .filter(|(name, project)| {
            given.is_none_or(|given| given == *name) && project.services.contains_key(service)
        })
        .map(|(name, _)| name.clone());
    match (having.next(), having.next()) {
        (Some(project), None) => Ok(project),
        (Some(_), Some(_)) => Err(format!("Several projects have a service {service}: say which.")),
        (None, _) => {
            let all = world.projects.values().flat_map(|project| project.services.keys());
            let all: Vec<&str> = all.map(String::as_str).collect();
            Err(format!("There is no service {service}. There are: {}.", all.join(", ")))
        }
    }
}

/// Tags written as `key=value`, separated by white space.
fn tags(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |word: &str| {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("{word} is not of the form key=value."))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split_whitespace().map(pair).collect()
}

/// Does something to the API itself.
pub(super) fn on_api(handle: &ProviderHandle, action: &str, fields: &Fields) -> Outcome {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match action {
        "revoke-token" => {
            let name = field("token");
            let revoked = handle.suspend_token(name);
            revoked.then(|| format!("The token {name} is refused from now on.")).ok_or_else(|| no_token(name))
        }
        "accept-token" => {
            let name = field("token");
            let accepted = handle.restore_token(name);
            accepted.then(|| format!("The token {name} is accepted again.")).ok_or_else(|| no_token(name))
        }
        "fail" => fail(handle, field("how"), field("times")),
        "slow" => slow(handle, field("milliseconds")),
        "disturb" => disturb(handle, field("what")),
        "advance" => advance(handle, field("time")),
        "recover" => {
            handle.clear_faults();
            handle.set_disturbances(Vec::new());
            handle.set_latency(Duration::ZERO);
            Ok("The API works normally again.".to_owned())
        }
        _ => Err(format!("Nothing is called {action}.")),
    }
}

fn no_token(name: &str) -> String {
    format!("There is no token {name} for that.")
}

fn fail(handle: &ProviderHandle, how: &str, times: &str) -> Outcome {
    let times: u32 = times
        .parse()
        .ok()
        .filter(|times| (1..=MOST_FAILURES).contains(times))
        .ok_or_else(|| format!("The number of requests is between 1 and {MOST_FAILURES}."))?;
    let fault = match how {
        "error" => Fault::status(500, "An error occurred. Please try again later."),
        "unavailable" => Fault::ProxyPage { code: 503 },
        "bad-gateway" => Fault::ProxyPage { code: 502 },
        "not-found-page" => Fault::ProxyPage { code: 404 },
        "no-project" => Fault::ProjectMissing,
        "late" => Fault::Late { after: LATE },
        "throttle" => Fault::status(429, "Too many requests"),
        "lost" => Fault::CloseConnection { executed: true },
        "hang" => Fault::Hang { executed: false },
        _ => return Err(format!("No way to fail is called {how}.")),
    };
    let every = Matcher::new(None, "^/v1/").map_err(|error| error.to_string())?;
    handle.fail_next(every, times, fault);
    Ok(format!("The next {times} requests fail."))
}

fn disturb(handle: &ProviderHandle, what: &str) -> Outcome {
    let disturbance = what.parse()?;
    if let Disturbance::WatchLag(_) = disturbance {
        return Err("Watches are not the provider's: they lag in tests only.".to_owned());
    }
    handle.disturb(disturbance);
    Ok(format!("{what} holds until the API is told to recover."))
}

fn advance(handle: &ProviderHandle, time: &str) -> Outcome {
    let by = humantime::parse_duration(time.trim()).ok().filter(|by| *by <= LONGEST_LEAP);
    let by = by.ok_or_else(|| "A time is written like 12h or 3days, and is a year at most.".to_owned())?;
    handle.advance(by);
    Ok(format!("{} have passed at the provider.", humantime::format_duration(by)))
}

fn slow(handle: &ProviderHandle, milliseconds: &str) -> Outcome {
    let delay = milliseconds.parse().ok().map(Duration::from_millis).filter(|delay| *delay <= LONGEST_DELAY);
    let delay = delay
        .ok_or_else(|| format!("The delay is between 0 and {} milliseconds.", LONGEST_DELAY.as_millis()))?;
    handle.set_latency(delay);
    Ok(format!("Every answer takes {} milliseconds longer.", delay.as_millis()))
}
