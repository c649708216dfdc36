//! The CRDs: the output of the derives, completed to the served form.
//!
//! The derives give types, bounds and descriptions. This module removes nullability and number formats (the API
//! server drops such nulls anyway), and adds the rules and printer columns.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;
use serde_json::json;

mod backups;
mod service_users;
mod users;

pub use backups::{
    valkey_backup, valkey_backup_schema, valkey_scheduled_backup, valkey_scheduled_backup_schema,
};
pub use service_users::{service_user, service_user_schema};
pub use users::{valkey_user, valkey_user_schema};

use super::{Kind, ProjectVpc, Redis, Valkey, ValkeyCluster, project_vpc, rules, valkey_cluster};

/// The format of fields whose values are never shown.
pub const SECRET_FORMAT: &str = "password";

/// The definition of a kind, as installed in a cluster.
pub fn definition(kind: Kind) -> CustomResourceDefinition {
    let mut definition = derived(kind);
    definition.spec.names.categories = Some(categories());
    // `redis` is short already, and other operators' kinds have what could shorten it.
    definition.spec.names.short_names = (kind == Kind::Valkey).then(|| vec!["vk".to_owned()]);
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(printer_columns());
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            *schema = self::schema(kind).clone();
            for_each(schema, &mut |schema| {
                // The API server would demand "type password" where it means a string.
                schema.format.take_if(|format| format == SECRET_FORMAT);
            });
        }
    }
    definition
}

/// The definition of `ProjectVPC`, as installed in a cluster.
pub fn project_vpc() -> CustomResourceDefinition {
    let mut definition = ProjectVpc::crd();
    definition.spec.names.categories = Some(categories());
    definition.spec.names.short_names = Some(vec!["pvpc".to_owned()]);
    for version in &mut definition.spec.versions {
        let columns = [
            ("Project", ".spec.project"),
            ("Cloud", ".spec.cloudName"),
            ("Network CIDR", ".spec.networkCidr"),
        ];
        let state = [("State", ".status.state")];
        let mut columns: Vec<_> =
            columns.iter().chain(&state).map(|(name, path)| column(name, "string", path)).collect();
        columns.extend(readiness());
        columns.push(wide("Id", "string", ".status.id"));
        columns.push(status_of("Synced"));
        version.additional_printer_columns = Some(columns);
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish(schema, project_vpc::rules());
        }
    }
    definition
}

/// The schema that resources of `ProjectVPC` are checked against.
pub fn project_vpc_schema() -> JSONSchemaProps {
    let version = project_vpc().spec.versions.into_iter().next();
    version.and_then(|version| version.schema?.open_api_v3_schema).unwrap_or_default()
}

/// The definition of `ValkeyCluster`, as installed in a cluster.
pub fn valkey_cluster() -> CustomResourceDefinition {
    let mut definition = ValkeyCluster::crd();
    definition.spec.names.categories = Some(vec!["valkeeper".to_owned()]);
    definition.spec.names.short_names = Some(vec!["vkc".to_owned()]);
    for version in &mut definition.spec.versions {
        let [ready, reason, age] = readiness();
        version.additional_printer_columns = Some(vec![
            column("Engine", "string", ".spec.engine"),
            column("Version", "string", ".spec.version"),
            column("Instances", "integer", ".spec.instances"),
            ready,
            column("Primary", "string", ".status.currentPrimary"),
            column("State", "string", ".status.state"),
            age,
            CustomResourceColumnDefinition { priority: Some(1), ..reason },
            wide("Ready Instances", "integer", ".status.readyInstances"),
            wide("Secret", "string", ".status.connectionSecret.name"),
        ]);
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish(schema, valkey_cluster::rules());
            without_shapes_of_services(schema);
        }
    }
    definition
}

/// Takes out of the target of connection Secrets what only managed services have.
fn without_shapes_of_services(schema: &mut JSONSchemaProps) {
    let target = ["spec", "connInfoSecretTarget"]
        .iter()
        .try_fold(schema, |schema, name| schema.properties.as_mut()?.get_mut(*name));
    let Some(fields) = target.and_then(|target| target.properties.as_mut()) else { return };
    for name in ["route", "presets", "keys"] {
        fields.remove(name);
    }
    let Some(extra) = fields.get_mut("extraKeys") else { return };
    extra.max_items = Some(3);
    extra.description = extra.description.take().map(|text| text.replace(CA_CERT_DESCRIPTION, ""));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut extra.items
        && let Some(choices) = &mut items.enum_
    {
        choices.retain(|choice| choice.0 != "CA_CERT");
    }
}

/// What the description of `extraKeys` says about the key that only managed services have.
const CA_CERT_DESCRIPTION: &str = " `CA_CERT` is the certificate of the project's certificate authority.";

/// The schema that resources of `ValkeyCluster` are checked against.
pub fn valkey_cluster_schema() -> JSONSchemaProps {
    let version = valkey_cluster().spec.versions.into_iter().next();
    version.and_then(|version| version.schema?.open_api_v3_schema).unwrap_or_default()
}

