//! The Secret that applications mount.

use crate::world::{TOKEN, World, until};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use valkeeper_sandbox::provider::TokenSpec;

crate::scenarios![
    it_holds_exactly_the_five_keys_and_belongs_to_the_resource,
    a_deleted_or_edited_secret_is_mended,
    a_secret_of_somebody_else_is_refused_until_it_is_gone,
    a_new_prefix_replaces_the_old_keys,
    a_password_reset_at_the_provider_reaches_it,
    a_disabled_target_has_no_secret,
    an_answer_without_credentials_never_empties_it,
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

async fn a_deleted_or_edited_secret_is_mended(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secret("cache").await;
    world.secrets().delete("cache", &DeleteParams::default()).await.unwrap();
    let secrets = world.secrets();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    assert_eq!(world.secret("cache").await, before);

    let edit = json!({"metadata": {"labels": {"theirs": "kept"}}, "stringData": {"VALKEY_HOST": "edited", "EXTRA": "kept"}});
    secrets.patch("cache", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    until(|| world.secret("cache"), |texts| texts["VALKEY_HOST"] == before["VALKEY_HOST"]).await;
    let mended = secrets.get("cache").await.unwrap();
    assert_eq!(mended.labels()["theirs"], "kept");
    assert_eq!(world.secret("cache").await["EXTRA"], "kept");
    world
}

async fn a_secret_of_somebody_else_is_refused_until_it_is_gone(world: World) -> World {
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": "taken"}, "stringData": {"precious": "data"},
    }))
    .unwrap();
    world.secrets().create(&PostParams::default(), &foreign).await.unwrap();
    world.create_valkey("cache", json!({"connInfoSecretTarget": {"name": "taken"}})).await;
    let message = world.until_not_ready("cache", "SecretConflict").await;
    assert!(message.contains("taken") && message.contains("Delete it"), "{message}");
    assert_eq!(world.secret("taken").await["precious"], "data");

    world.secrets().delete("taken", &DeleteParams::default()).await.unwrap();
    world.until_ready("cache").await;
    assert_eq!(world.secret("taken").await.len(), 5);
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

async fn an_answer_without_credentials_never_empties_it(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    let permissions = ["project:services:read", "project:services:write"];
    world.provider.add_token(&TokenSpec::full_access("e2e", TOKEN).with_permissions(permissions));
    world.until_not_ready("cache", "CredentialsUnavailable").await;
    assert_eq!(world.secrets().get("cache").await.unwrap().data, before.data);
    world.provider.add_token(&TokenSpec::full_access("e2e", TOKEN));
    world.until_ready("cache").await;
    world
}
