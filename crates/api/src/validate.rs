//! Judges a resource before anything is sent to the provider.
//!
//! The bounds are those of the CRD that this program was built with, so they also hold where the installed CRD is
//! older or laxer. `relations` adds the rules that a schema cannot express. Only the API server can check how a
//! resource changes, since that needs the old one. The same judgement serves the operator, which sees decoded
//! resources, and `valkeeper validate`, which sees manifests. For manifests, it also covers `metadata` and the fields
//! of `status`, and [`remarks`] lists what is legal and has no effect.

pub(crate) mod bounds;
pub(crate) mod metadata;
mod power;
pub(crate) mod relations;
mod remarks;
mod shapes;
pub mod spelling;
mod syntax;

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value};

use self::bounds::Bounds;
pub use self::remarks::{remarks, vpc_remarks};
use super::field_path::FieldPath;
use super::{Kind, ManagedService, crd};

/// A rule that a resource breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The field, such as `spec.userConfig.backup_hour`.
    pub field: FieldPath,
    /// Its value as JSON; empty when there is none or when it may be a secret.
    pub value: String,
    /// What is wrong, as a phrase that follows the field: `must be at most 23`.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.rule)?;
        if self.value.is_empty() { Ok(()) } else { write!(formatter, " (is {})", self.value) }
    }
}

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn validate<T: ManagedService>(object: &T) -> Vec<Violation> {
    of_object(object, |manifest| spec_violations(T::KIND, manifest))
}

/// What a judgement of manifests says of a decoded resource, in the order of its fields.
pub(crate) fn of_object(object: &impl Serialize, judge: impl Fn(&Value) -> Vec<Violation>) -> Vec<Violation> {
    match serde_json::to_value(object) {
        Ok(manifest) => sorted(judge(&manifest)),
        Err(error) => {
            vec![Violation { field: FieldPath::default(), value: String::new(), rule: error.to_string() }]
        }
    }
}

/// Every rule that a manifest breaks, unknown fields among them, in the order of its fields.
pub fn validate_manifest(kind: Kind, manifest: &Value) -> Vec<Violation> {
    let mut violations = spec_violations(kind, manifest);
    let spec = manifest.get("spec").and_then(Value::as_object);
    violations.extend(spec.and_then(relations::secret_without_migration));
    violations.extend(metadata::check(manifest));
    bounds(kind).unknown_in_status(manifest, &mut violations);
    sorted(violations)
}

/// Every rule that a manifest of a `ProjectVPC` breaks, in the order of its fields.
pub fn validate_vpc_manifest(manifest: &Value) -> Vec<Violation> {
    static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::project_vpc_schema()));
    let mut violations = BOUNDS.check(manifest);
    let network = manifest.pointer("/spec/networkCidr").filter(|network| network.is_string());
    let is_network = |text: &str| syntax::is_cidr(text) && !text.contains(':');
    if let Some(network) = network.filter(|network| !network.as_str().is_some_and(is_network)) {
        let rule = "must be a network in CIDR notation, such as 192.168.0.0/24".to_owned();
        let field = FieldPath::of(&["spec", "networkCidr"]);
        violations.push(Violation { field, value: bounds::shown(network), rule });
    }
    violations.extend(metadata::check(manifest));
    violations.extend(metadata::object_name(manifest));
    BOUNDS.unknown_in_status(manifest, &mut violations);
    sorted(violations)
}

/// Violations of the schema and of the relations between fields in a resource.
fn spec_violations(kind: Kind, manifest: &Value) -> Vec<Violation> {
    let nothing = Map::new();
    let spec = manifest.get("spec").and_then(Value::as_object).unwrap_or(&nothing);
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
    let mut violations = bounds(kind).check(manifest);
    violations.extend(relations::check(name, spec));
    violations.extend(shapes::check(kind, spec));
    violations.extend(power::check(spec));
    violations
}

pub(crate) fn sorted(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.sort_by(|one, other| one.field.cmp(&other.field));
    violations
}

/// The bounds of a kind, prepared once.
fn bounds(kind: Kind) -> &'static Bounds {
    static BOUNDS: LazyLock<[Bounds; 2]> =
        LazyLock::new(|| Kind::ALL.map(|kind| Bounds::of(crd::schema(kind))));
    match kind {
        Kind::Valkey => &BOUNDS[0],
        Kind::Redis => &BOUNDS[1],
    }
}
