//! The reference page of a kind, written from its definition.
//!
//! Every field has an entry whose anchor is its path, so that errors and other pages can link to it. Bounds
//! are named as in OpenAPI, because that is what the API server's messages use.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use valkeeper_api::{
    Custom as _, GROUP, Kind, ProjectVpc, VERSION, crd, names,
    removal::{self, Removal},
};

use super::File;

/// The first line of each page.
pub(super) const MARK: &str =
    "<!-- Written by the generator: change crates/api or schemas and run `cargo xtask generate`. -->\n\n";

/// What each connection Secret holds, after the prefix.
const SECRET_KEYS: [(&str, &str); 5] = [
    ("HOST", "host name to connect to"),
    ("PORT", "port to connect to"),
    ("USER", "user name"),
    ("PASSWORD", "password of the user"),
    ("SSL", "whether TLS is needed, as Aiven says it: `required`"),
];

/// The annotations that people and programs read and write.
const ANNOTATIONS: [(&str, &str); 4] = [
    (names::ADOPTION_POLICY, "set by you: `Never`, `Observe` or `Adopt`; overrides `spec.adoptionPolicy`"),
    (names::DELETION_POLICY, "set by you: `Orphan` keeps the service when the resource is deleted"),
    (names::GENERATION_PROCESSED, "the last `metadata.generation` that Aiven accepted"),
    (
        names::INSTANCE_RUNNING,
        "`true`: runs as declared; `false`: is powered off as declared; absent: neither yet",
    ),
];

/// The same for a `ProjectVPC`, all set by its owner.
const VPC_ANNOTATIONS: [(&str, &str); 3] = [
    (names::DELETION_POLICY, "`Orphan` keeps the VPC when the resource is deleted"),
    (
        names::REFERENCED_FROM,
        "namespaces, separated by commas, whose services may refer to it where that needs consent; `*` for all",
    ),
    (names::PAUSED, "any value but `false` leaves the VPC alone until the annotation is removed"),
];

/// The page of a kind.
pub(crate) fn file(kind: Kind, root: &Path) -> Result<File> {
    let example = Path::new("examples").join(kind.service_type()).with_extension("yaml");
    let manifest =
        std::fs::read_to_string(root.join(&example)).with_context(|| example.display().to_string())?;
    let mut page = introduction(kind, &manifest)?;
    for part in ["spec", "status"] {
        let schema = crd::schema(kind).properties.as_ref().and_then(|fields| fields.get(part));
        let schema = schema.context("a resource has a spec and a status")?;
        section(&mut page, &|path| is_create_only(kind, path), part, schema);
    }
    Ok(File::new(Path::new("docs/reference").join(kind.service_type()).with_extension("md"), page))
}

/// The page of `ProjectVPC`.
pub(crate) fn project_vpc(root: &Path) -> Result<File> {
    let schema = crd::project_vpc_schema();
    let file = "examples/projectvpc.yaml";
    let manifest = std::fs::read_to_string(root.join(file)).context(file)?;
    let example: serde_yaml::Value = serde_yaml::from_str(&manifest)?;
    let object = example["metadata"]["name"].as_str().context("the example has a name")?;
    let (name, description) = (ProjectVpc::NAME, schema.description.as_deref().unwrap_or_default());
    let annotations = table(&VPC_ANNOTATIONS, "");
    let mut page = format!(
        "{MARK}# {name}\n\n{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{GROUP}/{VERSION}` |\n| `kind` | `{name}` |\n\
         | `metadata.name` | what services refer to in `spec.projectVPCRef`; Aiven does not know it |\n\
         | `spec` | [what the VPC should be](#spec) |\n\
         | `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe token is in a Secret, see `examples/token.yaml`. How services are placed in it: \
         [private networks](../guides/networks.md).\n\n\
         ```yaml\n{manifest}```\n\n\
         ```shell\nvalkeeper validate {file}\nkubectl apply -f {file}\n\
         kubectl wait --for=condition=Ready projectvpcs/{object} --timeout=20m\nkubectl get projectvpcs {object}\n```\n\n\
         ## Annotations\n\n| Annotation | Meaning |\n|---|---|\n{annotations}\n\
         ## Reading this page\n\n\
         Bounds carry the names they have in error messages. *Immutable* fields stay as they are once set.\n\n",
    );
    for part in ["spec", "status"] {
        let schema = schema.properties.as_ref().and_then(|fields| fields.get(part));
        section(&mut page, &|_| false, part, schema.context("a resource has a spec and a status")?);
    }
    Ok(File::new("docs/reference/projectvpc.md", page))
}

