//! Every field of the spec: set, changed, removed and set again, alone and in the pairs that may touch each
//! other. After each move the service is what a fresh resource with the same spec would have got.

use crate::world::{World, until};
use futures::future::join_all;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};
use valkeeper_api::{Kind, Redis, Valkey};

crate::scenarios![
    each_field_alone;
    each_field_of_a_redis_alone,
    fields_that_touch_each_other,
];

/// What a field is when it was removed from the spec.
#[derive(Clone, Copy, PartialEq)]
enum Removed {
    /// As if it had never been there.
    Reset,
    /// It keeps its last value; the contract requires it, or the provider cannot reset it.
    Kept,
}

/// A field, as the members of the spec that set it, with two values.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) first: Value,
    pub(crate) second: Value,
    removed: Removed,
}

fn field(name: &'static str, first: Value, second: Value) -> Field {
    Field { name, first, second, removed: Removed::Reset }
}

fn kept(name: &'static str, first: Value, second: Value) -> Field {
    Field { removed: Removed::Kept, ..field(name, first, second) }
}

fn setting(key: &'static str, first: Value, second: Value) -> Field {
    let config = |value: Value| json!({"userConfig": {key: value}});
    field(key, config(first), config(second))
}

pub(crate) fn fields() -> Vec<Field> {
    let window = |day: &str, time: &str| json!({"maintenanceWindowDow": day, "maintenanceWindowTime": time});
    let access = |on: bool| json!({"valkey": on, "prometheus": !on});
    let mut fields = vec![
        kept("plan", json!({"plan": "business-4"}), json!({"plan": "business-8"})),
        kept("cloudName", json!({"cloudName": "aws-eu-west-1"}), json!({"cloudName": "google-europe-west1"})),
        kept("maintenance", window("monday", "01:00:00"), window("friday", "02:30:00")),
        kept("disk_space", json!({"disk_space": "30GiB"}), json!({"disk_space": "40"})),
        field("tags", json!({"tags": {"a": "1", "b": "2"}}), json!({"tags": {"b": "3"}})),
        field(
            "technicalEmails",
            json!({"technicalEmails": [{"email": "a@example.com"}]}),
            json!({"technicalEmails": []}),
        ),
        field(
            "terminationProtection",
            json!({"terminationProtection": true}),
            json!({"terminationProtection": false}),
        ),
        setting("additional_backup_regions", json!(["aws-eu-west-1"]), json!(["google-europe-west1"])),
        setting("backup_hour", json!(3), json!(4)),
        field(
            "backup_minute",
            json!({"userConfig": {"backup_hour": 1, "backup_minute": 2}}),
            json!({"userConfig": {"backup_hour": 1, "backup_minute": 30}}),
        ),
        setting("enable_ipv6", json!(true), json!(false)),
        setting("frequent_snapshots", json!(false), json!(true)),
        setting("ip_filter", json!([{"network": "10.0.0.0/8"}]), json!([])),
        setting("private_access", access(true), access(false)),
        setting("privatelink_access", access(true), access(false)),
        setting("public_access", access(true), json!({"prometheus": true})),
        setting("service_log", json!(true), json!(false)),
        setting("static_ips", json!(true), json!(false)),
        setting("valkey_acl_channels_default", json!("resetchannels"), json!("allchannels")),
        setting("valkey_active_expire_effort", json!(2), json!(10)),
        setting("valkey_activedefrag", json!(true), json!(false)),
        setting("valkey_io_threads", json!(4), json!(2)),
        setting("valkey_lfu_decay_time", json!(2), json!(120)),
        setting("valkey_lfu_log_factor", json!(0), json!(100)),
        setting("valkey_maxmemory_policy", json!("allkeys-lru"), json!("volatile-ttl")),
        setting("valkey_notify_keyspace_events", json!("KEA"), json!("$lsh")),
        setting("valkey_number_of_databases", json!(1), json!(128)),
        setting("valkey_persistence", json!("off"), json!("rdb")),
        setting("valkey_ssl", json!(false), json!(true)),
        setting("valkey_timeout", json!(0), json!(2_073_600)),
    ];
    // No default is published for it, and null is not accepted.
    let limit = |size: i64| json!({"userConfig": {"valkey_pubsub_client_output_buffer_limit": size}});
    fields.push(kept("valkey_pubsub_client_output_buffer_limit", limit(32), limit(512)));
    fields
}

