//! The Secret that applications mount.

use crate::world::{World, token, until};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Resource as _, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use valkeeper_testbed::provider::TokenSpec;

crate::scenarios![
    it_holds_exactly_the_five_keys_and_belongs_to_the_resource,
    deleted_or_edited_secret_is_restored,
    secret_conflict_stalls_until_the_secret_is_deleted,
    restored_secret_is_taken_back,
    a_new_prefix_replaces_the_old_keys,
    a_disabled_target_has_no_secret,
    secret_no_longer_requested_stays_until_resource_deletion,
    extra_keys_come_and_go_with_the_option_and_the_replica,
    a_service_binding_is_offered_while_it_is_asked_for,
    a_secret_of_aiven_operator_is_adopted_and_cleaned_up,
    immutable_secret_is_reported_and_left_unchanged,
    the_secret_with_the_token_is_refused_as_target;
    a_password_reset_at_the_provider_reaches_it,
    an_answer_without_credentials_never_empties_it,
    keys_without_prefix_of_a_redis_secret_stay_current,
];

async fn it_holds_exactly_the_five_keys_and_belongs_to_the_resource(world: World) -> World {
    let target = json!({"name": "conn", "labels": {"baz": "egg"}, "annotations": {"foo": "bar"}});
    let valkey = world.ready_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    let parameters = world.service("cache").unwrap()["service_uri_params"].clone();
    let texts = world.secret("conn").await;
    assert_eq!(texts.len(), 5);
    for (key, parameter) in
        [("HOST", "host"), ("PORT", "port"), ("USER", "user"), ("PASSWORD", "password"), ("SSL", "ssl")]
    {
        assert_eq!(texts[&format!("VALKEY_{key}")], parameters[parameter].as_str().unwrap());
    }
    let secret = world.secrets().get("conn").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!((secret.labels()["baz"].as_str(), secret.annotations()["foo"].as_str()), ("egg", "bar"));
    let owner = &secret.owner_references()[0];
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Valkey", valkey.metadata.uid.as_ref()));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
    world
}

async fn deleted_or_edited_secret_is_restored(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secret("cache").await;
    world.secrets().delete("cache", &DeleteParams::default()).await.unwrap();
    let secrets = world.secrets();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    assert_eq!(world.secret("cache").await, before);

    let edit = json!({"metadata": {"labels": {"theirs": "kept"}}, "stringData": {"VALKEY_HOST": "edited", "EXTRA": "kept"}});
    secrets.patch("cache", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    until(|| world.secret("cache"), |texts| texts["VALKEY_HOST"] == before["VALKEY_HOST"]).await;
    let restored = secrets.get("cache").await.unwrap();
    assert_eq!(restored.labels()["theirs"], "kept");
    assert_eq!(world.secret("cache").await["EXTRA"], "kept");
    world
}

async fn secret_conflict_stalls_until_the_secret_is_deleted(world: World) -> World {
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": "taken"}, "stringData": {"precious": "data"},
    }))
    .unwrap();
    world.secrets().create(&PostParams::default(), &foreign).await.unwrap();
    world.create_valkey("cache", json!({"connInfoSecretTarget": {"name": "taken"}})).await;
    let message = world.until_not_ready("cache", "SecretConflict").await;
    assert!(message.contains("taken") && message.contains("Recreate this Valkey"), "{message}");
    assert!(world.service("cache").is_none(), "nothing was created that costs money");
    assert_eq!(world.secret("taken").await["precious"], "data");

    world.secrets().delete("taken", &DeleteParams::default()).await.unwrap();
    world.until_ready("cache").await;
    assert_eq!(world.secret("taken").await.len(), 5);
    world
}

