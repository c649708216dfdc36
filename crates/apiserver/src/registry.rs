//! The served resources: the built-in ones and those of established CRDs. A request sees one consistent set of
//! resources. The callers store the CRDs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::builtin::{self, BuiltinResource};
use crate::definitions;
use crate::failure::GroupResource;
use crate::schema::CompiledSchema;
use crate::storage::object::{Metadata, Shape};
use crate::table::Columns;
use crate::versions::{best_first, group_version, version_order};

/// A served resource with its versions.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Group and plural, as in URLs and messages.
    pub(crate) id: GroupResource,
    /// Where its objects are stored: elsewhere only for the events of `events.k8s.io`.
    pub(crate) storage: GroupResource,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(crate) versions: Vec<Version>,
    pub(crate) builtin: Option<&'static BuiltinResource>,
    /// Changes with every change of a custom resource's definition.
    pub(crate) epoch: u64,
    /// Whether the definition is being deleted.
    pub(crate) terminating: bool,
}

/// One served version of a resource.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    /// What clients are warned with.
    pub(crate) deprecation: Option<String>,
    /// How objects are merged by server-side apply, metadata included.
    pub(crate) merge_schema: Value,
    /// The custom resource's own schema.
    pub(crate) schema: Option<CompiledSchema>,
    pub(crate) columns: Columns,
    pub(crate) subresources: Vec<String>,
    /// The `scale` subresource's paths.
    pub(crate) scale: Option<Value>,
    /// JSON paths that field selectors may use.
    pub(crate) selectable: Vec<String>,
}

impl Resource {
    pub(crate) fn api_version(&self, version: usize) -> String {
        group_version(&self.id.group, &self.versions[version].name)
    }

    /// The shape of what is written and read in a version. Built-in kinds never change theirs.
    pub(crate) fn shape(&self, version: usize) -> Shape {
        Shape { epoch: self.epoch, version }
    }

    pub(crate) fn has(&self, version: usize, subresource: &str) -> bool {
        self.versions[version].subresources.iter().any(|found| found == subresource)
    }

    fn built_in(found: &'static BuiltinResource) -> Self {
        let strings = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let id = GroupResource::new(found.group, found.plural);
        let events = found.plural == "events";
        let schema = definitions::builtin_schema(found.group, found.version, found.kind);
        let version = Version {
            name: found.version.to_owned(),
            deprecation: None,
            merge_schema: schema.cloned().unwrap_or(Value::Null),
            schema: None,
            columns: Columns::builtin(found.kind),
            subresources: strings(found.subresources),
            scale: None,
            selectable: Vec::new(),
        };
        Self {
            storage: if events { GroupResource::new("", "events") } else { id.clone() },
            id,
            kind: found.kind.to_owned(),
            list_kind: format!("{}List", found.kind),
            singular: found.kind.to_lowercase(),
            namespaced: found.namespaced,
            short_names: strings(found.short_names),
            categories: strings(found.categories),
            verbs: strings(found.verbs),
            versions: vec![version],
            builtin: Some(found),
            epoch: 0,
            terminating: false,
        }
    }

    fn custom(crd: &Value, epoch: u64) -> Self {
        let spec = &crd["spec"];
        let names = &crd["status"]["acceptedNames"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut versions: Vec<Version> = spec["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|version| version["served"] == true)
            .map(|version| Version::custom(crd, version))
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version_order(&version.name)));
        let id = GroupResource { group: text(&spec["group"]), plural: text(&names["plural"]) };
        let verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            .map(str::to_owned);
        Self {
            storage: id.clone(),
            id,
            kind: text(&names["kind"]),
            list_kind: text(&names["listKind"]),
            singular: text(&names["singular"]),
            namespaced: spec["scope"] == "Namespaced",
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            verbs: verbs.to_vec(),
            versions,
            builtin: None,
            epoch,
            terminating: crd.deleting(),
        }
    }
}

