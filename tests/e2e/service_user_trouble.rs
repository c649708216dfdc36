//! Users of a service while something goes wrong: refusals, errors without a name, reads that lag.

use crate::{
    leaks::confidential,
    world::{PROJECT, World, ready, until},
};
use kube::api::DeleteParams;
use serde_json::json;
use std::time::Duration;
use valkeeper_api::names::RECONCILE_AT;
use valkeeper_testbed::{
    faults::Disturbance,
    provider::{Fault, Matcher},
};

crate::scenarios![
    user_of_another_owner_created_meanwhile_is_left_alone;
    user_goes_with_its_service_whatever_names_its_absence,
    user_that_is_gone_already_is_not_deleted_again_and_again,
    refused_password_does_not_keep_the_rules_and_is_not_repeated,
    secret_keeps_the_accepted_password_while_reads_lag,
    service_of_another_type_is_left_alone,
    spec_that_breaks_a_rule_is_named_before_any_write,
];

/// The same error with a name.
fn named(mut fault: Fault, name: &'static str) -> Fault {
    if let Fault::Status { error_code, .. } = &mut fault {
        *error_code = Some(name);
    }
    fault
}

/// The provider gives a name to the error only where it has got one.
async fn user_goes_with_its_service_whatever_names_its_absence(world: World) -> World {
    for named in [true, false] {
        world.ready_valkey("cache", json!({})).await;
        world.create_user("shop", json!({})).await;
        world.until_user("shop", "Running").await;
        world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
        world.until_gone("cache").await;
        if !named {
            let reading = Matcher::new(Some("GET"), "/service/cache$").unwrap();
            world.provider.fail_next(reading, u32::MAX, Fault::status(404, "Service cache does not exist"));
        }
        world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
        world.until_user_is_gone("shop").await;
        world.provider.clear_faults();
    }
    world
}

async fn user_that_is_gone_already_is_not_deleted_again_and_again(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    world.kill_operator().await;
    let deletion = Matcher::new(Some("DELETE"), "/user/shop$").unwrap();
    let gone = Fault::status(404, "Service user shop does not exist");
    world.provider.fail_next(deletion, 3, named(gone, "user_not_found"));
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    let reads = world.count("GET", "/service/cache");
    world.start_operator().await;
    // Reads show it all the while, so that a later request deletes it: one for each read, and not many at a time.
    world.until_user_is_gone("shop").await;
    assert_eq!(world.count("DELETE", "/user/shop"), 4);
    assert!(world.count("GET", "/service/cache") >= reads + 4);
    assert_eq!(world.user_at_aiven("shop").await, None);
    world
}

async fn refused_password_does_not_keep_the_rules_and_is_not_repeated(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({"accessControl": {"valkeyAclKeys": ["a:*"]}})).await;
    world.until_user("shop", "Running").await;
    let refusing = Matcher::new(Some("PUT"), "/user/shop$").unwrap();
    world.provider.fail_next(refusing, 1, Fault::status(400, "password is too simple"));
    let wanted = confidential("refused-password");
    world.set_token("wanted", "word", &wanted).await;
    let spec = json!({
        "connInfoSecretSource": {"name": "wanted", "passwordKey": "word"}, "accessControl": {"valkeyAclKeys": ["b:*"]},
    });
    world.patch_user("shop", json!({ "spec": spec })).await;
    let keys =
        || async { world.user_at_aiven("shop").await.unwrap()["access_control"]["valkey_acl_keys"].clone() };
    until(keys, |keys| *keys == json!(["b:*"])).await;
    let stuck = world.until_user("shop", "ProviderRejected").await;
    assert!(ready(&stuck).unwrap().message.contains("password is too simple"), "{stuck:?}");
    let writes = world.writes();
    let requests = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 2).await;
    assert_eq!(world.writes(), writes);
    world
}

async fn user_of_another_owner_created_meanwhile_is_left_alone(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let creation = Matcher::new(Some("POST"), "/user$").unwrap();
    // The request is carried out, as if it had been the one of another owner.
    let mut taken = Fault::status(409, "User shop already exists");
    if let Fault::Status { executed, .. } = &mut taken {
        *executed = true;
    }
    world.provider.fail_next(creation, 1, taken);
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "NotOwned").await;
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("shop").await;
    assert!(world.user_at_aiven("shop").await.is_some());
    world
}

/// Reads show the former password for a while.
async fn secret_keeps_the_accepted_password_while_reads_lag(mut world: World) -> World {
    world.restart_with(|settings| settings.late_effect = Some(Duration::from_mins(1))).await;
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    let wanted = confidential("late-password");
    world.set_token("wanted", "word", &wanted).await;
    world.provider.disturb(Disturbance::ReadLag(Duration::from_secs(2)));
    let source = json!({"spec": {"connInfoSecretSource": {"name": "wanted", "passwordKey": "word"}}});
    world.patch_user("shop", source).await;
    let held = || async { world.secret("shop").await["SERVICEUSER_PASSWORD"].clone() };
    until(held, |held| *held == wanted).await;
    // It stays until a read confirms it, whatever reconciles the resource.
    let is_ready =
        || async { ready(&world.service_users().get("shop").await.unwrap()).unwrap().status == "True" };
    world.patch_user("shop", json!({"metadata": {"annotations": {RECONCILE_AT: "now"}}})).await;
    let confirmed = || async {
        assert_eq!(held().await, wanted);
        is_ready().await
    };
    until(confirmed, |is_ready| *is_ready).await;
    assert_eq!((held().await, world.count("PUT", "/user/shop")), (wanted, 1));
    world
}

async fn service_of_another_type_is_left_alone(world: World) -> World {
    let body = json!({"service_name": "cache", "service_type": "pg", "plan": "startup-4"});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    world.create_user("shop", json!({})).await;
    let user = world.until_user("shop", "WrongServiceType").await;
    assert_eq!(user.metadata.finalizers, None);
    world
}

async fn spec_that_breaks_a_rule_is_named_before_any_write(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let wanted = confidential("own-password");
    world.set_token("wanted", "word", &wanted).await;
    let (writes, own) = (world.writes(), json!({"name": "shop", "passwordKey": "word"}));
    world.create_user("shop", json!({ "connInfoSecretSource": own })).await;
    let invalid = world.until_user("shop", "InvalidSpec").await;
    assert!(ready(&invalid).unwrap().message.contains("spec.connInfoSecretSource.name"), "{invalid:?}");
    assert_eq!((world.writes(), invalid.metadata.finalizers), (writes, None));
    world.patch_user("shop", json!({"spec": {"connInfoSecretSource": {"name": "wanted"}}})).await;
    world.until_user("shop", "Running").await;
    assert_eq!(world.secret("shop").await["SERVICEUSER_PASSWORD"], wanted);
    world
}
