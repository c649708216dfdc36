//! The permissions that the chart grants, as Helm renders them, on API servers that enforce them. Every scenario
//! there runs with exactly these permissions, so that a missing one fails it. The scenario below uses all of them, so
//! that an unused one shows. The same for `watchedNamespaces`.

use crate::world::{World, until};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Secret},
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role},
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    discovery::ApiResource,
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use valkeeper::settings::Settings;
use valkeeper_api::Valkey;

/// The account that the chart's bindings name.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:valkeeper-system:valkeeper";
/// The namespace of the release.
pub(crate) const RELEASE: &str = "valkeeper-system";
/// What `helm template` makes of the chart with its default values; `tests/chart` keeps it up to date.
const RENDERED: &str = include_str!("../chart/rendered/default.yaml");
/// The same with `watchedNamespaces`.
const NAMESPACED: &str = include_str!("../chart/rendered/namespaced.yaml");
/// The same with `watchedNamespaces` and `secrets.watch`.
const WATCHING_SECRETS: &str = include_str!("../chart/rendered/secret-watch.yaml");
/// One of those.
const WATCHED: &str = "team-a";

crate::scenarios![every_permission_is_used];

/// Creates the namespace of the release, and the roles and bindings of the chart.
pub(crate) async fn grant(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE}});
    namespaces
        .patch(RELEASE, &PatchParams::apply("valkeeper-tests"), &Patch::Apply(namespace))
        .await
        .unwrap();
    for object in rendered(RENDERED, &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]) {
        create(client, &object).await;
    }
}

/// Takes away what is granted in all namespaces, and grants what the chart does in a watched one.
async fn grant_in(client: &Client, namespace: &str, text: &str) {
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings.delete("valkeeper", &DeleteParams::default()).await.unwrap();
    for mut object in rendered(text, &["Role", "RoleBinding"]) {
        if object.metadata.namespace.as_deref() == Some(WATCHED) {
            object.metadata.namespace = Some(namespace.to_owned());
            create(client, &object).await;
        }
    }
}

/// Grants in all namespaces what the chart grants with `secrets.watch`.
pub(crate) async fn grant_watching(client: &Client) {
    let rules = rendered(WATCHING_SECRETS, &["Role"]).remove(0).data["rules"].clone();
    let patch = Patch::Merge(json!({"rules": rules}));
    let api: Api<ClusterRole> = Api::all(client.clone());
    api.patch("valkeeper", &PatchParams::default(), &patch).await.unwrap();
}

async fn create(client: &Client, object: &DynamicObject) {
    let resource = ApiResource::from_gvk(&object.types.as_ref().unwrap().try_into().unwrap());
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.create(&PostParams::default(), object).await.unwrap();
}

fn rendered(text: &str, kinds: &[&str]) -> Vec<DynamicObject> {
    let documents =
        serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap());
    let objects =
        documents.filter(|document| document["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)));
    objects.map(|object| serde_json::from_value(object).unwrap()).collect()
}

/// The permissions in the rendered roles, in the form of `Calls::rights`.
fn granted(text: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for role in rendered(text, &["Role", "ClusterRole"]) {
        let rules: Vec<PolicyRule> = serde_json::from_value(role.data["rules"].clone()).unwrap();
        for rule in rules {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
                }
            }
        }
    }
    rights
}

