//! The pod and the volume claim of an instance. An init container copies the instance manager into a volume, so that
//! official images of servers stay as they are; the manager is the first process of the server's container.

use crate::desired::Desired;
use crate::names;
use crate::objects::labels;
use crate::settings::{GRACE_SECONDS, digest};
use crate::spread::placement;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// User and group of the servers in official images.
const USER: u32 = 999;

/// Where things are in the container.
pub(crate) const DATA: &str = "/data";
pub(crate) const RUN: &str = "/run/valkeeper";
pub(crate) const PROGRAM: &str = "/opt/valkeeper";
const SETTINGS: &str = "/etc/valkeeper/settings";
const ACCESS: &str = "/etc/valkeeper/access";
const TLS: &str = "/etc/valkeeper/tls";
const BACKUPS: &str = "/backups";
const SERVER_TLS: &str = "/etc/valkeeper/server-tls";

/// Stands for what pods of this cluster are made of. The image of the manager is no part of it: an operator that is
/// upgraded replaces no pod.
pub fn revision(desired: &Desired) -> String {
    revision_of(desired, spec(desired, 0, ""))
}

/// The same but for amounts of resources; whether there is a request for CPU is part of it.
pub(crate) fn revision_without_resources(desired: &Desired) -> String {
    let mut spec = spec(desired, 0, "");
    for amount in ["/limits/memory", "/requests/memory", "/requests/cpu"] {
        if let Some(amount) = spec.pointer_mut(&format!("/containers/0/resources{amount}")) {
            *amount = Value::Null;
        }
    }
    revision_of(desired, spec)
}

fn revision_of(desired: &Desired, mut spec: Value) -> String {
    if let Some(identity) = &desired.spec.workload_identity {
        // Clouds look at it when a pod is created.
        spec["workloadIdentity"] = json!(identity);
    }
    digest(&spec.to_string())
}

/// The pod of an instance.
pub fn pod(desired: &Desired, ordinal: u32) -> Value {
    let identity = desired.spec.workload_identity.as_ref();
    let mut all_labels = identity.and_then(|identity| identity.pod_labels.clone()).unwrap_or_default();
    all_labels.extend(labels(desired));
    // Until it is promoted.
    all_labels.insert(names::ROLE.to_owned(), names::REPLICA.to_owned());
    let mut annotations = BTreeMap::from([
        (names::REVISION, revision(desired)),
        (names::REVISION_WITHOUT_RESOURCES, revision_without_resources(desired)),
    ]);
    if desired.instances() == 1 {
        annotations.insert(names::STARTS_ALONE, true.to_string());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": desired.instance(ordinal),
            "namespace": desired.namespace,
            "labels": all_labels,
            "annotations": annotations,
            "ownerReferences": [desired.owner()],
        },
        "spec": spec(desired, ordinal, &desired.defaults.manager_image),
    })
}

/// The volume claim of an instance. One that is to be deleted with the resource belongs to it.
pub fn claim(desired: &Desired, ordinal: u32) -> Value {
    let persistence = desired.spec.persistence.clone().unwrap_or_default();
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": names::claim(&desired.name, ordinal),
            "namespace": desired.namespace,
            "labels": labels(desired),
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": persistence.size}},
        },
    });
    if let Some(class) = persistence.storage_class_name {
        claim["spec"]["storageClassName"] = class.into();
    }
    claim
}

