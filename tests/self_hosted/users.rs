//! Users of clusters: what they may do on every server, rules that a server refuses, and passwords that change under load.

use crate::{asking::until, world::World};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use valkeeper_api::ValkeyUser;

impl World {
    async fn create_user(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyUser", "metadata": {"name": name}, "spec": spec,
        });
        let object: ValkeyUser = serde_json::from_value(object).unwrap();
        self.api::<ValkeyUser>().create(&PostParams::default(), &object).await.unwrap();
    }

    async fn patch_user(&self, name: &str, patch: Value) {
        let patch = Patch::Merge(patch);
        self.api::<ValkeyUser>().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until its condition `Ready` has this reason, for its current spec; answers the message.
    async fn until_user(&self, name: &str, reason: &str) -> String {
        let mut last = Value::Null;
        let begun = std::time::Instant::now();
        loop {
            let object = json!(self.api::<ValkeyUser>().get(name).await.unwrap());
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
            let is_current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            if let Some(ready) = ready {
                if is_current && ready["reason"] == reason {
                    return ready["message"].as_str().unwrap().to_owned();
                }
                last = ready;
            }
            assert!(begun.elapsed() < crate::world::PATIENCE, "{name} is not {reason}: {last}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn address(&self, cluster: &str, service: &str) -> String {
        let services = self.api::<k8s_openapi::api::core::v1::Service>();
        services.get(&format!("{cluster}-{service}")).await.unwrap().spec.unwrap().cluster_ip.unwrap()
    }
}

/// What a server answers to a client with this Secret: a word of an error, or `OK`.
async fn asked(host: &str, secret: &BTreeMap<String, String>, command: &[&str]) -> Option<String> {
    let (user, password) = (&secret["VALKEY_USER"], &secret["VALKEY_PASSWORD"]);
    let client = redis::Client::open(format!("redis://{user}:{password}@{host}:6379/")).unwrap();
    let all = async {
        let mut connection = match client.get_multiplexed_async_connection().await {
            Ok(connection) => connection,
            Err(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                return Some("WRONGPASS".to_owned());
            }
            Err(_) => return None,
        };
        match redis::cmd(command[0]).arg(&command[1..]).query_async::<redis::Value>(&mut connection).await {
            Ok(_) => Some("OK".to_owned()),
            Err(error) => Some(error.code().unwrap_or_default().to_owned()),
        }
    };
    tokio::time::timeout(Duration::from_secs(2), all).await.ok()?
}

async fn user_may_do_what_its_rules_say_on_every_server(world: World) {
    // In any order.
    let rules = json!(["~orders:*", "+@read", "+ping"]);
    world.create_user("reader", json!({"clusterName": "trio", "rules": rules})).await;
    world.until_user("reader", "ClusterMissing").await;
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    world.until_user("reader", "UserAccepted").await;
    let secret = world.secret("reader").await;
    assert_eq!(secret["VALKEY_USER"], "reader");
    assert_ne!(secret["VALKEY_PASSWORD"], world.secret("trio").await["VALKEY_PASSWORD"]);
    let judge = async |secret: &BTreeMap<String, String>| {
        for service in ["leader", "replica"] {
            let host = world.address("trio", service).await;
            for (command, answer) in [
                (&["GET", "orders:1"][..], "OK"),
                (&["GET", "other"], "NOPERM"),
                (&["SET", "orders:1", "x"], "NOPERM"),
                (&["ACL", "LIST"], "NOPERM"),
            ] {
                until("an answer as the rules say", async || {
                    (asked(&host, secret, command).await.as_deref() == Some(answer)).then_some(())
                })
                .await;
            }
        }
    };
    judge(&secret).await;
    // A pod that takes the place of another knows it as well.
    let status = world.status("trio").await;
    world.delete::<Pod>(status["currentPrimary"].as_str().unwrap()).await;
    world
        .until_status("trio", "another primary", |now| {
            now["currentPrimary"] != status["currentPrimary"] && now["Ready"]["status"] == "True"
        })
        .await;
    judge(&secret).await;
    assert_eq!(world.secret("reader").await, secret);
    for (name, (_, text)) in world.everything().await {
        assert!(!text.contains(&secret["VALKEY_PASSWORD"]), "{name}: {text}");
    }
    let entries = world.secret("trio-users").await;
    assert!(
        entries.contains_key("user.reader.json")
            && !json!(entries).to_string().contains(&secret["VALKEY_PASSWORD"])
    );
    // Who is deleted is let in no more, and the cluster goes on.
    world.delete::<ValkeyUser>("reader").await;
    until("it is gone", async || {
        world.api::<ValkeyUser>().get_opt("reader").await.unwrap().is_none().then_some(())
    })
    .await;
    let host = world.address("trio", "leader").await;
    until("it is refused", async || {
        (asked(&host, &secret, &["GET", "orders:1"]).await.as_deref() == Some("WRONGPASS")).then_some(())
    })
    .await;
    world.until_ready("trio").await;
}

async fn rules_that_a_server_refuses_change_nothing(world: World) {
    world.create("solo", json!({"instances": 1})).await;
    world.until_ready("solo").await;
    world.create_user("writer", json!({"clusterName": "solo", "rules": ["~*", "+reed"]})).await;
    let message = world.until_user("writer", "RulesRefused").await;
    assert!(message.contains("+reed"), "{message}");
    assert!(world.try_secret("writer").await.is_none(), "nobody is given a password");
    world.patch_user("writer", json!({"spec": {"rules": ["~*", "+get", "+set"]}})).await;
    world.until_user("writer", "UserAccepted").await;
    let (host, secret) = (world.address("solo", "leader").await, world.secret("writer").await);
    assert_eq!(asked(&host, &secret, &["SET", "a", "b"]).await.as_deref(), Some("OK"));
    world.patch_user("writer", json!({"spec": {"rules": ["~*", "+nonsense"]}})).await;
    let message = world.until_user("writer", "RulesRefused").await;
    assert!(message.contains("stay in force"), "{message}");
    assert_eq!(asked(&host, &secret, &["SET", "a", "b"]).await.as_deref(), Some("OK"));
    // A second resource changes nothing of the first.
    let other = json!({"clusterName": "solo", "username": "writer", "rules": ["+@all"]});
    world.create_user("impostor", other).await;
    let message = world.until_user("impostor", "ObjectConflict").await;
    assert!(message.contains("ValkeyUser writer"), "{message}");
    world.delete::<ValkeyUser>("impostor").await;
    world.patch_user("writer", json!({"spec": {"rules": ["~*", "+get"]}})).await;
    world.until_user("writer", "UserAccepted").await;
    until("the rules", async || {
        (asked(&host, &secret, &["SET", "a", "b"]).await.as_deref() == Some("NOPERM")).then_some(())
    })
    .await;
}

/// Clients that log in again and again, with what they last read in the Secret of their user.
async fn clients(world: &World, stop: Arc<AtomicBool>) -> (Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
    let (logins, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    for service in ["leader", "replica"] {
        let (host, secrets) = (world.address("trio", service).await, world.api::<Secret>());
        let (stop, logins, refused) = (Arc::clone(&stop), Arc::clone(&logins), Arc::clone(&refused));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let read = tokio::time::Instant::now();
                let secret = secrets.get("app").await.unwrap().data.unwrap();
                let secret = secret
                    .into_iter()
                    .map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
                    .collect();
                while read.elapsed() < Duration::from_secs(1) && !stop.load(Ordering::Relaxed) {
                    match asked(&host, &secret, &["PING"]).await.as_deref() {
                        Some("OK") => drop(logins.fetch_add(1, Ordering::Relaxed)),
                        // On a busy machine an answer takes so long that the grace may be over.
                        Some("WRONGPASS") if read.elapsed() < Duration::from_secs(5) => {
                            refused.lock().unwrap().push(format!("{service} {:?}", read.elapsed()));
                        }
                        _ => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    (logins, refused)
}

async fn no_client_of_a_user_is_refused_while_its_password_changes(mut world: World) {
    world.set_secret("mine", "word", "first").await;
    world.create("trio", json!({"access": {"rotation": {"grace": "6s"}}})).await;
    let own = json!({"clusterName": "trio", "rules": ["+ping"], "passwordSecretRef": {"name": "mine", "key": "word"}});
    world.create_user("app", own).await;
    world.until_ready("trio").await;
    world.until_user("app", "UserAccepted").await;
    let stop = Arc::new(AtomicBool::new(false));
    let (logins, refused) = clients(&world, Arc::clone(&stop)).await;
    until("logins", async || (logins.load(Ordering::Relaxed) > 20).then_some(())).await;
    world.set_secret("mine", "word", "second").await;
    // Whatever was begun, another process ends it.
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.kill_operator().await;
    world.start_operator();
    until("clients have another password", async || {
        (world.secret("app").await["VALKEY_PASSWORD"] == "second").then_some(())
    })
    .await;
    let host = world.address("trio", "leader").await;
    let mut before = world.secret("app").await;
    before.insert("VALKEY_PASSWORD".to_owned(), "first".to_owned());
    until("the earlier password is refused", async || {
        (asked(&host, &before, &["PING"]).await.as_deref() == Some("WRONGPASS")).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let refused = refused.lock().unwrap().clone();
    assert!(logins.load(Ordering::Relaxed) > 100 && refused.is_empty(), "{logins:?} {refused:?}");
    // A generated one changes on request.
    world.patch_user("app", json!({"spec": {"passwordSecretRef": null}})).await;
    until("a generated password", async || {
        (world.secret("app").await["VALKEY_PASSWORD"] != "second").then_some(())
    })
    .await;
    let generated = world.secret("app").await["VALKEY_PASSWORD"].clone();
    let request = json!({"metadata": {"annotations": {"valkeeper.io/rotate-password": "1"}}});
    world.patch_user("app", request).await;
    until("another generated password", async || {
        (world.secret("app").await["VALKEY_PASSWORD"] != generated).then_some(())
    })
    .await;
}

crate::scenarios!(
    user_may_do_what_its_rules_say_on_every_server,
    rules_that_a_server_refuses_change_nothing;
    no_client_of_a_user_is_refused_while_its_password_changes,
);
