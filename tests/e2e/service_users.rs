//! Users of a service as resources: made, kept as declared, and ended with theirs.

use crate::{
    leaks::confidential,
    world::{PROJECT, World, ready, until},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{
    ServiceUser,
    names::{ADOPTION_POLICY, DELETION_POLICY, GENERATION_PROCESSED, INSTANCE_RUNNING},
};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    user_is_created_with_its_service_changed_and_deleted,
    user_has_the_password_of_its_secret,
    existing_user_is_managed_only_with_consent_and_by_one;
    lost_answer_leaves_one_user,
    user_that_is_deleted_at_aiven_is_recreated,
    user_waits_while_its_service_is_powered_off,
    user_of_aiven_operator_keeps_its_secret,
    orphaned_user_stays,
    user_that_every_service_has_is_never_deleted,
];

pub(crate) fn manifest(name: &str, spec: Value) -> ServiceUser {
    let mut all = json!({"project": PROJECT, "serviceName": "cache", "authSecretRef": {"name": "aiven-token", "key": "token"}});
    crate::world::merge(&mut all, spec);
    let body = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "ServiceUser", "metadata": {"name": name}, "spec": all});
    serde_json::from_value(body).unwrap()
}

impl World {
    pub(crate) fn service_users(&self) -> Api<ServiceUser> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn create_user(&self, name: &str, spec: Value) {
        self.service_users().create(&PostParams::default(), &manifest(name, spec)).await.unwrap();
    }

    /// Waits until `Ready` of the present generation has this reason.
    pub(crate) async fn until_user(&self, name: &str, reason: &str) -> ServiceUser {
        let api = self.service_users();
        until(
            || async { api.get(name).await.unwrap() },
            |user| {
                ready(user).is_some_and(|ready| {
                    ready.reason == reason && ready.observed_generation == user.metadata.generation
                })
            },
        )
        .await
    }

    pub(crate) async fn until_user_is_gone(&self, name: &str) {
        let api = self.service_users();
        until(|| async { api.get_opt(name).await.unwrap() }, Option::is_none).await;
    }

    pub(crate) async fn patch_user(&self, name: &str, patch: Value) {
        self.service_users().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The provider's own view of a user.
    pub(crate) async fn user_at_aiven(&self, username: &str) -> Option<Value> {
        let service =
            self.read_provider(&format!("/v1/project/{PROJECT}/service/cache?include_secrets=true")).await;
        let users = service["service"]["users"].as_array().cloned().unwrap_or_default();
        users.into_iter().find(|user| user["username"] == username)
    }

    async fn user_call(&self, method: &str, below: &str, body: Value) {
        let path = format!("/v1/project/{PROJECT}/service/cache/user{below}");
        self.ask_provider(method, &path, body).await;
    }

    /// Whether the Secret holds what the provider says about the user.
    async fn secret_fits(&self, secret: &str, username: &str) -> bool {
        let (held, user) = (self.secret(secret).await, self.user_at_aiven(username).await.unwrap());
        let service = self.service("cache").unwrap();
        let parameters = &service["service_uri_params"];
        held["SERVICEUSER_USERNAME"] == username
            && user["password"] == held["SERVICEUSER_PASSWORD"]
            && parameters["host"] == held["SERVICEUSER_HOST"]
            && parameters["port"] == held["SERVICEUSER_PORT"]
    }
}

async fn user_is_created_with_its_service_changed_and_deleted(world: World) -> World {
    // In any order, as GitOps applies them.
    let rules = json!({"valkeyAclCategories": ["+@read"], "valkeyAclKeys": ["shop:*"]});
    let target = json!({"name": "shop-valkey", "labels": {"team": "shop"}});
    world.create_user("shop", json!({"accessControl": rules, "connInfoSecretTarget": target})).await;
    let waiting = world.until_user("shop", "ServiceNotReady").await;
    assert!(ready(&waiting).unwrap().message.contains("which does not exist"), "{waiting:?}");
    world.ready_valkey("cache", json!({})).await;
    let user = world.until_user("shop", "Running").await;
    let annotations = user.metadata.annotations.clone().unwrap();
    assert_eq!(annotations[GENERATION_PROCESSED], "1", "as aiven-operator writes it");
    assert_eq!(annotations[INSTANCE_RUNNING], "true");
    assert!(world.secret_fits("shop-valkey", "shop").await);
    let held = world.secret("shop-valkey").await;
    assert!(held["SERVICEUSER_CA_CERT"].starts_with("-----BEGIN CERTIFICATE"));
    assert_eq!((&*held["SERVICEUSER_ACCESS_CERT"], &*held["SERVICEUSER_ACCESS_KEY"]), ("", ""));
    let secret = world.secrets().get("shop-valkey").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["team"], "shop");
    let at_aiven = world.user_at_aiven("shop").await.unwrap();
    assert_eq!(at_aiven["access_control"]["valkey_acl_keys"], json!(["shop:*"]));

