//! The configuration file of the server, from the settings. Pure.
//!
//! Architecture invariant: the file always begins a life as a replica of the silent listener, so that no server
//! ever accepts writes because it was started.

use crate::{
    access::{self, Access},
    certificate,
    second_server::Scratch,
    settings::{Persistence, ServerSettings, Settings},
};
use std::{fmt::Write as _, path::Path};

/// What the file needs besides the settings.
pub(crate) struct Secrets<'secrets> {
    /// Password of the manager's user.
    pub(crate) manager: &'secrets str,
    /// Who may log in; everybody if there is none.
    pub(crate) access: Option<&'secrets Access>,
}

/// The socket on which the manager reaches its server.
pub(crate) fn socket(settings: &Settings) -> std::path::PathBuf {
    settings.runtime_dir.join("server.sock")
}

/// The text of the file; `silent_port` is where the silent listener is, on the loopback address.
pub(crate) fn render(settings: &Settings, secrets: &Secrets<'_>, silent_port: u16) -> String {
    let mut text = String::new();
    for (name, value) in directives(settings, secrets, silent_port) {
        text.push_str(&name);
        for word in value {
            text.push(' ');
            text.push_str(&quote(&word));
        }
        text.push('\n');
    }
    text
}

/// The text of the file of a server that only reads the data in this folder: it follows nobody, nobody reaches it, and it
/// writes nothing.
pub(crate) fn scratch(scratch: Scratch<'_>) -> String {
    let Scratch { silent_port, folder, socket, databases, tls } = scratch;
    let path = |path: &Path| quote(&path.display().to_string());
    let tls = tls.map_or_else(String::new, |files| {
        format!(
            "tls-replication yes\ntls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}\n",
            path(&files.authority),
            path(&files.certificate),
            path(&files.key)
        )
    });
    format!(
        "replicaof 127.0.0.1 {silent_port}\nport 0\nunixsocket {}\nunixsocketperm 700\ndir {}\nsave \"\"\n\
         appendonly no\ndaemonize no\nmaxmemory 0\ndatabases {databases}\nrdb-del-sync-files yes\n{tls}",
        path(socket),
        path(folder)
    )
}

/// The directives that can be changed while the server runs, and their values.
pub(crate) fn live_directives(settings: &Settings) -> Vec<(String, String)> {
    let mut live = vec![("maxmemory".to_owned(), settings.server.max_memory.to_string())];
    live.extend(defaults(settings).into_iter().filter(|(name, _)| is_default(settings, name)));
    live.extend(settings.server.directives.clone());
    let auth = settings.server.tls.as_ref().map(|tls| tls.client_auth.directive().to_owned());
    live.extend(auth.map(|auth| ("tls-auth-clients".to_owned(), auth)));
    live
}

fn is_default(settings: &Settings, name: &str) -> bool {
    !settings.server.directives.keys().any(|set| set.eq_ignore_ascii_case(name))
}

