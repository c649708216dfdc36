//! Who may log in to the server: clients, by hashes of the passwords that they may have, other servers, and this manager.
//!
//! ```text
//!   kubelet ──file──▶ watch ──ACL SETUSER──▶ server ──▶ the revision that is in force
//! ```
//!
//! | user | may | used by |
//! |---|---|---|
//! | `default` | everything | clients |
//! | `valkeeper-replication` | follow, and nothing else | servers that follow this one, and backups |
//! | `valkeeper-monitor` | ask how it is | this manager, and those of other instances |
//! | `valkeeper` | what roles and settings need; no key | this manager, by its Unix socket |
//!
//! Guarantees: a changed file is applied without a restart and disconnects no client; its revision is reported only when the
//! server has taken all of it. A file that cannot be used changes nothing and opens nothing. The server has no password of
//! a client, only hashes.
//!
//! Left to others: when a password comes and goes. The operator lists both while clients change.

use crate::{
    instance::{Instance, lock},
    settings::{Settings, SettingsError},
};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::{
    fmt::{Display, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};
use subtle::ConstantTimeEq as _;
use valkeeper_server::{Error, Server};

/// The user of clients.
pub(crate) const CLIENTS: &str = "default";
/// The user by which the manager changes its server.
pub(crate) const MANAGER: &str = "valkeeper";
/// The user who asks servers how they are.
pub(crate) const MONITOR: &str = "valkeeper-monitor";
/// The user who reads the stream of a server.
pub(crate) const REPLICATION: &str = "valkeeper-replication";

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// Characters of a hash.
const HASH: usize = 64;

/// What the file says. It has no `Debug`: one password is in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Changes with everything else in it.
    #[serde(default)]
    pub revision: String,
    /// SHA-256 of each password that clients may have, in hexadecimal digits.
    pub clients: Vec<String>,
    /// The password that servers and managers have among themselves.
    pub servers: String,
}

impl Settings {
    /// Who may log in; none where everybody may.
    pub(crate) fn access(&self) -> Result<Option<Access>, SettingsError> {
        let Some(path) = &self.server.access_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Unreadable { path: path.clone(), source })?;
        // The reason shows nothing of the text.
        let read = serde_yaml::from_str(&text).ok().filter(Access::is_usable);
        read.map(Some).ok_or_else(|| SettingsError::Invalid {
            path: path.clone(),
            reason: "it does not list hashes of passwords of clients, and a password of servers".to_owned(),
        })
    }
}

impl Access {
    /// Never opens a server to everybody because of an empty file.
    fn is_usable(&self) -> bool {
        let are_hashes = self.clients.iter().all(|text| is_hash(text));
        !self.clients.is_empty() && are_hashes && !self.servers.is_empty()
    }

    /// Whether servers and managers have this password among themselves.
    pub(crate) fn is_of_servers(&self, password: &[u8]) -> bool {
        hash(self.servers.as_bytes()).as_bytes().ct_eq(hash(password).as_bytes()).into()
    }

    /// Whether clients may have this password.
    pub(crate) fn accepts(&self, password: &[u8]) -> bool {
        let given = hash(password);
        // All are compared, so that time tells nothing.
        self.clients.iter().filter(|known| known.as_bytes().ct_eq(given.as_bytes()).into()).count() > 0
    }
}

/// Whether this is a hash as servers write it.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == HASH && text.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
}

/// SHA-256 in hexadecimal digits, as servers write it.
pub fn hash(password: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, password);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Users and their rules, as `ACL SETUSER` takes them. Each is as if it were new.
pub(crate) fn users(access: Option<&Access>, manager: &str) -> Vec<(&'static str, Vec<String>)> {
    let manager = hash(manager.as_bytes());
    let servers = access.map(|access| hash(access.servers.as_bytes()));
    let rules = |rules: &[&str], hashes: &[&String]| {
        let rules =
            ["reset", "on", "resetchannels"].into_iter().chain(rules.iter().copied()).map(str::to_owned);
        rules.chain(hashes.iter().map(|hash| format!("#{hash}"))).collect::<Vec<String>>()
    };
    let own = [&manager].into_iter().chain(&servers).collect::<Vec<_>>();
    let clients = access.map(|access| access.clients.iter().collect::<Vec<_>>());
    let everything = ["sanitize-payload", "~*", "&*", "+@all", "nopass"];
    let everything = if clients.is_some() { &everything[..4] } else { &everything[..] };
    vec![
        (CLIENTS, rules(everything, &clients.unwrap_or_default())),
        // `+sync` is what replicas ask for that read data and stream beside each other.
        (REPLICATION, rules(&["+psync", "+sync", "+replconf", "+ping"], &own)),
        (MONITOR, rules(&["+info", "+ping"], &own)),
        (
            MANAGER,
            rules(
                &[
                    "+info",
                    "+ping",
                    "+config|get",
                    "+config|set",
                    "+replicaof",
                    "+client|kill",
                    "+acl|setuser",
                    "+acl|deluser",
                ],
                &[&manager],
            ),
        ),
    ]
}