    // What is in order costs reads only.
    let (writes, requests) = (world.writes(), world.provider.requests().len());
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 4).await;
    assert_eq!(world.writes(), writes);

    world
        .patch_user("shop", json!({"spec": {"accessControl": {"valkeyAclKeys": ["shop:*", "cart:*"]}}}))
        .await;
    let keys = json!(["cart:*", "shop:*"]);
    let shown = || async {
        let mut shown =
            world.user_at_aiven("shop").await.unwrap()["access_control"]["valkey_acl_keys"].clone();
        shown.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        shown
    };
    until(shown, |shown| *shown == keys).await;
    world.until_user("shop", "Running").await;
    // A change at Aiven is reverted.
    world
        .user_call(
            "PUT",
            "/shop",
            json!({"operation": "set-access-control", "access_control":
        {"valkey_acl_keys": ["*"], "valkey_acl_categories": ["+@all"], "valkey_acl_commands": []}}),
        )
        .await;
    until(shown, |shown| *shown == keys).await;
    let events = || async { world.events("shop").await };
    until(events, |events| events.iter().any(|(reason, _)| reason == "Drift")).await;

    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("shop").await;
    assert_eq!(world.user_at_aiven("shop").await, None);
    world
}

async fn user_has_the_password_of_its_secret(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let first = confidential("first-password");
    world.set_token("wanted", "word", &first).await;
    let source = json!({"connInfoSecretSource": {"name": "wanted", "passwordKey": "word"}});
    world.create_user("shop", source).await;
    world.until_user("shop", "Running").await;
    assert_eq!(world.secret("shop").await["SERVICEUSER_PASSWORD"], first);
    assert!(world.secret_fits("shop", "shop").await);
    // Another one in the Secret, and one that was set at Aiven.
    let second = confidential("second-password");
    world.set_token("wanted", "word", &second).await;
    let held = || async { world.secret("shop").await["SERVICEUSER_PASSWORD"].clone() };
    until(held, |held| *held == second).await;
    world.until_user("shop", "Running").await;
    world.user_call("PUT", "/shop/credentials/reset", json!({})).await;
    let at_aiven = || async { world.user_at_aiven("shop").await.unwrap()["password"].clone() };
    until(at_aiven, |password| *password == json!(second)).await;
    // What cannot be used is named, and nothing changes.
    let writes = world.writes();
    let short = Patch::Merge(json!({"stringData": {"word": "short"}}));
    world.secrets().patch("wanted", &PatchParams::default(), &short).await.unwrap();
    let stuck = world.until_user("shop", "PasswordMissing").await;
    assert!(ready(&stuck).unwrap().message.contains("8 to 256 characters"), "{stuck:?}");
    assert_eq!((world.writes(), held().await), (writes, second));
    world
}

