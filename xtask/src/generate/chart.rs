//! The README and the value schema of the chart, both from its `values.yaml`: the comments that begin
//! with `--` explain, the defaults give the types.

use super::File;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// Where the chart is.
const CHART: &str = "charts/valkeeper";
/// Values that are one of few.
const CHOICES: [(&str, &[&str]); 4] = [
    ("dnsPolicy", &["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("image.pullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("logging.encoder", &["", "json", "console"]),
    ("projectPolicy.withoutAnnotation", &["Allow", "Deny"]),
];
/// Endings of the paths of values that map names to texts.
const TEXTS: [&str; 5] = ["nnotations", "podLabels", "commonLabels", ".labels", "nodeSelector"];

/// The files that are derived from the values.
pub(crate) fn files(root: &Path) -> Result<[File; 2]> {
    let path = root.join(CHART).join("values.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let values: Value = serde_yaml::from_str(&text).with_context(|| path.display().to_string())?;
    let notes = notes(&text);
    let leaves = leaves(&values, &notes)?;
    let mut schema = object_schema(&values, "", &notes);
    schema["$schema"] = json!("https://json-schema.org/draft-07/schema#");
    // Helm passes these to included charts.
    schema["properties"]["global"] = json!({"type": "object"});
    let schema = serde_json::to_string_pretty(&schema)? + "\n";
    Ok([
        File::new(format!("{CHART}/README.md"), readme(&leaves)?),
        File::new(format!("{CHART}/values.schema.json"), schema),
    ])
}

/// The comments by the path of the value below them.
fn notes(text: &str) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    let (mut path, mut pending): (Vec<(usize, &str)>, Option<&str>) = (Vec::new(), None);
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(note) = content.strip_prefix("# -- ") {
            pending = Some(note);
            continue;
        }
        let Some((key, _)) = content.split_once(':').filter(|_| !content.starts_with(['#', '-'])) else {
            continue;
        };
        let indent = line.len() - content.len();
        path.retain(|(outer, _)| *outer < indent);
        path.push((indent, key));
        if let Some(note) = pending.take() {
            let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
            notes.insert(keys.join("."), note.to_owned());
        }
    }
    notes
}

/// One row of the table.
struct Leaf {
    path: String,
    default: String,
    note: String,
}

/// Every value that has a comment, in the order of the file; each value must have one, or be in one that has.
fn leaves(values: &Value, notes: &BTreeMap<String, String>) -> Result<Vec<Leaf>> {
    let mut rows = Vec::new();
    let mut open = vec![(String::new(), values)];
    while let Some((path, value)) = open.pop() {
        if let Some(note) = notes.get(&path) {
            rows.push(Leaf { path, default: value.to_string(), note: note.clone() });
            continue;
        }
        let members = value.as_object();
        ensure!(members.is_some_and(|members| !members.is_empty()), "{path} has no comment in values.yaml");
        let below = |(key, value)| (if path.is_empty() { key } else { format!("{path}.{key}") }, value);
        let members = members.into_iter().flatten().map(|(key, value)| (key.clone(), value));
        open.extend(members.map(below));
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rows)
}

fn object_schema(value: &Value, path: &str, notes: &BTreeMap<String, String>) -> Value {
    let note = notes.get(path).map(String::as_str);
    let mut schema = match value {
        Value::Object(members) if !members.is_empty() => {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            let properties: Map<String, Value> = members
                .iter()
                .map(|(key, value)| (key.clone(), object_schema(value, &below(key), notes)))
                .collect();
            // A value whose members are explained is complete; the remaining ones follow a type of Kubernetes.
            let closed = note.is_none();
            if closed {
                json!({"type": "object", "properties": properties, "additionalProperties": false})
            } else {
                json!({"type": "object"})
            }
        }
        // Kubernetes takes no numbers there.
        Value::Object(_) if TEXTS.iter().any(|ending| path.ends_with(ending)) => {
            json!({"type": "object", "additionalProperties": {"type": "string"}})
        }
        Value::Object(_) => json!({"type": "object"}),
        Value::Array(_) if path == "watchedNamespaces" => {
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})
        }
        Value::Array(_) => json!({"type": "array"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer", "minimum": 0}),
        // Tags and addresses are often written as numbers.
        Value::String(_) if path.ends_with("Address") || path == "image.tag" => {
            json!({"type": ["string", "integer", "number"]})
        }
        Value::String(_) | Value::Null => json!({"type": "string"}),
    };
    if let Some((_, choices)) = CHOICES.iter().find(|(choice, _)| *choice == path) {
        schema["enum"] = json!(choices);
    }
    if path == "image.digest" {
        schema["pattern"] = json!("^(sha256:[0-9a-f]{64})?$");
    }
    if let Some(note) = note {
        schema["description"] = json!(note);
    }
    schema
}

fn readme(leaves: &[Leaf]) -> Result<String> {
    let mut text = String::from(
        "<!-- Written by the generator: change values.yaml and run `cargo xtask generate`. -->\n\
         # Chart valkeeper\n\n\
         Installs the operator. Install the CRDs first, with the chart `valkeeper-crds`. Replace `YOUR-IMAGE` by the\n\
         repository of [the image that you built](../../docs/releases.md#build-it-yourself):\n\n\
         ```sh\n\
         helm upgrade --install valkeeper-crds charts/valkeeper-crds \\\n  \
           --namespace valkeeper-system --create-namespace\n\
         helm upgrade --install valkeeper charts/valkeeper \\\n  \
           --namespace valkeeper-system --set image.repository=YOUR-IMAGE\n\
         ```\n\n\
         `helm uninstall` of either chart keeps the CRDs, and with them your resources and their services. Values of the\n\
         chart of aiven-operator are accepted under the same names; `webhooks` and `autoscaling` have no effect. See\n\
         [Install with Helm](../../docs/install.md).\n\n\
         ## Values\n\n| value | default | meaning |\n|---|---|---|\n",
    );
    for Leaf { path, default, note } in leaves {
        let cell = |text: &str| text.replace('|', "\\|");
        // Long objects would push the meaning off the page.
        let default = if default.chars().count() > 40 {
            "see `values.yaml`".to_owned()
        } else {
            format!("`{}`", cell(default))
        };
        writeln!(text, "| `{path}` | {default} | {} |", cell(note))?;
    }
    Ok(text)
}