/// Every definition: the kinds of service, `ProjectVPC`, `ServiceUser`, and the kinds of self-hosted clusters.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let others = [
        project_vpc(),
        service_user(),
        valkey_cluster(),
        valkey_backup(),
        valkey_scheduled_backup(),
        valkey_user(),
    ];
    Kind::ALL.into_iter().map(definition).chain(others).collect()
}

/// The schema that resources of a kind are checked against; secrets have the format [`SECRET_FORMAT`] in it.
pub fn schema(kind: Kind) -> &'static JSONSchemaProps {
    static SCHEMAS: LazyLock<[JSONSchemaProps; 2]> = LazyLock::new(|| Kind::ALL.map(plain_schema));
    match kind {
        Kind::Valkey => &SCHEMAS[0],
        Kind::Redis => &SCHEMAS[1],
    }
}

/// What the derives produce.
fn derived(kind: Kind) -> CustomResourceDefinition {
    match kind {
        Kind::Valkey => Valkey::crd(),
        Kind::Redis => Redis::crd(),
    }
}

fn plain_schema(kind: Kind) -> JSONSchemaProps {
    let version = derived(kind).spec.versions.into_iter().next();
    let mut schema = version.and_then(|version| version.schema?.open_api_v3_schema).unwrap_or_default();
    finish(&mut schema, rules::rules(kind));
    schema
}

/// Completes the output of a derive to the served form.
fn finish(schema: &mut JSONSchemaProps, rules: Vec<rules::PlacedRule>) {
    schema.title = None;
    for_each(schema, &mut normalise);
    for placed in rules {
        place(schema, placed);
    }
    // Tools that compare generations would count a resource that was never reconciled as settled.
    if let Some(status) = schema.properties.as_mut().and_then(|fields| fields.get_mut("status")) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
}

/// What `kubectl get` shows.
fn printer_columns() -> Vec<CustomResourceColumnDefinition> {
    let mut columns = vec![
        column("Project", "string", ".spec.project"),
        column("Region", "string", ".spec.cloudName"),
        column("Plan", "string", ".spec.plan"),
        column("State", "string", ".status.state"),
    ];
    // User scripts rely on the position of the columns above, so new columns follow them.
    columns.extend(readiness());
    columns.push(wide("Secret", "string", ".status.connectionSecret.name"));
    columns.extend(["Synced", "Drifted"].map(status_of));
    columns
}

/// What `kubectl get` takes instead of all our kinds: `kubectl get aiven`.
fn categories() -> Vec<String> {
    vec!["aiven".to_owned()]
}

fn column(name: &str, kind: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.into(),
        type_: kind.into(),
        json_path: path.into(),
        ..CustomResourceColumnDefinition::default()
    }
}

fn wide(name: &str, kind: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition { priority: Some(1), ..column(name, kind, path) }
}

/// The status of a condition, on demand.
fn status_of(condition: &str) -> CustomResourceColumnDefinition {
    wide(condition, "string", &format!(".status.conditions[?(@.type==\"{condition}\")].status"))
}

/// Whether a resource is as declared, why not, and how old it is: visible without further commands.
fn readiness() -> [CustomResourceColumnDefinition; 3] {
    [
        column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
        column("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
        column("Age", "date", ".metadata.creationTimestamp"),
    ]
}

/// Visits a schema and every schema inside it.
fn for_each(schema: &mut JSONSchemaProps, visit: &mut impl FnMut(&mut JSONSchemaProps)) {
    visit(schema);
    for property in schema.properties.iter_mut().flatten().map(|(_, property)| property) {
        for_each(property, visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        for_each(items, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        for_each(values, visit);
    }
}

/// Makes one schema plain.
fn normalise(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(choices) = &mut schema.enum_ {
        choices.retain(|choice| !choice.0.is_null());
    }
    if schema.type_.as_deref() == Some("integer") {
        schema.format = None;
    }
    // Lines are those of the source; a reader's terminal has its own.
    schema.description =
        schema.description.take().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// Adds a rule to the field it belongs to.
fn place(schema: &mut JSONSchemaProps, placed: rules::PlacedRule) {
    let mut fields = placed.path.iter();
    let field = fields.try_fold(schema, |schema, name| schema.properties.as_mut()?.get_mut(*name));
    if let Some(field) = field {
        field.x_kubernetes_validations.get_or_insert_default().push(placed.rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_finds_its_field() {
        for kind in Kind::ALL {
            let text = serde_json::to_string(schema(kind)).unwrap();
            for placed in rules::rules(kind) {
                let rule = serde_json::to_string(&placed.rule).unwrap();
                assert!(text.contains(&rule), "{kind:?}: {rule}");
            }
        }
    }

    #[test]
    fn nothing_is_nullable() {
        for kind in Kind::ALL {
            assert!(!serde_json::to_string(&definition(kind)).unwrap().contains("nullable"));
        }
    }
}
