//! Which token a resource uses, how a new one reaches it, and what a bad one costs.

use crate::leaks::confidential;
use crate::world::{PROJECT, World, token, until};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::time::Duration;
use valkeeper_api::names::{DELETION_POLICY, TOKEN_FINALIZER, TOKEN_SECRET};
use valkeeper_testbed::provider::TokenSpec;

crate::scenarios![
    token_lookup_prefers_resource_then_namespace_then_operator,
    namespace_token_secret_is_refused_as_connection_secret,
    new_token_is_used_immediately_while_the_old_one_is_paused,
    replaced_token_secret_is_held_again,
    namespace_token_is_protected_until_its_last_service_is_gone,
    missing_token_in_a_deleted_namespace_reports_the_options;
    namespace_token_without_its_key_does_not_fall_back,
    a_token_file_is_read_again_when_it_changes,
    rejected_token_pauses_only_the_resources_that_use_it,
    missing_namespace_token_does_not_fall_back_to_the_default,
];

/// The names of the tokens that read `service` so far.
fn used(world: &World, service: &str) -> Vec<String> {
    let requests = world.provider.requests();
    let about = requests.iter().filter(|request| request.path.ends_with(&format!("/service/{service}")));
    about.filter_map(|request| request.token.clone()).collect()
}

async fn token_lookup_prefers_resource_then_namespace_then_operator(mut world: World) -> World {
    for name in ["operator", "namespace"] {
        world.provider.add_token(&TokenSpec::full_access(name, confidential(name)));
    }
    world
        .restart_with(|settings| {
            settings.default_token = Some(format!(" {}\n", confidential("operator")).into());
            settings.namespace_token_secret = Some("project-token".to_owned());
        })
        .await;
    world.ready_valkey("first", json!({})).await;
    world.ready_valkey("second", json!({"authSecretRef": null})).await;
    assert!(used(&world, "first").iter().all(|token| token == "e2e"));
    assert!(used(&world, "second").iter().all(|token| token == "operator"));

    world.set_token("project-token", "token", &format!("\t {} \n", confidential("namespace"))).await;
    until(|| async { used(&world, "second") }, |tokens| tokens.last().unwrap() == "namespace").await;
    until(
        || world.events("second"),
        |events| {
            events.iter().any(|(reason, note)| reason == "TokenChanged" && note.contains("project-token"))
        },
    )
    .await;
    assert!(used(&world, "first").iter().all(|token| token == "e2e"));
    world
}

async fn is_held(world: &World, secret: &str) -> bool {
    let secret = world.secrets().get(secret).await.unwrap();
    secret.metadata.finalizers.unwrap_or_default().iter().any(|one| one == TOKEN_FINALIZER)
}

/// Takes a Secret away although it is held.
async fn take_away(world: &World, secret: &str) {
    let secrets = world.secrets();
    secrets.delete(secret, &DeleteParams::default()).await.unwrap();
    let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    secrets.patch(secret, &PatchParams::default(), &bare).await.unwrap();
    until(|| async { secrets.get_opt(secret).await.unwrap() }, Option::is_none).await;
}

/// As `kubectl replace` does it with a manifest that has no finalizers.
async fn replaced_token_secret_is_held_again(world: World) -> World {
    for name in ["one", "two", "three", "four"] {
        world.ready_valkey(name, json!({})).await;
    }
    assert!(is_held(&world, "aiven-token").await);
    let mut secret = world.secrets().get("aiven-token").await.unwrap();
    secret.metadata.finalizers = None;
    secret.metadata.managed_fields = None;
    world.secrets().replace("aiven-token", &PostParams::default(), &secret).await.unwrap();
    until(|| is_held(&world, "aiven-token"), |held| *held).await;
    world
}

async fn namespace_token_is_protected_until_its_last_service_is_gone(mut world: World) -> World {
    world.set_token("project-token", "token", token()).await;
    world.restart_with(|settings| settings.namespace_token_secret = Some("project-token".to_owned())).await;
    for name in ["one", "two"] {
        let valkey = world.ready_valkey(name, json!({"authSecretRef": null})).await;
        assert_eq!(valkey.annotations().get(TOKEN_SECRET).map(String::as_str), Some("project-token"));
    }
    assert!(is_held(&world, "project-token").await);
    world.secrets().delete("project-token", &DeleteParams::default()).await.unwrap();
    for name in ["one", "two"] {
        assert!(world.secrets().get_opt("project-token").await.unwrap().is_some(), "{name} needs it");
        world.valkeys().delete(name, &DeleteParams::default()).await.unwrap();
        world.until_gone(name).await;
    }
    until(|| async { world.secrets().get_opt("project-token").await.unwrap() }, Option::is_none).await;
    assert!(world.provider.services(PROJECT).is_empty());
    world
}

