//! Users that `ValkeyUser` resources describe: each is a file beside that of [`access`](crate::access), and the server is kept
//! as the files say.
//!
//! ```text
//!   kubelet ──files──▶ watch ──ACL SETUSER, ACL DELUSER──▶ server ──▶ the revision of each that is in force
//! ```
//!
//! Guarantees: a user whose rules the server refuses hinders no other user, and no start: users are not in the configuration
//! of the server. A server is promoted, and counts as ready, after it was given all of them. A user ends when its file says
//! so: one without a file, or with a file that cannot be used, stays as it is. Users of other names are not changed.
//!
//! Left to others: which rules and passwords a user has. The operator writes the files.

use crate::{
    access::{CLIENTS, is_hash, keep_applied},
    instance::{Instance, lock},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use valkeeper_server::{Error, ErrorClass, Server};

/// Begin of the names of users that belong to the manager.
const OWN: &str = "valkeeper";
/// The user that rules are tried with.
const CANDIDATE: &str = "valkeeper-candidate";
/// How long the first application may take.
const AT_START: Duration = Duration::from_secs(2);
/// Begin and end of the names of the files.
const FILE: [&str; 2] = ["user.", ".json"];

/// The name of the file of a user, which is also its key in the Secret that the files come from.
pub fn file_name(user: &str) -> String {
    let [begin, end] = FILE;
    format!("{begin}{user}{end}")
}

/// What the file of a user says. It has no `Debug`: passwords that people choose can be guessed from their hashes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The resource that describes it.
    pub resource: String,
    /// Its UID.
    pub uid: String,
    /// Changes with everything else in it.
    pub revision: String,
    /// What the user may do.
    pub rules: Vec<String>,
    /// SHA-256 of each password that it may have, in hexadecimal digits; none for a user that has ended.
    pub passwords: Vec<String>,
}

/// What the server has taken of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAnswer {
    /// The revision.
    pub revision: String,
    /// Why it did not take it, in the words of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The body of `users/check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRequest {
    /// What a user should be able to do.
    pub rules: Vec<String>,
}

/// The answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswer {
    /// Why the server does not take the rules, in its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl UserEntry {
    /// Whether every password is a hash.
    pub fn is_usable(&self) -> bool {
        self.passwords.iter().all(|hash| is_hash(hash))
    }

    /// Whether there is to be no such user.
    fn has_ended(&self) -> bool {
        self.passwords.is_empty()
    }

    fn hashes(&self) -> impl Iterator<Item = String> {
        self.passwords.iter().map(|hash| format!("#{hash}"))
    }

    fn rules(&self) -> Vec<String> {
        let begin = ["reset", "on", "resetchannels"].map(str::to_owned).into_iter();
        begin.chain(self.rules.clone()).chain(self.hashes()).collect()
    }
}

/// What the server of this life has taken.
#[derive(Default)]
pub(crate) struct InForceUsers {
    known: Mutex<Known>,
    /// Held while files are applied: none replaces a newer one.
    applying: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// The life of the server; 0 before the first one.
    life: u64,
    users: BTreeMap<String, (UserEntry, Option<String>)>,
}

impl InForceUsers {
    /// Whether the server of this life was given all users.
    pub(crate) fn are_known(&self, life: u64) -> bool {
        lock(&self.known).life == life
    }

    /// What it has taken of each.
    pub(crate) fn answers(&self, life: u64) -> BTreeMap<String, UserAnswer> {
        let answer =
            |(entry, refused): (UserEntry, Option<String>)| UserAnswer { revision: entry.revision, refused };
        self.of(life).into_iter().map(|(name, known)| (name, answer(known))).collect()
    }

    fn of(&self, life: u64) -> BTreeMap<String, (UserEntry, Option<String>)> {
        let known = lock(&self.known);
        if known.life == life { known.users.clone() } else { BTreeMap::new() }
    }

    fn took(&self, life: u64, users: BTreeMap<String, (UserEntry, Option<String>)>) {
        *lock(&self.known) = Known { life, users };
    }
}

/// The users in a folder. What cannot be used is left out: it is as if it were not there.
fn read(folder: &Path) -> io::Result<BTreeMap<String, UserEntry>> {
    let mut users = BTreeMap::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let [begin, end] = FILE;
        let Some(user) = name.strip_prefix(begin).and_then(|name| name.strip_suffix(end)) else { continue };
        if user.is_empty() || user == CLIENTS || user.starts_with(OWN) {
            continue;
        }
        let entry = serde_json::from_slice(&std::fs::read(file.path())?).ok().filter(UserEntry::is_usable);
        if entry.is_none() {
            tracing::warn!(user, "the file of a user cannot be used");
        }
        users.extend(entry.map(|entry| (user.to_owned(), entry)));
    }
    Ok(users)
}

/// Watches for as long as the manager runs.
pub(crate) async fn watch(instance: Arc<Instance>) {
    let instance = &*instance;
    if let Some(folder) = folder(instance) {
        keep_applied(instance, "users", || apply(instance, folder)).await;
    }
}

