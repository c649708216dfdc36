//! VPCs of a project, and services that are placed in them by reference.

use crate::world::{PROJECT, World, ready, until};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{
    ProjectVpc,
    names::{GENERATION_PROCESSED, INSTANCE_RUNNING},
};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    a_vpc_is_created_followed_and_deleted,
    a_service_waits_for_its_vpc_and_the_vpc_for_its_last_service,
    cross_namespace_reference_needs_watched_namespace_and_grant;
    a_lost_answer_leaves_one_vpc,
    foreign_vpc_is_left_unchanged,
    refused_vpc_reports_the_reason,
];

fn manifest(name: &str, cidr: &str) -> ProjectVpc {
    serde_json::from_value(json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "ProjectVPC", "metadata": {"name": name},
        "spec": {"project": PROJECT, "cloudName": "google-europe-west1", "networkCidr": cidr,
            "authSecretRef": {"name": "aiven-token", "key": "token"}},
    }))
    .unwrap()
}

pub(crate) async fn create(api: &Api<ProjectVpc>, name: &str, cidr: &str) -> ProjectVpc {
    api.create(&PostParams::default(), &manifest(name, cidr)).await.unwrap()
}

pub(crate) async fn until_reason(api: &Api<ProjectVpc>, name: &str, reason: &str) -> ProjectVpc {
    let read = || async { api.get(name).await.unwrap() };
    until(read, |vpc| ready(vpc).is_some_and(|ready| ready.reason == reason)).await
}

pub(crate) async fn until_gone(api: &Api<ProjectVpc>, name: &str) {
    until(|| async { api.get_opt(name).await.unwrap() }, Option::is_none).await;
}

pub(crate) fn message(vpc: &ProjectVpc) -> String {
    ready(vpc).unwrap().message.clone()
}

fn reference(name: &str, namespace: Option<&str>) -> Value {
    json!({"projectVPCRef": {"name": name, "namespace": namespace}})
}

async fn a_vpc_is_created_followed_and_deleted(world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    let vpc = until_reason(&api, "net", "Running").await;
    let status = vpc.status.clone().unwrap();
    let seen = world.provider.vpcs(PROJECT);
    assert_eq!(seen.len(), 1);
    let annotation = |name: &str| vpc.metadata.annotations.as_ref().and_then(|all| all.get(name)).cloned();
    assert_eq!(annotation(GENERATION_PROCESSED), Some("1".to_owned()), "as aiven-operator writes it");
    assert_eq!(annotation(INSTANCE_RUNNING), Some("true".to_owned()));
    assert_eq!(
        (status.id.as_deref(), status.state.as_deref()),
        (seen[0]["project_vpc_id"].as_str(), Some("ACTIVE"))
    );
    assert_eq!(
        (&seen[0]["network_cidr"], &seen[0]["cloud_name"]),
        (&json!("10.0.0.0/24"), &json!("google-europe-west1"))
    );

    // Nothing about it can be changed.
    let edit = Patch::Merge(json!({"spec": {"networkCidr": "10.1.0.0/24"}}));
    let refused = api.patch("net", &PatchParams::default(), &edit).await.unwrap_err().to_string();
    assert!(refused.contains("Value is immutable"), "{refused}");

    let (writes, requests) = (world.writes(), world.provider.requests().len());
    let before = api.get("net").await.unwrap().resource_version();
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 2).await;
    assert_eq!((world.writes(), api.get("net").await.unwrap().resource_version()), (writes, before));

    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "net").await;
    assert!(world.provider.vpcs(PROJECT).is_empty());
    world
}

async fn a_service_waits_for_its_vpc_and_the_vpc_for_its_last_service(world: World) -> World {
    world.create_valkey("cache", reference("net", None)).await;
    let waiting = world.until_not_ready("cache", "VpcNotReady").await;
    assert!(waiting.contains("does not exist yet. Create it"), "{waiting}");
    assert!(world.service("cache").is_none());

    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    let cache = world.until_ready("cache").await;
    let id = api.get("net").await.unwrap().status.unwrap().id.unwrap();
    assert_eq!(world.service("cache").unwrap()["project_vpc_id"], id.as_str());
    assert_eq!(cache.status.unwrap().facts.project_vpc_id, Some(id));

    api.delete("net", &DeleteParams::default()).await.unwrap();
    let vpc = until_reason(&api, "net", "InUse").await;
    assert!(message(&vpc).contains("services in it"), "{}", message(&vpc));
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    until_gone(&api, "net").await;
    assert!(world.provider.vpcs(PROJECT).is_empty());
    world
}

async fn a_lost_answer_leaves_one_vpc(world: World) -> World {
    let creation = Matcher::new(Some("POST"), "/vpcs$").unwrap();
    world.provider.fail_next(creation, 1, Fault::CloseConnection { executed: true });
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    until_reason(&api, "net", "Running").await;
    assert_eq!(world.provider.vpcs(PROJECT).len(), 1);
    world
}

async fn foreign_vpc_is_left_unchanged(world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/24").await;
    until_reason(&api, "net", "Running").await;
    create(&api, "twin", "10.0.0.0/24").await;
    let twin = until_reason(&api, "twin", "NotOwned").await;
    assert!(message(&twin).contains("exists already in project"), "{}", message(&twin));
    api.delete("twin", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "twin").await;
    assert_eq!(world.provider.vpcs(PROJECT).len(), 1);
    world
}

async fn refused_vpc_reports_the_reason(world: World) -> World {
    let api = world.vpcs();
    create(&api, "net", "10.0.0.0/8").await;
    let vpc = until_reason(&api, "net", "ProviderRejected").await;
    assert!(message(&vpc).contains("prefix must be between /20 and /24"), "{}", message(&vpc));
    assert!(!vpc.status.unwrap().creation_requested, "nothing can be found later");
    api.delete("net", &DeleteParams::default()).await.unwrap();
    until_gone(&api, "net").await;
    world
}

async fn cross_namespace_reference_needs_watched_namespace_and_grant(mut world: World) -> World {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let shared: Namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "valkeeper-e2e-"}})).unwrap();
    let shared = namespaces.create(&PostParams::default(), &shared).await.unwrap().name_any();
    let api: Api<ProjectVpc> = Api::namespaced(world.client.clone(), &shared);

    let own = world.namespace.clone();
    world.restart_with(|settings| settings.watched_namespaces = vec![own]).await;
    world.create_valkey("cache", reference("net", Some(&shared))).await;
    let refused = world.until_not_ready("cache", "VpcRefused").await;
    assert!(refused.contains("does not watch"), "{refused}");

    let (own, other, token) = (world.namespace.clone(), shared.clone(), crate::world::token());
    world
        .restart_with(|settings| {
            settings.watched_namespaces = vec![own, other];
            settings.require_vpc_consent = true;
            settings.default_token = Some(token.into());
        })
        .await;
    let mut net = manifest("net", "10.0.0.0/24");
    net.spec.auth_secret_ref = None;
    api.create(&PostParams::default(), &net).await.unwrap();
    until_reason(&api, "net", "Running").await;
    let refused = world.until_not_ready("cache", "VpcRefused").await;
    assert!(refused.contains("does not allow references from namespace"), "{refused}");
    assert!(world.service("cache").is_none());

    let consent = json!({"metadata": {"annotations": {"valkeeper.io/referenced-from": format!("x, {}", world.namespace)}}});
    api.patch("net", &PatchParams::default(), &Patch::Merge(consent)).await.unwrap();
    world.until_ready("cache").await;
    namespaces.delete(&shared, &DeleteParams::default()).await.unwrap();
    world
}