/// A Secret that lost its owner, as a restore or `--cascade=orphan` leaves it.
async fn restored_secret_is_taken_back(world: World) -> World {
    let valkey = world.ready_valkey("cache", json!({})).await;
    let secrets = world.secrets();
    let orphaned = Patch::Merge(json!({"metadata": {"ownerReferences": null}}));
    secrets.patch("cache", &PatchParams::default(), &orphaned).await.unwrap();
    let owned = || async { secrets.get("cache").await.unwrap().owner_references().to_vec() };
    let owners = until(owned, |owners| !owners.is_empty()).await;
    assert_eq!(Some(&owners[0].uid), valkey.metadata.uid.as_ref());
    // The same with an outdated password.
    let outdated = Patch::Merge(
        json!({"metadata": {"ownerReferences": null}, "stringData": {"VALKEY_PASSWORD": "old"}}),
    );
    secrets.patch("cache", &PatchParams::default(), &outdated).await.unwrap();
    until(owned, |owners| !owners.is_empty()).await;
    assert_ne!(world.secret("cache").await["VALKEY_PASSWORD"], "old");
    world
}

async fn a_new_prefix_replaces_the_old_keys(world: World) -> World {
    world
        .ready_valkey(
            "cache",
            json!({"connInfoSecretTarget": {"name": "conn", "prefix": "OLD_", "labels": {"x": "1"}}}),
        )
        .await;
    world
        .edit("cache", json!({"connInfoSecretTarget": {"prefix": "NEW_", "labels": {"x": null, "y": "2"}}}))
        .await;
    let texts = until(|| world.secret("conn"), |texts| texts.contains_key("NEW_HOST")).await;
    assert!(texts.keys().all(|key| key.starts_with("NEW_")), "{:?}", texts.keys());
    assert_eq!(world.secrets().get("conn").await.unwrap().labels().keys().collect::<Vec<_>>(), ["y"]);
    world
}

async fn a_password_reset_at_the_provider_reaches_it(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secret("cache").await;
    assert!(world.provider.reset_password(crate::world::PROJECT, "cache"));
    let after =
        until(|| world.secret("cache"), |texts| texts["VALKEY_PASSWORD"] != before["VALKEY_PASSWORD"]).await;
    assert_eq!(
        after["VALKEY_PASSWORD"],
        world.service("cache").unwrap()["service_uri_params"]["password"].as_str().unwrap()
    );
    world
}

async fn a_disabled_target_has_no_secret(world: World) -> World {
    world.ready_valkey("cache", json!({"connInfoSecretTargetDisabled": true})).await;
    assert!(world.secrets().get_opt("cache").await.unwrap().is_none());
    world
}

async fn secret_no_longer_requested_stays_until_resource_deletion(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secret("cache").await;
    world.edit("cache", json!({"connInfoSecretTarget": {"name": "other"}})).await;
    world.until_ready("cache").await;
    assert_eq!(world.secret("other").await, before);
    assert_eq!(world.secret("cache").await, before);
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    let secrets = world.secrets();
    for name in ["cache", "other"] {
        until(|| async { secrets.get_opt(name).await.unwrap() }, Option::is_none).await;
    }
    world
}

async fn an_answer_without_credentials_never_empties_it(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    let permissions = ["project:services:read", "project:services:write"];
    world.provider.add_token(&TokenSpec::full_access("e2e", token()).with_permissions(permissions));
    world.until_not_ready("cache", "CredentialsUnavailable").await;
    assert_eq!(world.secrets().get("cache").await.unwrap().data, before.data);
    world.provider.add_token(&TokenSpec::full_access("e2e", token()));
    world.until_ready("cache").await;
    world
}

