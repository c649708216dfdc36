//! The schemas of the built-in kinds by name, made from the types of `k8s-openapi`. Adds what those leave
//! out: how lists and maps merge, and the group, version and kind of an object.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, coordination::v1 as coordination,
    core::v1 as core, discovery::v1 as discovery, events::v1 as events, networking::v1 as networking,
    policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::{ListableResource, Resource};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the references between definitions point.
pub(crate) const REFERENCE: &str = "#/definitions/";

/// The definition that contains itself.
const SCHEMA: &str = "JSONSchemaProps";

/// Where the schema of a built-in kind ends, the definition that would continue it.
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
pub(crate) static DEFINITIONS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(definitions);

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
/// Where a definition contains itself (the schemas inside of a `CustomResourceDefinition`), the schema ends and keeps
/// unknown fields.
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
    register::<core::Node>(&mut generator, &mut kinds);
    register::<core::PersistentVolume>(&mut generator, &mut kinds);
    register::<core::PersistentVolumeClaim>(&mut generator, &mut kinds);
    register::<core::Pod>(&mut generator, &mut kinds);
    register::<discovery::EndpointSlice>(&mut generator, &mut kinds);
    register::<scheduling::PriorityClass>(&mut generator, &mut kinds);
    register::<storage::StorageClass>(&mut generator, &mut kinds);
    register::<events::Event>(&mut generator, &mut kinds);
    register::<coordination::Lease>(&mut generator, &mut kinds);
    register::<networking::NetworkPolicy>(&mut generator, &mut kinds);
    register::<apiextensions::CustomResourceDefinition>(&mut generator, &mut kinds);
    register::<apps::Deployment>(&mut generator, &mut kinds);
    register::<policy::PodDisruptionBudget>(&mut generator, &mut kinds);
    register::<rbac::ClusterRole>(&mut generator, &mut kinds);
    register::<rbac::ClusterRoleBinding>(&mut generator, &mut kinds);
    register::<rbac::Role>(&mut generator, &mut kinds);
    register::<rbac::RoleBinding>(&mut generator, &mut kinds);
    register::<admission::MutatingAdmissionPolicy>(&mut generator, &mut kinds);
    register::<admission::MutatingAdmissionPolicyBinding>(&mut generator, &mut kinds);
    register::<admission::MutatingWebhookConfiguration>(&mut generator, &mut kinds);
    register::<admission::ValidatingAdmissionPolicy>(&mut generator, &mut kinds);
    register::<admission::ValidatingAdmissionPolicyBinding>(&mut generator, &mut kinds);
    register::<admission::ValidatingWebhookConfiguration>(&mut generator, &mut kinds);
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

/// Further content of upstream's document, by definition.
static ADORNMENTS: LazyLock<HashMap<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("adornments.json")).unwrap_or_default());

/// Adds to a definition what the generated one lacks.
fn adorn(name: &str, definition: &mut Value, kind: Option<&Value>) {
    let Some(fields) = definition.as_object_mut() else { return };
    if let Some(kind) = kind {
        fields.insert("x-kubernetes-group-version-kind".to_owned(), kind.clone());
        // Types in Rust always have metadata; on the wire hardly any demands it.
        if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|found| found != "metadata");
        }
    }
    match name.rsplit('.').next().unwrap_or(name) {
        "FieldsV1" | "RawExtension" => {
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
        "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => {
            fields.retain(|key, _| key == "description");
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
        _ => {}
    }
    if let Some(adornment) = ADORNMENTS.get(name).and_then(Value::as_object) {
        adorn_fields(fields, adornment);
    }
    if fields.get("required").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.remove("required");
    }
}

fn adorn_fields(fields: &mut Map<String, Value>, adornment: &Map<String, Value>) {
    for (key, value) in adornment.iter().filter(|(key, _)| *key != "properties") {
        fields.insert(key.clone(), value.clone());
    }
    let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, adornment) in adornment.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let (Some(Value::Object(property)), Some(adornment)) =
            (properties.get_mut(name), adornment.as_object())
        {
            property.extend(adornment.clone());
        }
    }
}
