//! Manifests and values of each kind, and inputs of any shape.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn converted(origin: Origin, documents: &[Value]) -> (Value, Vec<String>) {
    let Converted { manifest, remarks } = convert(origin, documents, None).unwrap();
    (manifest, remarks.iter().map(|remark| remark.field.clone()).collect())
}

#[test]
fn redis_failover_becomes_a_cluster_for_the_same_clients() {
    let input = json!({
        "apiVersion": "databases.spotahome.com/v1", "kind": "RedisFailover",
        "metadata": {"name": "shop", "namespace": "web", "labels": {"team": "a"}},
        "spec": {
            "auth": {"secretPath": "shop-auth"},
            "bootstrapNode": {"host": "10.0.0.5", "port": "6380", "allowSentinels": true},
            "sentinel": {"replicas": 3, "resources": {"limits": {"memory": "100Mi"}}},
            "redis": {
                "image": "redis:6.2.6-alpine", "replicas": 3,
                "resources": {"requests": {"cpu": "0.4", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "4Gi"}},
                "customConfig": ["maxmemory 3gb", "maxmemory-policy allkeys-lru", "hz 50", "appendonly yes", "port 7000"],
                "storage": {
                    "keepAfterDeletion": true,
                    "persistentVolumeClaim": {"metadata": {"name": "data"}, "spec": {
                        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                        "resources": {"requests": {"storage": "8Gi"}},
                    }},
                },
                "exporter": {"enabled": true},
                "nodeSelector": {"disk": "ssd"},
                "podAnnotations": {"a": "b"},
            },
        },
    });
    let (manifest, remarks) = converted(Origin::RedisFailover, &[json!({"kind": "Secret"}), input]);
    assert_eq!(manifest["metadata"], json!({"name": "shop", "namespace": "web"}));
    let expected = json!({
        "engine": "Redis", "version": "7.2", "instances": 3,
        "resources": {"memory": "4Gi", "cpu": "400m"},
        "memory": {"policy": "allkeys-lru", "maxMemoryPercent": 75},
        "persistence": {"mode": "AppendOnly", "size": "8Gi", "storageClassName": "fast", "whenDeleted": "Retain"},
        "config": {"hz": "50"},
        "access": {"passwordSecretRef": {"name": "shop-auth", "key": "password"}},
        "bootstrap": {"server": {
            "host": "10.0.0.5", "port": 6380, "passwordSecretRef": {"name": "shop-auth", "key": "password"},
        }},
        "clients": {"sentinel": true, "primaryName": "mymaster", "sentinelPassword": "Optional"},
        "placement": {"nodeSelector": {"disk": "ssd"}},
    });
    assert_eq!(manifest["spec"], expected);
    assert_eq!(
        remarks,
        [
            "metadata.labels",
            "spec.bootstrapNode",
            "spec.bootstrapNode.allowSentinels",
            "spec.redis.customConfig",
            "spec.redis.exporter",
            "spec.redis.image",
            "spec.redis.podAnnotations",
            "spec.redis.resources",
            "spec.redis.resources.limits.cpu",
            "spec.redis.storage.persistentVolumeClaim.metadata",
            "spec.sentinel",
            "spec.sentinel",
        ]
    );
}

#[test]
fn redis_replication_is_converted_with_its_sentinel() {
    let replication = json!({
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2", "kind": "RedisReplication",
        "metadata": {"name": "shop"},
        "spec": {
            "clusterSize": 3,
            "kubernetesConfig": {
                "image": "quay.io/opstree/redis:v7.2.3", "imagePullPolicy": "IfNotPresent",
                "redisSecret": {"name": "shop-auth", "key": "pass"},
                "resources": {"limits": {"memory": "1Gi"}},
            },
            "redisConfig": {"maxMemoryPercentOfLimit": 80, "dynamicConfig": ["timeout 300"]},
            "TLS": {"secret": {"secretName": "tls"}},
        },
    });
    let sentinel = json!({
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2", "kind": "RedisSentinel",
        "metadata": {"name": "shop-sentinel"},
        "spec": {"clusterSize": 3, "redisSentinelConfig": {
            "redisReplicationName": "shop", "masterGroupName": "orders", "quorum": "2",
        }},
    });
    let (manifest, remarks) = converted(Origin::RedisReplication, &[replication.clone(), sentinel]);
    let expected = json!({
        "engine": "Redis", "version": "7.2.3", "instances": 3, "imagePullPolicy": "IfNotPresent",
        "resources": {"memory": "1Gi"}, "memory": {"maxMemoryPercent": 80}, "config": {"timeout": "300"},
        "access": {"passwordSecretRef": {"name": "shop-auth", "key": "pass"}},
        "clients": {"sentinel": true, "primaryName": "orders", "sentinelPassword": "Optional"},
    });
    assert_eq!(manifest["spec"], expected);
    let rest = ["sentinel.spec.clusterSize", "sentinel.spec.redisSentinelConfig.quorum", "spec.TLS"];
    assert_eq!(remarks, [&rest[..], &["spec.kubernetesConfig.image"]].concat());
    let (alone, _) = converted(Origin::RedisReplication, &[replication]);
    assert_eq!(alone["spec"].get("clients"), None);
}