/// Where the files of users are: beside that of who may log in.
fn folder(instance: &Instance) -> Option<&Path> {
    instance.settings.server.access_file.as_deref().and_then(Path::parent)
}

/// Has a server that was just started take what the files say, before it may be promoted. It is not waited for without an
/// end: what is missing is made up for by [`watch`].
pub(crate) async fn apply_at_start(instance: &Instance) {
    let Some(folder) = folder(instance) else { return };
    match tokio::time::timeout(AT_START, apply(instance, folder)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "cannot apply users at the start"),
        Err(_) => tracing::warn!("cannot apply users at the start: the server does not answer in time"),
    }
}

/// Has the server take what the files say, unless it has.
async fn apply(instance: &Instance, folder: &Path) -> Result<(), Error> {
    let _one_at_a_time = instance.users.applying.lock().await;
    let life = instance.access.life();
    let wanted = read(folder)?;
    let mut known = instance.users.of(life);
    let is_taken =
        |(name, entry): (&String, &UserEntry)| known.get(name).is_some_and(|(known, _)| known == entry);
    if wanted.iter().all(is_taken) && instance.users.are_known(life) {
        return Ok(());
    }
    let mut server = Server::from(instance.prober.connect().await?);
    for (name, entry) in wanted {
        if known.get(&name).is_some_and(|(known, _)| *known == entry) {
            continue;
        }
        let refused = change(&mut server, &name, &entry).await?;
        tracing::info!(user = name, revision = entry.revision, refused, "a user was applied");
        known.insert(name, (entry, refused));
    }
    // A server that was started meanwhile is given them by the next call.
    instance.users.took(life, known);
    Ok(())
}

/// Has the server take a user, or end it; answers why it does not.
async fn change(server: &mut Server, name: &str, entry: &UserEntry) -> Result<Option<String>, Error> {
    if entry.has_ended() {
        return server.acl_del_user(name).await.map(|()| None);
    }
    let refused = set(server, name, &entry.rules()).await?;
    if refused.is_some() {
        // What it may do stays as it was; a password that has ended must not.
        let passwords = ["resetpass", "on"].map(str::to_owned).into_iter().chain(entry.hashes());
        set(server, name, &passwords.collect::<Vec<_>>()).await?;
    }
    Ok(refused)
}

/// Has the server take a user; answers why it does not.
async fn set(server: &mut Server, name: &str, rules: &[String]) -> Result<Option<String>, Error> {
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let Err(error) = server.acl_set_user(name, &rules).await else { return Ok(None) };
    let is_refused = error.class() == ErrorClass::Refused;
    match error {
        Error::Refused { answer, .. } if is_refused => Ok(Some(answer)),
        error => Err(error),
    }
}

/// Has the server try these rules; answers why it does not take them. No client can log in as the user that they are tried with.
pub(crate) async fn check(instance: &Instance, rules: &[String]) -> Result<CheckAnswer, Error> {
    let mut server = Server::from(instance.prober.connect().await?);
    let rules: Vec<String> =
        ["reset", "off"].map(str::to_owned).into_iter().chain(rules.iter().cloned()).collect();
    let refused = set(&mut server, CANDIDATE, &rules).await;
    server.acl_del_user(CANDIDATE).await?;
    Ok(CheckAnswer { refused: refused? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::hash;

    fn entry(passwords: &[&str]) -> UserEntry {
        let passwords = passwords.iter().map(|word| hash(word.as_bytes())).collect();
        UserEntry {
            revision: "1".to_owned(),
            rules: vec!["+@read".to_owned()],
            passwords,
            ..UserEntry::default()
        }
    }

    #[test]
    fn files_that_cannot_be_used_name_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let usable = serde_json::to_string(&entry(&["word"])).unwrap();
        let plain = usable.replace(&hash(b"word"), "word");
        for (name, text) in [
            ("user.reader.json", usable.as_str()),
            ("user.with.dots.json", &usable),
            ("user.plain.json", &plain),
            ("user.torn.json", &usable[..20]),
            ("user.default.json", &usable),
            ("user.valkeeper-monitor.json", &usable),
            ("user..json", &usable),
            ("access.json", &usable),
            ("..data", &usable),
        ] {
            write(name, text);
        }
        assert_eq!(read(folder.path()).unwrap().into_keys().collect::<Vec<_>>(), ["reader", "with.dots"]);
    }

    #[test]
    fn rules_begin_with_nothing_and_end_with_hashes() {
        let rules = entry(&["one", "two"]).rules();
        assert_eq!(rules[..4], ["reset", "on", "resetchannels", "+@read"]);
        assert_eq!(rules[4..], [format!("#{}", hash(b"one")), format!("#{}", hash(b"two"))]);
    }

    #[test]
    fn server_of_another_life_has_taken_nothing() {
        let users = InForceUsers::default();
        assert!(!users.are_known(1));
        users.took(1, BTreeMap::from([("reader".to_owned(), (entry(&["a"]), None))]));
        assert!(users.are_known(1) && users.answers(1)["reader"].revision == "1");
        assert!(!users.are_known(2) && users.answers(2).is_empty());
    }
}
