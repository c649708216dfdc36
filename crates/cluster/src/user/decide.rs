//! The one next step for a user, and what is to be said.

use super::passwords::{accepted, is_over, published_at};
use super::{
    Entry, EntrySeen, ObservedUser, RulesSeen, ServerAnswer, UserClusterSeen, UserPassword, UserReport,
    UserStep, username,
};
use crate::names::reason;
use chrono::TimeDelta;
use valkeeper_api::{UserStatus, ValkeyUser, names as api_names, valkey_user};
use valkeeper_engine::{ConnectionSecret, Ready, Report};

/// How long a deletion waits for a server that does not answer.
const DELETION_PATIENCE: TimeDelta = TimeDelta::minutes(5);

type Decision = (UserStep, UserReport);

/// Decides what to do for a user.
pub fn decide(object: &ValkeyUser, observed: &ObservedUser) -> Decision {
    let annotations = object.metadata.annotations.as_ref();
    let paused = annotations.and_then(|annotations| annotations.get(api_names::PAUSED));
    if paused.is_some_and(|value| value != "false") {
        let message =
            format!("Reconciliation is paused. To resume, remove annotation {}.", api_names::PAUSED);
        return rest(false, Ready::Unchanged, reason::PAUSED, message);
    }
    if object.metadata.deletion_timestamp.is_some() {
        return deletion(object, observed);
    }
    let violations = valkey_user::violations(object);
    if !violations.is_empty() {
        return rest(false, Ready::Stuck, reason::INVALID_SPEC, Report::invalid_spec(&violations).message);
    }
    if !api_names::has_finalizer(&object.metadata) {
        return step(UserStep::AddFinalizer, "Preparing the user.");
    }
    let UserClusterSeen::Present(grace) = observed.cluster else {
        let name = &object.spec.cluster_name;
        let message = format!(
            "ValkeyCluster {name} does not exist, or is being deleted. Create it, or correct spec.clusterName."
        );
        return rest(true, Ready::Stuck, reason::CLUSTER_MISSING, message);
    };
    match &observed.entry {
        EntrySeen::Foreign(conflict) => rest(true, Ready::Stuck, reason::OBJECT_CONFLICT, conflict.clone()),
        EntrySeen::Missing => entry_step(object, observed, None, grace),
        EntrySeen::Present(entry) => entry_step(object, observed, Some(entry), grace),
    }
}

/// Servers end the user before its entry goes.
fn deletion(object: &ValkeyUser, observed: &ObservedUser) -> Decision {
    let message = format!("Deleting user {}.", username(object));
    let report = UserReport { ready: Ready::Progressing, reason: reason::DELETING, message };
    if !api_names::has_finalizer(&object.metadata) {
        return (UserStep::Rest { soon: false }, report);
    }
    let status = object.status.clone().unwrap_or_default();
    let entry = match &observed.entry {
        EntrySeen::Present(entry) => entry,
        // It was lost, and servers do not end a user for that.
        EntrySeen::Missing if has_servers(observed) && status.ended_at.is_none() && was_given(&status) => {
            return (UserStep::WriteEntry(Entry::default()), report);
        }
        // That of another resource stays.
        EntrySeen::Missing | EntrySeen::Foreign(_) => return (UserStep::ReleaseFinalizer, report),
    };
    if !entry.passwords.is_empty() {
        return (UserStep::WriteEntry(Entry::default()), report);
    }
    let is_late = status.ended_at.is_some_and(|since| observed.now - since >= DELETION_PATIENCE);
    match behind(observed, entry) {
        Some((_, waits)) if !is_late => {
            (UserStep::Rest { soon: true }, UserReport { reason: reason::DELETING, ..waits })
        }
        _ => (UserStep::RemoveEntry, report),
    }
}

fn has_servers(observed: &ObservedUser) -> bool {
    observed.cluster != UserClusterSeen::Missing
}

/// Whether servers may have the user.
fn was_given(status: &UserStatus) -> bool {
    status.connection_secret.is_some()
}

/// What servers are given, and then what clients are given.
fn entry_step(
    object: &ValkeyUser,
    observed: &ObservedUser,
    entry: Option<&Entry>,
    grace: TimeDelta,
) -> Decision {
    // A user that was to end, and was created again.
    let entry = entry.filter(|entry| !entry.passwords.is_empty());
    let mut trouble = None;
    let wanted = match &observed.password {
        UserPassword::Present(_) if observed.password_is_due && entry.is_some_and(is_settled) => {
            return step(UserStep::GeneratePassword, "Generating another password.");
        }
        UserPassword::Present(hash) => Some(hash),
        UserPassword::Missing(_) if object.spec.password_secret_ref.is_none() => {
            return step(UserStep::GeneratePassword, "Generating a password.");
        }
        UserPassword::Missing(message) => {
            trouble = Some(rest(true, Ready::Stuck, reason::PASSWORD_MISSING, message.clone()));
            None
        }
        UserPassword::Foreign(message) => {
            trouble = Some(rest(true, Ready::Stuck, reason::OBJECT_CONFLICT, message.clone()));
            None
        }
        UserPassword::Unknown => return step(UserStep::Rest { soon: true }, "Reading the password."),
    };
    let declared = object.spec.rules();
    let accepts_rules =
        entry.is_some_and(|entry| entry.rules == declared) || observed.rules == RulesSeen::Accepted;
    if !accepts_rules {
        trouble = Some(rules_trouble(&observed.rules, entry.is_some()));
    }
    // What cannot be changed stays in force, and does not hold up the rest.
    let rules = if accepts_rules { Some(declared) } else { entry.map(|entry| entry.rules.clone()) };
    let wanted = wanted.or_else(|| entry.and_then(|entry| entry.passwords.first()));
    let (Some(rules), Some(wanted)) = (rules, wanted) else {
        return trouble.unwrap_or_else(|| step(UserStep::Rest { soon: true }, "Waiting for the user."));
    };
    let noted = object.status.as_ref().and_then(|status| status.rotation.as_ref());
    let published = entry.and_then(|entry| published_at(noted, entry));
    let is_over = is_over(published, grace, observed.now);
    let has_newest = entry.is_some_and(|entry| entry.passwords.first() == observed.given.as_ref());
    let was_published = published.is_some() || has_newest;
    let passwords = accepted(entry, wanted, observed.given.as_ref(), was_published, is_over);
    match entry {
        Some(entry) if entry.rules == rules && entry.passwords == passwords => {
            secret_step(object, observed, entry, trouble)
        }
        _ => {
            let entry = Entry { revision: String::new(), rules, passwords };
            step(UserStep::WriteEntry(entry), "Giving the user to the servers.")
        }
    }
}