#[test]
fn values_of_both_charts_are_converted() {
    let valkey = json!({
        "image": {"registry": "docker.io", "repository": "bitnamilegacy/valkey", "tag": "8.1.3-debian-12-r3"},
        "auth": {"existingSecret": "shop", "sentinel": false},
        "sentinel": {"enabled": true, "primarySet": "orders", "quorum": 2},
        "replica": {
            "replicaCount": 3, "resources": {"limits": {"memory": "2Gi"}},
            "persistence": {"size": "4Gi", "storageClass": "fast"},
        },
        "commonConfiguration": "# comment\nappendonly yes\nsave \"\"\ntimeout 60\n",
        "metrics": {"enabled": true},
        "tls": {"enabled": false},
    });
    let (manifest, remarks) = converted(Origin::BitnamiValues, &[valkey]);
    let expected = json!({
        "engine": "Valkey", "version": "8.1.3", "instances": 3,
        "resources": {"memory": "2Gi"},
        "persistence": {"mode": "AppendOnly", "size": "4Gi", "storageClassName": "fast", "whenDeleted": "Retain"},
        "config": {"save": "", "timeout": "60"},
        "access": {"passwordSecretRef": {"name": "shop", "key": "valkey-password"}},
        "clients": {"sentinel": true, "primaryName": "orders", "sentinelPassword": "Optional"},
    });
    assert_eq!(manifest["spec"], expected);
    assert_eq!(remarks, ["image", "metrics", "sentinel.quorum"]);
    let redis = json!({
        "architecture": "standalone", "auth": {"password": "a-secret-word"},
        "image": {"tag": "8.0.2"}, "master": {"persistence": {"enabled": false}},
    });
    let Converted { manifest, remarks } = convert(Origin::BitnamiValues, &[redis], Some("cart")).unwrap();
    assert_eq!(manifest["metadata"]["name"], "cart");
    let expected = json!({
        "engine": "Valkey", "version": "8.1", "instances": 1, "resources": {"memory": "512Mi"},
    });
    assert_eq!(manifest["spec"], expected);
    let text = format!("{manifest} {remarks:?}");
    assert!(!text.contains("a-secret-word") && text.contains("which copies its data"), "{text}");
}

#[test]
fn what_cannot_be_converted_is_refused() {
    assert_eq!(convert(Origin::RedisFailover, &[], None), Err(ConvertError::Missing("RedisFailover")));
    let two = [json!({"kind": "RedisFailover"}), json!({"kind": "RedisFailover"})];
    assert_eq!(convert(Origin::RedisFailover, &two, None), Err(ConvertError::Several("RedisFailover")));
    let unnamed = convert(Origin::RedisFailover, &[json!({"kind": "RedisFailover", "spec": {}})], None);
    assert!(matches!(unnamed, Err(ConvertError::Impossible { .. })), "{unnamed:?}");
}

/// Values of any shape, with names that mean something.
fn any_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..50).prop_map(Value::from),
        "[a-z0-9:.]{0,9}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "spec",
        "redis",
        "metadata",
        "name",
        "image",
        "tag",
        "replica",
        "replicaCount",
        "resources",
        "limits",
        "memory",
        "auth",
        "sentinel",
        "enabled",
        "primary",
        "persistence",
        "size",
        "storage",
        "customConfig",
        "other",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let pairs = proptest::collection::vec((names.clone(), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..3).prop_map(Value::from),
            pairs.prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_input_is_converted_or_refused(mut input in any_values()) {
        for (origin, kind) in [
            (Origin::BitnamiValues, None),
            (Origin::RedisFailover, Some("RedisFailover")),
            (Origin::RedisReplication, Some("RedisReplication")),
        ] {
            if let (Some(kind), Value::Object(members)) = (kind, &mut input) {
                members.insert("kind".to_owned(), kind.into());
            }
            let documents = [input.clone()];
            if let Ok(Converted { manifest, .. }) = convert(origin, &documents, Some("cart")) {
                let object: ValkeyCluster = serde_json::from_value(manifest).unwrap();
                prop_assert_eq!(valkey_cluster::violations(&object), []);
            }
        }
    }
}