/// Rows of a table of names and meanings.
pub(super) fn table(rows: &[(&str, &str)], prefix: &str) -> String {
    rows.iter()
        .map(|(name, meaning)| format!("| `{prefix}{name}` | {meaning} |\n"))
        .collect::<Vec<_>>()
        .concat()
}

/// Whether a field counts only when the service is created.
fn is_create_only(kind: Kind, path: &str) -> bool {
    let setting = path.strip_prefix("spec.userConfig.").is_some_and(|property| {
        kind.user_config_facts().iter().any(|facts| facts.name == property && facts.create_only)
    });
    setting || path == "spec.serviceIntegrations"
}

fn introduction(kind: Kind, manifest: &str) -> Result<String> {
    let name = kind.name();
    let prefix = kind.secret_prefix();
    let definition = crd::definition(kind);
    let warning = definition.spec.versions.iter().find_map(|version| version.deprecation_warning.as_deref());
    let warning = warning.map(|text| format!("> **Deprecated.** {text}\n\n")).unwrap_or_default();
    let description = crd::schema(kind).description.clone().unwrap_or_default();
    let example: serde_yaml::Value = serde_yaml::from_str(manifest)?;
    let object = example["metadata"]["name"].as_str().context("the example has a name")?;
    let secret = example["spec"]["connInfoSecretTarget"]["name"].as_str().unwrap_or(object);
    let keys = table(&SECRET_KEYS, prefix);
    let annotations = table(&ANNOTATIONS, "");
    let plural = kind.plural();
    let file = kind.service_type();
    Ok(format!(
        "{MARK}# {name}\n\n{warning}{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{GROUP}/{VERSION}` |\n| `kind` | `{name}` |\n\
         | `metadata.name` | also the name of the service: 2 to 63 lower-case letters, digits and hyphens, \
         starting with a letter |\n\
         | `spec` | [what the service should be](#spec) |\n\
         | `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe token is in a Secret, see `examples/token.yaml`.\n\n\
         ```yaml\n{manifest}```\n\n\
         ```shell\nvalkeeper validate examples/{file}.yaml\nkubectl apply -f examples/{file}.yaml\n\
         kubectl wait --for=condition=Ready {plural}/{object} --timeout=20m\nkubectl get {plural} {object}\n```\n\n\
         ## Connection Secret\n\n\
         The Secret is called `{secret}` here; by default it has the name of the resource. Another prefix than \
         `{prefix}` can be chosen with [`prefix`](#spec.connInfoSecretTarget.prefix).\n\n\
         | Key | Value |\n|---|---|\n{keys}\n\
         ```shell\nkubectl get secret {secret} -o json | jq '.data | map_values(@base64d)'\n```\n\n\
         ## Annotations\n\n| Annotation | Meaning |\n|---|---|\n{annotations}\n\
         ## Reading this page\n\n\
         Bounds carry the names they have in error messages. *Immutable* fields stay as they are once set. \
         *Create-only* fields count when the service is created: later they can be removed, but neither changed \
         nor added. *Default* values are set where a field is absent.\n\n\
         ## Removing a field\n\n\
         What the service becomes when a field leaves the manifest:\n\n\
         | Field of `spec` | The service |\n|---|---|\n{}\n",
        removals(kind),
    ))
}

/// What removing each field does.
fn removals(kind: Kind) -> String {
    let effect = |removal: Removal| match removal {
        Removal::Resets(what) | Removal::Default(what) => what,
        Removal::Keeps => "keeps the last value",
        Removal::WithoutEffect => "stays: the field counts only while something is created",
    };
    let mut rows = String::new();
    for (field, removal) in removal::FIELDS {
        let _ = writeln!(rows, "| `{field}` | {} |", effect(removal));
    }
    let kept: Vec<_> = removal::kept_settings(kind).map(|name| format!("`{name}`")).collect();
    let _ = writeln!(rows, "| `userConfig`, a setting in it | goes back to Aiven's default |");
    if !kept.is_empty() {
        let _ = writeln!(
            rows,
            "| `userConfig`: {} | keeps the last value: the provider has no default |",
            kept.join(", ")
        );
    }
    rows
}

/// Whether the field at a path counts only at creation.
pub(super) type CreateOnly<'c> = dyn Fn(&str) -> bool + 'c;