async fn existing_user_is_managed_only_with_consent_and_by_one(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.user_call("POST", "", json!({"username": "legacy"})).await;
    world.create_user("one", json!({"username": "legacy"})).await;
    world.until_user("one", "NotOwned").await;
    assert!(world.secrets().get_opt("one").await.unwrap().is_none());
    let consent = json!({"metadata": {"annotations": {ADOPTION_POLICY: "Adopt"}}});
    world.patch_user("one", consent.clone()).await;
    world.until_user("one", "Running").await;
    assert!(world.secret_fits("one", "legacy").await);
    world.create_user("two", json!({"username": "legacy"})).await;
    world.patch_user("two", consent).await;
    let two = until(
        || async { world.service_users().get("two").await.unwrap() },
        |two| ready(two).is_some_and(|ready| ready.message.contains("/one manages it")),
    )
    .await;
    assert_eq!(ready(&two).unwrap().reason, "NotOwned");
    world.service_users().delete("two", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("two").await;
    assert!(world.user_at_aiven("legacy").await.is_some(), "the other one's");
    world
}

async fn lost_answer_leaves_one_user(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    for executed in [true, false] {
        let creation = Matcher::new(Some("POST"), "/user$").unwrap();
        world.provider.fail_next(creation, 1, Fault::CloseConnection { executed });
        let name = if executed { "carried-out" } else { "lost" };
        world.create_user(name, json!({})).await;
        world.until_user(name, "Running").await;
        assert!(world.secret_fits(name, name).await);
    }
    world
}

async fn user_that_is_deleted_at_aiven_is_recreated(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    let before = world.secret("shop").await;
    world.user_call("DELETE", "/shop", json!({})).await;
    until(|| async { world.secret("shop").await }, |now| *now != before).await;
    world.until_user("shop", "Running").await;
    assert!(world.secret_fits("shop", "shop").await);
    world
}

async fn user_waits_while_its_service_is_powered_off(world: World) -> World {
    world.ready_valkey("cache", json!({"powerOffPolicy": "AcceptDataLoss"})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    world.edit("cache", json!({"powered": false})).await;
    world.until_ready_for("cache", "PoweredOff").await;
    world.create_user("late", json!({})).await;
    world.until_user("late", "ServiceNotReady").await;
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    let waiting = world.until_user("shop", "ServiceNotReady").await;
    assert!(ready(&waiting).unwrap().message.contains("is powered off"), "{waiting:?}");
    world.edit("cache", json!({"powered": true})).await;
    world.until_user_is_gone("shop").await;
    world.until_user("late", "Running").await;
    assert_eq!(world.user_at_aiven("shop").await, None);
    world
}

/// It notes that a user exists in an annotation, and writes its Secret with the same keys.
async fn user_of_aiven_operator_keeps_its_secret(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    world.kill_operator().await;
    let api = world.service_users();
    let its_own = json!({"status": {"created": null, "connectionSecret": null, "username": null}});
    api.patch_status("shop", &PatchParams::default(), &Patch::Merge(its_own)).await.unwrap();
    let (writes, before) = (world.writes(), world.secrets().get("shop").await.unwrap());
    world.start_operator().await;
    let user = until(
        || async { world.service_users().get("shop").await.unwrap() },
        |user| user.status.as_ref().is_some_and(|status| status.connection_secret.is_some()),
    )
    .await;
    assert_eq!(ready(&user).unwrap().status, "True");
    assert!(user.status.unwrap().created);
    let after = world.secrets().get("shop").await.unwrap();
    assert_eq!((world.writes(), after.metadata.resource_version), (writes, before.metadata.resource_version));
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("shop").await;
    assert_eq!(world.user_at_aiven("shop").await, None);
    world
}

async fn orphaned_user_stays(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.create_user("shop", json!({})).await;
    world.until_user("shop", "Running").await;
    world.patch_user("shop", json!({"metadata": {"annotations": {DELETION_POLICY: "Orphan"}}})).await;
    world.service_users().delete("shop", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("shop").await;
    assert!(world.user_at_aiven("shop").await.is_some());
    world
}

async fn user_that_every_service_has_is_never_deleted(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let wanted = confidential("main-password");
    world.set_token("wanted", "word", &wanted).await;
    let source = json!({"name": "wanted", "passwordKey": "word"});
    world.create_user("main", json!({"username": "default", "connInfoSecretSource": source})).await;
    world.until_user("main", "Running").await;
    // The Secret of the service follows.
    until(|| async { world.secret("cache").await["VALKEY_PASSWORD"].clone() }, |held| *held == wanted).await;
    world.service_users().delete("main", &DeleteParams::default()).await.unwrap();
    world.until_user_is_gone("main").await;
    assert!(world.user_at_aiven("default").await.is_some());
    world
}
