//! Objects that belong to a cluster and should look as they are rendered here: settings, Services, disruption budget,
//! and what lets its pods reach their Lease and nothing else.

use crate::desired::Desired;
use crate::names;
use crate::network;
use crate::observed::Observed;
use crate::parameters;
use crate::settings;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedKind {
    /// A `ServiceAccount`.
    ServiceAccount,
    /// A `Role`.
    Role,
    /// A `RoleBinding`.
    RoleBinding,
    /// A `ConfigMap`.
    ConfigMap,
    /// A `Service`.
    Service,
    /// A `PodDisruptionBudget`.
    PodDisruptionBudget,
    /// A `NetworkPolicy`.
    NetworkPolicy,
}

impl OwnedKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::ConfigMap,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::NetworkPolicy,
    ];

    /// Its group and version, kind and plural.
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("v1", "ServiceAccount", "serviceaccounts"),
            Self::Role => ("rbac.authorization.k8s.io/v1", "Role", "roles"),
            Self::RoleBinding => ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
            Self::Service => ("v1", "Service", "services"),
            Self::PodDisruptionBudget => ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::NetworkPolicy => ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        }
    }
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Its kind.
    pub kind: OwnedKind,
    /// Its name.
    pub name: String,
    /// All of it that is declared.
    pub body: Value,
}

impl Owned {
    fn annotated(mut self, annotations: &BTreeMap<String, String>) -> Self {
        self.body["metadata"]["annotations"] = json!(annotations);
        self
    }
}

/// Labels of everything that belongs to the cluster.
pub(crate) fn labels(desired: &Desired) -> BTreeMap<String, String> {
    let engine = if desired.is_redis() { "redis" } else { "valkey" };
    [
        ("app.kubernetes.io/name", engine),
        ("app.kubernetes.io/instance", &desired.name),
        ("app.kubernetes.io/managed-by", "valkeeper"),
        (names::CLUSTER, &desired.name),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Every object that should be there.
pub fn owned(desired: &Desired, observed: &Observed) -> Vec<Owned> {
    let object = |kind: OwnedKind, name: String, more: Value| {
        let (version, kind_name, _) = kind.names();
        let mut body = json!({
            "apiVersion": version,
            "kind": kind_name,
            "metadata": {"name": name, "labels": labels(desired), "ownerReferences": [desired.owner()]},
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Owned { kind, name, body }
    };
    let name = || desired.name.clone();
    let mut objects = vec![
        object(OwnedKind::ServiceAccount, name(), json!({})).annotated(&identity(desired)),
        object(OwnedKind::Role, name(), role(desired)),
        object(OwnedKind::RoleBinding, name(), role_binding(desired)),
    ];
    let (_, text) = settings::settings(desired, observed);
    let data = json!({"data": {"instance.yaml": text}});
    objects.push(object(OwnedKind::ConfigMap, names::settings(&desired.name), data));
    for (service, role) in [
        (names::leader(&desired.name), Some(names::PRIMARY)),
        (names::replica(&desired.name), Some(names::REPLICA)),
        (names::any(&desired.name), None),
    ] {
        objects.push(object(
            OwnedKind::Service,
            service,
            self::service(desired, role, server_ports(desired)),
        ));
    }
    if desired.serves_sentinel_clients() {
        // By its number: pods that were created before it was asked for do not name it.
        let port = names::SENTINEL_PORT;
        let port = json!({"name": "sentinel", "port": port, "targetPort": port});
        objects.push(object(
            OwnedKind::Service,
            names::sentinel(&desired.name),
            self::service(desired, None, vec![port]),
        ));
    }
    if desired.instances() > 1 {
        objects.push(object(OwnedKind::PodDisruptionBudget, name(), budget(desired)));
    }
    objects.extend(network::policy(desired).map(|policy| object(OwnedKind::NetworkPolicy, name(), policy)));
    // The last: what is wrong with it keeps nothing else from being there.
    if let Some(target) = &desired.spec.conn_info_config_map_target {
        let prefix = target.prefix.as_deref().unwrap_or(parameters::PREFIX);
        objects.extend(parameters::all(desired, observed, prefix).map(|data| {
            // Without it, a parameter that is not declared any more would be no difference.
            let revision = settings::digest(&json!(data).to_string());
            let owned = object(OwnedKind::ConfigMap, target.name.clone(), json!({"data": data}));
            owned.annotated(&[(names::REVISION.to_owned(), revision)].into())
        }));
    }
    objects
}

/// Objects that a cluster has only if its spec says so, and that should not be there now: kind and name.
pub fn unwanted(desired: &Desired) -> Vec<(OwnedKind, String)> {
    let mut unwanted = Vec::new();
    if !desired.serves_sentinel_clients() {
        unwanted.push((OwnedKind::Service, names::sentinel(&desired.name)));
    }
    if network::policy(desired).is_none() {
        unwanted.push((OwnedKind::NetworkPolicy, desired.name.clone()));
    }
    unwanted
}

/// Annotations of the `ServiceAccount`, by which clouds know the pods.
fn identity(desired: &Desired) -> BTreeMap<String, String> {
    let identity = desired.spec.workload_identity.as_ref();
    let mut annotations =
        identity.and_then(|identity| identity.service_account_annotations.clone()).unwrap_or_default();
    // Without it, an annotation that is not declared any more would be no difference.
    let revision = settings::digest(&json!(annotations).to_string());
    annotations.insert(names::REVISION.to_owned(), revision);
    annotations
}

/// Pods may renew the Lease of their cluster.
fn role(desired: &Desired) -> Value {
    json!({"rules": [{
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": [desired.name],
        "verbs": ["get", "patch"],
    }]})
}

fn role_binding(desired: &Desired) -> Value {
    json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": desired.name},
        "subjects": [{"kind": "ServiceAccount", "name": desired.name, "namespace": desired.namespace}],
    })
}

/// The ports on which servers are reached.
fn server_ports(desired: &Desired) -> Vec<Value> {
    let plain = json!({"name": "server", "port": names::SERVER_PORT, "targetPort": "server"});
    // By its number: pods that were created before it was asked for do not name it.
    let secured = json!({"name": "tls", "port": names::TLS_PORT, "targetPort": names::TLS_PORT});
    let plain = desired.serves_plaintext().then_some(plain);
    plain.into_iter().chain(desired.spec.tls.is_some().then_some(secured)).collect()
}

/// A ready instance is the primary or follows it, so that it can say who the primary is.
fn service(desired: &Desired, role: Option<&str>, mut ports: Vec<Value>) -> Value {
    for port in &mut ports {
        port["protocol"] = "TCP".into();
    }
    let mut selector = BTreeMap::from([(names::CLUSTER, desired.name.as_str())]);
    selector.extend(role.map(|role| (names::ROLE, role)));
    json!({"spec": {
        "type": "ClusterIP",
        "selector": selector,
        // The label says who accepts writes, and a probe would say it later.
        "publishNotReadyAddresses": role == Some(names::PRIMARY),
        "ports": ports,
    }})
}

/// An eviction takes one pod at a time, and none while another is not ready: so the primary is only evicted while all of
/// its replicas follow it.
fn budget(desired: &Desired) -> Value {
    json!({"spec": {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {names::CLUSTER: desired.name}},
    }})
}