async fn missing_namespace_token_does_not_fall_back_to_the_default(mut world: World) -> World {
    for name in ["operator", "namespace"] {
        world.provider.add_token(&TokenSpec::full_access(name, confidential(name)));
    }
    world.set_token("project-token", "token", &confidential("namespace")).await;
    world
        .restart_with(|settings| {
            settings.default_token = Some(confidential("operator").into());
            settings.namespace_token_secret = Some("project-token".to_owned());
        })
        .await;
    world.ready_valkey("cache", json!({"authSecretRef": null})).await;
    take_away(&world, "project-token").await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains("project-token") && message.contains("does not exist anymore"), "{message}");
    world.edit("cache", json!({"plan": "business-4"})).await;
    world.until_not_ready("cache", "TokenMissing").await;
    world.set_token("project-token", "token", &confidential("namespace")).await;
    world.until_ready("cache").await;
    assert!(used(&world, "cache").iter().all(|token| token == "namespace"), "{:?}", used(&world, "cache"));
    world
}

async fn missing_token_in_a_deleted_namespace_reports_the_options(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.kill_operator().await;
    take_away(&world, "aiven-token").await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.start_operator().await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains("none can be created"), "{message}");
    assert!(
        message.contains("spec.authSecretRef") && message.contains("deletion-policy=Orphan"),
        "{message}"
    );
    let orphan = json!({"metadata": {"annotations": {DELETION_POLICY: "Orphan"}}});
    world.valkeys().patch("cache", &PatchParams::default(), &Patch::Merge(orphan)).await.unwrap();
    world.until_gone("cache").await;
    world
}

async fn namespace_token_without_its_key_does_not_fall_back(mut world: World) -> World {
    world.set_token("project-token", "tokn", token()).await;
    world
        .restart_with(|settings| {
            settings.default_token = Some(token().into());
            settings.namespace_token_secret = Some("project-token".to_owned());
        })
        .await;
    world.create_valkey("cache", json!({"authSecretRef": null})).await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains("project-token") && message.contains("has no key token"), "{message}");
    assert!(world.provider.requests().is_empty());
    world
}

async fn namespace_token_secret_is_refused_as_connection_secret(mut world: World) -> World {
    world.restart_with(|settings| settings.namespace_token_secret = Some("project-token".to_owned())).await;
    world.create_valkey("project-token", json!({})).await;
    let message = world.until_not_ready("project-token", "InvalidSpec").await;
    assert!(message.contains("spec.connInfoSecretTarget.name"), "{message}");
    assert!(world.provider.requests().is_empty());
    world
}

async fn a_token_file_is_read_again_when_it_changes(mut world: World) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    world.restart_with(|settings| settings.default_token_file = Some(file.clone())).await;
    world.create_valkey("cache", json!({"authSecretRef": null})).await;
    let message = world.until_not_ready("cache", "TokenMissing").await;
    assert!(message.contains("Cannot read the operator's default token"), "{message}");
    std::fs::write(&file, format!("{}\n", token())).unwrap();
    world.until_ready("cache").await;

    world.provider.add_token(&TokenSpec::full_access("rotated", confidential("rotated")));
    std::fs::write(&file, format!("  {}", confidential("rotated"))).unwrap();
    until(|| async { used(&world, "cache") }, |tokens| tokens.last().unwrap() == "rotated").await;
    world
}

async fn rejected_token_pauses_only_the_resources_that_use_it(mut world: World) -> World {
    const SHARING: [&str; 4] = ["cache-a", "cache-b", "cache-c", "cache-d"];
    world.restart_with(|settings| settings.token_pause = Duration::from_hours(1)).await;
    world.provider.add_token(&TokenSpec::full_access("other", confidential("other")));
    world.set_token("other-token", "token", &confidential("other")).await;
    for name in SHARING {
        world.ready_valkey(name, json!({})).await;
    }
    world.ready_valkey("alone", json!({"authSecretRef": {"name": "other-token"}})).await;

    world.provider.revoke_token("e2e");
    for name in SHARING {
        let message = world.until_not_ready(name, "TokenRejected").await;
        assert!(message.contains("401") && message.contains("Write a valid token"), "{message}");
    }
    let refused = || world.provider.requests().iter().filter(|request| request.status == Some(401)).count();
    let (before, reads) = (refused(), used(&world, "alone").len());
    assert!(before <= SHARING.len() + 1, "at most those under way at the same moment, and a list");
    until(|| async { used(&world, "alone").len() }, |now| *now >= reads + 4).await;
    assert_eq!(refused(), before);
    world.until_ready("alone").await;
    // An event is not repeated.
    let rejections =
        world.events("cache-a").await.iter().filter(|(reason, _)| reason == "TokenRejected").count();
    assert!(rejections <= 1, "{rejections}");
    world
}

async fn new_token_is_used_immediately_while_the_old_one_is_paused(mut world: World) -> World {
    world.restart_with(|settings| settings.token_pause = Duration::from_hours(1)).await;
    world.ready_valkey("cache-a", json!({})).await;
    world.ready_valkey("cache-b", json!({})).await;
    world.provider.revoke_token("e2e");
    world.until_not_ready("cache-a", "TokenRejected").await;
    world.until_not_ready("cache-b", "TokenRejected").await;
    world.provider.add_token(&TokenSpec::full_access("rotated", confidential("rotated")));
    world.set_token("aiven-token", "token", &format!("{}\n", confidential("rotated"))).await;
    world.until_ready("cache-a").await;
    world.until_ready("cache-b").await;
    world
}
