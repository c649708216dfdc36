//! Manifest files as texts: `valkeeper validate` accepts and refuses what `kubectl` and an API server accept and refuse.
//!
//! Each row is a file. Where the verdicts differ on purpose, the row states the reason.

use crate::server::{self, Place};
use std::fs;
use tempfile::TempDir;
use tokio::process::Command;
use valkeeper::cli::validate::{Severity, validate_manifests};
use valkeeper_testbed::tools;

on_both_servers!(validate_and_kubectl_agree_on_every_text);

/// A valid resource; rows add to it or change a part of it.
const VALID: &str =
    "apiVersion: aiven.io/v1alpha1\nkind: Valkey\nmetadata: {name: va}\nspec:\n  project: p\n  plan: x\n";

/// What becomes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// Both accept; `valkeeper validate` warns with a text that contains this.
    Warned(&'static str),
    Refused,
    /// `kubectl` accepts; `valkeeper validate` refuses with a text that contains this, because it checks more.
    RefusedHere(&'static str),
    /// `kubectl` refuses; `valkeeper validate` has nothing to check.
    Nothing,
}

use Verdict::{Accepted, Nothing, Refused, RefusedHere, Warned};

/// The valid resource and more lines of its spec.
fn and(lines: &str) -> Vec<u8> {
    format!("{VALID}{lines}\n").into_bytes()
}

/// The valid resource with a part replaced.
fn with(part: &str, replacement: &str) -> Vec<u8> {
    assert!(VALID.contains(part));
    VALID.replace(part, replacement).into_bytes()
}

fn timeout(number: &str) -> Vec<u8> {
    and(&format!("  userConfig: {{valkey_timeout: {number}}}"))
}

fn cloud(text: &str) -> Vec<u8> {
    and(&format!("  cloudName: {text}"))
}

fn metadata(fields: &str) -> Vec<u8> {
    with("{name: va}", &format!("{{{fields}}}"))
}

/// The valid resource as an item of a list.
fn item(indent: usize) -> String {
    VALID.trim_end().replace('\n', &format!("\n{:indent$}", ""))
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect()
}

#[rustfmt::skip]
fn encodings() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let second = VALID.replace("va}", "vb}");
    vec![
        ("plain", VALID.into(), Accepted),
        ("byte order mark", [b"\xef\xbb\xbf", VALID.as_bytes()].concat(), Accepted),
        ("byte order mark before ---", [b"\xef\xbb\xbf---\n", VALID.as_bytes()].concat(), Accepted),
        ("byte order mark in the middle", format!("{VALID}---\n\u{feff}{second}").into(), Accepted),
        ("UTF-16, little endian", utf16(&format!("{VALID}---\n{second}"), u16::to_le_bytes), Accepted),
        ("UTF-16, big endian", utf16(VALID, u16::to_be_bytes), Accepted),
        ("broken UTF-8", [VALID.as_bytes(), b"  cloudName: caf\xe9\n"].concat(), Accepted),
        ("Windows line ends", VALID.replace('\n', "\r\n").into(), Accepted),
        ("old line ends", VALID.replace('\n', "\r").into(), Accepted),
        ("line breaks of YAML 1.1", and("  cloudName: x\u{85}  tags: {a: b}"), Accepted),
        ("no last line end", VALID.trim_end().into(), Accepted),
        ("control character", cloud("a\u{1}b"), Refused),
        ("control character in quotes", cloud("\"a\u{7}b\""), Refused),
        ("delete character", cloud("a\u{7f}b"), Refused),
        ("no-break space", cloud("a").into_iter().chain(*b"\n  tags:\xc2\xa0x\n").collect(), Refused),
    ]
}

