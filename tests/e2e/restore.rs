//! A resource and its Secret that come back from a backup, as Velero restores them: with their annotations and
//! finalizers, without a status, and with another uid.

use crate::world::{World, ready, until};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use valkeeper_api::{Valkey, names::OWNER_TAG};

crate::scenarios![
    restored_resource_continues_when_it_may_adopt,
    restored_secret_is_taken_back,
    restored_resource_leaves_its_service_at_deletion,
];

/// What a backup holds of an object.
fn backup(object: &impl Serialize) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        metadata.remove(key);
    }
    object
}

async fn restore<K: Clone + std::fmt::Debug + DeserializeOwned + Serialize>(api: &Api<K>, backup: &Value) {
    let object = serde_json::from_value(backup.clone()).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Loses the resource and its Secret as a lost cluster does: the operator has no part in it.
async fn lose(world: &mut World, name: &str) -> [Value; 2] {
    world.kill_operator().await;
    let (valkeys, secrets) = (world.valkeys(), world.secrets());
    let kept = [backup(&valkeys.get(name).await.unwrap()), backup(&secrets.get(name).await.unwrap())];
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    valkeys.patch(name, &PatchParams::default(), &released).await.unwrap();
    valkeys.delete(name, &DeleteParams::default()).await.unwrap();
    // Where there is a garbage collector, it may be faster.
    drop(secrets.delete(name, &DeleteParams::default()).await);
    until(
        || async { (valkeys.get_opt(name).await.unwrap(), secrets.get_opt(name).await.unwrap()) },
        |left| left.0.is_none() && left.1.is_none(),
    )
    .await;
    kept
}

async fn restored_resource_continues_when_it_may_adopt(mut world: World) -> World {
    let spec = json!({"tags": {"team": "blue"}, "userConfig": {"valkey_timeout": 100}});
    let former = world.ready_valkey("cache", spec).await.uid().unwrap();
    let service = world.service("cache").unwrap();
    let [valkey, _] = lose(&mut world, "cache").await;
    assert!(valkey["metadata"]["finalizers"][0].is_string() && valkey["metadata"]["annotations"].is_object());

    let writes = world.writes();
    restore(&world.valkeys(), &valkey).await;
    world.start_operator().await;
    let message = world.until_not_ready("cache", "NotOwned").await;
    assert!(message.contains(&former) && message.contains("set spec.adoptionPolicy: Adopt"), "{message}");
    assert_eq!(world.writes(), writes, "nothing is changed before it is asked for");

    world.edit("cache", json!({"adoptionPolicy": "Adopt"})).await;
    let valkey = world.until_ready("cache").await;
    let now = world.service("cache").unwrap();
    assert_eq!(now["tags"][OWNER_TAG].as_str(), valkey.metadata.uid.as_deref());
    for same in ["create_time", "plan", "user_config"] {
        assert_eq!(now[same], service[same], "{same}");
    }
    assert_eq!(world.writes() - writes, 1, "the mark, and nothing that is as it should be");
    assert_eq!(world.secret("cache").await.len(), 5);
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(world.service("cache"), None, "it is this resource's own again");
    world
}

async fn restored_secret_is_taken_back(mut world: World) -> World {
    world.ready_valkey("cache", json!({"adoptionPolicy": "Adopt"})).await;
    let before = world.secret("cache").await;
    let [valkey, mut secret] = lose(&mut world, "cache").await;
    // With the reference to an owner that does not exist any more, a garbage collector would remove it.
    secret["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    restore(&world.secrets(), &secret).await;
    restore(&world.valkeys(), &valkey).await;
    world.start_operator().await;
    let valkey = world.until_ready("cache").await;
    assert_eq!(world.secret("cache").await, before);
    let owners = world.secrets().get("cache").await.unwrap().metadata.owner_references.unwrap_or_default();
    assert_eq!(owners.len(), 1);
    assert_eq!(Some(&owners[0].uid), valkey.metadata.uid.as_ref());
    world
}

async fn restored_resource_leaves_its_service_at_deletion(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let [valkey, _] = lose(&mut world, "cache").await;
    restore(&world.valkeys(), &valkey).await;
    world.start_operator().await;
    world.until_not_ready("cache", "NotOwned").await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert!(world.service("cache").is_some(), "it is not declared to be this resource's own");
    let found: Option<Valkey> = world.valkeys().get_opt("cache").await.unwrap();
    assert!(found.is_none_or(|valkey| ready(&valkey).is_none()));
    world
}
