//! What a client says about itself: password, version of the protocol, name. Pure.

use super::super::commands::{lower, shown, wrong_number};
use super::{COMPATIBLE, Host, Session, bytes};
use valkeeper_server::{Protocol, Value};

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you \
                           sure your configuration is correct?";
const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                            <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
                            RESP protocol version at the same time";
const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

impl Session {
    pub(super) fn auth(&mut self, host: &impl Host, arguments: &[Vec<u8>]) -> Value {
        let (user, password) = match arguments {
            [password] => (None, password),
            [user, password] => (Some(user), password),
            _ => return Value::Error("ERR syntax error".to_owned()),
        };
        if user.is_some_and(|user| host.is_peer(user, password)) {
            self.authenticated = true;
            return Value::Simple("OK".to_owned());
        }
        match (user.map(Vec::as_slice), host.accepts(password)) {
            (None, None) => Value::Error(NO_PASSWORD.to_owned()),
            (None | Some(b"default"), None | Some(true)) => {
                self.authenticated = true;
                Value::Simple("OK".to_owned())
            }
            _ => Value::Error(WRONGPASS.to_owned()),
        }
    }

    pub(super) fn hello(&mut self, host: &impl Host, arguments: &[Vec<u8>]) -> Value {
        let mut protocol = self.protocol;
        let mut rest = arguments;
        if let [version, after @ ..] = arguments {
            protocol = match version.as_slice() {
                b"2" => Protocol::Two,
                b"3" => Protocol::Three,
                _ => return Value::Error("NOPROTO unsupported protocol version".to_owned()),
            };
            rest = after;
        }
        let mut name = None;
        let mut authenticated = self.authenticated;
        while let [option, after @ ..] = rest {
            rest = match (lower(option).as_str(), after) {
                ("auth", [user, password, after @ ..]) => {
                    let is_client = user == b"default" && host.accepts(password) != Some(false);
                    if !is_client && !host.is_peer(user, password) {
                        return Value::Error(WRONGPASS.to_owned());
                    }
                    authenticated = true;
                    after
                }
                ("setname", [wanted, after @ ..]) if is_name(wanted) => {
                    name = Some(wanted.clone());
                    after
                }
                ("setname", [..]) if !after.is_empty() => return Value::Error(BAD_NAME.to_owned()),
                (option, _) => {
                    return Value::Error(format!("ERR Syntax error in HELLO option '{}'", shown(option)));
                }
            };
        }
        if !authenticated {
            return Value::Error(HELLO_NOAUTH.to_owned());
        }
        (self.authenticated, self.protocol) = (true, protocol);
        if let Some(name) = name {
            self.name = name;
        }
        let pair = |key: &str, value: Value| (bytes(key), value);
        Value::Map(vec![
            pair("server", bytes("redis")),
            pair("version", bytes(COMPATIBLE)),
            pair("proto", Value::Integer(if protocol == Protocol::Three { 3 } else { 2 })),
            pair("id", Value::Integer(self.id)),
            pair("mode", bytes("sentinel")),
            pair("modules", Value::Array(Vec::new())),
        ])
    }

    pub(super) fn client(&mut self, arguments: &[Vec<u8>]) -> Value {
        let ok = || Value::Simple("OK".to_owned());
        let (name, arguments) = match arguments {
            [name, rest @ ..] => (lower(name), rest),
            [] => return Value::Error(wrong_number("client")),
        };
        match (name.as_str(), arguments) {
            ("id", []) => Value::Integer(self.id),
            ("getname", []) if self.name.is_empty() => Value::Null,
            ("getname", []) => Value::Bytes(self.name.clone()),
            ("setname", [wanted]) if is_name(wanted) => {
                self.name.clone_from(wanted);
                ok()
            }
            ("setname", [_]) => Value::Error(BAD_NAME.to_owned()),
            // What it says about its library is of no use here.
            ("setinfo", [_, value]) if is_name(value) => ok(),
            ("setinfo", [_, _]) => Value::Error("ERR lib-name and lib-ver cannot contain spaces".to_owned()),
            ("no-evict" | "no-touch", [_]) | ("capa", [_, ..]) => ok(),
            ("reply", [mode]) if lower(mode) == "on" => ok(),
            ("info" | "list", []) => Value::Bytes(self.line().into_bytes()),
            (name, _) => Value::Error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{}'",
                shown(name)
            )),
        }
    }

    /// Of this client alone: others are none of its business.
    fn line(&self) -> String {
        let (id, name) = (self.id, String::from_utf8_lossy(&self.name));
        let protocol = if self.protocol == Protocol::Three { 3 } else { 2 };
        let (channels, patterns) = (self.channels.len(), self.patterns.len());
        format!("id={id} name={name} db=0 sub={channels} psub={patterns} user=default resp={protocol}\n")
    }
}

fn is_name(name: &[u8]) -> bool {
    name.len() <= 128 && name.iter().all(u8::is_ascii_graphic)
}
