//! What happens to a cluster in its life: more and fewer servers, power, cold starts, trouble, the end.

use crate::asking::{ask, until};
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use serde_json::{Value, json};
use valkeeper_api::ValkeyCluster;
use valkeeper_failover::protocol::Timing;

async fn claims(world: &World) -> Vec<String> {
    let claims = world.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap();
    claims
        .items
        .iter()
        .filter(|claim| claim.metadata.deletion_timestamp.is_none())
        .map(kube::ResourceExt::name_any)
        .collect()
}

pub(crate) fn ready_with(count: u64) -> impl Fn(&Value) -> bool {
    move |status| status["Ready"]["status"] == "True" && status["readyInstances"] == count
}

async fn instances_come_and_go_without_losing_a_write(world: World) {
    world.create("grow", json!({"instances": 1})).await;
    world.until_ready("grow").await;
    let lone = world.pod_uids().await["grow-0"].clone();
    let writer = Writer::start(&world.url("grow", "leader").await);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    for count in [3, 5, 3, 1, 2] {
        world.change("grow", json!({"instances": count})).await;
        world.until_status("grow", &format!("{count} instances"), ready_with(count)).await;
        if count == 1 {
            // Longer than a right lasts that is not renewed.
            tokio::time::sleep(Timing::default().lease_duration).await;
        }
        let before = writer.count();
        until("writes go on", async || (writer.count() > before + 100).then_some(())).await;
        println!("{count} instances");
        assert_eq!(world.pods().await.len(), usize::try_from(count).unwrap());
    }
    let (acknowledged, gap) = writer.stop().await;
    println!("longest time without an acknowledgment: {gap:?} of {}", acknowledged.len());
    assert_eq!(missing(&acknowledged, &world.url("grow", "leader").await).await, Vec::<u64>::new());
    assert_eq!(world.pod_uids().await["grow-0"], lone, "the first server was never replaced");
}

async fn cluster_that_is_powered_off_comes_back_with_its_data(world: World) {
    let persistence = json!({"mode": "AppendOnly", "size": "1Gi"});
    world.create("trio", json!({"persistence": persistence})).await;
    world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 300).then_some(())).await;
    world.change("trio", json!({"powered": false})).await;
    let off = |status: &Value| status["Ready"]["reason"] == "PoweredOff";
    world.until_status("trio", "powered off", off).await;
    assert_eq!(world.pods().await, Vec::<String>::new());
    let (acknowledged, _) = writer.stop().await;
    world.change("trio", json!({"powered": true})).await;
    world.until_status("trio", "back", ready_with(3)).await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

async fn cold_start_of_everything_keeps_the_data(world: World) {
    for (name, instances) in [("trio", 3), ("solo", 1)] {
        let persistence = json!({"mode": "Snapshot", "size": "1Gi"});
        world.create(name, json!({"instances": instances, "persistence": persistence})).await;
        world.until_ready(name).await;
        let writer = Writer::start(&world.url(name, "leader").await);
        until("writes", async || (writer.count() > 300).then_some(())).await;
        let (acknowledged, _) = writer.stop().await;
        let before = world.pod_uids().await;
        for pod in before.keys().filter(|pod| pod.starts_with(name)) {
            world.delete::<Pod>(pod).await;
        }
        until("all pods are others", async || {
            let now = world.pod_uids().await;
            before
                .iter()
                .filter(|(pod, _)| pod.starts_with(name))
                .all(|(pod, uid)| now.get(pod).is_some_and(|new| new != uid))
                .then_some(())
        })
        .await;
        world.until_status(name, "back", ready_with(instances)).await;
        assert_eq!(
            missing(&acknowledged, &world.url(name, "leader").await).await,
            Vec::<u64>::new(),
            "{name}"
        );
    }
}

async fn volumes_go_with_the_resource_only_if_it_says_so(world: World) {
    for (name, policy, left) in [("kept", "Retain", 2), ("gone", "Delete", 0)] {
        let persistence = json!({"mode": "Snapshot", "size": "1Gi", "whenDeleted": policy});
        world.create(name, json!({"instances": 2, "persistence": persistence})).await;
        world.until_ready(name).await;
        world.delete::<ValkeyCluster>(name).await;
        until("the resource is gone", async || world.cluster(name).await.is_none().then_some(())).await;
        assert_eq!(world.pods().await, Vec::<String>::new(), "{name}");
        let claims = claims(&world).await;
        assert_eq!(claims.iter().filter(|claim| claim.contains(name)).count(), left, "{name}: {claims:?}");
    }
}