/// An object and, after it, the objects inside it.
pub(super) fn section(page: &mut String, create_only: &CreateOnly, path: &str, schema: &JSONSchemaProps) {
    let name = path.rsplit('.').next().unwrap_or(path);
    let level = "#".repeat((path.matches('.').count() + 2).min(4));
    let description = schema.description.as_deref().unwrap_or_default();
    let _ = writeln!(page, "<a id=\"{path}\"></a>\n\n{level} {name}\n");
    if let Some((parent, _)) = path.rsplit_once('.') {
        let _ = writeln!(page, "In [`{parent}`](#{parent}). {description}\n");
    } else {
        let _ = writeln!(page, "{description}\n");
    }
    let fields = || schema.properties.iter().flatten();
    let required = |name: &String| schema.required.iter().flatten().any(|required| required == name);
    for (title, wanted) in [("Required", true), ("Optional", false)] {
        let group: Vec<_> = fields().filter(|(name, _)| required(name) == wanted).collect();
        if !group.is_empty() {
            let _ = writeln!(page, "**{title}**\n");
            for (name, field) in group {
                entry(page, create_only, &format!("{path}.{name}"), name, field);
            }
            page.push('\n');
        }
    }
    for (name, field) in fields() {
        if let Some(object) = object_in(field) {
            section(page, create_only, &format!("{path}.{name}"), object);
        }
    }
}

/// One field: name, type, bounds and meaning, which includes what a change does.
fn entry(page: &mut String, create_only: &CreateOnly, path: &str, name: &str, schema: &JSONSchemaProps) {
    let mut traits = vec![type_name(schema)];
    traits.extend(bounds(schema));
    if create_only(path) {
        traits.push("Create-only".to_owned());
    }
    let description = schema.description.as_deref().unwrap_or_default();
    // An object has its own anchor, at the section that describes it.
    let (anchor, more) = if object_in(schema).is_some() {
        (String::new(), format!(" See [{name}](#{path})."))
    } else {
        (format!("<a id=\"{path}\"></a>"), String::new())
    };
    let _ = writeln!(page, "- {anchor}`{name}` ({}). {description}{more}", traits.join(", "));
    let items = schema.items.as_ref().and_then(|items| match items {
        JSONSchemaPropsOrArray::Schema(items) if items.properties.is_none() => Some(bounds(items)),
        _ => None,
    });
    if let Some(items) = items.filter(|items| !items.is_empty()) {
        let _ = writeln!(page, "  - Each item: {}.", items.join(", "));
    }
}

/// The object a field is, or is a list of.
fn object_in(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    let object = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => items,
        _ => schema,
    };
    object.properties.as_ref().map(|_| object)
}

fn type_name(schema: &JSONSchemaProps) -> String {
    let name = |schema: &JSONSchemaProps| schema.type_.clone().unwrap_or_default();
    match (&schema.items, &schema.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => format!("array of {}s", name(items)),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => {
            format!("object, AdditionalProperties: {}", name(values))
        }
        _ => name(schema),
    }
}

/// The bounds of a value, as in `MaxLength: 63`.
fn bounds(schema: &JSONSchemaProps) -> Vec<String> {
    let immutable = schema
        .x_kubernetes_validations
        .iter()
        .flatten()
        .any(|rule| rule.field_path.is_none() && rule.rule.starts_with("self == oldSelf"));
    let choices: Vec<_> = schema
        .enum_
        .iter()
        .flatten()
        .filter_map(|choice| Some(format!("`{}`", choice.0.as_str()?)))
        .collect();
    let named = |name: &str, bound: Option<String>| bound.map(|bound| format!("{name}: {bound}"));
    let length = |bound: Option<i64>| bound.map(|bound| bound.to_string());
    let number = |bound: Option<f64>| bound.map(|bound| bound.to_string());
    [
        immutable.then(|| "Immutable".to_owned()),
        named("Enum", (!choices.is_empty()).then(|| choices.join(", "))),
        named("Pattern", schema.pattern.as_ref().map(|pattern| format!("`{pattern}`"))),
        named("MinLength", length(schema.min_length)),
        named("MaxLength", length(schema.max_length)),
        named("Minimum", number(schema.minimum)),
        named("Maximum", number(schema.maximum)),
        named("MaxItems", length(schema.max_items)),
        named("Default value", schema.default.as_ref().map(|default| format!("`{}`", default.0))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
