//! The Secret that servers take their passwords from: what was seen of it, and what is written into it.
//!
//! Guarantees: it is changed only if it still is what the decision was made about, and by its version. Its former password
//! is never forgotten because of one answer: where it is gone, clients keep what their connection Secret has.

use super::{
    Reconciliation,
    cluster_secret::cluster_secret,
    known::PasswordsSeen,
    observe::{is_ours, password_seen},
    password_text::{is_due, random_word},
};
use crate::{
    cluster::{data_objects, secrets},
    controller::error::Result,
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_cluster::{Access, AccessChange, AccessSeen, Desired, Stage, Wanted, names};
use valkeeper_instance::access::{Access as AccessFile, hash};

/// Keys of the passwords; servers cannot read them.
const CURRENT: &str = "password";
const NEXT: &str = "next";
const PREVIOUS: &str = "previous";
const SERVERS: &str = "servers";

/// What the Secret holds. It has no `Debug`.
struct Passwords {
    revision: String,
    /// What clients are given.
    current: String,
    next: Option<String>,
    previous: Option<String>,
    /// What servers have among themselves.
    servers: String,
}

impl Passwords {
    fn new(current: String, next: Option<String>, servers: String) -> Self {
        Self { revision: revision(), current, next, previous: None, servers }
    }

    /// None if servers read something else than the other keys say.
    fn of(secret: &Secret) -> Option<Self> {
        let text = |key: &str| secrets::text(secret, key).filter(|text| !text.is_empty());
        let file: AccessFile = serde_json::from_str(&text(names::ACCESS_KEY)?).ok()?;
        let passwords = Self {
            revision: file.revision.clone(),
            current: text(CURRENT)?,
            next: text(NEXT),
            previous: text(PREVIOUS),
            servers: text(SERVERS)?,
        };
        let is_one_change = passwords.next.is_none() || passwords.previous.is_none();
        (is_one_change && passwords.file() == file).then_some(passwords)
    }

    fn file(&self) -> AccessFile {
        let accepted = [Some(&self.current), self.next.as_ref(), self.previous.as_ref()];
        let clients = accepted.into_iter().flatten().map(|password| hash(password.as_bytes())).collect();
        AccessFile { revision: self.revision.clone(), clients, servers: self.servers.clone() }
    }

    /// What is there after a change.
    fn after(self, change: AccessChange, wanted: Option<String>) -> Option<Self> {
        let next = match change {
            AccessChange::Create => return None,
            AccessChange::Offer => Self { next: Some(wanted?), previous: None, ..self },
            AccessChange::Withdraw => Self { next: None, ..self },
            AccessChange::Publish => {
                Self { current: self.next?, next: None, previous: Some(self.current), ..self }
            }
            AccessChange::Retire => Self { previous: None, ..self },
        };
        Some(Self { revision: revision(), ..next })
    }

    fn seen(&self, wanted: Option<&SecretString>) -> Access {
        let (stage, newest) = match (&self.next, &self.previous) {
            (Some(next), _) => (Stage::Offered, next),
            (None, Some(_)) => (Stage::Published, &self.current),
            (None, None) => (Stage::Settled, &self.current),
        };
        let wanted = match wanted.map(ExposeSecret::expose_secret) {
            None => Wanted::Unknown,
            Some(wanted) if wanted == newest => Wanted::Newest,
            Some(wanted) if stage == Stage::Offered && wanted == self.current => Wanted::Former,
            Some(_) => Wanted::Other,
        };
        Access { revision: self.revision.clone(), stage, wanted }
    }

    /// Every key, also those that are not there.
    fn data(&self) -> BTreeMap<&'static str, Option<ByteString>> {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let file = serde_json::to_string(&self.file()).unwrap_or_default();
        BTreeMap::from([
            (names::ACCESS_KEY, Some(bytes(&file))),
            (CURRENT, Some(bytes(&self.current))),
            (NEXT, self.next.as_deref().map(bytes)),
            (PREVIOUS, self.previous.as_deref().map(bytes)),
            (SERVERS, Some(bytes(&self.servers))),
        ])
    }
}

fn revision() -> String {
    format!("{:08x}", rand::random::<u32>())
}

/// What was seen of the Secret, and the password that clients are given.
fn access_seen(
    desired: &Desired,
    secret: Option<&Secret>,
    wanted: Option<&SecretString>,
) -> (AccessSeen, Option<SecretString>) {
    match secret {
        None => (AccessSeen::Missing, None),
        Some(secret) if !is_ours(desired, &secret.metadata) => (AccessSeen::Foreign, None),
        Some(secret) => match Passwords::of(secret) {
            None => (AccessSeen::Missing, None),
            Some(passwords) => (AccessSeen::Present(passwords.seen(wanted)), Some(passwords.current.into())),
        },
    }
}

impl Reconciliation {
    /// What both Secrets say, and the password that clients are given.
    pub(super) async fn passwords_seen(
        &self,
        desired: &Desired,
    ) -> Result<(PasswordsSeen, Option<SecretString>)> {
        let get =
            async |name: &str| data_objects::get::<Secret>(&self.context.client, &self.namespace, name).await;
        let (name, key) = desired.password();
        let source = get(&name).await?;
        let access = get(&names::access(&desired.name)).await?;
        let request = desired.rotation_request.as_ref().filter(|_| desired.generates_password());
        let is_due = is_due(request, source.as_ref());
        let (seen, wanted) = password_seen(desired, source.as_ref(), &name, &key);
        let (access, current) = access_seen(desired, access.as_ref(), wanted.as_ref());
        Ok((PasswordsSeen { wanted: seen, is_due, access }, current))
    }

