//! VPCs while something goes wrong: late and lost answers, refusals, stale caches, tokens that change. No requested
//! VPC is lost.

use crate::{
    calls::Watches,
    vpcs::{create, message, until_gone, until_reason},
    world::{PROJECT, World, ready, until},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper::settings::Settings;
use valkeeper_api::{ProjectVpc, names};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    vpc_that_appears_after_its_deletion_began_is_deleted,
    vpc_keeps_its_identifier_while_watches_fail,
    other_token_secret_takes_over_the_protection,
    token_secret_of_a_vpc_is_released_before_the_object;
    refused_list_does_not_forget_a_requested_vpc,
    refused_vpc_is_asked_for_again_without_a_change_of_reason,
    vpc_missing_from_one_list_stays_ready,
    vpc_of_a_twin_is_not_taken_for_the_requested_one,
];

const CLOUD: &str = "google-europe-west1";

fn creation() -> Matcher {
    Matcher::new(Some("POST"), "/vpcs$").unwrap()
}

fn listing() -> Matcher {
    Matcher::new(Some("GET"), "/vpcs$").unwrap()
}

fn lists(world: &World) -> usize {
    world.count("GET", "/vpcs")
}

async fn until_lists(world: &World, count: usize) {
    until(|| async { lists(world) }, |now| *now >= count).await;
}

/// Restarts the operator; for so long a request that ended may still take effect.
async fn restart_with_late_effect(world: &mut World, late_effect: Duration) {
    world.restart_with(|settings| settings.late_effect = Some(late_effect)).await;
}

/// The create request gets no answer and takes effect when the resource is being deleted already.
async fn vpc_that_appears_after_its_deletion_began_is_deleted(mut world: World) -> World {
    restart_with_late_effect(&mut world, Duration::from_hours(1)).await;
    world.provider.fail_next(creation(), 1, Fault::CloseConnection { executed: false });
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    until(|| async { world.count("POST", "/vpcs") }, |count| *count == 1).await;
    let before = lists(&world);
    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_lists(&world, before + 2).await;
    assert!(api.get_opt("net").await.unwrap().is_some(), "the create may still take effect");
    restart_with_late_effect(&mut world, Duration::from_hours(1)).await;
    let before = lists(&world);
    until_lists(&world, before + 2).await;
    let body = json!({"cloud_name": CLOUD, "network_cidr": "10.0.0.0/24", "peering_connections": []});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/vpcs"), body).await;
    until_gone(&api, "net").await;
    assert!(world.provider.vpcs(PROJECT).is_empty());

    // One that nothing came of goes when nothing can come of it any more.
    restart_with_late_effect(&mut world, Duration::from_secs(1)).await;
    world.provider.fail_next(creation(), 1, Fault::CloseConnection { executed: false });
    create(&api, "net", "10.0.0.0/24").await;
    until(|| async { world.count("POST", "/vpcs") }, |count| *count >= 3).await;
    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "net").await;
    assert!(world.provider.vpcs(PROJECT).is_empty());
    world
}

/// The watch lists the resource as it was created, and shows no later change of it.
async fn vpc_keeps_its_identifier_while_watches_fail(mut world: World) -> World {
    world.kill_operator().await;
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    world.calls.let_watches(Watches::Fail);
    world.start_operator().await;
    let noted = |vpc: &ProjectVpc| vpc.status.as_ref().and_then(|status| status.id.clone());
    until(|| async { api.get("net").await.unwrap() }, |vpc| noted(vpc).is_some()).await;
    let vpc = until_reason(&api, "net", "Running").await;
    assert_eq!(noted(&vpc).as_deref(), world.provider.vpcs(PROJECT)[0]["project_vpc_id"].as_str());
    let before = lists(&world);
    until_lists(&world, before + 2).await;
    let after = api.get("net").await.unwrap();
    assert_eq!(noted(&after), noted(&vpc));
    assert_eq!(world.provider.vpcs(PROJECT).len(), 1);
    world.calls.let_watches(Watches::Last);
    world
}

async fn refused_list_does_not_forget_a_requested_vpc(mut world: World) -> World {
    // Quiet lists would use up the faults of the next resource.
    world
        .restart_with(|settings| {
            settings.late_effect = Some(Duration::from_hours(1));
            settings.resync_interval = Duration::from_hours(1);
            settings.retry.invalid = [Duration::from_millis(50), Duration::from_millis(100)];
        })
        .await;
    let api = world.vpcs();
    for (number, code) in [400, 403, 409].into_iter().enumerate() {
        let (name, cidr) = (format!("net-{code}"), format!("10.0.{number}.0/24"));
        world.provider.fail_next(creation(), 1, Fault::CloseConnection { executed: true });
        // The first list shows that there is none yet.
        world.provider.fail_next(listing(), 1, Fault::Delay(Duration::ZERO));
        world.provider.fail_next(listing(), 1, Fault::status(code, "no"));
        create(&api, &name, &cidr).await;
        let vpc = until_reason(&api, &name, "Running").await;
        assert_eq!(world.provider.pending_faults(), 0, "{code}");
        assert!(vpc.status.unwrap().id.is_some(), "{code}");
    }
    assert_eq!(world.provider.vpcs(PROJECT).len(), 3);
    world
}