fn spec(desired: &Desired, ordinal: u32, manager_image: &str) -> Value {
    let mut spec = placement(desired);
    let more = json!({
        "serviceAccountName": desired.name,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "enableServiceLinks": false,
        "securityContext": security(),
        "initContainers": [manager(manager_image)],
        "containers": [container(desired)],
        "volumes": volumes(desired, ordinal),
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    if let Some(secrets) = &desired.spec.image_pull_secrets {
        spec["imagePullSecrets"] = json!(secrets);
    }
    spec
}

/// What every container of a pod runs as.
pub(crate) fn security() -> Value {
    json!({
        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The init container that copies the instance manager.
pub(crate) fn manager(image: &str) -> Value {
    json!({
        "name": "manager",
        "image": image,
        "command": ["/valkeeper", "instance", "install", format!("{PROGRAM}/valkeeper")],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": container_security(),
        "volumeMounts": [{"name": "program", "mountPath": PROGRAM}],
    })
}

/// The pod that would follow this one, under a name of its own: to ask whether Kubernetes would create it.
pub fn successor(desired: &Desired, ordinal: u32) -> Value {
    let mut pod = pod(desired, ordinal);
    pod["metadata"]["name"] = format!("{}-successor", desired.instance(ordinal)).into();
    pod
}

/// A strategic merge patch of a pod with the resources that are declared.
pub fn resources_patch(desired: &Desired) -> Value {
    json!({"spec": {"containers": [{"name": names::CONTAINER, "resources": resources(desired)}]}})
}

fn resources(desired: &Desired) -> Value {
    let resources = &desired.spec.resources;
    let mut requests = json!({"memory": resources.memory});
    if let Some(cpu) = &resources.cpu {
        requests["cpu"] = cpu.as_str().into();
    }
    json!({"limits": {"memory": resources.memory}, "requests": requests})
}

fn container(desired: &Desired) -> Value {
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let value = |name: &str, value: String| json!({"name": name, "value": value});
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "health"},
            "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": failures,
        })
    };
    let mut container = json!({
        "name": names::CONTAINER,
        "image": desired.image(),
        "command": [
            format!("{PROGRAM}/valkeeper"), "instance", "--settings", format!("{SETTINGS}/instance.yaml"),
        ],
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_UID", "metadata.uid"),
            field("POD_IP", "status.podIP"),
            value("DATA_DIR", DATA.to_owned()),
            value("RUN_DIR", RUN.to_owned()),
            value("ACCESS_FILE", format!("{ACCESS}/{}", names::ACCESS_KEY)),
            value("TLS_DIR", TLS.to_owned()),
        ],
        "ports": [
            {"name": "server", "containerPort": names::SERVER_PORT},
            {"name": "control", "containerPort": names::CONTROL_PORT},
            {"name": "health", "containerPort": names::HEALTH_PORT},
        ],
        "resources": resources(desired),
        "livenessProbe": probe("/healthz", 10, 6),
        "readinessProbe": probe("/readyz", 1, 2),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "program", "mountPath": PROGRAM, "readOnly": true},
            {"name": "data", "mountPath": DATA},
            {"name": "run", "mountPath": RUN},
            {"name": "settings", "mountPath": SETTINGS, "readOnly": true},
            {"name": "access", "mountPath": ACCESS, "readOnly": true},
            {"name": "tls", "mountPath": TLS, "readOnly": true},
        ],
    });
    if desired.spec.tls.is_some() {
        add_tls(desired, &mut container);
    }
    add_backup_volume(desired, &mut container);
    if let Some(policy) = &desired.spec.image_pull_policy {
        container["imagePullPolicy"] = policy.as_str().into();
    }
    container
}

/// The certificate for clients. A cluster without has the pods that it always had.
fn add_tls(desired: &Desired, container: &mut Value) {
    add(container, "env", json!({"name": names::SERVER_TLS_DIR, "value": SERVER_TLS}));
    add(container, "volumeMounts", json!({"name": "server-tls", "mountPath": SERVER_TLS, "readOnly": true}));
    add(container, "ports", json!({"name": "tls", "containerPort": names::TLS_PORT}));
    if let Some(ports) = container["ports"].as_array_mut()
        && !desired.serves_plaintext()
    {
        ports.retain(|port| port["name"] != "server");
    }
}

/// Where backups may be kept, if the cluster has such a volume.
pub(crate) fn add_backup_volume(desired: &Desired, container: &mut Value) {
    if desired.spec.backup_volume.is_some() {
        add(container, "env", json!({"name": names::BACKUPS_DIR, "value": BACKUPS}));
        add(container, "volumeMounts", json!({"name": "backups", "mountPath": BACKUPS}));
    }
}

/// The volume of [`add_backup_volume`].
pub(crate) fn backup_volume(desired: &Desired) -> Option<Value> {
    let claim = &desired.spec.backup_volume.as_ref()?.claim_name;
    Some(json!({"name": "backups", "persistentVolumeClaim": {"claimName": claim}}))
}

pub(crate) fn add(container: &mut Value, list: &str, item: Value) {
    if let Some(list) = container[list].as_array_mut() {
        list.push(item);
    }
}

pub(crate) fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    })
}

fn volumes(desired: &Desired, ordinal: u32) -> Value {
    let data = if desired.spec.persists() {
        // Replaced by the name of the instance; the revision is the same for all.
        json!({"name": "data", "persistentVolumeClaim": {"claimName": names::claim(&desired.name, ordinal)}})
    } else {
        json!({"name": "data", "emptyDir": {}})
    };
    let mut volumes = json!([
        data,
        {"name": "program", "emptyDir": {}},
        {"name": "run", "emptyDir": {"medium": "Memory"}},
        {"name": "settings", "configMap": {"name": names::settings(&desired.name)}},
        {"name": "access", "projected": {"defaultMode": 0o440, "sources": [
            // There is none while the cluster has no users of its own. No key of it hides what follows.
            {"secret": {"name": names::users(&desired.name), "optional": true}},
            {"secret": {
                "name": names::access(&desired.name),
                "items": [{"key": names::ACCESS_KEY, "path": names::ACCESS_KEY}],
            }},
        ]}},
        {"name": "tls", "secret": {"secretName": names::certificate(&desired.name), "defaultMode": 0o440}},
    ]);
    if let (Some(_), Some(volumes)) = (&desired.spec.tls, volumes.as_array_mut()) {
        let secret = names::client_tls(&desired.name);
        volumes.push(json!({"name": "server-tls", "secret": {"secretName": secret, "defaultMode": 0o440}}));
    }
    if let Some(volumes) = volumes.as_array_mut() {
        volumes.extend(backup_volume(desired));
    }
    volumes
}
