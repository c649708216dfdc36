//! The definitions as they are installed, against the contract.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use valkeeper_api::Kind;

use crate::contract::{self, Facts};

/// `kubectl apply` keeps the whole object in an annotation, and annotations have this limit.
const ANNOTATION_LIMIT: usize = 262_144;

fn text(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The definition file of a kind.
pub(crate) fn definition(kind: Kind) -> Value {
    serde_yaml::from_str(&text(&format!("crds/{}.yaml", kind.plural()))).unwrap()
}

/// The definition file of `ProjectVPC`.
pub(crate) fn project_vpc() -> Value {
    serde_yaml::from_str(&text("crds/projectvpcs.yaml")).unwrap()
}

/// The definition file of `ServiceUser`.
pub(crate) fn service_user() -> Value {
    serde_yaml::from_str(&text("crds/serviceusers.yaml")).unwrap()
}

/// The definition files of the kinds that are no services.
pub(crate) fn others() -> Vec<Value> {
    let others = ["valkeybackups", "valkeyscheduledbackups", "valkeyusers"];
    let others = others.map(|plural| serde_yaml::from_str(&text(&format!("crds/{plural}.yaml"))).unwrap());
    [project_vpc(), service_user(), valkey_cluster()].into_iter().chain(others).collect()
}

/// The definition file of `ValkeyCluster`.
fn valkey_cluster() -> Value {
    serde_yaml::from_str(&text("crds/valkeyclusters.yaml")).unwrap()
}

fn schema(kind: Kind) -> Value {
    definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every field below a schema, with its facts in the words of the contract.
fn fields(schema: &Value, path: &str, found: &mut BTreeMap<String, Facts>) {
    let object = if schema["type"] == "array" { &schema["items"] } else { schema };
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let mut facts = facts(field);
        if object["required"].as_array().is_some_and(|required| required.contains(&name.as_str().into())) {
            facts.insert("Required".into(), String::new());
        }
        fields(field, &path, found);
        found.insert(path, facts);
    }
}

fn facts(field: &Value) -> Facts {
    let mut facts = Facts::new();
    let kind = field["type"].as_str().unwrap();
    let kind = match field["items"]["type"].as_str() {
        Some(item) => format!("array of {item}s"),
        None => kind.to_owned(),
    };
    facts.insert("Type".into(), kind);
    if field["additionalProperties"]["type"] == "string" {
        facts.insert("AdditionalProperties: string".into(), String::new());
    }
    if let Some(choices) = field["enum"].as_array() {
        let choices: Vec<_> =
            choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap())).collect();
        facts.insert("Enum".into(), choices.join(", "));
    }
    if let Some(pattern) = field["pattern"].as_str() {
        facts.insert("Pattern".into(), format!("`{pattern}`"));
    }
    if let Some(default) = field.get("default") {
        facts.insert("Default value".into(), format!("`{default}`"));
    }
    for bound in ["Minimum", "Maximum", "MinLength", "MaxLength", "MaxItems"] {
        let keyword = bound[..1].to_lowercase() + &bound[1..];
        if let Some(limit) = field.get(keyword) {
            facts.insert(bound.into(), limit.to_string());
        }
    }
    let mut rules = field["x-kubernetes-validations"].as_array().into_iter().flatten();
    if rules.any(is_immutability) {
        facts.insert("Immutable".into(), String::new());
    }
    facts
}

/// Whether a rule forbids changes of its field, with the established message.
fn is_immutability(rule: &Value) -> bool {
    let messages = ["Value is immutable", "connInfoSecretTargetDisabled is immutable."];
    rule.get("fieldPath").is_none()
        && rule["rule"].as_str().unwrap().starts_with("self == oldSelf")
        && messages.contains(&rule["message"].as_str().unwrap())
}

#[test]
fn crd_has_exactly_the_fields_and_bounds_of_the_contract() {
    for kind in Kind::ALL {
        let mut defined = BTreeMap::new();
        fields(&schema(kind)["properties"]["spec"], "spec", &mut defined);
        for (path, facts) in contract::fields(kind) {
            let defined = defined.remove(&path).unwrap_or_else(|| panic!("{kind:?} has no {path}"));
            assert_eq!(contract::without_added(&path, defined), facts, "{kind:?} {path}");
        }
        let beyond: Vec<_> = defined.keys().filter(|path| !contract::is_added(path)).collect();
        assert!(beyond.is_empty(), "{kind:?}: {beyond:?}");
    }
}

#[test]
fn both_kinds_are_powered_by_default() {
    for kind in Kind::ALL {
        assert_eq!(schema(kind)["properties"]["spec"]["properties"]["powered"]["default"], true);
    }
}

#[test]
fn a_resource_needs_a_spec() {
    for kind in Kind::ALL {
        assert_eq!(schema(kind)["required"], serde_json::json!(["spec"]));
    }
}

#[test]
fn every_field_explains_itself() {
    fn check(schema: &Value, path: &str) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(
                field["description"].as_str().is_some_and(|text| text.len() > 8),
                "{path} is not described"
            );
            check(if field["type"] == "array" { &field["items"] } else { field }, &path);
        }
    }
    for kind in Kind::ALL {
        assert!(schema(kind)["description"].as_str().is_some_and(|text| text.contains("service")));
        check(&schema(kind), kind.name());
    }
}