async fn every_permission_is_used(mut world: World) -> World {
    world.kill_operator().await;
    world.calls.clear();
    world.start_elected_with(|_| {}).await;
    use_every_permission(world, granted(RENDERED)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_in_a_watched_namespace_are_enough_and_all_used() {
    enough_and_all_used(NAMESPACED, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_to_watch_secrets_suffice_and_are_all_used() {
    enough_and_all_used(WATCHING_SECRETS, |settings| settings.watch_secrets = true).await;
}

/// Runs with what the chart grants in a watched namespace.
async fn enough_and_all_used(text: &'static str, change: impl FnOnce(&mut Settings)) {
    crate::world::run(crate::cluster::Place::Real, |mut world: World| async move {
        if !world.has_roles() {
            return world;
        }
        world.kill_operator().await;
        world.calls.clear();
        grant_in(&world.client, &world.namespace, text).await;
        let watched = vec![world.namespace.clone()];
        world
            .start_elected_with(|settings| {
                settings.watched_namespaces = watched;
                change(settings);
            })
            .await;
        use_every_permission(world, granted(text)).await
    })
    .await;
}

/// Uses each of these permissions, and compares them with those that were needed.
async fn use_every_permission(world: World, granted: BTreeSet<String>) -> World {
    world.ready_valkey("cache", json!({"connInfoConfigMapTarget": {"name": "parameters"}})).await;
    let redis = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Redis", "metadata": {"name": "old"}, "spec": {
        "project": crate::world::PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1",
        "authSecretRef": {"name": "aiven-token", "key": "token"}}});
    world.redis().create(&PostParams::default(), &serde_json::from_value(redis).unwrap()).await.unwrap();
    let reads = || async { world.secrets().get_opt("old").await.unwrap() };
    until(reads, Option::is_some).await;
    // An edited connection Secret is restored.
    let edited = Patch::Merge(json!({"stringData": {"VALKEY_HOST": "elsewhere"}}));
    world.secrets().patch("cache", &PatchParams::default(), &edited).await.unwrap();
    until(|| world.secret("cache"), |secret| secret["VALKEY_HOST"] != "elsewhere").await;
    // So is an edited connection ConfigMap.
    let config_maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    let edited = Patch::Merge(json!({"data": {"VALKEY_HOST": "elsewhere"}}));
    config_maps.patch("parameters", &PatchParams::default(), &edited).await.unwrap();
    let host = || async { config_maps.get("parameters").await.unwrap().data.unwrap()["VALKEY_HOST"].clone() };
    until(host, |host| host != "elsewhere").await;
    use_a_vpc(&world).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("shop").await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.redis().delete("old", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    let redis = world.redis();
    until(|| async { redis.get_opt("old").await.unwrap() }, Option::is_none).await;

    // Where the admission plugin OwnerReferencesPermissionEnforcement is on, as in OpenShift, the API server itself
    // checks these when a Secret gets an owner whose deletion it blocks. No call shows it.
    let indirect =
        ["valkeys", "redis", "serviceusers"].map(|resource| format!("update aiven.io/{resource}/finalizers"));
    until(
        || async {
            let mut used = world.calls.rights();
            used.extend(indirect.clone());
            (granted.difference(&used).cloned().collect(), used.difference(&granted).cloned().collect())
        },
        |(unused, missing): &(Vec<String>, Vec<String>)| unused.is_empty() && missing.is_empty(),
    )
    .await;
    world
}

async fn use_a_vpc(world: &World) {
    create_vpc(world, "net").await;
    let vpcs = world.vpcs();
    vpcs.delete("net", &DeleteParams::default()).await.unwrap();
    until(|| async { vpcs.get_opt("net").await.unwrap() }, Option::is_none).await;
}

/// Creates a VPC and waits until it is ready.
pub(crate) async fn create_vpc(world: &World, name: &str) {
    let vpc = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "ProjectVPC", "metadata": {"name": name}, "spec": {
        "project": crate::world::PROJECT, "cloudName": "google-europe-west1", "networkCidr": "10.0.0.0/24",
        "authSecretRef": {"name": "aiven-token", "key": "token"}}});
    let vpcs = world.vpcs();
    vpcs.create(&PostParams::default(), &serde_json::from_value(vpc).unwrap()).await.unwrap();
    until(
        || async { vpcs.get(name).await.unwrap() },
        |vpc| crate::world::ready(vpc).is_some_and(|ready| ready.status == "True"),
    )
    .await;
}

/// Runs where permissions are enforced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaced_watch_restores_secrets_and_names_missing_roles() {
    crate::world::run(crate::cluster::Place::Real, |mut world: World| async move {
        if !world.has_roles() {
            return world;
        }
        world.kill_operator().await;
        grant_in(&world.client, &world.namespace, NAMESPACED).await;
        let namespace = world.namespace.clone();
        world.start_operator_with(|settings| settings.watched_namespaces = vec![namespace]).await;
        world.ready_valkey("cache", json!({})).await;
        let secrets = world.secrets();
        let delete = || async { secrets.delete("cache", &DeleteParams::default()).await.unwrap() };
        delete().await;
        until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;

        let roles: Api<Role> = Api::namespaced(world.client.clone(), &world.namespace);
        let whole = roles.get("valkeeper").await.unwrap();
        let mut fewer = whole.clone();
        for rule in fewer.rules.iter_mut().flatten() {
            if rule.resources.iter().flatten().any(|resource| resource == "secrets") {
                rule.verbs = vec!["get".to_owned()];
            }
        }
        roles.replace("valkeeper", &PostParams::default(), &fewer).await.unwrap();
        delete().await;
        let message = world.until_not_ready("cache", "ClusterRejected").await;
        assert!(message.contains("cannot create resource \"secrets\""), "{message}");
        assert!(message.contains("Grant the operator this permission"), "{message}");

        let back = Patch::Merge(json!({"rules": whole.rules}));
        roles.patch("valkeeper", &PatchParams::default(), &back).await.unwrap();
        world.until_ready("cache").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_refused() {
    crate::world::run(crate::cluster::Place::Real, |world: World| async move {
        if !world.has_roles() {
            return world;
        }
        world.ready_valkey("cache", json!({})).await;
        let operator = Client::try_from(world.operator_config().await).unwrap();
        let secrets: Api<Secret> = Api::namespaced(operator.clone(), &world.namespace);
        let valkeys: Api<Valkey> = Api::namespaced(operator, &world.namespace);
        assert!(secrets.get("cache").await.is_ok());
        let refused = [
            secrets.list(&ListParams::default()).await.map(drop),
            secrets.delete("cache", &DeleteParams::default()).await.map(drop),
            valkeys.delete("cache", &DeleteParams::default()).await.map(drop),
        ];
        for outcome in refused {
            assert!(matches!(outcome, Err(kube::Error::Api(status)) if status.code == 403));
        }
        world
    })
    .await;
}
