//! One client: who it is, which version of the protocol it speaks, and what it subscribes to. Pure.
//!
//! Guarantees: before a client has authenticated, it learns nothing and subscribes to nothing; each command has exactly
//! the answers that a Sentinel gives, so that no client takes one for the answer to another command.

mod greeting;

use super::commands::{self, Question, Subcommand, lower, shown, wrong_number};
use super::glob;
use std::collections::BTreeSet;
use valkeeper_server::{Protocol, Value, answer};

/// Channels and patterns of one client.
const MOST_SUBSCRIPTIONS: usize = 64;
/// Bytes of the name of a channel; all that exist are shorter.
const LONGEST_NAME: usize = 128;

/// Who may ask, and what a manager says about itself.
pub(crate) trait Host {
    /// Whether the password is one of the default user; none if that user has no password.
    fn accepts(&self, password: &[u8]) -> Option<bool>;
    /// Whether it is the manager of another instance who has this user and password.
    fn is_peer(&self, user: &[u8], password: &[u8]) -> bool;
    /// The name of the cluster, as clients have it in their settings.
    fn cluster(&self) -> &str;
    /// Identity of this manager.
    fn id(&self) -> &str;
    /// Whether clients may ask without a password.
    fn is_open(&self) -> bool;
}

/// One part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Value(Value),
    /// Nothing, where a list is expected.
    NoList,
    /// A confirmation of a subscription, or a message.
    Push(Vec<Value>),
}

impl Reply {
    /// An error.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self::Value(Value::Error(text.into()))
    }

    pub(crate) fn encode(&self, protocol: Protocol) -> Vec<u8> {
        match self {
            Self::Value(value) => answer::encode(value, protocol),
            Self::NoList if protocol == Protocol::Two => b"*-1\r\n".to_vec(),
            Self::NoList => answer::encode(&Value::Null, protocol),
            Self::Push(elements) => answer::encode_push(elements, protocol),
        }
    }
}

/// What a command leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reaction {
    /// These answers, in this order.
    Say(Vec<Reply>),
    /// The answer to a question.
    Ask(Question),
    /// This answer, and the end of the connection.
    End(Reply),
}

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Session {
    id: i64,
    pub(crate) protocol: Protocol,
    pub(crate) authenticated: bool,
    name: Vec<u8>,
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
}

impl Session {
    /// A client that has just connected; `open` if it may ask without a password.
    pub(crate) fn new(id: i64, open: bool) -> Self {
        Self { id, authenticated: open, ..Self::default() }
    }

    /// Whether it waits for messages.
    pub(crate) fn subscribes(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }

    /// Takes in a command.
    pub(crate) fn take(&mut self, host: &impl Host, words: &[Vec<u8>]) -> Reaction {
        let Some((first, arguments)) = words.split_first() else { return Reaction::Say(Vec::new()) };
        let name = lower(first);
        let Some((_, arity)) = commands::ALL.iter().find(|(known, _)| *known == name) else {
            return say_error(if self.authenticated { unknown(first, arguments) } else { NOAUTH.to_owned() });
        };
        let count = i64::try_from(words.len()).unwrap_or(i64::MAX);
        let fits = if *arity < 0 { count >= -arity } else { count == *arity };
        if !fits {
            return say_error(wrong_number(&name));
        }
        if !self.authenticated && !["auth", "hello", "quit", "reset"].contains(&name.as_str()) {
            return say_error(NOAUTH);
        }
        if self.protocol == Protocol::Two && self.subscribes() && !WHILE_SUBSCRIBED.contains(&name.as_str()) {
            return say_error(format!(
                "ERR Can't execute '{name}': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context"
            ));
        }
        self.carry_out(host, &name, arguments)
    }

    fn carry_out(&mut self, host: &impl Host, name: &str, arguments: &[Vec<u8>]) -> Reaction {
        match name {
            "acl" => say(acl(arguments)),
            "auth" => say(self.auth(host, arguments)),
            "client" => say(self.client(arguments)),
            "command" => say(commands::command(arguments)),
            "hello" => say(self.hello(host, arguments)),
            "info" => info(arguments),
            "ping" => self.ping(arguments),
            "quit" => Reaction::End(Reply::Value(Value::Simple("OK".to_owned()))),
            "reset" => self.reset(host),
            "role" => {
                let clusters = Value::Array(vec![bytes(host.cluster())]);
                say(Value::Array(vec![bytes("sentinel"), clusters]))
            }
            "sentinel" => sentinel(host, arguments),
            _ => self.subscription(name, arguments),
        }
    }

    fn ping(&self, arguments: &[Vec<u8>]) -> Reaction {
        match arguments {
            [] | [_] if self.subscribes() && self.protocol == Protocol::Two => {
                let word = arguments.first().cloned().unwrap_or_default();
                say(Value::Array(vec![bytes("pong"), Value::Bytes(word)]))
            }
            [] => say(Value::Simple("PONG".to_owned())),
            [word] => say(Value::Bytes(word.clone())),
            _ => say_error(wrong_number("ping")),
        }
    }