impl Version {
    fn custom(crd: &Value, version: &Value) -> Self {
        let name = version["name"].as_str().unwrap_or_default().to_owned();
        let spec = &crd["spec"];
        let group = spec["group"].as_str().unwrap_or_default();
        let kind = spec["names"]["kind"].as_str().unwrap_or_default();
        let schema = &version["schema"]["openAPIV3Schema"];
        let mut merge_schema = schema.clone();
        let metadata =
            definitions::builtin_schema("", "v1", "Namespace").map(|found| &found["properties"]["metadata"]);
        merge_schema
            .section("properties")
            .insert("metadata".to_owned(), metadata.cloned().unwrap_or_default());
        let deprecation = (version["deprecated"] == true).then(|| {
            let given = version["deprecationWarning"].as_str().map(str::to_owned);
            given.unwrap_or_else(|| format!("{group}/{name} {kind} is deprecated"))
        });
        let subresources = version["subresources"].as_object();
        let selectable = version["selectableFields"].as_array().into_iter().flatten();
        Self {
            deprecation,
            merge_schema,
            schema: Some(CompiledSchema::new(schema)),
            columns: Columns::custom(version),
            subresources: subresources.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            scale: version.pointer("/subresources/scale").cloned(),
            selectable: selectable.filter_map(|field| Some(field["jsonPath"].as_str()?.to_owned())).collect(),
            name,
        }
    }
}

/// All that is served at one moment.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    resources: BTreeMap<GroupResource, Arc<Resource>>,
    /// The established definitions.
    pub(crate) definitions: Vec<Value>,
}

impl Catalog {
    /// The resource and the index of its version, if that version is served.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<(Arc<Resource>, usize)> {
        let resource = self.resources.get(&GroupResource::new(group, plural))?;
        let index = resource.versions.iter().position(|found| found.name == version)?;
        Some((Arc::clone(resource), index))
    }

    /// Whether there is anything in a version of a group.
    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        let mut found = self.iter().filter(|resource| resource.id.group == group);
        found.any(|resource| resource.versions.iter().any(|found| found.name == version))
    }

    /// The resource of a kind, whatever the version.
    pub(crate) fn of_kind(&self, group: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.iter().find(|resource| resource.id.group == group && resource.kind == kind)
    }

    pub(crate) fn get(&self, id: &GroupResource) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The groups with their versions, best first.
    pub(crate) fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for resource in self.iter() {
            let versions = groups.entry(&resource.id.group).or_default();
            versions.extend(resource.versions.iter().map(|version| version.name.as_str()));
        }
        groups.into_iter().map(|(group, versions)| (group, best_first(versions))).collect()
    }
}

/// The present catalog.
#[derive(Debug)]
pub(crate) struct Registry(RwLock<Arc<Catalog>>);

impl Registry {
    pub(crate) fn new() -> Self {
        let catalog = catalog(Vec::new(), &BTreeMap::new());
        Self(RwLock::new(Arc::new(catalog)))
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the established definitions.
    pub(crate) fn define(&self, definitions: Vec<Value>) {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(catalog(definitions, &present.resources));
    }
}

fn catalog(definitions: Vec<Value>, known: &BTreeMap<GroupResource, Arc<Resource>>) -> Catalog {
    let builtin = builtin::resources().iter().map(Resource::built_in).map(Arc::new);
    let mut resources: BTreeMap<_, _> = builtin.map(|resource| (resource.id.clone(), resource)).collect();
    for crd in &definitions {
        let epoch = definition_epoch(crd);
        let unchanged =
            known.values().find(|found| found.epoch == epoch && found.terminating == crd.deleting());
        let resource = unchanged.map_or_else(|| Arc::new(Resource::custom(crd, epoch)), Arc::clone);
        if !resource.versions.is_empty() {
            resources.insert(resource.id.clone(), resource);
        }
    }
    Catalog { resources, definitions }
}

/// A number for the state of a definition's `spec`: no two of one server are the same.
fn definition_epoch(crd: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (crd.meta("uid"), crd["metadata"]["generation"].as_u64()).hash(&mut hasher);
    hasher.finish()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
