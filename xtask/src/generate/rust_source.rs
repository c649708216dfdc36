//! Converts a schema to the Rust module of a kind's `userConfig`: structs, patterns and the table of facts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::schema::{Schema, Shape};

/// The module for `kind` (`Valkey`), before formatting.
pub(crate) fn module(kind: &str, schema: &Schema) -> Result<String> {
    let mut module = Module::default();
    module.object(&format!("{kind}UserConfig"), schema)?;
    let secrets = if module.structs.contains("SensitiveString") {
        "use crate::sensitive::SensitiveString;\n"
    } else {
        ""
    };
    let shared =
        if module.structs.contains("objects_or_texts") { ", FromText, objects_or_texts" } else { "" };
    let compile = if module.patterns.is_empty() { "" } else { "use super::pattern::compile;\n" };
    let lazy =
        if module.patterns.is_empty() { "" } else { "use std::sync::LazyLock;\n\nuse regex::Regex;\n" };
    Ok(format!(
        "//! The `userConfig` of `{kind}`. Written by the generator from `schemas/{}.json`: change that file instead.\n\n\
         {lazy}use schemars::JsonSchema;\nuse serde::{{Deserialize, Serialize}};\nuse validator::Validate;\n\n\
         use super::{{PropertyFacts{shared}}};\n{compile}{secrets}\n{}\n{}\n{}",
        kind.to_lowercase(),
        facts(schema),
        module.structs,
        module.patterns,
    ))
}

/// Formats Rust with the repository's own style.
pub(crate) fn format(source: &str, root: &Path) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start rustfmt")?;
    rustfmt.stdin.take().context("rustfmt has no input")?.write_all(source.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt rejected the generated source");
    Ok(String::from_utf8(output.stdout)?)
}

fn facts(schema: &Schema) -> String {
    let mut table = String::from(
        "/// What the provider's schema says about each property, sorted by name.\n\
         pub const FACTS: &[PropertyFacts] = &[\n",
    );
    for (name, property) in &schema.properties {
        let _ = write!(table, "PropertyFacts::of({name:?})");
        let flags = [
            (property.create_only, ".create_only()"),
            (property.nullable(), ".nullable()"),
            (property.restarts, ".restarts()"),
        ];
        table.extend(flags.iter().filter(|(set, _)| *set).map(|(_, call)| *call));
        if let Some(default) = &property.default {
            let _ = write!(table, ".defaults_to({})", literal(&default.to_string()));
        }
        if let Some(unset) = &property.unset {
            let _ = write!(table, ".unset_to({})", literal(&unset.to_string()));
        }
        table += ",\n";
    }
    table + "];\n"
}

/// The pieces of a module while it is being written.
#[derive(Default)]
struct Module {
    structs: String,
    patterns: String,
}

impl Module {
    /// Writes the struct for an object and, after it, those for the objects inside it.
    fn object(&mut self, type_name: &str, schema: &Schema) -> Result<()> {
        let mut fields = String::new();
        let mut inner = Vec::new();
        for (name, property) in &schema.properties {
            let required = schema.required.contains(name);
            let (field_type, nested) = field_type(name, property)?;
            let _ = write!(fields, "{}", documentation(&explained(property), "    "));
            if !required {
                let lenient =
                    property.items.as_ref().is_some_and(|items| nested.is_some() && items.accepts_text());
                let decode = if lenient { ", deserialize_with = \"objects_or_texts\"" } else { "" };
                let _ =
                    writeln!(fields, "#[serde(default{decode}, skip_serializing_if = \"Option::is_none\")]");
            }
            fields += &self.attributes(name, property, nested.is_some())?;
            let _ = if required {
                writeln!(fields, "pub {name}: {field_type},")
            } else {
                writeln!(fields, "pub {name}: Option<{field_type}>,")
            };
            inner.extend(nested);
        }
        let _ = write!(
            self.structs,
            "{}#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]\n\
             pub struct {type_name} {{\n{fields}}}\n\n",
            documentation(&schema.description, ""),
        );
        if schema.accepts_text() {
            self.text_form(type_name, schema)?;
        }
        inner.into_iter().try_for_each(|(name, schema)| self.object(&name, schema))
    }

    /// How an object is read from bare text: the text is its one required property.
    fn text_form(&mut self, type_name: &str, schema: &Schema) -> Result<()> {
        let [property] = schema.required.as_slice() else {
            anyhow::bail!("{type_name}: text form needs exactly one required property");
        };
        let _ = write!(
            self.structs,
            "impl FromText for {type_name} {{ fn from_text({property}: String) -> Self \
             {{ Self {{ {property}, ..Self::default() }} }} }}\n\n",
        );
        Ok(())
    }