/// What users may set otherwise.
fn defaults(settings: &Settings) -> Vec<(String, String)> {
    let save = match settings.server.persistence {
        Persistence::Snapshot => "3600 1 300 100 60 10000",
        Persistence::None | Persistence::AppendOnly => "",
    };
    let pairs = [
        ("save", save),
        ("repl-backlog-size", "67108864"),
        ("repl-diskless-sync-delay", "0"),
        // A replica proves that the stream flows by what comes over it, also when nobody writes.
        ("repl-ping-replica-period", "1"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn directives(settings: &Settings, secrets: &Secrets<'_>, silent_port: u16) -> Vec<(String, Vec<String>)> {
    let server = &settings.server;
    let path = |path: &Path| path.display().to_string();
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: &str, values: &[&str]| {
        lines.push((name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()));
    };
    add("replicaof", &["127.0.0.1", &silent_port.to_string()]);
    add("daemonize", &["no"]);
    add("protected-mode", &["no"]);
    add("dir", &[&path(&settings.data_dir)]);
    add("unixsocket", &[&path(&socket(settings))]);
    add("unixsocketperm", &["700"]);
    if !server.bind.is_empty() {
        let addresses: Vec<&str> = server.bind.iter().map(String::as_str).collect();
        add("bind", &addresses);
    }
    let (secured, plain) = server.tls.as_ref().map_or((0, server.port), |tls| tls.ports(server.port));
    add("port", &[&plain.to_string()]);
    if let Some(tls) = &server.tls {
        add("tls-port", &[&secured.to_string()]);
        for (name, file) in certificate::directives(tls) {
            add(name, &[&file]);
        }
        add("tls-replication", &["yes"]);
    }
    add("replica-announce-ip", &[&server.host]);
    // Whoever reads it from the primary may have no TLS, as long as there is a port without.
    add("replica-announce-port", &[&announced(server).to_string()]);
    // The history keeps its name however long nobody follows.
    add("repl-backlog-ttl", &["0"]);
    add("appendonly", &[if server.persistence == Persistence::AppendOnly { "yes" } else { "no" }]);
    add("rdb-del-sync-files", &[if server.persistence == Persistence::None { "yes" } else { "no" }]);
    for (user, rules) in access::users(secrets.access, secrets.manager) {
        let rules: Vec<&str> = [user].into_iter().chain(rules.iter().map(String::as_str)).collect();
        add("user", &rules);
    }
    for (name, value) in secrets.access.map(access::directives).into_iter().flatten() {
        add(name, &[value]);
    }
    for (name, value) in live_directives(settings) {
        // Several words, such as the points of `save`, are several values.
        let words: Vec<&str> = value.split(' ').collect();
        if name.eq_ignore_ascii_case("save") { add(&name, &[&value]) } else { add(&name, &words) }
    }
    lines
}

/// The port under which a server without TLS, or this one, reaches the server.
pub(crate) fn announced(server: &ServerSettings) -> u16 {
    match server.tls.as_ref().map(|tls| tls.ports(server.port)) {
        Some((secured, 0)) => secured,
        Some((_, plain)) => plain,
        None => server.port,
    }
}

/// As the server's own parser reads it back.
fn quote(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:~&*+@|#".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for byte in word.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        serde_yaml::from_str(
            "{name: a, pod: u, dataDir: /data, runtimeDir: /run/v, health: '127.0.0.1:1', lease: alone,
              control: {address: '127.0.0.1:2'},
              server: {program: valkey-server, host: a.cache, maxMemory: 1000, persistence: AppendOnly,
                       bind: [127.0.0.1], directives: {timeout: '300', notify-keyspace-events: ''}}}",
        )
        .unwrap()
    }

    #[test]
    fn server_is_started_as_a_replica_of_nobody() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let clients = vec![one.clone(), two.clone()];
        let access = Access { revision: "r".to_owned(), clients, servers: "own word".to_owned() };
        let text = render(&settings(), &Secrets { manager: "m", access: Some(&access) }, 4000);
        assert!(text.starts_with("replicaof 127.0.0.1 4000\n"));
        for line in [
            "dir /data",
            "bind 127.0.0.1",
            "port 6379",
            "appendonly yes",
            "maxmemory 1000",
            "timeout 300",
            "notify-keyspace-events \"\"",
            "save \"\"",
            "masteruser valkeeper-replication",
            "masterauth \"own word\"",
            &format!("user default reset on resetchannels sanitize-payload ~* &* +@all #{one} #{two}"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("replicaof")).count(), 1);
    }

    #[test]
    fn declared_directive_replaces_a_default() {
        let mut settings = settings();
        settings.server.directives.insert("repl-backlog-size".to_owned(), "1mb".to_owned());
        let text = render(&settings, &Secrets { manager: "m", access: None }, 1);
        assert!(text.contains("repl-backlog-size 1mb\n"));
        assert!(!text.contains("67108864"));
        assert!(text.contains("user default reset on resetchannels sanitize-payload ~* &* +@all nopass\n"));
    }

    #[test]
    fn text_is_quoted_so_that_it_stays_one_value() {
        assert_eq!(quote("a-b.c"), "a-b.c");
        assert_eq!(quote(""), "\"\"");
        assert_eq!(quote("a\nuser x \"y\\"), "\"a\\x0auser x \\\"y\\\\\"");
        assert_eq!(quote("é"), "\"\\xc3\\xa9\"");
    }
}