/// The members of `spec` as nulls: the patch that removes them.
pub(crate) fn removal(spec: &Value) -> Value {
    let members = spec.as_object().unwrap();
    let null = |(key, _): (&String, &Value)| {
        (key.clone(), if key == "plan" { json!("startup-4") } else { Value::Null })
    };
    members.iter().map(null).collect::<Map<_, _>>().into()
}

/// What of a service depends on the spec.
fn substance(world: &World, name: &str) -> Value {
    let service = world.service(name).unwrap();
    let mut substance = Map::new();
    for key in [
        "plan",
        "cloud_name",
        "project_vpc_id",
        "disk_space_mb",
        "tech_emails",
        "termination_protection",
        "state",
        "user_config",
    ] {
        substance.insert(key.to_owned(), service[key].clone());
    }
    substance.insert("dow".to_owned(), service["maintenance"]["dow"].clone());
    substance.insert("time".to_owned(), service["maintenance"]["time"].clone());
    // Moving nodes to a smaller disk continues while the service serves.
    if service["state"] == "REBALANCING" {
        substance.insert("state".to_owned(), json!("RUNNING"));
    }
    let mut tags = service["tags"].clone();
    tags.as_object_mut().unwrap().retain(|key, _| !key.starts_with("valkeeper-"));
    substance.insert("tags".to_owned(), tags);
    // "Not set" has several spellings.
    let config = substance.get_mut("user_config").and_then(Value::as_object_mut).unwrap();
    config.retain(|key, value| !(unset(value) || key.ends_with("_number_of_databases") && *value == 16));
    Value::Object(substance)
}

fn unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(members) => members.values().all(unset),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text == "allchannels" || text == "rdb",
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Kubernetes names have no underscores or capitals.
fn named(prefix: &str, field: &str) -> String {
    format!("{prefix}-{}", field.to_lowercase().replace('_', "-"))
}

/// Creates and moves resources of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Mover<'w> {
    pub(crate) world: &'w World,
    pub(crate) kind: Kind,
}

impl Mover<'_> {
    pub(crate) fn api(self) -> Api<DynamicObject> {
        let resource = match self.kind {
            Kind::Valkey => ApiResource::erase::<Valkey>(&()),
            Kind::Redis => ApiResource::erase::<Redis>(&()),
        };
        Api::namespaced_with(self.world.client.clone(), &self.world.namespace, &resource)
    }

    /// A resource with `spec`, and what its service becomes.
    pub(crate) async fn fresh(self, name: &str, spec: Value) -> Value {
        let mut all = crate::world::minimal_spec();
        crate::world::merge(&mut all, spec);
        let object = json!({"apiVersion": "aiven.io/v1alpha1", "kind": self.kind.name(), "metadata": {"name": name}, "spec": all});
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap();
        self.settled(name).await
    }

    /// What the service becomes when `spec` is merged into that of the resource.
    pub(crate) async fn moved(self, name: &str, spec: Value) -> Value {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api().patch(name, &PatchParams::default(), &patch).await.unwrap();
        self.settled(name).await
    }

    async fn settled(self, name: &str) -> Value {
        let api = self.api();
        let settled = |object: &DynamicObject| {
            let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
            let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
            ready.is_some_and(|ready| {
                ready["status"] == "True"
                    && ready["observedGeneration"].as_i64() == object.metadata.generation
            })
        };
        until(|| async { api.get(name).await.unwrap() }, settled).await;
        substance(self.world, name)
    }
}

async fn each_field_alone(world: World) -> World {
    walk(&world, Kind::Valkey, fields()).await;
    world
}

/// The same fields under their Redis names; what Redis does not have is left out.
async fn each_field_of_a_redis_alone(world: World) -> World {
    let known: Vec<_> = Kind::Redis.user_config_facts().iter().map(|facts| facts.name).collect();
    let renamed =
        |value: &Value| serde_json::from_str(&value.to_string().replace("valkey", "redis")).unwrap();
    let is_known = |field: &Field| {
        let settings = field.first.get("userConfig").and_then(Value::as_object);
        settings.into_iter().flatten().all(|(key, _)| known.contains(&key.as_str()))
    };
    let fields = fields().into_iter().map(|field| Field {
        first: renamed(&field.first),
        second: renamed(&field.second),
        ..field
    });
    walk(&world, Kind::Redis, fields.filter(is_known).collect()).await;
    world
}