    /// The attributes that carry a property's bounds, for the validator and for the schema.
    fn attributes(&mut self, name: &str, schema: &Schema, nested: bool) -> Result<String> {
        let mut validate = self.bounds(name, schema, "path");
        if nested {
            validate.push("nested".into());
        }
        let mut schemars = Vec::new();
        if let Some(items) = schema.items.as_ref().filter(|_| !nested) {
            let inner = self.bounds(&format!("{name}_item"), items, "pattern");
            if !inner.is_empty() {
                schemars.push(format!("inner({})", inner.join(", ")));
            }
            anyhow::ensure!(items.r#enum.is_empty(), "{name}: enumerated items are not supported");
        }
        if !schema.r#enum.is_empty() {
            schemars.push(format!("extend(\"enum\" = {:?})", schema.r#enum));
        }
        if schema.secure {
            schemars.push("extend(\"format\" = \"password\")".into());
        }
        let attribute = |name: &str, parts: Vec<String>| {
            if parts.is_empty() { String::new() } else { format!("#[{name}({})]\n", parts.join(", ")) }
        };
        Ok(attribute("validate", validate) + &attribute("schemars", schemars))
    }

    fn bounds(&mut self, name: &str, schema: &Schema, regex_key: &str) -> Vec<String> {
        let mut bounds = Vec::new();
        let mut bound = |kind: &str, minimum: Option<String>, maximum: Option<String>| {
            let ends = [minimum.map(|end| format!("min = {end}")), maximum.map(|end| format!("max = {end}"))];
            let ends: Vec<_> = ends.into_iter().flatten().collect();
            if !ends.is_empty() {
                bounds.push(format!("{kind}({})", ends.join(", ")));
            }
        };
        let text = |end: Option<u64>| end.map(|end| end.to_string());
        bound("range", schema.minimum.map(number), schema.maximum.map(number));
        // A limit on the text form of an object does not bound the object.
        if !schema.properties.is_empty() {
            return bounds;
        }
        bound(
            "length",
            text(schema.min_length.or(schema.min_items)),
            text(schema.max_length.or(schema.max_items)),
        );
        if let Some(pattern) = &schema.pattern {
            let constant = name.to_uppercase();
            let _ = writeln!(
                self.patterns,
                "static {constant}: LazyLock<Regex> = LazyLock::new(|| compile({}));",
                literal(pattern)
            );
            bounds.push(format!("regex({regex_key} = *{constant})"));
        }
        bounds
    }
}

/// The Rust type of a property, and the object it introduces.
fn field_type<'s>(name: &str, schema: &'s Schema) -> Result<(String, Option<(String, &'s Schema)>)> {
    Ok(match schema.shape()? {
        Shape::Boolean => ("bool".into(), None),
        Shape::Integer => ("i64".into(), None),
        Shape::Text if schema.secure => ("SensitiveString".into(), None),
        Shape::Text => ("String".into(), None),
        Shape::Object => (pascal(name), Some((pascal(name), schema))),
        Shape::List => {
            let items = schema.items.as_ref().context("a list has items")?;
            let (item, nested) = field_type(name, items)?;
            (format!("Vec<{item}>"), nested)
        }
    })
}

/// `ip_filter` as `IpFilter`.
fn pascal(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

/// An integer literal with separators.
fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// A string literal, raw where escapes would make it harder to read.
fn literal(text: &str) -> String {
    match text {
        _ if text.contains('"') => format!("r#\"{text}\"#"),
        _ if text.contains('\\') => format!("r\"{text}\""),
        _ => format!("\"{text}\""),
    }
}

/// The description of a property and what its facts mean to a user.
fn explained(property: &Schema) -> String {
    let mut text = property.description.clone();
    if property.create_only {
        text += " Only counts when the service is created.";
    }
    if property.restarts {
        text += " Changing it restarts the service.";
    }
    let default = property.default.as_ref().map(|default| match default.as_str() {
        Some("") => "empty".to_owned(),
        Some(word) => format!("`{word}`"),
        None => format!("`{default}`"),
    });
    if let Some(default) = default {
        let _ = write!(text, " Aiven's default is {default}.");
    }
    text
}

/// A doc comment, wrapped to the line length of the repository.
fn documentation(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + 4 + line.len() + 1 + word.len() > 110 {
            let _ = writeln!(lines, "{indent}/// {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &format!("{indent}/// {line}\n")
}