#[rustfmt::skip]
fn documents() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let second = VALID.replace("va}", "vb}");
    let json = r#"{"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": "va"}, "spec": {"project": "p", "plan": "x"}}"#;
    let flow = "{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {name: va}, spec: {project: p, plan: x}}";
    vec![
        ("empty", Vec::new(), Nothing),
        ("separators only", "---\n---\n".into(), Nothing),
        ("a null before", format!("~\n---\n{VALID}").into(), Accepted),
        ("a text before", format!("hello\n---\n{VALID}").into(), Refused),
        ("a list of texts before", format!("- a\n---\n{VALID}").into(), Refused),
        ("two documents", format!("{VALID}---\n{second}").into(), Accepted),
        ("a comment behind the separator", format!("{VALID}--- # two\n{second}").into(), Accepted),
        ("a tag behind the separator", format!("{VALID}--- !x\n{second}").into(), Refused),
        ("a document behind the separator", format!("{VALID}--- {flow}\n").into(), Refused),
        ("four hyphens", format!("{VALID}----\n").into(), Refused),
        ("text after the end", format!("{VALID}...\n{second}").into(), Warned("ignores everything after")),
        ("nothing after the end", format!("{VALID}...\n").into(), Accepted),
        ("a directive", format!("%YAML 1.1\n---\n{VALID}").into(), Refused),
        ("JSON", json.into(), Accepted),
        ("two JSON values", format!("{json}{}", json.replace("\"va\"", "\"vb\"")).into(), Accepted),
        ("JSON, then YAML", format!("{json}\n---\n{second}").into(), Refused),
        ("JSON with an octal number", json.replace("\"x\"}", "\"x\", \"userConfig\": {\"valkey_timeout\": 010}}").into(), Refused),
        ("YAML that starts like JSON", flow.into(), Refused),
        ("the same after a separator", format!("---\n{flow}\n").into(), Accepted),
        ("list", format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", item(2)).into(), Accepted),
        ("list of Valkeys", format!("apiVersion: aiven.io/v1alpha1\nkind: ValkeyList\nitems:\n- {}\n", item(2)).into(), Accepted),
        ("list whose items do not say what they are", "apiVersion: aiven.io/v1alpha1\nkind: ValkeyList\nitems:\n- metadata: {name: va}\n  spec: {project: p, plan: x}\n".into(), Accepted),
        ("list with a wrong item", format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", item(2).replace("plan: x", "plan: 1")).into(), Refused),
        ("list in a list", format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {}\n", item(4)).into(), Refused),
        ("list without items", "apiVersion: aiven.io/v1alpha1\nkind: ValkeyList\n".into(), Refused),
        ("list of null", "apiVersion: v1\nkind: List\nitems: [~]\n".into(), Refused),
    ]
}

#[rustfmt::skip]
fn yaml() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        ("octal number", timeout("010"), Warned("kubectl reads it as 8")),
        ("octal number for a text", cloud("010"), Refused),
        ("octal number in quotes", cloud("'010'"), Accepted),
        ("zero before a digit that is not octal", timeout("08"), Accepted),
        ("number with an underscore", timeout("1_000"), Accepted),
        ("number that starts with an underscore", timeout("_1"), Refused),
        ("hexadecimal number", timeout("0x10"), Accepted),
        ("binary number", timeout("0b11"), Accepted),
        ("octal number of YAML 1.2", timeout("0o10"), Accepted),
        ("whole number with a fraction", timeout("300.0"), Accepted),
        ("whole number with an exponent", timeout("3e2"), Accepted),
        ("fraction", timeout("300.5"), Refused),
        ("number with a sign", timeout("+300"), Accepted),
        ("number of base 60", timeout("1:30"), Refused),
        ("infinity", timeout(".inf"), Refused),
        ("number beyond 64 bits", timeout("18446744073709551616"), Refused),
        ("time of day", and("  maintenanceWindowDow: monday\n  maintenanceWindowTime: 10:00:00"), Accepted),
        ("date", cloud("2001-01-01"), Accepted),
        ("null", cloud("~"), Accepted),
        ("null in a list", and("  userConfig: {ip_filter: [null]}"), Refused),
        ("yes", and("  powered: yes"), Accepted),
        ("y", and("  powered: y"), Accepted),
        ("plain on for a text", cloud("On"), Refused),
        ("no boolean", cloud("oN"), Accepted),
        ("tagged number", timeout("!!int '300'"), Accepted),
        ("tagged text", cloud("!!str 010"), Accepted),
        ("unknown tag", cloud("!foo bar"), Accepted),
        ("wrong tag", timeout("!!int abc"), Refused),
        ("base64", cloud("!!binary aGVsbG8="), Accepted),
        ("boolean as key", and("  tags: {on: a}"), Accepted),
        ("null as key", and("  tags: {~: a}"), Refused),
        ("list as key", and("  tags:\n    ? [a]\n    : b"), Refused),
        ("key given twice", and("  plan: z"), Warned("given twice")),
        ("key given twice, wrong at last", and("  plan: 1"), Refused),
        ("merge", and("  tags:\n    <<: {a: b}\n    c: d"), Accepted),
        ("merge of a text", and("  tags:\n    <<: x"), Refused),
        ("alias", and("  cloudName: &a x\n  tags: {a: *a}"), Accepted),
        ("unknown alias", cloud("*nope"), Refused),
        ("alias of itself", and("  tags: &a {a: *a}"), Refused),
        ("indented wrongly", and(" cloudName: x"), Refused),
        ("indented by a tab", and("  tags:\n\t a: b"), Refused),
        ("quote without end", cloud("'x"), Refused),
        ("two values on a line", cloud("a: b"), Refused),
        ("reserved character", cloud("@x"), Refused),
        ("unknown escape", cloud("\"a\\qb\""), Refused),
        ("escape of JSON", cloud("\"a\\/b\""), Refused),
    ]
}