/// Whether no change of the password is under way.
fn is_settled(entry: &Entry) -> bool {
    entry.passwords.len() == 1
}

fn rules_trouble(seen: &RulesSeen, has_others: bool) -> Decision {
    let RulesSeen::Refused(why) = seen else {
        let message = "Waiting for a server that can check spec.rules.".to_owned();
        return rest(true, Ready::Progressing, reason::USER_PENDING, message);
    };
    let before = if has_others { " The rules before stay in force." } else { "" };
    let message = format!("Cannot apply spec.rules: a server answers {why:?}. Correct them.{before}");
    rest(true, Ready::Stuck, reason::RULES_REFUSED, message)
}

/// What clients are given, once every server has taken the entry.
fn secret_step(
    object: &ValkeyUser,
    observed: &ObservedUser,
    entry: &Entry,
    trouble: Option<Decision>,
) -> Decision {
    if let Some(waits) = behind(observed, entry) {
        let outdated = ConnectionSecret::Ours { current: false, immutable: false };
        if observed.keeps_password(entry) && observed.secret == outdated {
            // Host, port and authority do not wait for a password.
            return step(UserStep::WriteSecret, "Writing the connection Secret.");
        }
        return trouble.unwrap_or(waits);
    }
    match &observed.secret {
        ConnectionSecret::Absent | ConnectionSecret::Ours { current: false, immutable: false } => {
            return step(UserStep::WriteSecret, "Writing the connection Secret.");
        }
        ConnectionSecret::Ours { current: false, immutable: true } => {
            let message = "Cannot write the connection Secret: it is immutable. Delete it; the operator writes it again.";
            return rest(true, Ready::Stuck, reason::SECRET_IMMUTABLE, message.to_owned());
        }
        ConnectionSecret::Foreign { owner } => {
            let message =
                format!("Cannot write the connection Secret: it {owner}. Delete it, or rename the user.");
            return rest(true, Ready::Stuck, reason::SECRET_CONFLICT, message);
        }
        ConnectionSecret::Unknown | ConnectionSecret::Exists => {
            let message = "Waiting for the connection of the cluster.".to_owned();
            return trouble.unwrap_or_else(|| rest(true, Ready::Progressing, reason::USER_PENDING, message));
        }
        ConnectionSecret::Ours { current: true, .. } => {}
    }
    let user = username(object);
    trouble.unwrap_or_else(|| {
        if is_settled(entry) {
            let message = format!("All servers accept user {user}, and its Secret has its connection.");
            return rest(false, Ready::Yes, reason::USER_ACCEPTED, message);
        }
        let message = format!(
            "All servers accept user {user}, and its earlier password until the grace period is over."
        );
        rest(true, Ready::Yes, reason::USER_ACCEPTED, message)
    })
}

/// What is waited for while a server has not taken the entry.
fn behind(observed: &ObservedUser, entry: &Entry) -> Option<Decision> {
    if observed.servers_are_unknown {
        let message = "Waiting for the servers of the cluster.".to_owned();
        return Some(rest(true, Ready::Progressing, reason::USER_PENDING, message));
    }
    let (name, answer) = observed.servers.iter().find(|(_, answer)| !answer.has(entry))?;
    Some(match answer {
        ServerAnswer::Refused(revision, why) if *revision == entry.revision => {
            let message =
                format!("Cannot apply spec.rules on server {name}: it answers {why:?}. Correct them.");
            rest(true, Ready::Stuck, reason::RULES_REFUSED, message)
        }
        ServerAnswer::Silent => {
            let message = format!(
                "Waiting for an answer of server {name}. The connection Secret is not changed before that."
            );
            rest(true, Ready::Progressing, reason::USER_PENDING, message)
        }
        _ => {
            let message = format!("Waiting for server {name} to read the change from its files.");
            rest(true, Ready::Progressing, reason::USER_PENDING, message)
        }
    })
}

fn step(step: UserStep, message: &str) -> Decision {
    (
        step,
        UserReport { ready: Ready::Progressing, reason: reason::USER_PENDING, message: message.to_owned() },
    )
}

fn rest(soon: bool, ready: Ready, reason: &'static str, message: String) -> Decision {
    (UserStep::Rest { soon }, UserReport { ready, reason, message })
}