async fn extra_keys_come_and_go_with_the_option_and_the_replica(world: World) -> World {
    let target = json!({"name": "conn", "extraKeys": ["URI", "REPLICA_HOST", "REPLICA_PORT"]});
    world.ready_valkey("cache", json!({"plan": "business-4", "connInfoSecretTarget": target})).await;
    let texts = world.secret("conn").await;
    let password = world.service("cache").unwrap()["service_uri_params"]["password"].clone();
    assert_eq!(
        texts["VALKEY_URI"],
        format!(
            "rediss://{}:{}@{}:{}",
            texts["VALKEY_USER"],
            password.as_str().unwrap(),
            texts["VALKEY_HOST"],
            texts["VALKEY_PORT"]
        )
    );
    assert_eq!(texts["VALKEY_REPLICA_HOST"], format!("replica-{}", texts["VALKEY_HOST"]));
    assert_eq!(texts.len(), 8);

    world.edit("cache", json!({"plan": "startup-4"})).await;
    until(|| world.secret("conn"), |texts| texts.len() == 6 && texts.contains_key("VALKEY_URI")).await;
    world.edit("cache", json!({"connInfoSecretTarget": {"extraKeys": null}})).await;
    until(|| world.secret("conn"), |texts| texts.len() == 5).await;
    world
}

async fn a_service_binding_is_offered_while_it_is_asked_for(world: World) -> World {
    let target = json!({"name": "conn", "serviceBinding": true});
    let valkey = world.ready_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    assert_eq!(valkey.status.unwrap().facts.binding.unwrap().name, "conn");
    let texts = world.secret("conn").await;
    assert_eq!((texts["type"].as_str(), texts["provider"].as_str()), ("valkey", "aiven"));
    for (entry, key) in [("host", "HOST"), ("port", "PORT"), ("username", "USER"), ("password", "PASSWORD")] {
        assert_eq!(texts[entry], texts[&format!("VALKEY_{key}")]);
    }
    world.edit("cache", json!({"connInfoSecretTarget": {"serviceBinding": false}})).await;
    until(|| world.secret("conn"), |texts| texts.len() == 5).await;
    world.until_valkey("cache", |valkey| valkey.status.as_ref().unwrap().facts.binding.is_none()).await;
    world
}

/// Puts `secret` in the place of the one of `owner`, as aiven-operator wrote it.
async fn as_aiven_operator(world: &World, owner: serde_json::Value, mut secret: serde_json::Value) {
    let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
    let _ = world.secrets().delete(&name, &DeleteParams::default()).await;
    secret["metadata"]["ownerReferences"] = json!([owner]);
    let secret: Secret = serde_json::from_value(secret).unwrap();
    let parameters = PostParams { field_manager: Some("manager".to_owned()), ..PostParams::default() };
    world.secrets().create(&parameters, &secret).await.unwrap();
}

async fn a_secret_of_aiven_operator_is_adopted_and_cleaned_up(mut world: World) -> World {
    let target = json!({"name": "conn", "labels": {"keep": "1", "later": "1"}});
    let valkey = world.ready_valkey("cache", json!({"connInfoSecretTarget": target})).await;
    world.kill_operator().await;
    let owner = serde_json::to_value(valkey.controller_owner_ref(&()).unwrap()).unwrap();
    let labels = json!({"keep": "1", "later": "1", "gone": "1"});
    let keys = json!({"OLD_HOST": "h", "OLD_PASSWORD": "p", "VALKEY_HOST": "stale"});
    let secret = json!({"metadata": {"name": "conn", "labels": labels}, "stringData": keys});
    as_aiven_operator(&world, owner, secret).await;
    // Its resources have no such status.
    let bare = Patch::Merge(json!({"status": {"connectionSecret": null}}));
    world.valkeys().patch_status("cache", &PatchParams::default(), &bare).await.unwrap();
    let theirs = Patch::Merge(json!({"metadata": {"labels": {"theirs": "1"}}}));
    world.secrets().patch("conn", &PatchParams::default(), &theirs).await.unwrap();

    world.start_operator().await;
    let texts = until(|| world.secret("conn"), |texts| texts.len() == 5).await;
    assert!(texts.keys().all(|key| key.starts_with("VALKEY_")), "{:?}", texts.keys());
    let labels = || async { world.secrets().get("conn").await.unwrap().labels().clone() };
    assert_eq!(labels().await.into_keys().collect::<Vec<_>>(), ["keep", "later", "theirs"]);

    // That label has never been written by this operator, and goes all the same.
    world
        .until_valkey("cache", |valkey| valkey.status.as_ref().unwrap().facts.connection_secret.is_some())
        .await;
    world.edit("cache", json!({"connInfoSecretTarget": {"labels": {"later": null}}})).await;
    until(labels, |labels| !labels.contains_key("later")).await;
    assert_eq!(labels().await.into_keys().collect::<Vec<_>>(), ["keep", "theirs"]);
    world
}