    /// The password that clients are given, read again.
    pub(super) async fn current_password(&self, desired: &Desired) -> Result<Option<SecretString>> {
        let secret = self.own_secret(desired, &names::access(&desired.name)).await?;
        Ok(secret.as_ref().and_then(Passwords::of).map(|passwords| passwords.current.into()))
    }

    /// Changes the Secret; answers whether it was what the decision was made about.
    pub(super) async fn write_access(
        &mut self,
        desired: &Desired,
        change: AccessChange,
        revision: &str,
    ) -> Result<bool> {
        self.stale = true;
        let (client, name) = (&self.context.client, names::access(&desired.name));
        let found = data_objects::get::<Secret>(client, &self.namespace, &name).await?;
        if found.as_ref().is_some_and(|found| !is_ours(desired, &found.metadata)) {
            return Ok(false);
        }
        let wanted = self.wanted_password(desired).await?;
        let next = match (change, found.as_ref().and_then(Passwords::of)) {
            (AccessChange::Create, None) => self.first_passwords(desired, found.as_ref(), wanted).await?,
            (change, Some(before)) if before.revision == revision => before.after(change, wanted),
            _ => None,
        };
        let Some(next) = next else { return Ok(false) };
        match found {
            None => drop(data_objects::create(client, &self.namespace, &new(desired, &next)).await?),
            Some(found) => {
                let metadata = json!({
                    "uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version,
                });
                let patch = json!({"metadata": metadata, "data": next.data()});
                data_objects::patch::<Secret>(client, &self.namespace, &name, patch).await?;
            }
        }
        Ok(true)
    }

    /// The password that is asked for.
    async fn wanted_password(&self, desired: &Desired) -> Result<Option<String>> {
        let (name, key) = desired.password();
        let secret = data_objects::get::<Secret>(&self.context.client, &self.namespace, &name).await?;
        let wanted = password_seen(desired, secret.as_ref(), &name, &key).1;
        Ok(wanted.map(|wanted| wanted.expose_secret().to_owned()))
    }

    /// What servers accept when nothing is noted: what clients have, and what is asked for.
    async fn first_passwords(
        &self,
        desired: &Desired,
        existing: Option<&Secret>,
        wanted: Option<String>,
    ) -> Result<Option<Passwords>> {
        let Some(wanted) = wanted else { return Ok(None) };
        let given = match &desired.target {
            None => None,
            Some(target) => {
                let connection = self.own_secret(desired, &target.name).await?;
                connection.and_then(|secret| secrets::text(&secret, &format!("{}PASSWORD", target.prefix)))
            }
        };
        let servers = existing.and_then(|secret| secrets::text(secret, SERVERS));
        let servers = servers.filter(|text| !text.is_empty()).unwrap_or_else(random_word);
        Ok(Some(match given {
            Some(given) if given != wanted => Passwords::new(given, Some(wanted), servers),
            _ => Passwords::new(wanted, None, servers),
        }))
    }
}

/// The Secret with these passwords.
fn new(desired: &Desired, passwords: &Passwords) -> Secret {
    let data = passwords.data().into_iter();
    let data = data.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    cluster_secret((&desired.name, desired.owner()), &names::access(&desired.name), None, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(passwords: &Passwords) -> Secret {
        let data = passwords.data().into_iter();
        let data = data.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    fn seen(passwords: &Passwords, wanted: &str) -> (Stage, Wanted) {
        let access = Passwords::of(&secret(passwords)).unwrap().seen(Some(&wanted.to_owned().into()));
        (access.stage, access.wanted)
    }

    #[test]
    fn each_change_leaves_what_clients_have_accepted() {
        let first = Passwords::new("one".to_owned(), None, "own".to_owned());
        assert_eq!(seen(&first, "one"), (Stage::Settled, Wanted::Newest));
        assert_eq!(seen(&first, "two"), (Stage::Settled, Wanted::Other));
        let before = first.revision.clone();
        let offered = first.after(AccessChange::Offer, Some("two".to_owned())).unwrap();
        assert_ne!(offered.revision, before);
        assert_eq!(offered.current, "one");
        assert_eq!(offered.file().clients, [hash(b"one"), hash(b"two")]);
        assert_eq!(seen(&offered, "one"), (Stage::Offered, Wanted::Former));
        assert_eq!(seen(&offered, "three"), (Stage::Offered, Wanted::Other));
        let published = offered.after(AccessChange::Publish, None).unwrap();
        assert_eq!((published.current.as_str(), published.file().clients.len()), ("two", 2));
        assert_eq!(seen(&published, "two"), (Stage::Published, Wanted::Newest));
        let retired = published.after(AccessChange::Retire, None).unwrap();
        assert_eq!(retired.file().clients, [hash(b"two")]);
        assert!(retired.after(AccessChange::Publish, None).is_none(), "nothing to publish");
    }

    #[test]
    fn what_servers_read_holds_hashes_of_what_clients_have() {
        let passwords =
            Passwords::new("first-word".to_owned(), Some("second-word".to_owned()), "own".to_owned());
        let file = serde_json::to_string(&passwords.file()).unwrap();
        assert!(!file.contains("word"), "{file}");
        let mut edited = secret(&passwords);
        edited.data.as_mut().unwrap().insert(NEXT.to_owned(), ByteString(b"third".to_vec()));
        assert!(Passwords::of(&edited).is_none(), "servers read something else");
    }
}