#[rustfmt::skip]
fn identities() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        ("kind in lower case", with("Valkey", "valkey"), Refused),
        ("kind with a typing error", with("Valkey", "Valky"), Refused),
        ("kind in the plural", with("Valkey", "valkeys"), Refused),
        ("no kind", with("kind: Valkey\n", ""), Refused),
        ("another version", with("v1alpha1", "v1"), Refused),
        ("no group", with("aiven.io/", ""), Refused),
        ("group with a typing error", with("aiven.io", "aivenio"), Refused),
        ("group in upper case", with("aiven.io", "Aiven.io"), Refused),
        ("no apiVersion", with("apiVersion: aiven.io/v1alpha1\n", ""), Refused),
        ("name with a hyphen at its end", metadata("name: va-"), Refused),
        ("no name", metadata(""), Refused),
        ("empty name", metadata("name: ''"), Refused),
        ("name without letters", metadata("name: 010"), Refused),
        ("generated name", metadata("generateName: va-"), Warned("kubectl apply` refuses")),
        ("generated name in upper case", metadata("generateName: Va-"), Refused),
        ("generated name with a period", metadata("generateName: a.b-"), Refused),
        ("unknown field", metadata("name: va, nope: 1"), Refused),
        ("metadata is a text", with("{name: va}", "va"), Refused),
        ("no time", metadata("name: va, creationTimestamp: yesterday"), Refused),
        ("nulls", metadata("name: va, creationTimestamp: null, annotations: {a: }"), Accepted),
        ("label value with a space", metadata("name: va, labels: {a: b c}"), Refused),
        ("label key with a space", metadata("name: va, labels: {a b: c}"), Refused),
        ("label that is a number", metadata("name: va, labels: {a: 1}"), Refused),
        ("annotation key with a space", metadata("name: va, annotations: {a b: c}"), Refused),
        ("annotation key in upper case", metadata("name: va, annotations: {Example.com/A: c}"), Accepted),
        ("annotation that is a boolean", metadata("name: va, annotations: {valkeeper.io/paused: true}"), Refused),
        ("unknown annotation of ours", metadata("name: va, annotations: {valkeeper.io/pause: 'true'}"), Warned("did you mean `valkeeper.io/paused`")),
        ("too many annotations", metadata(&format!("name: va, annotations: {{a: {}}}", "x".repeat(262_144))), Refused),
        ("finalizer with a space", metadata("name: va, finalizers: [a b]"), Refused),
        ("owner without uid", metadata("name: va, ownerReferences: [{apiVersion: v1, kind: Pod, name: x}]"), Refused),
        ("owner with an unknown field", metadata("name: va, ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: u, nope: 1}]"), Refused),
        ("two controllers", metadata("name: va, ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: u, controller: true}, {apiVersion: v1, kind: Pod, name: 'z', uid: v, controller: true}]"), Refused),
        ("known field of status", and("status: {state: 7}"), Accepted),
        ("unknown field of status", and("status: {nope: 7}"), Refused),
        ("field beside spec", and("extra: 1"), Refused),
        ("namespace that cannot exist", metadata("name: va, namespace: BAD"), Refused),
    ]
}

