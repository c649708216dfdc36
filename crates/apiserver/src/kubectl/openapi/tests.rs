//! The documents as `kubectl` reads them.

use serde_json::{Value, json};

use super::{v2, v3, v3_index};
use crate::builtin;
use crate::definitions::{builtin_schema, decode_error, metadata_decode_error};

fn crd() -> Value {
    json!({"spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{
            "name": "v1", "served": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "type": "object",
                "properties": {"size": {"type": "string", "nullable": true, "description": "How large it is."}},
            }}}},
        }],
    }})
}

/// Every reference in a document, which must lead to something in it.
fn assert_references_resolve(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            // Schemas of schemas have a property of that name.
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
            }
            fields.values().for_each(|inner| assert_references_resolve(document, inner));
        }
        Value::Array(items) => items.iter().for_each(|inner| assert_references_resolve(document, inner)),
        _ => {}
    }
}

#[test]
fn every_built_in_kind_has_a_schema_without_references() {
    for resource in builtin::resources() {
        let schema = builtin_schema(resource.group, resource.version, resource.kind).expect(resource.kind);
        assert!(schema["properties"]["metadata"]["properties"]["name"].is_object(), "{}", resource.kind);
        assert!(!schema.to_string().contains("\"$ref\":\"#"), "{}", resource.kind);
    }
}

#[test]
fn lists_declare_how_they_merge() {
    let service = builtin_schema("", "v1", "Service").unwrap();
    assert_eq!(
        service["properties"]["spec"]["properties"]["ports"]["x-kubernetes-list-map-keys"],
        json!(["port", "protocol"])
    );
    assert_eq!(service["properties"]["spec"]["properties"]["ports"]["x-kubernetes-patch-merge-key"], "port");
    let metadata = &service["properties"]["metadata"]["properties"];
    assert_eq!(metadata["finalizers"]["x-kubernetes-list-type"], "set");
    assert_eq!(metadata["ownerReferences"]["x-kubernetes-list-map-keys"], json!(["uid"]));
    assert_eq!(metadata["ownerReferences"]["items"]["x-kubernetes-map-type"], "atomic");
}

#[test]
fn documents_are_complete() {
    let crds = [crd()];
    let document = v2(&crds);
    assert_references_resolve(&document, &document);
    assert!(
        document["definitions"]["io.k8s.api.core.v1.Secret"]["properties"]["data"]["description"].is_string()
    );
    let index = v3_index(&crds);
    for path in index["paths"].as_object().unwrap().keys() {
        let document = v3(path, &crds).unwrap();
        assert_references_resolve(&document, &document);
    }
    assert_eq!(v3("apis/nothing.example.com/v1", &crds), None);
}

#[test]
fn a_custom_resource_is_described_with_its_kind_and_its_patches() {
    let document = v3("apis/example.com/v1", &[crd()]).unwrap();
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    let kind = json!({"group": "example.com", "version": "v1", "kind": "Widget"});
    assert_eq!(schema["x-kubernetes-group-version-kind"], json!([kind]));
    assert_eq!(schema["properties"]["spec"]["properties"]["size"]["description"], "How large it is.");
    let path = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"];
    assert_eq!(path["patch"]["x-kubernetes-group-version-kind"], kind);
    assert!(path["patch"]["parameters"].to_string().contains("fieldValidation"));
    let patches = path["patch"]["requestBody"]["content"].as_object().unwrap();
    assert!(patches.contains_key("application/apply-patch+yaml"));
    assert!(!patches.contains_key("application/strategic-merge-patch+json"));
    assert!(
        document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status"].is_object()
    );
}

#[test]
fn the_address_of_a_document_changes_with_its_content() {
    let (mut changed, path) = (crd(), "/paths/apis~1example.com~1v1/serverRelativeURL");
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("Another.");
    let (before, after) = (v3_index(&[crd()]), v3_index(&[changed]));
    assert_ne!(before.pointer(path), after.pointer(path));
    assert_eq!(before["paths"]["api/v1"], after["paths"]["api/v1"]);
}

#[test]
fn what_cannot_be_decoded_is_named_with_its_type() {
    let crd = json!({"spec": {"versions": [{"additionalPrinterColumns": [{"name": false}]}]}});
    let problem = "json: cannot unmarshal bool into Go struct field CustomResourceColumnDefinition.spec.versions.additionalPrinterColumns.name of type string";
    assert_eq!(
        decode_error("apiextensions.k8s.io", "v1", "CustomResourceDefinition", &crd).unwrap(),
        problem
    );
    let problem = "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string";
    assert_eq!(metadata_decode_error(&json!({"metadata": {"labels": {"a": 1}}})).unwrap(), problem);
    assert_eq!(metadata_decode_error(&json!({"metadata": {"labels": {"a": "1"}}})), None);
}
