//! What Argo CD and Flux make of an object. Argo CD's part is the health check of the guide, run by a real Lua
//! interpreter; Flux' part is the rules of kstatus for custom resources.

use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use valkeeper_testbed::tools;

/// What tools are to make of an object.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) argo: &'static str,
    pub(super) flux: &'static str,
}

/// Argo CD with the configuration of the guide.
pub(super) struct Argo {
    interpreter: PathBuf,
    checks: Value,
    folder: TempDir,
}

impl Argo {
    /// `None`, with a message about what is missing. Argo CD itself interprets Lua 5.1.
    pub(super) fn new() -> Option<Self> {
        let interpreter = tools::LUA.or_skip()?;
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guides/argocd.yaml");
        let text = std::fs::read_to_string(guide).unwrap();
        let config = serde_yaml::Deserializer::from_str(&text).next().unwrap();
        let config: Value = serde::Deserialize::deserialize(config).unwrap();
        Some(Self { interpreter, checks: config["data"].clone(), folder: tempfile::tempdir().unwrap() })
    }

    /// The health of an object.
    pub(super) fn health(&self, object: &Value) -> String {
        // Argo CD runs no check on an object that is being deleted.
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return "Progressing".to_owned();
        }
        let kind = object["kind"].as_str().unwrap();
        let check = &self.checks[format!("resource.customizations.health.aiven.io_{kind}")];
        let check = check.as_str().unwrap_or_else(|| panic!("the guide has no health check of {kind}"));
        let script = self.folder.path().join("health.lua");
        let mut file = std::fs::File::create(&script).unwrap();
        writeln!(file, "obj = {}", literal(object)).unwrap();
        writeln!(file, "local function check()\n{check}\nend").unwrap();
        writeln!(file, "local health = check()").unwrap();
        writeln!(file, "assert(type(health.message) == 'string', 'no message')").unwrap();
        writeln!(file, "io.write(health.status)").unwrap();
        let output = Command::new(&self.interpreter).arg(&script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A value in Lua.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("{{{}}}", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("[{}] = {}", quoted(key), literal(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("\\{byte:03}")).collect::<Vec<_>>().concat();
    format!("\"{bytes}\"")
}

/// The status that kstatus computes for an object of an unknown kind, in its order of rules.
pub(super) fn kstatus(object: &Value) -> &'static str {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if !metadata["deletionTimestamp"].is_null() {
        return "Terminating";
    }
    let seen = &status["observedGeneration"];
    if !seen.is_null() && *seen != metadata["generation"] {
        return "InProgress";
    }
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    for condition in conditions.iter().filter(|condition| condition["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return "InProgress",
            Some("Stalled") => return "Failed",
            _ => {}
        }
    }
    match conditions.iter().find(|condition| condition["type"] == "Ready") {
        Some(ready) if ready["status"] != "True" => "InProgress",
        // Without any condition that it evaluates, an object counts as finished.
        _ => "Current",
    }
}