#[rustfmt::skip]
fn combinations() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let redis = VALID.replace("Valkey", "Redis");
    let another = VALID.replace("va}", "vb}");
    vec![
        ("declared twice", format!("{VALID}---\n{VALID}").into(), RefusedHere("declared twice")),
        ("one service twice", format!("{VALID}  connInfoSecretTarget: {{name: other}}\n---\n{redis}").into(), RefusedHere("service \"va\" belongs to")),
        ("one Secret twice", format!("{VALID}---\n{another}  connInfoSecretTarget: {{name: va}}\n").into(), RefusedHere("connection Secret of Valkey/va")),
        ("the Secret of a token", format!("{VALID}  authSecretRef: {{name: t, key: k}}\n---\n{another}  connInfoSecretTarget: {{name: t}}\n").into(), RefusedHere("reads its credentials")),
        ("a Secret declared beside", format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: va}}\n---\n{VALID}").into(), RefusedHere("is declared at")),
        ("password without migration", and("  migrationSecretSource: {name: a, key: b}"), RefusedHere("needs userConfig.migration")),
        ("password in the spec", and("  userConfig: {migration: {host: h, port: 1, password: x}}"), Warned("use migrationSecretSource")),
        ("bits after the prefix", and("  userConfig: {ip_filter: [{network: 10.1.2.3/8}]}"), Warned("it stands for 10.0.0.0/8")),
        ("network inside another", and("  userConfig: {ip_filter: [{network: 0.0.0.0/0}, {network: 10.0.0.0/8}]}"), Warned("ip_filter[0] allows 0.0.0.0/0 already")),
        ("network twice", and("  userConfig: {ip_filter: [{network: 10.0.0.0/8}, {network: 10.0.0.0/8}]}"), Warned("has no effect")),
        ("address twice", and("  technicalEmails: [{email: a@example.com}, {email: a@example.com}]"), Warned("listed twice")),
        ("target of a Secret that is not written", and("  connInfoSecretTargetDisabled: true\n  connInfoSecretTarget: {name: a}"), Warned("has no effect")),
        ("off and protected", and("  powered: false\n  terminationProtection: true"), Warned("keeps the service on")),
        ("backup without source", and("  userConfig: {recovery_basebackup_name: b}"), Warned("without service_to_fork_from")),
        ("backup hour without persistence", and("  userConfig: {valkey_persistence: 'off', backup_hour: 3}"), Warned("makes no backups")),
        ("events that are never sent", and("  userConfig: {valkey_notify_keyspace_events: gx}"), Warned("without K or E")),
        ("VPC with bits after the prefix", "apiVersion: aiven.io/v1alpha1\nkind: ProjectVPC\nmetadata: {name: net}\nspec: {project: p, cloudName: c, networkCidr: 192.168.0.1/24}\n".into(), Warned("it stands for 192.168.0.0/24")),
        ("VPC with a name that is none", "apiVersion: aiven.io/v1alpha1\nkind: ProjectVPC\nmetadata: {name: net-}\nspec: {project: p, cloudName: c, networkCidr: 192.168.0.0/24}\n".into(), Refused),
    ]
}

fn rows() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    [encodings(), documents(), yaml(), identities(), combinations()].into_iter().flatten().collect()
}

/// The output of `valkeeper validate` about a text: whether it is valid, and every line.
fn validate(folder: &TempDir, text: &[u8]) -> (bool, String) {
    let path = folder.path().join("manifest.yaml");
    fs::write(&path, text).unwrap();
    let report = validate_manifests(&[path]).unwrap();
    let passes = report.findings.iter().all(|finding| finding.severity == Severity::Warning);
    let lines: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    (passes, lines.join("\n"))
}

#[test]
fn validate_gives_the_verdict_of_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (title, text, verdict) in rows() {
        let (passes, lines) = validate(&folder, &text);
        let expected = match verdict {
            Accepted | Nothing => passes && lines.is_empty(),
            Warned(warning) => passes && lines.contains(warning),
            Refused => !passes,
            RefusedHere(error) => !passes && lines.contains(error),
        };
        if !expected {
            failures.push(format!("{title}: wanted {verdict:?}, got {passes} {lines}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn validate_and_kubectl_agree_on_every_text(place: Place) {
    let Some(program) = tools::KUBECTL.or_skip() else { return };
    let Some(server) = server::Server::start(place).await else { return };
    server.install(serde_json::from_value(crate::definitions::project_vpc()).unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config"), server.kubeconfig()).unwrap();
    let mut failures = Vec::new();
    for (title, text, verdict) in rows() {
        let path = folder.path().join("manifest.yaml");
        fs::write(&path, text).unwrap();
        let mut kubectl = Command::new(&program);
        kubectl.args(["create", "--dry-run=server", "--cache-dir"]).arg(folder.path()).arg("-f").arg(&path);
        let output = kubectl.env("KUBECONFIG", folder.path().join("config")).output().await.unwrap();
        let wanted = !matches!(verdict, Refused | Nothing);
        if output.status.success() != wanted {
            failures.push(format!("{title}: {verdict:?}, but {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