/// How the server logs in to the one that it follows, as directives.
pub(crate) fn directives(access: &Access) -> [(&'static str, &str); 2] {
    [("masteruser", REPLICATION), ("masterauth", &access.servers)]
}

/// What is in force.
#[derive(Default)]
pub(crate) struct InForceAccess {
    known: Mutex<Known>,
    /// Held while a file is applied: none replaces a newer one.
    applying: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// Counts the lives of the server.
    life: u64,
    access: Option<Access>,
}

impl InForceAccess {
    /// A server is started with this.
    pub(crate) fn starts_with(&self, access: Option<Access>) {
        let mut known = lock(&self.known);
        known.life += 1;
        known.access = access;
    }

    /// The revision that the server has taken.
    pub(crate) fn revision(&self) -> String {
        lock(&self.known).access.as_ref().map(|access| access.revision.clone()).unwrap_or_default()
    }

    /// Counts the lives of the server; 0 before the first one.
    pub(crate) fn life(&self) -> u64 {
        lock(&self.known).life
    }

    fn has(&self, access: &Access) -> bool {
        lock(&self.known).access.as_ref() == Some(access)
    }

    /// A server has taken this that was there in that life. One that was started meanwhile may have it or not.
    fn took(&self, life: u64, access: Access) {
        let mut known = lock(&self.known);
        known.access = (known.life == life).then_some(access);
    }
}

/// Watches for as long as the manager runs.
pub(crate) async fn watch(instance: Arc<Instance>) {
    if instance.settings.server.access_file.is_some() {
        let instance = &*instance;
        keep_applied(instance, "who may log in", || apply(instance)).await;
    }
}

/// Applies `what` again and again while there is a server. The same failure is logged once.
pub(crate) async fn keep_applied<F, E>(instance: &Instance, what: &'static str, apply: impl Fn() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut failed = None;
    loop {
        if instance.has_server() {
            let failure = apply().await.err().map(|error| error.to_string());
            if let Some(error) = failure.as_ref().filter(|_| failed != failure) {
                tracing::warn!(error, what, "cannot apply");
            }
            failed = failure;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Why the file is not in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// It cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server did not take it.
    #[error(transparent)]
    Server(#[from] Error),
}

/// Has the server take what the file says, unless it has.
pub(crate) async fn apply(instance: &Instance) -> Result<(), AccessError> {
    let _one_at_a_time = instance.access.applying.lock().await;
    let life = instance.access.life();
    let Some(access) = instance.settings.access()? else { return Ok(()) };
    if instance.access.has(&access) {
        return Ok(());
    }
    let mut server = Server::from(instance.prober.connect().await?);
    for (user, rules) in users(Some(&access), &instance.manager_password) {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        server.acl_set_user(user, &rules).await?;
    }
    server.config_set(&directives(&access)).await?;
    tracing::info!(
        revision = access.revision,
        passwords = access.clients.len(),
        "who may log in was applied"
    );
    instance.access.took(life, access);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(passwords: &[&str]) -> Access {
        let clients = passwords.iter().map(|password| hash(password.as_bytes())).collect();
        Access { revision: "1".to_owned(), clients, servers: "s".to_owned() }
    }

    #[test]
    fn listed_passwords_are_accepted_and_no_others() {
        let two = access(&["new", "old"]);
        for (password, accepted) in
            [("new", true), ("old", true), ("ol", false), ("", false), ("older", false)]
        {
            assert_eq!(two.accepts(password.as_bytes()), accepted, "{password}");
        }
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn rules_hold_hashes_and_no_password() {
        let users = users(Some(&access(&["first-word", "second-word"])), "manager-word");
        let text = format!("{users:?}");
        assert!(!text.contains("word") && !text.contains("nopass"), "{text}");
        assert_eq!(users[0].1.iter().filter(|rule| rule.starts_with('#')).count(), 2);
        assert!(super::users(None, "m")[0].1.contains(&"nopass".to_owned()));
    }

    #[test]
    fn server_that_was_started_meanwhile_is_asked_again() {
        let (known, one) = (InForceAccess::default(), access(&["a"]));
        known.starts_with(Some(one.clone()));
        let life = known.life();
        known.starts_with(Some(access(&["b"])));
        known.took(life, one.clone());
        assert!(!known.has(&one) && !known.has(&access(&["b"])));
        known.took(known.life(), one.clone());
        assert!(known.has(&one));
    }
}
