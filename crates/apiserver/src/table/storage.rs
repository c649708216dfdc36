//! The columns of volumes, their claims and classes, of endpoint slices and priority classes.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Column;
use super::builtin::{age_column, text, wide};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// How many entries of a list are shown.
const SHOWN: usize = 3;

pub(super) fn claims() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("Status", |claim, _| phase(claim)),
        made("Volume", |claim, _| text(claim, "/spec/volumeName", "")),
        made("Capacity", |claim, _| of_bound(claim, text(claim, "/status/capacity/storage", ""))),
        made("Access Modes", |claim, _| of_bound(claim, modes(&claim["status"]["accessModes"]))),
        made("StorageClass", |claim, _| text(claim, "/spec/storageClassName", "")),
        attributes_class(),
        age_column(),
        volume_mode(),
    ]
}

pub(super) fn volumes() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("Capacity", |volume, _| text(volume, "/spec/capacity/storage", "")),
        made("Access Modes", |volume, _| modes(&volume["spec"]["accessModes"])),
        made("Reclaim Policy", |volume, _| text(volume, "/spec/persistentVolumeReclaimPolicy", "")),
        made("Status", |volume, _| phase(volume)),
        made("Claim", |volume, _| {
            let claim = &volume["spec"]["claimRef"];
            let part = |key: &str| claim[key].as_str().unwrap_or_default();
            if claim.is_null() { "".into() } else { format!("{}/{}", part("namespace"), part("name")).into() }
        }),
        made("StorageClass", |volume, _| text(volume, "/spec/storageClassName", "")),
        attributes_class(),
        made("Reason", |volume, _| text(volume, "/status/reason", "")),
        age_column(),
        volume_mode(),
    ]
}

pub(super) fn classes() -> Vec<Column> {
    let made = Column::made;
    let name = |class: &Value, _: DateTime<Utc>| {
        let name = class["metadata"]["name"].as_str().unwrap_or_default();
        let marked = class["metadata"]["annotations"][DEFAULT_CLASS] == "true";
        if marked { format!("{name} (default)").into() } else { name.into() }
    };
    vec![
        Column { cell: super::Cell::Made(name), ..Column::name() },
        made("Provisioner", |class, _| text(class, "/provisioner", "")),
        made("ReclaimPolicy", |class, _| text(class, "/reclaimPolicy", "Delete")),
        made("VolumeBindingMode", |class, _| text(class, "/volumeBindingMode", "Immediate")),
        made("AllowVolumeExpansion", |class, _| (class["allowVolumeExpansion"] == true).into()),
        age_column(),
    ]
}

pub(super) fn slices() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("AddressType", |slice, _| text(slice, "/addressType", "")),
        made("Ports", |slice, _| {
            let number = |port: &Value| match port["port"].as_i64() {
                Some(number) => number.to_string(),
                None => port["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("*").to_owned(),
            };
            let ports = slice["ports"].as_array().into_iter().flatten();
            limited(&ports.map(number).collect::<Vec<_>>())
        }),
        made("Endpoints", |slice, _| {
            let addresses = slice["endpoints"].as_array().into_iter().flatten();
            let addresses =
                addresses.flat_map(|endpoint| endpoint["addresses"].as_array().into_iter().flatten());
            limited(&addresses.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        }),
        age_column(),
    ]
}

pub(super) fn priorities() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        Column { kind: "integer".to_owned(), ..made("Value", |class, _| class["value"].clone()) },
        made("Global-Default", |class, _| (class["globalDefault"] == true).into()),
        age_column(),
        made("PreemptionPolicy", |class, _| text(class, "/preemptionPolicy", "")),
    ]
}

fn attributes_class() -> Column {
    Column::made("VolumeAttributesClass", |object, _| {
        text(object, "/spec/volumeAttributesClassName", "<unset>")
    })
}

fn volume_mode() -> Column {
    wide(Column::made("VolumeMode", |object, _| text(object, "/spec/volumeMode", "<unset>")))
}

fn phase(object: &Value) -> Value {
    let deleted = !object["metadata"]["deletionTimestamp"].is_null();
    if deleted { "Terminating".into() } else { text(object, "/status/phase", "") }
}

/// Columns of a claim once it has a volume.
fn of_bound(claim: &Value, shown: Value) -> Value {
    if claim["spec"]["volumeName"].as_str().is_none_or(str::is_empty) { "".into() } else { shown }
}

fn modes(modes: &Value) -> Value {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => Some("RWO"),
        "ReadOnlyMany" => Some("ROX"),
        "ReadWriteMany" => Some("RWX"),
        "ReadWriteOncePod" => Some("RWOP"),
        _ => None,
    };
    let modes = modes.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(short);
    modes.collect::<Vec<_>>().join(",").into()
}

fn limited(all: &[String]) -> Value {
    let shown = all[..all.len().min(SHOWN)].join(",");
    match all.len() {
        0 => "<unset>".into(),
        count if count > SHOWN => format!("{shown} + {} more...", count - SHOWN).into(),
        _ => shown.into(),
    }
}
