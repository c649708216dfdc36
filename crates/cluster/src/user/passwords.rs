//! Which passwords of a user servers accept.

use super::Entry;
use chrono::{DateTime, TimeDelta, Utc};
use valkeeper_api::valkey_user::UserRotation;

/// Most passwords of one user.
const MOST: usize = 8;

/// Hashes of the passwords that servers are to accept, the newest first. All that clients may have are kept until the grace is
/// over after they were given the newest one. `given` is what the connection Secret has, `was_published` whether clients
/// were given the newest one, as far as it was noted.
pub(super) fn accepted(
    entry: Option<&Entry>,
    wanted: &str,
    given: Option<&String>,
    was_published: bool,
    is_over: bool,
) -> Vec<String> {
    let known = entry.map(|entry| entry.passwords.as_slice()).unwrap_or_default();
    let before = |others: &[String]| {
        let others = others.iter().filter(|other| *other != wanted).cloned();
        [wanted.to_owned()].into_iter().chain(others).collect()
    };
    match known {
        // Servers have nothing: clients may have a password all the same.
        [] => before(given.map(std::slice::from_ref).unwrap_or_default()),
        [newest, ..] if is_over && newest == wanted => vec![newest.clone()],
        [newest, ..] if newest == wanted => known.to_vec(),
        [newest, ..] if is_over => before(std::slice::from_ref(newest)),
        // Another change begins when this one has ended.
        [_, _, ..] if was_published => known.to_vec(),
        // The newest may have been given just now, and the last one before: those between never were.
        [newest, _, others @ ..] if known.len() == MOST => {
            before(&[std::slice::from_ref(newest), others].concat())
        }
        _ => before(known),
    }
}

/// Whether the passwords before the newest one have been accepted for long enough.
pub(super) fn is_over(published: Option<DateTime<Utc>>, grace: TimeDelta, now: DateTime<Utc>) -> bool {
    let until = published.and_then(|published| published.checked_add_signed(grace));
    until.is_some_and(|until| now >= until)
}

/// When clients were given the newest of several passwords, as it was noted.
pub(super) fn published_at(noted: Option<&UserRotation>, entry: &Entry) -> Option<DateTime<Utc>> {
    noted
        .filter(|noted| entry.passwords.len() > 1 && noted.revision == entry.revision)
        .map(|noted| noted.published_at)
}