    /// As if it had just connected.
    fn reset(&mut self, host: &impl Host) -> Reaction {
        *self = Self::new(self.id, host.is_open());
        say(Value::Simple("RESET".to_owned()))
    }

    fn subscription(&mut self, kind: &str, arguments: &[Vec<u8>]) -> Reaction {
        let by_pattern = kind.starts_with('p');
        let adds = matches!(kind, "subscribe" | "psubscribe");
        let names: Vec<Option<Vec<u8>>> = match arguments {
            [] => {
                let all = if by_pattern { &self.patterns } else { &self.channels };
                if all.is_empty() { vec![None] } else { all.iter().cloned().map(Some).collect() }
            }
            some => some.iter().cloned().map(Some).collect(),
        };
        let mut replies = Vec::new();
        for name in names {
            let count = self.channels.len() + self.patterns.len();
            let set = if by_pattern { &mut self.patterns } else { &mut self.channels };
            match &name {
                Some(name) if adds && name.len() > LONGEST_NAME => {
                    replies.push(Reply::error("ERR the name of the channel is too long"));
                    continue;
                }
                Some(name) if adds && !set.contains(name) && count >= MOST_SUBSCRIPTIONS => {
                    replies.push(Reply::error("ERR too many subscriptions"));
                    continue;
                }
                Some(name) if adds => drop(set.insert(name.clone())),
                Some(name) => drop(set.remove(name)),
                None => {}
            }
            let count = i64::try_from(self.channels.len() + self.patterns.len()).unwrap_or_default();
            let name = name.map_or(Value::Null, Value::Bytes);
            replies.push(Reply::Push(vec![bytes(kind), name, Value::Integer(count)]));
        }
        Reaction::Say(replies)
    }

    /// What it receives of a message.
    pub(crate) fn receives(&self, channel: &str, payload: &str) -> Vec<Reply> {
        let mut replies = Vec::new();
        if self.channels.contains(channel.as_bytes()) {
            replies.push(Reply::Push(vec![bytes("message"), bytes(channel), bytes(payload)]));
        }
        for pattern in self.patterns.iter().filter(|pattern| glob::matches(pattern, channel.as_bytes())) {
            let pattern = Value::Bytes(pattern.clone());
            replies.push(Reply::Push(vec![bytes("pmessage"), pattern, bytes(channel), bytes(payload)]));
        }
        replies
    }
}

const NOAUTH: &str = "NOAUTH Authentication required.";
/// The version whose Sentinel this behaves like.
pub(crate) const COMPATIBLE: &str = "7.2.4";
const WHILE_SUBSCRIBED: [&str; 7] =
    ["ping", "psubscribe", "punsubscribe", "quit", "reset", "subscribe", "unsubscribe"];

fn say(value: Value) -> Reaction {
    Reaction::Say(vec![Reply::Value(value)])
}

fn say_error(text: impl Into<String>) -> Reaction {
    Reaction::Say(vec![Reply::error(text)])
}

pub(crate) fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn unknown(name: &[u8], arguments: &[Vec<u8>]) -> String {
    let quoted = |word: &[u8]| format!("'{}'", shown(&String::from_utf8_lossy(word)));
    let arguments: String = arguments.iter().take(4).map(|word| quoted(word) + " ").collect();
    format!("ERR unknown command {}, with args beginning with: {arguments}", quoted(name))
}

fn acl(arguments: &[Vec<u8>]) -> Value {
    match arguments {
        [word] if lower(word) == "whoami" => bytes("default"),
        _ => Value::Error("ERR unknown subcommand. ACL WHOAMI is the only one.".to_owned()),
    }
}

/// Without the section about primaries, nobody has to be asked.
fn info(arguments: &[Vec<u8>]) -> Reaction {
    let wants = |word: &Vec<u8>| ["default", "all", "everything", "sentinel"].contains(&lower(word).as_str());
    if arguments.is_empty() || arguments.iter().any(wants) {
        return Reaction::Ask(Question::Info);
    }
    say(Value::Bytes(super::answers::about_this_program().into_bytes()))
}

fn sentinel(host: &impl Host, arguments: &[Vec<u8>]) -> Reaction {
    match commands::subcommand(arguments) {
        Subcommand::About(question, cluster) if cluster == host.cluster().as_bytes() => {
            Reaction::Ask(question)
        }
        Subcommand::About(Question::Address, _) => Reaction::Say(vec![Reply::NoList]),
        Subcommand::About(..) => say_error("ERR No such master with that name"),
        Subcommand::AboutAll(question) => Reaction::Ask(question),
        Subcommand::MyId => say(bytes(host.id())),
        Subcommand::Answer(value) => say(value),
    }
}

#[cfg(test)]
mod tests;