async fn refused_vpc_is_asked_for_again_without_a_change_of_reason(world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/8").await;
    until_reason(&api, "net", "ProviderRejected").await;
    for attempt in 2..=3 {
        let ask = json!({"metadata": {"annotations": {names::RECONCILE_AT: attempt.to_string()}}});
        api.patch("net", &PatchParams::default(), &Patch::Merge(ask)).await.unwrap();
        until(|| async { world.count("POST", "/vpcs") }, |count| *count >= attempt).await;
    }
    let refused = until_reason(&api, "net", "ProviderRejected").await;
    assert!(message(&refused).contains("prefix must be between /20 and /24"), "{}", message(&refused));
    // Events are written beside the rest.
    let events = until(|| world.events("net"), |events| !events.is_empty()).await;
    let reasons: Vec<_> = events.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["ProviderRejected"], "one event for one mistake");
    world
}

async fn vpc_missing_from_one_list_stays_ready(mut world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    let vpc = until_reason(&api, "net", "Running").await;
    world.kill_operator().await;
    let id = vpc.status.unwrap().id.unwrap();
    world.ask_provider("DELETE", &format!("/v1/project/{PROJECT}/vpcs/{id}"), json!({})).await;
    until(|| async { world.provider.vpcs(PROJECT).len() }, |left| *left == 0).await;

    let late_effect = |late_effect| move |settings: &mut Settings| settings.late_effect = Some(late_effect);
    world.start_operator_with(late_effect(Duration::from_hours(1))).await;
    let before = lists(&world);
    until_lists(&world, before + 3).await;
    let events = || world.events("net");
    until(events, |events| events.iter().any(|(reason, _)| reason == "ExternalMissing")).await;
    assert_eq!(ready(&api.get("net").await.unwrap()).unwrap().reason, "Running", "a list may lag");

    world.restart_with(late_effect(Duration::from_secs(1))).await;
    let missing = until_reason(&api, "net", "ExternalMissing").await;
    assert!(message(&missing).contains("does not exist anymore"), "{}", message(&missing));
    world
}

async fn other_token_secret_takes_over_the_protection(world: World) -> World {
    world.set_token("other-token", "token", crate::world::token()).await;
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    until_reason(&api, "net", "Running").await;
    until(|| holds(&world, "aiven-token"), |held| *held).await;
    let edit = Patch::Merge(json!({"spec": {"authSecretRef": {"name": "other-token"}}}));
    api.patch("net", &PatchParams::default(), &edit).await.unwrap();
    until(|| holds(&world, "other-token"), |held| *held).await;
    until(|| holds(&world, "aiven-token"), |held| !*held).await;
    let noted = || async { api.get("net").await.unwrap().annotations().get(names::TOKEN_SECRET).cloned() };
    until(noted, |noted| noted.as_deref() == Some("other-token")).await;

    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "net").await;
    assert!(!holds(&world, "other-token").await);
    world
}

async fn token_secret_of_a_vpc_is_released_before_the_object(world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    until_reason(&api, "net", "Running").await;
    world.calls.clear();
    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "net").await;
    let writes = world.calls.writes();
    let last = |ending: &str| writes.iter().rposition(|write| write.ends_with(ending));
    assert!(last("/secrets/aiven-token").is_some(), "{writes:?}");
    assert!(last("/secrets/aiven-token") < last("/projectvpcs/net"), "{writes:?}");
    world
}

/// Two resources request the same VPC; the request of one gets lost, and that of the other is answered.
async fn vpc_of_a_twin_is_not_taken_for_the_requested_one(mut world: World) -> World {
    restart_with_late_effect(&mut world, Duration::from_hours(1)).await;
    let api: Api<ProjectVpc> = world.vpcs();
    world.provider.fail_next(creation(), 1, Fault::CloseConnection { executed: false });
    create(&api, "lost", "10.0.0.0/24").await;
    until(|| async { world.count("POST", "/vpcs") }, |count| *count == 1).await;
    let pause = |value: Value| Patch::Merge(json!({"metadata": {"annotations": {names::PAUSED: value}}}));
    api.patch("lost", &PatchParams::default(), &pause(json!("true"))).await.unwrap();
    until_reason(&api, "lost", "Paused").await;
    create(&api, "twin", "10.0.0.0/24").await;
    let twin = until_reason(&api, "twin", "Running").await;
    api.patch("lost", &PatchParams::default(), &pause(Value::Null)).await.unwrap();
    let lost = until_reason(&api, "lost", "NotOwned").await;
    assert_eq!(lost.status.unwrap().id, None);
    assert_eq!(
        world.provider.vpcs(PROJECT)[0]["project_vpc_id"].as_str(),
        twin.status.unwrap().id.as_deref()
    );
    restart_with_late_effect(&mut world, Duration::from_secs(1)).await;
    api.delete("lost", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "lost").await;
    assert_eq!(world.provider.vpcs(PROJECT).len(), 1, "it is the other's");
    world
}

/// Whether the Secret is kept from being deleted.
async fn holds(world: &World, secret: &str) -> bool {
    let secret = world.secrets().get(secret).await.unwrap();
    secret.finalizers().iter().any(|finalizer| finalizer == names::TOKEN_FINALIZER)
}
