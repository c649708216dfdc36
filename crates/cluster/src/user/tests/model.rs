//! A model of servers, Secrets and clients of one user, which events change in any order.

use super::super::*;
use super::{entry, ours, user};
use proptest::prelude::*;
use serde_json::json;

/// Servers, Secrets and clients of one user.
#[derive(Debug)]
struct Model {
    object: ValkeyUser,
    observed: ObservedUser,
    /// What each server accepts, and what of.
    servers: [Entry; 2],
    written: u32,
    /// Passwords that clients may still have: until when.
    held: Vec<(String, DateTime<Utc>)>,
}

impl Model {
    fn new() -> Self {
        let observed = ObservedUser {
            cluster: UserClusterSeen::Present(TimeDelta::seconds(60)),
            password: UserPassword::Missing("none".to_owned()),
            rules: RulesSeen::Accepted,
            ..ObservedUser::new("2026-01-01T00:00:00Z".parse().unwrap(), EntrySeen::Missing)
        };
        let servers = [entry("", &[]), entry("", &[])];
        Self { object: user(&json!({})), observed, servers, written: 0, held: Vec::new() }
    }

    fn entry(&self) -> Option<&Entry> {
        match &self.observed.entry {
            EntrySeen::Present(entry) => Some(entry),
            _ => None,
        }
    }

    fn look(&mut self) {
        let seen = |entry: &Entry| ServerAnswer::Taken(entry.revision.clone());
        let names = ["orders-0", "orders-1"].into_iter();
        self.observed.servers =
            names.zip(&self.servers).map(|(name, entry)| (name.to_owned(), seen(entry))).collect();
        let newest = self.entry().and_then(|entry| entry.passwords.first()).cloned();
        let wanted = match &self.observed.password {
            UserPassword::Present(wanted) => Some(wanted.clone()),
            _ => None,
        };
        let known = [wanted, self.observed.given.clone()]
            .into_iter()
            .flatten()
            .find(|one| Some(one) == newest.as_ref());
        if self.entry().is_some_and(|entry| self.observed.keeps_password(entry)) {
            self.observed.secret = ours(true);
            return;
        }
        self.observed.secret = match (&self.observed.given, known) {
            (_, None) => ConnectionSecret::Unknown,
            (None, Some(_)) => ConnectionSecret::Absent,
            (given, known) => ours(*given == known),
        };
    }

    /// One look and one step; whether it rests.
    fn step(&mut self) -> bool {
        self.look();
        let (step, report) = decide(&self.object, &self.observed);
        self.object.status = Some(next_status(&self.object, &self.observed, &report));
        match step {
            UserStep::GeneratePassword => {
                self.written += 1;
                self.observed.password = UserPassword::Present(format!("g{}", self.written));
                self.observed.password_is_due = false;
            }
            UserStep::WriteEntry(entry) => {
                self.written += 1;
                self.observed.entry =
                    EntrySeen::Present(Entry { revision: self.written.to_string(), ..entry });
            }
            UserStep::WriteSecret => {
                let newest = self.entry().and_then(|entry| entry.passwords.first()).cloned();
                let before = std::mem::replace(&mut self.observed.given, newest);
                self.hold(before);
            }
            UserStep::Rest { .. } => return true,
            other => panic!("{other:?}"),
        }
        false
    }

    /// Clients have a password of the Secret for the grace after it had it.
    fn hold(&mut self, before: Option<String>) {
        let until = self.observed.now + TimeDelta::seconds(60);
        self.held.extend(before.filter(|before| before != "edited").map(|before| (before, until)));
    }

    fn lose(&mut self, given: Option<String>) {
        let before = std::mem::replace(&mut self.observed.given, given);
        self.hold(before);
    }

    /// A client with what the Secret has, or had within the grace, is let in by both servers.
    fn check(&self) {
        let held =
            self.held.iter().filter(|(_, until)| self.observed.now < *until).map(|(password, _)| password);
        for password in self.observed.given.iter().filter(|given| *given != "edited").chain(held) {
            for server in &self.servers {
                assert!(server.passwords.contains(password), "{password}: {self:#?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn clients_are_let_in_by_every_server_whatever_happens(events in prop::collection::vec(0..9u8, 1..60)) {
        let mut model = Model::new();
        for event in events {
            match event {
                0 | 1 => drop(model.step()),
                2 | 3 => {
                    // A server takes what there is.
                    if let Some(entry) = model.entry().cloned() { model.servers[usize::from(event - 2)] = entry; }
                }
                4 => model.observed.password_is_due = true,
                5 => model.observed.now += TimeDelta::seconds(25),
                // People delete the Secret, or write something else into it.
                6 => model.lose(None),
                7 => model.lose(Some("edited".to_owned())),
                _ => {
                    model.written += 1;
                    model.observed.password = UserPassword::Present(format!("w{}", model.written));
                }
            }
            model.check();
        }
        // In the end it settles with what is asked for.
        for _ in 0..40 {
            while !model.step() {}
            if let Some(entry) = model.entry().cloned() { model.servers = [entry.clone(), entry]; }
            model.observed.now += TimeDelta::seconds(25);
            model.check();
        }
        let wanted = model.observed.password.clone();
        prop_assert_eq!(model.entry().map(|entry| entry.passwords.len()), Some(1));
        prop_assert_eq!(wanted, UserPassword::Present(model.observed.given.clone().unwrap()));
        prop_assert!(model.object.status.unwrap().rotation.is_none());
    }
}
