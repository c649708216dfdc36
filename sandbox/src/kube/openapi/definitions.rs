//! The schemas of the built-in kinds by name, made from the types of `k8s-openapi`. Adds what those leave
//! out: how lists and maps merge, and the group, version and kind of an object.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::{coordination::v1 as coordination, core::v1 as core, events::v1 as events};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::{ListableResource, Resource};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the references between definitions point.
pub(super) const REFERENCE: &str = "#/definitions/";

/// The definition that contains itself.
const SCHEMA: &str = "JSONSchemaProps";

/// Where the schema of a built-in kind ends, the definition that would go on.
const CONTAINS: &str = "x-contains";

/// What a place in a built-in schema contains that ends there because it contains itself.
pub(crate) fn contained(schema: &Value) -> Option<&'static Value> {
    static CONTAINED: LazyLock<Value> = LazyLock::new(|| {
        let found = DEFINITIONS.iter().find(|(name, _)| name.ends_with(SCHEMA));
        found.map_or(Value::Null, |(name, definition)| resolve(definition, &mut vec![name.clone()]))
    });
    schema.get(CONTAINS).map(|_| &*CONTAINED)
}

/// All definitions by name, such as `io.k8s.api.core.v1.Secret`; they refer to each other.
pub(super) static DEFINITIONS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(definitions);

/// The schemas of the served kinds by group, version and kind, with references replaced.
static RESOLVED: LazyLock<HashMap<(String, String, String), Value>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for definition in DEFINITIONS.values() {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let part = |name: &str| kind[name].as_str().unwrap_or_default().to_owned();
            found
                .insert((part("group"), part("version"), part("kind")), resolve(definition, &mut Vec::new()));
        }
    }
    found
});

/// The schema of a built-in kind with every reference replaced by what it refers to.
///
/// Where a definition contains itself (the schemas inside of a `CustomResourceDefinition`), the schema ends
/// and says that unknown fields are to be kept.
pub fn builtin_schema(group: &str, version: &str, kind: &str) -> Option<&'static Value> {
    RESOLVED.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
}

fn resolve(schema: &Value, parents: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(fields) => {
            let Some(name) =
                fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(REFERENCE))
            else {
                return fields.iter().map(|(key, value)| (key.clone(), resolve(value, parents))).collect();
            };
            if parents.iter().any(|parent| parent == name) || name.contains(&format!("{SCHEMA}Or")) {
                return json!({"x-kubernetes-preserve-unknown-fields": true, CONTAINS: SCHEMA});
            }
            parents.push(name.to_owned());
            let mut found =
                DEFINITIONS.get(name).map_or_else(|| json!({}), |target| resolve(target, parents));
            parents.pop();
            if let Some(target) = found.as_object_mut() {
                target.extend(
                    fields
                        .iter()
                        .filter(|(key, _)| *key != "$ref")
                        .map(|(key, value)| (key.clone(), value.clone())),
                );
            }
            found
        }
        Value::Array(items) => items.iter().map(|item| resolve(item, parents)).collect(),
        other => other.clone(),
    }
}

fn definitions() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/definitions".into())
        .into_generator();
    let mut kinds = HashMap::new();
    register::<core::Namespace>(&mut generator, &mut kinds);
    register::<core::Secret>(&mut generator, &mut kinds);
    register::<core::ConfigMap>(&mut generator, &mut kinds);
    register::<core::Event>(&mut generator, &mut kinds);
    register::<core::Service>(&mut generator, &mut kinds);
    register::<core::ServiceAccount>(&mut generator, &mut kinds);
    register::<events::Event>(&mut generator, &mut kinds);
    register::<coordination::Lease>(&mut generator, &mut kinds);
    register::<networking::NetworkPolicy>(&mut generator, &mut kinds);
    register::<apiextensions::CustomResourceDefinition>(&mut generator, &mut kinds);
    generator.subschema_for::<meta::DeleteOptions>();
    generator.subschema_for::<meta::Status>();
    let mut found: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    for (name, definition) in &mut found {
        adorn(name, definition, kinds.get(name));
    }
    found
}

fn register<T: Resource + ListableResource + JsonSchema>(
    generator: &mut SchemaGenerator,
    kinds: &mut HashMap<String, Value>,
) {
    generator.subschema_for::<T>();
    let kind = json!([{"group": T::GROUP, "version": T::VERSION, "kind": T::KIND}]);
    kinds.insert(T::schema_name().into_owned(), kind);
}

/// Adds to a definition what the generated one lacks.
fn adorn(name: &str, definition: &mut Value, kind: Option<&Value>) {
    let Some(fields) = definition.as_object_mut() else { return };
    if let Some(kind) = kind {
        fields.insert("x-kubernetes-group-version-kind".to_owned(), kind.clone());
        // Types in Rust always have metadata; on the wire only this one demands it.
        if name != "io.k8s.api.core.v1.Event" {
            remove_required(fields, "metadata");
        }
    }
    let short = name.rsplit('.').next().unwrap_or(name);
    match short {
        "FieldsV1" | "RawExtension" => {
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
        "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => {
            fields.retain(|key, _| key == "description");
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
        "LabelSelector" | "LocalObjectReference" | "ObjectReference" | "OwnerReference" => {
            fields.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        _ => {}
    }
    for (_, property, values) in ENUMS.iter().filter(|(kind, ..)| *kind == short) {
        if let Some(Value::Object(property)) =
            fields.get_mut("properties").and_then(|found| found.get_mut(*property))
        {
            property.insert("enum".to_owned(), json!(values));
        }
    }
    for (_, property, merge) in MERGES.iter().filter(|(kind, ..)| *kind == short) {
        if let Some(Value::Object(property)) =
            fields.get_mut("properties").and_then(|found| found.get_mut(*property))
        {
            merge.write(property);
        }
    }
}

fn remove_required(fields: &mut Map<String, Value>, name: &str) {
    let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) else { return };
    required.retain(|found| found != name);
    if required.is_empty() {
        fields.remove("required");
    }
}

/// How a property that is a list or a map is merged.
enum Merge {
    /// Replaced as a whole.
    AtomicList,
    /// A map replaced as a whole.
    AtomicMap,
    /// A set of scalars.
    Set,
    /// Entries identified by these fields.
    Keys(&'static [&'static str]),
    /// A key of entries that need not be given.
    Default(&'static str),
    /// As `Keys`, for server-side apply only; strategic merge replaces the list.
    ApplyKeys(&'static [&'static str]),
}