async fn unusable_password_is_named_and_heals_when_it_is_corrected(world: World) {
    let access = json!({"passwordSecretRef": {"name": "mine", "key": "word"}});
    world.create("solo", json!({"instances": 1, "access": access})).await;
    let missing = |status: &Value| status["Ready"]["reason"] == "PasswordMissing";
    let status = world.until_status("solo", "stalled", missing).await;
    assert_eq!(status["Stalled"]["status"], "True");
    assert!(status["Ready"]["message"].as_str().unwrap().contains("Secret mine does not exist"));
    assert_eq!(world.pods().await, Vec::<String>::new());
    for (key, value) in [("other", "x"), ("word", "")] {
        world.set_secret("mine", key, value).await;
        let names =
            |status: &Value| missing(status) && status["Ready"]["message"].as_str().unwrap().contains("word");
        world.until_status("solo", "stalled", names).await;
    }
    world.set_secret("mine", "word", "first password").await;
    world.until_ready("solo").await;
    assert_eq!(world.secret("solo").await["VALKEY_PASSWORD"], "first password");
    world.set_secret("mine", "word", "second").await;
    until("the new password is in the Secret", async || {
        (world.secret("solo").await["VALKEY_PASSWORD"] == "second").then_some(())
    })
    .await;
    until("the server takes it", async || ask(&world.url("solo", "leader").await, &["PING"]).await).await;
}

async fn image_that_does_not_exist_is_named_and_stops_at_one_replica(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    world.change("trio", json!({"image": "nowhere.test/valkey:1"})).await;
    let failed = |status: &Value| status["Ready"]["reason"] == "PodFailed";
    let status = world.until_status("trio", "stalled", failed).await;
    let message = status["Ready"]["message"].as_str().unwrap();
    assert!(message.contains("ImagePullBackOff") && message.contains("spec.image"), "{message}");
    assert_eq!(
        (&status["Available"]["status"], &status["currentPrimary"]),
        (&json!("True"), &first["currentPrimary"])
    );
    let before = writer.count();
    until("writes go on", async || (writer.count() > before + 200).then_some(())).await;
    world.change("trio", json!({"image": null})).await;
    world.until_status("trio", "ready again", ready_with(3)).await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

async fn eviction_takes_one_server_at_a_time_and_loses_no_write(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    let primary = first["currentPrimary"].as_str().unwrap();
    let evict = async || world.api::<Pod>().evict(primary, &kube::api::EvictParams::default()).await;
    until("the eviction is allowed", async || evict().await.ok()).await;
    // One is on its way out: the budget is used up.
    let refused = world.api::<Pod>().evict("trio-1", &kube::api::EvictParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 429), "{refused}");
    let moved = |status: &Value| ready_with(3)(status) && status["currentPrimary"] != first["currentPrimary"];
    world.until_status("trio", "moved", moved).await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

async fn objects_of_others_are_left_alone_and_own_ones_are_restored(world: World) {
    let foreign = json!({"metadata": {"name": "trio-leader"}, "spec": {"ports": [{"port": 1}]}});
    let services = world.api::<k8s_openapi::api::core::v1::Service>();
    services
        .create(&kube::api::PostParams::default(), &serde_json::from_value(foreign).unwrap())
        .await
        .unwrap();
    world.create("trio", json!({})).await;
    let conflict = |status: &Value| status["Ready"]["reason"] == "ObjectConflict";
    let status = world.until_status("trio", "stalled", conflict).await;
    assert!(status["Ready"]["message"].as_str().unwrap().contains("Service trio-leader"));
    assert_eq!(services.get("trio-leader").await.unwrap().spec.unwrap().ports.unwrap()[0].port, 1);
    world.delete::<k8s_openapi::api::core::v1::Service>("trio-leader").await;
    world.until_ready("trio").await;
    // Somebody changes what is declared, and takes something away.
    let selector = json!({"spec": {"selector": {"valkeeper.io/role": "replica"}}});
    let patch = kube::api::Patch::Merge(selector);
    services.patch("trio-leader", &kube::api::PatchParams::default(), &patch).await.unwrap();
    world.delete::<k8s_openapi::api::core::v1::Service>("trio-any").await;
    until("both are as declared", async || {
        let leader = services.get("trio-leader").await.unwrap().spec.unwrap().selector.unwrap();
        let any = services.get_opt("trio-any").await.unwrap();
        (leader["valkeeper.io/role"] == "primary" && any.is_some()).then_some(())
    })
    .await;
}

crate::scenarios!(
    instances_come_and_go_without_losing_a_write,
    cluster_that_is_powered_off_comes_back_with_its_data,
    volumes_go_with_the_resource_only_if_it_says_so,
    image_that_does_not_exist_is_named_and_stops_at_one_replica,
    eviction_takes_one_server_at_a_time_and_loses_no_write,
    objects_of_others_are_left_alone_and_own_ones_are_restored;
    cold_start_of_everything_keeps_the_data,
    unusable_password_is_named_and_heals_when_it_is_corrected,
);
