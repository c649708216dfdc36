//! The commands that are answered: what clients read about them, and the subcommands of `SENTINEL`. Pure.

use valkeeper_server::Value;

/// Name and number of words; a negative number is the fewest.
pub(crate) const ALL: [(&str, i64); 15] = [
    ("acl", -2),
    ("auth", -2),
    ("client", -2),
    ("command", -1),
    ("hello", -1),
    ("info", -1),
    ("ping", -1),
    ("psubscribe", -2),
    ("punsubscribe", -1),
    ("quit", -1),
    ("reset", 1),
    ("role", 1),
    ("sentinel", -2),
    ("subscribe", -2),
    ("unsubscribe", -1),
];

/// What is asked about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Where the primary is.
    Address,
    /// The primary with all that is known of it.
    Primary,
    /// The same, as a list of all primaries.
    Primaries,
    /// Its replicas.
    Replicas,
    /// The other managers.
    Peers,
    /// Whether a failover is possible.
    Quorum,
    /// The text of `INFO`, with the section about primaries.
    Info,
}

/// How a subcommand of `SENTINEL` is answered.
pub(crate) enum Subcommand {
    /// It asks about the cluster of this name.
    About(Question, Vec<u8>),
    /// It asks about every cluster.
    AboutAll(Question),
    /// It asks for the identity of this manager.
    MyId,
    /// The answer.
    Answer(Value),
}

/// Changes that a Sentinel takes and that no client may make here.
const CHANGES: [&str; 10] = [
    "config",
    "debug",
    "failover",
    "flushconfig",
    "is-master-down-by-addr",
    "monitor",
    "remove",
    "reset",
    "set",
    "simulate-failure",
];

/// Reads a subcommand; `words` are those after `SENTINEL`.
pub(crate) fn subcommand(words: &[Vec<u8>]) -> Subcommand {
    let error = |text: String| Subcommand::Answer(Value::Error(text));
    let (Some(name), arguments) = (words.first().map(|word| lower(word)), words.get(1..).unwrap_or_default())
    else {
        return error(wrong_number("sentinel"));
    };
    let about = match name.as_str() {
        "get-master-addr-by-name" | "get-primary-addr-by-name" => Question::Address,
        "master" | "primary" => Question::Primary,
        "replicas" | "slaves" => Question::Replicas,
        "sentinels" => Question::Peers,
        "ckquorum" => Question::Quorum,
        "masters" | "primaries" if arguments.is_empty() => return Subcommand::AboutAll(Question::Primaries),
        "myid" if arguments.is_empty() => return Subcommand::MyId,
        "pending-scripts" if arguments.is_empty() => return Subcommand::Answer(Value::Array(Vec::new())),
        "help" => return Subcommand::Answer(help()),
        "masters" | "primaries" | "myid" | "pending-scripts" => {
            return error(wrong_number(&format!("sentinel|{name}")));
        }
        name if CHANGES.contains(&name) => {
            return error(format!(
                "ERR sentinel|{name} is refused: the operator of this cluster decides about its primary"
            ));
        }
        name => return error(format!("ERR unknown subcommand '{}'. Try SENTINEL HELP.", shown(name))),
    };
    match arguments {
        [cluster] => Subcommand::About(about, cluster.clone()),
        _ => error(wrong_number(&format!("sentinel|{name}"))),
    }
}

fn help() -> Value {
    let lines = [
        "SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CKQUORUM <name>",
        "    Check whether enough managers answer and a replica could take over.",
        "GET-MASTER-ADDR-BY-NAME <name>",
        "    Return the address of the primary; nil while this manager does not know it.",
        "MASTER <name>",
        "    Return what is known of the primary.",
        "MASTERS",
        "    Return the primary as a list.",
        "MYID",
        "    Return the identity of this manager.",
        "REPLICAS <name>",
        "    Return the replicas of the primary.",
        "SENTINELS <name>",
        "    Return the other managers.",
    ];
    Value::Array(lines.map(|line| Value::Simple(line.to_owned())).into())
}

/// `COMMAND`; `words` are those after it.
pub(crate) fn command(words: &[Vec<u8>]) -> Value {
    let described = |(name, arity): (&str, i64)| {
        let flags = ["sentinel", "loading", "stale", "fast"].map(|flag| Value::Simple(flag.to_owned()));
        let zero = || Value::Integer(0);
        let name = Value::Bytes(name.as_bytes().to_vec());
        Value::Array(vec![name, Value::Integer(arity), Value::Array(flags.into()), zero(), zero(), zero()])
    };
    let names = words.get(1..).unwrap_or_default();
    match words.first().map(|word| lower(word)).as_deref() {
        None => Value::Array(ALL.map(described).into()),
        Some("count") => Value::Integer(i64::try_from(ALL.len()).unwrap_or_default()),
        Some("list") => Value::Array(ALL.map(|(name, _)| Value::Bytes(name.into())).into()),
        Some("docs") => Value::Map(Vec::new()),
        Some("info") if names.is_empty() => Value::Array(ALL.map(described).into()),
        Some("info") => {
            let found = |name: &Vec<u8>| ALL.into_iter().find(|(known, _)| *known == lower(name));
            Value::Array(names.iter().map(|name| found(name).map_or(Value::Null, described)).collect())
        }
        Some(other) => Value::Error(format!("ERR unknown subcommand '{}'. Try COMMAND HELP.", shown(other))),
    }
}

/// In lower case, as names of commands are compared.
pub(crate) fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

/// Part of what a client sent, for an error.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}

pub(crate) fn wrong_number(command: &str) -> String {
    format!("ERR wrong number of arguments for '{command}' command")
}