async fn walk(world: &World, kind: Kind, fields: Vec<Field>) {
    let mover = Mover { world, kind };
    // Without a declared window the provider draws a day.
    let start = json!({"maintenanceWindowDow": "sunday", "maintenanceWindowTime": "11:00:00"});
    let untouched = mover.fresh("bare", start.clone()).await;
    let walk = |field: Field| {
        let (untouched, start) = (&untouched, &start);
        async move {
            let (name, other) = (named("walk", field.name), named("fresh", field.name));
            let mut complete = start.clone();
            crate::world::merge(&mut complete, field.first.clone());
            let expected = mover.fresh(&other, complete).await;
            mover.fresh(&name, start.clone()).await;
            assert_eq!(mover.moved(&name, field.first.clone()).await, expected, "{} set", field.name);
            let changed = mover.moved(&name, field.second.clone()).await;
            let removed = mover.moved(&name, removal(&field.second)).await;
            if field.removed == Removed::Reset {
                assert_eq!(&removed, untouched, "{} removed", field.name);
            } else if field.name != "plan" {
                assert_eq!(removed, changed, "{} removed", field.name);
            }
            assert_eq!(mover.moved(&name, field.first.clone()).await, expected, "{} set again", field.name);
        }
    };
    join_all(fields.into_iter().map(walk)).await;
}

/// Fields whose changes the provider may mix up, each with a value and the way back.
fn touching() -> Vec<(&'static str, Value, Value)> {
    let config = |key: &str, value: Value| json!({"userConfig": {key: value}});
    vec![
        ("plan", json!({"plan": "business-4"}), json!({"plan": "startup-4"})),
        ("cloud", json!({"cloudName": "aws-eu-west-1"}), json!({"cloudName": "google-europe-west1"})),
        ("powered", json!({"powered": false, "powerOffPolicy": "AcceptDataLoss"}), json!({"powered": true})),
        ("protection", json!({"terminationProtection": true}), json!({"terminationProtection": false})),
        (
            "day",
            json!({"maintenanceWindowDow": "monday", "maintenanceWindowTime": "11:00:00"}),
            json!({"maintenanceWindowDow": "sunday"}),
        ),
        ("time", json!({"maintenanceWindowTime": "23:00:00"}), json!({"maintenanceWindowTime": "11:00:00"})),
        ("tags", json!({"tags": {"a": "1"}}), json!({"tags": null})),
        (
            "emails",
            json!({"technicalEmails": [{"email": "a@example.com"}]}),
            json!({"technicalEmails": null}),
        ),
        (
            "persistence",
            config("valkey_persistence", json!("off")),
            config("valkey_persistence", json!("rdb")),
        ),
        ("ssl", config("valkey_ssl", json!(false)), config("valkey_ssl", json!(true))),
    ]
}

async fn fields_that_touch_each_other(world: World) -> World {
    world.provider.set_unknowns(|unknowns| {
        unknowns.power_off_without_backup = valkeeper_testbed::provider::PowerOffWithoutBackup::Accepted;
    });
    let base = json!({"maintenanceWindowDow": "sunday", "maintenanceWindowTime": "11:00:00"});
    let mover = Mover { world: &world, kind: Kind::Valkey };
    let start = mover.fresh("bare", base.clone()).await;
    let touching = touching();
    let pairs = (0..touching.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let walk = |(one, other): (usize, usize)| {
        let (touching, base, start) = (&touching, &base, &start);
        async move {
            let (one, other) = (&touching[one], &touching[other]);
            // A protected service stays on: there is no end state to compare.
            if one.0 == "protection" && other.0 == "powered" {
                return;
            }
            let name = format!("{}-{}", one.0, other.0);
            mover.fresh(&name, base.clone()).await;
            let mut both = one.1.clone();
            crate::world::merge(&mut both, other.1.clone());
            let mut complete = base.clone();
            crate::world::merge(&mut complete, both.clone());
            let expected = mover.fresh(&format!("{name}-fresh"), complete).await;
            assert_eq!(mover.moved(&name, both).await, expected, "{name}");
            let mut back = one.2.clone();
            crate::world::patch(&mut back, other.2.clone());
            assert_eq!(&mover.moved(&name, back).await, start, "{name}, and back");
        }
    };
    join_all(pairs.map(walk)).await;
    world
}