#[test]
fn only_redis_is_deprecated_with_an_actionable_warning() {
    let version = |kind| definition(kind)["spec"]["versions"][0].clone();
    assert!(version(Kind::Valkey).get("deprecated").is_none());
    assert_eq!(version(Kind::Redis)["deprecated"], true);
    let warning = version(Kind::Redis)["deprecationWarning"].as_str().unwrap().to_owned();
    assert!(warning.len() <= 256, "the API server allows 256 characters");
    for needed in ["March 31, 2025", "Valkey", "spec.migrateFrom.redis"] {
        assert!(warning.contains(needed), "{needed}");
    }
}

#[test]
fn definitions_fit_into_the_annotation_of_kubectl_apply() {
    for kind in Kind::ALL {
        let size = serde_json::to_string(&definition(kind)).unwrap().len();
        println!("{}: {size} bytes of {ANNOTATION_LIMIT}", kind.plural());
        assert!(size < ANNOTATION_LIMIT / 4);
    }
}

#[test]
fn the_chart_holds_the_same_definitions_and_keeps_them() {
    for kind in Kind::ALL {
        let template = text(&format!("charts/valkeeper-crds/templates/{}.yaml", kind.plural()));
        let mut template: Value = serde_yaml::from_str(&template).unwrap();
        let metadata = template["metadata"].as_object_mut().unwrap();
        assert_eq!(metadata.remove("annotations").unwrap()["helm.sh/resource-policy"], "keep");
        assert_eq!(template, definition(kind));
    }
}

#[test]
fn columns_keep_those_of_aiven_operator_then_add_readiness() {
    for kind in Kind::ALL {
        let columns = definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let names = |wide: bool| -> Vec<String> {
            let shown = |column: &&Value| wide || column.get("priority").is_none();
            let columns = columns.as_array().unwrap().iter().filter(shown);
            columns.map(|column| column["name"].as_str().unwrap().to_owned()).collect()
        };
        let shown = ["Project", "Region", "Plan", "State", "Ready", "Reason", "Age"];
        assert_eq!(names(false), shown);
        assert_eq!(names(true), [&shown[..], &["Secret", "Synced", "Drifted"]].concat());
    }
}

#[test]
fn crds_share_a_category_and_take_no_foreign_short_name() {
    let names = |definition: Value, key: &str| definition["spec"]["names"][key].clone();
    let definitions = [definition(Kind::Valkey), definition(Kind::Redis), project_vpc()];
    for definition in definitions {
        assert_eq!(names(definition, "categories"), serde_json::json!(["aiven"]));
    }
    assert_eq!(names(definition(Kind::Valkey), "shortNames"), serde_json::json!(["vk"]));
    assert_eq!(names(definition(Kind::Redis), "shortNames"), Value::Null);
    assert_eq!(names(project_vpc(), "shortNames"), serde_json::json!(["pvpc"]));
}

/// As in the CRD of aiven-operator, so that stored resources and scripts continue to work.
#[test]
fn project_vpc_keeps_fields_and_columns_of_aiven_operator() {
    let version = project_vpc()["spec"]["versions"][0].clone();
    let mut defined = BTreeMap::new();
    fields(&version["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec", &mut defined);
    let text = |(path, facts): (String, Facts)| {
        let facts = facts.into_iter().filter(|(name, _)| name != "Type");
        format!(
            "{path}: {}",
            facts.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
        )
    };
    let defined: Vec<_> = defined.into_iter().map(text).collect();
    assert_eq!(
        defined,
        [
            "spec.authSecretRef: ",
            "spec.authSecretRef.key: MinLength 1, Required ",
            "spec.authSecretRef.name: MinLength 1, Required ",
            "spec.cloudName: Immutable , MaxLength 256, Required ",
            "spec.networkCidr: Immutable , MaxLength 36, Required ",
            "spec.project: Immutable , MaxLength 63, Pattern `^[a-zA-Z0-9_-]+$`, Required ",
        ]
    );
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let shown = columns.iter().filter(|column| column.get("priority").is_none());
    let shown: Vec<_> = shown.map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(shown, ["Project", "Cloud", "Network CIDR", "State", "Ready", "Reason", "Age"]);
}

#[test]
fn list_types_of_the_status_let_several_writers_share_it() {
    for kind in Kind::ALL {
        let status = schema(kind)["properties"]["status"]["properties"].clone();
        assert_eq!(status["conditions"]["x-kubernetes-list-map-keys"], serde_json::json!(["type"]));
        assert_eq!(status["declaredFields"]["x-kubernetes-list-type"], "set");
        assert_eq!(status["declaredValues"]["additionalProperties"]["type"], "string");
    }
}

#[test]
fn no_text_reads_as_something_else_in_yaml_1_1() {
    let ambiguous: BTreeSet<_> = ["off", "on", "yes", "no", "y", "n"].into();
    for kind in Kind::ALL {
        for line in text(&format!("crds/{}.yaml", kind.plural())).lines() {
            let last = line.rsplit([' ', ':']).next().unwrap_or_default();
            assert!(line.contains("description:") || !ambiguous.contains(last), "{line}");
        }
    }
}