impl Merge {
    fn write(&self, property: &mut Map<String, Value>) {
        if let Self::Default(value) = self {
            property.insert("default".to_owned(), json!(value));
            return;
        }
        let mut set = |key: &str, value: Value| property.insert(format!("x-kubernetes-{key}"), value);
        match self {
            Self::Default(_) => {}
            Self::AtomicList => {
                set("list-type", json!("atomic"));
            }
            Self::AtomicMap => {
                set("map-type", json!("atomic"));
            }
            Self::Set => {
                set("list-type", json!("set"));
                set("patch-strategy", json!("merge"));
            }
            Self::Keys(keys) => {
                set("list-type", json!("map"));
                set("list-map-keys", json!(keys));
                set("patch-merge-key", json!(keys[0]));
                set("patch-strategy", json!("merge"));
            }
            Self::ApplyKeys(keys) => {
                set("list-type", json!("map"));
                set("list-map-keys", json!(keys));
            }
        }
    }
}

/// Definition, property and how it merges.
const MERGES: &[(&str, &str, Merge)] = &[
    ("ObjectMeta", "finalizers", Merge::Set),
    ("ObjectMeta", "managedFields", Merge::AtomicList),
    ("ObjectMeta", "ownerReferences", Merge::Keys(&["uid"])),
    ("LabelSelector", "matchExpressions", Merge::AtomicList),
    ("LabelSelectorRequirement", "values", Merge::AtomicList),
    ("LoadBalancerIngress", "ports", Merge::AtomicList),
    ("LoadBalancerStatus", "ingress", Merge::AtomicList),
    ("NamespaceSpec", "finalizers", Merge::AtomicList),
    ("NamespaceStatus", "conditions", Merge::Keys(&["type"])),
    ("ServiceAccount", "imagePullSecrets", Merge::AtomicList),
    ("ServiceAccount", "secrets", Merge::Keys(&["name"])),
    ("ServiceSpec", "clusterIPs", Merge::AtomicList),
    ("ServiceSpec", "externalIPs", Merge::AtomicList),
    ("ServiceSpec", "ipFamilies", Merge::AtomicList),
    ("ServiceSpec", "loadBalancerSourceRanges", Merge::AtomicList),
    ("ServicePort", "protocol", Merge::Default("TCP")),
    ("ServiceSpec", "ports", Merge::Keys(&["port", "protocol"])),
    ("ServiceSpec", "selector", Merge::AtomicMap),
    ("ServiceStatus", "conditions", Merge::Keys(&["type"])),
    ("IPBlock", "except", Merge::AtomicList),
    ("NetworkPolicyEgressRule", "ports", Merge::AtomicList),
    ("NetworkPolicyEgressRule", "to", Merge::AtomicList),
    ("NetworkPolicyIngressRule", "from", Merge::AtomicList),
    ("NetworkPolicyIngressRule", "ports", Merge::AtomicList),
    ("NetworkPolicySpec", "egress", Merge::AtomicList),
    ("NetworkPolicySpec", "ingress", Merge::AtomicList),
    ("NetworkPolicySpec", "policyTypes", Merge::AtomicList),
    ("CustomResourceDefinitionNames", "categories", Merge::AtomicList),
    ("CustomResourceDefinitionNames", "shortNames", Merge::AtomicList),
    ("CustomResourceDefinitionSpec", "versions", Merge::AtomicList),
    ("CustomResourceDefinitionStatus", "conditions", Merge::ApplyKeys(&["type"])),
    ("CustomResourceDefinitionStatus", "storedVersions", Merge::AtomicList),
    ("CustomResourceDefinitionVersion", "additionalPrinterColumns", Merge::AtomicList),
    ("CustomResourceDefinitionVersion", "selectableFields", Merge::AtomicList),
    ("JSONSchemaProps", "allOf", Merge::AtomicList),
    ("JSONSchemaProps", "anyOf", Merge::AtomicList),
    ("JSONSchemaProps", "enum", Merge::AtomicList),
    ("JSONSchemaProps", "oneOf", Merge::AtomicList),
    ("JSONSchemaProps", "required", Merge::AtomicList),
    ("JSONSchemaProps", "x-kubernetes-list-map-keys", Merge::AtomicList),
    ("JSONSchemaProps", "x-kubernetes-validations", Merge::Keys(&["rule"])),
    ("WebhookConversion", "conversionReviewVersions", Merge::AtomicList),
];

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// Definition, property and the values it may have.
const ENUMS: &[(&str, &str, &[&str])] = &[
    ("NamespaceStatus", "phase", &["Active", "Terminating"]),
    ("NetworkPolicyPort", "protocol", PROTOCOLS),
    ("PortStatus", "protocol", PROTOCOLS),
    ("ServicePort", "protocol", PROTOCOLS),
    ("ServiceSpec", "externalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "internalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ("ServiceSpec", "sessionAffinity", &["ClientIP", "None"]),
    ("ServiceSpec", "type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
];