async fn keys_without_prefix_of_a_redis_secret_stay_current(mut world: World) -> World {
    let redis = world.ready_redis("cache", json!({})).await;
    assert_eq!(world.secret("cache").await.len(), 5, "a new Secret has the prefixed keys only");
    world.kill_operator().await;
    let owner = serde_json::to_value(redis.controller_owner_ref(&()).unwrap()).unwrap();
    let keys = ["HOST", "PORT", "USER", "PASSWORD", "SSL"];
    let data: serde_json::Map<_, _> = keys
        .iter()
        .flat_map(|key| [((*key).to_owned(), json!("stale")), (format!("REDIS_{key}"), json!("stale"))])
        .collect();
    let secret = json!({"metadata": {"name": "cache"}, "stringData": data});
    as_aiven_operator(&world, owner, secret).await;
    world.start_operator().await;

    let same = |texts: &std::collections::BTreeMap<String, String>| {
        texts.len() == 10 && keys.iter().all(|key| texts.get(*key) == texts.get(&format!("REDIS_{key}")))
    };
    let current = |texts: &std::collections::BTreeMap<String, String>| {
        let password = &world.service("cache").unwrap()["service_uri_params"]["password"];
        same(texts) && texts["PASSWORD"] == password.as_str().unwrap()
    };
    until(|| world.secret("cache"), current).await;
    world.provider.reset_password(crate::world::PROJECT, "cache");
    until(|| world.secret("cache"), current).await;
    // They also return with a deleted Secret.
    let recorded = |redis: &valkeeper_api::Redis| {
        let written = redis.status.as_ref().and_then(|status| status.facts.connection_secret.as_ref());
        written.is_some_and(|written| written.keys.len() == 10)
    };
    let api = world.redis();
    until(|| async { api.get("cache").await.unwrap() }, recorded).await;
    world.secrets().delete("cache", &DeleteParams::default()).await.unwrap();
    let secrets = world.secrets();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    assert!(current(&world.secret("cache").await));
    world
}

async fn immutable_secret_is_reported_and_left_unchanged(world: World) -> World {
    world.ready_valkey("cache", json!({"connInfoSecretTarget": {"name": "conn"}})).await;
    let frozen = Patch::Merge(json!({"immutable": true}));
    world.secrets().patch("conn", &PatchParams::default(), &frozen).await.unwrap();
    assert!(world.provider.reset_password(crate::world::PROJECT, "cache"));
    let message = world.until_not_ready("cache", "SecretImmutable").await;
    assert!(message.contains("Secret conn is immutable") && message.contains("Delete it"), "{message}");
    world.secrets().delete("conn", &DeleteParams::default()).await.unwrap();
    world.until_ready("cache").await;
    world
}

async fn the_secret_with_the_token_is_refused_as_target(world: World) -> World {
    world.create_valkey("cache", json!({"connInfoSecretTarget": {"name": "aiven-token"}})).await;
    let message = world.until_not_ready("cache", "InvalidSpec").await;
    assert!(message.contains("spec.authSecretRef.name"), "{message}");
    assert!(world.provider.requests().is_empty(), "nothing that costs money was created");
    assert_eq!(world.secret("aiven-token").await["token"], token());
    world
}
