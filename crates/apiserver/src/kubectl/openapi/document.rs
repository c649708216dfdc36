//! The OpenAPI documents: what is served, under which paths, with which schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::operations::{self, Style};
use crate::builtin;
use crate::definitions::{DEFINITIONS, REFERENCE};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// A resource of one group and version, as far as the documents describe it.
pub(super) struct Described {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
    pub(super) subresources: Vec<String>,
    /// Whether strategic merge patches are understood.
    pub(super) strategic: bool,
    /// The name of the schema, such as `io.k8s.api.core.v1.Secret`.
    pub(super) definition: String,
    /// The schema itself, of a custom resource.
    custom: Option<Value>,
}

impl Described {
    /// `api/v1` or `apis/example.com/v1`.
    pub(super) fn root(&self) -> String {
        match self.group.as_str() {
            "" => format!("api/{}", self.version),
            group => format!("apis/{group}/{}", self.version),
        }
    }
}

/// The OpenAPI 2 document of the built-in kinds and of `crds`.
pub fn v2(crds: &[Value]) -> Value {
    let all = described(crds);
    let mut definitions: Map<String, Value> =
        DEFINITIONS.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect();
    for resource in &all {
        if let Some(schema) = &resource.custom {
            definitions.insert(resource.definition.clone(), simplified(schema));
        }
    }
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": all.iter().flat_map(|resource| operations::paths(resource, Style::V2)).collect::<Map<_, _>>(),
        "definitions": definitions,
    })
}

/// What `/openapi/v3` lists: the documents there are, each under an address that changes with its content.
pub fn v3_index(crds: &[Value]) -> Value {
    let mut hashers: BTreeMap<String, DefaultHasher> = BTreeMap::new();
    for resource in described(crds) {
        let hasher = hashers.entry(resource.root()).or_default();
        resource.definition.hash(hasher);
        resource.subresources.hash(hasher);
        resource.custom.map(|schema| schema.to_string()).hash(hasher);
    }
    let entry = |(path, hasher): (String, DefaultHasher)| {
        let address = format!("/openapi/v3/{path}?hash={:016X}", hasher.finish());
        (path, json!({"serverRelativeURL": address}))
    };
    json!({"paths": hashers.into_iter().map(entry).collect::<Map<_, _>>()})
}

/// The OpenAPI 3 document of one group and version, such as `api/v1` or `apis/example.com/v1`.
pub fn v3(path: &str, crds: &[Value]) -> Option<Value> {
    let found: Vec<Described> =
        described(crds).into_iter().filter(|resource| resource.root() == path).collect();
    if found.is_empty() {
        return None;
    }
    let mut schemas = Map::new();
    let mut wanted: BTreeSet<String> =
        BTreeSet::from([format!("{META}.DeleteOptions"), format!("{META}.Status")]);
    for resource in &found {
        match &resource.custom {
            Some(schema) => {
                references(schema, &mut wanted);
                schemas.insert(resource.definition.clone(), modern(schema));
            }
            None => {
                wanted.insert(resource.definition.clone());
            }
        }
    }
    while let Some(name) = wanted.pop_first() {
        if let Some(schema) = DEFINITIONS.get(&name).filter(|_| !schemas.contains_key(&name)) {
            references(schema, &mut wanted);
            schemas.insert(name, modern(schema));
        }
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": found.iter().flat_map(|resource| operations::paths(resource, Style::V3)).collect::<Map<_, _>>(),
        "components": {"schemas": schemas},
    }))
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "1.36"})
}

fn described(crds: &[Value]) -> Vec<Described> {
    let named = |group: &str, version: &str, kind: &str| {
        let kind = json!({"group": group, "version": version, "kind": kind});
        let of = |schema: &Value| {
            schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|list| list.contains(&kind))
        };
        DEFINITIONS.iter().find(|(_, schema)| of(schema)).map(|(name, _)| name.clone())
    };
    let mut found: Vec<Described> = builtin::resources()
        .iter()
        .filter_map(|resource| {
            Some(Described {
                group: resource.group.to_owned(),
                version: resource.version.to_owned(),
                plural: resource.plural.to_owned(),
                kind: resource.kind.to_owned(),
                namespaced: resource.namespaced,
                subresources: resource.subresources.iter().map(|name| (*name).to_owned()).collect(),
                strategic: true,
                definition: named(resource.group, resource.version, resource.kind)?,
                custom: None,
            })
        })
        .collect();
    for crd in crds {
        let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
        found.extend(
            versions.filter(|version| version["served"] == true).map(|version| custom(&crd["spec"], version)),
        );
    }
    found
}

fn custom(spec: &Value, version: &Value) -> Described {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, name, kind) = (text(&spec["group"]), text(&version["name"]), text(&spec["names"]["kind"]));
    let reversed: Vec<&str> = group.rsplit('.').collect();
    let subresources =
        version["subresources"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    Described {
        definition: format!("{}.{name}.{kind}", reversed.join(".")),
        custom: Some(object_schema(&version["schema"]["openAPIV3Schema"], &group, &name, &kind)),
        plural: text(&spec["names"]["plural"]),
        namespaced: spec["scope"] == "Namespaced",
        subresources: subresources.collect(),
        strategic: false,
        version: name,
        group,
        kind,
    }
}

/// The schema of a custom resource with what every object has.
fn object_schema(schema: &Value, group: &str, version: &str, kind: &str) -> Value {
    let mut schema = schema.clone();
    if schema.is_object() {
        schema["properties"]["apiVersion"] = json!({"type": "string", "description": API_VERSION});
        schema["properties"]["kind"] = json!({"type": "string", "description": KIND});
        schema["properties"]["metadata"] =
            json!({"description": METADATA, "$ref": format!("{REFERENCE}{META}.ObjectMeta")});
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": group, "version": version, "kind": kind}]);
    }
    schema
}

/// The names of the definitions that a schema refers to.
fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let target = fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(REFERENCE));
            found.extend(target.map(str::to_owned));
            fields.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

/// A schema as OpenAPI 3 has it, where a reference stands alone.
fn modern(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), modern(value))).collect();
            if let Some(Value::String(target)) = fields.get("$ref") {
                let target = json!({"$ref": target.replace(REFERENCE, "#/components/schemas/")});
                if fields.len() == 1 {
                    return target;
                }
                fields.remove("$ref");
                fields.insert("allOf".to_owned(), json!([target]));
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(modern).collect(),
        other => other.clone(),
    }
}

/// A schema of a custom resource as OpenAPI 2 can express it.
fn simplified(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let mut fields = fields.clone();
    for key in ["allOf", "anyOf", "oneOf", "not", "default", "nullable"] {
        fields.remove(key);
    }
    let open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if open || schema["nullable"] == true {
        fields.retain(|key, _| key.starts_with("x-") || key == "description");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            *inner = simplified(inner);
        }
    }
    for property in
        fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
    {
        *property = simplified(property);
    }
    Value::Object(fields)
}
