//! Valid manifests that use every field, and small edits to them.

use serde_json::{Value, json};
use valkeeper_api::Kind;

/// A valid resource that declares every field of its kind, except that it names its VPC in one way only.
pub(crate) fn full(kind: Kind) -> Value {
    let word = kind.service_type();
    let mut manifest = json!({
        "apiVersion": "aiven.io/v1alpha1",
        "kind": kind.name(),
        "metadata": {"name": "full", "namespace": "default"},
        "spec": {
            "project": "my-project",
            "plan": "startup-4",
            "cloudName": "google-europe-west1",
            "authSecretRef": {"name": "aiven-token", "key": "token"},
            "connInfoSecretTarget":
                {"name": "connection", "prefix": "APP_", "labels": {"a": "b"}, "annotations": {"c": "d e"}},
            "connInfoSecretTargetDisabled": false,
            "disk_space": "90GiB",
            "maintenanceWindowDow": "sunday",
            "maintenanceWindowTime": "11:00:00",
            "powered": true,
            "projectVPCRef": {"name": "vpc", "namespace": "network"},
            "serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": "source"}],
            "tags": {"env": "test"},
            "technicalEmails": [{"email": "ops@example.com"}],
            "terminationProtection": true,
            "userConfig": {
                "additional_backup_regions": ["aws-eu-west-1"],
                "backup_hour": 3,
                "backup_minute": 30,
                "ip_filter": [{"network": "10.20.0.0/16", "description": "office"}, {"network": "::/0"}],
                "migration": {
                    "dbname": "0", "host": "old.example.com", "ignore_dbs": "1,2", "ignore_roles": "a",
                    "method": "replication", "password": "hunter2", "port": 6379, "ssl": true, "username": "me"
                },
                "private_access": {"prometheus": true},
                "privatelink_access": {"prometheus": true},
                "project_to_fork_from": "other-project",
                "public_access": {"prometheus": true},
                "recovery_basebackup_name": "backup-1",
                "service_log": true,
                "service_to_fork_from": "original",
                "static_ips": false
            }
        }
    });
    add_settings(&mut manifest["spec"]["userConfig"], kind, word);
    manifest
}

/// The settings that carry the name of the kind, and those that only one kind has.
fn add_settings(config: &mut Value, kind: Kind, word: &str) {
    let settings = json!({
        "acl_channels_default": "allchannels",
        "io_threads": 2,
        "lfu_decay_time": 1,
        "lfu_log_factor": 10,
        "maxmemory_policy": "noeviction",
        "notify_keyspace_events": "KEA",
        "number_of_databases": 16,
        "persistence": "off",
        "pubsub_client_output_buffer_limit": 64,
        "ssl": true,
        "timeout": 300,
        "version": if kind == Kind::Valkey { "8.1" } else { "7.0" }
    });
    for (name, value) in settings.as_object().unwrap() {
        config[format!("{word}_{name}")] = value.clone();
    }
    for access in ["private_access", "privatelink_access", "public_access"] {
        config[access][word] = Value::Bool(false);
    }
    if kind == Kind::Valkey {
        let newer = json!({"frequent_snapshots": true, "enable_ipv6": true, "valkey_activedefrag": false,
            "valkey_active_expire_effort": 1});
        merge(config, &newer);
    }
}

/// A valid resource with nothing but what is required.
pub(crate) fn minimal(kind: Kind) -> Value {
    json!({
        "apiVersion": "aiven.io/v1alpha1",
        "kind": kind.name(),
        "metadata": {"name": "minimal", "namespace": "default"},
        "spec": {"project": "my-project", "plan": "startup-4"}
    })
}

/// Applies a JSON merge patch: objects merge, `null` removes, everything else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], change);
        }
    }
}

/// The manifest with a patch applied to its `spec`.
pub(crate) fn with(mut manifest: Value, spec: &Value) -> Value {
    merge(&mut manifest["spec"], spec);
    manifest
}

/// Sets a field by its path in the contract, where items of lists have no segment.
pub(crate) fn set(manifest: &mut Value, path: &str, value: Value) {
    *field(manifest, path) = value;
}

/// Removes a field by its path in the contract.
pub(crate) fn remove(manifest: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('.').unwrap();
    let mut object = field(manifest, parent);
    if object.is_array() {
        object = &mut object[0];
    }
    object.as_object_mut().unwrap().remove(name);
}

fn field<'m>(manifest: &'m mut Value, path: &str) -> &'m mut Value {
    path.split('.').fold(manifest, |object, name| {
        let object = if object.is_array() { &mut object[0] } else { object };
        &mut object[name]
    })
}

/// A path in the contract as it appears in messages, with the index of the first item of each list.
pub(crate) fn indexed(manifest: &Value, path: &str) -> String {
    let mut shown = String::new();
    let mut object = manifest;
    for name in path.split('.') {
        if object.is_array() {
            shown.push_str("[0]");
            object = &object[0];
        }
        if !shown.is_empty() {
            shown.push('.');
        }
        shown.push_str(name);
        object = &object[name];
    }
    shown
}
