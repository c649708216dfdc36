//! Passwords that change under load: clients that read the connection Secret now and then are refused by no server.

use crate::{asking::until, world::World};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use valkeeper_api::ValkeyCluster;

/// What the clusters here give clients to read a new password.
const GRACE: Duration = Duration::from_secs(6);

/// Clients that log in again and again, with what they last read in the connection Secret.
struct Clients {
    stop: Arc<AtomicBool>,
    logins: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Each reads the Secret after so many milliseconds, which are fewer than the grace has.
    async fn start(world: &World, cluster: &'static str, every: &[u64]) -> Self {
        let mut clients =
            Self { stop: Arc::default(), logins: Arc::default(), refused: Arc::default(), tasks: Vec::new() };
        for service in ["leader", "any", "replica"] {
            let host = world.host(cluster, service).await;
            for every in every {
                clients.add(world, cluster, (service, host.clone()), Duration::from_millis(*every));
            }
        }
        clients
    }

    fn add(&mut self, world: &World, cluster: &'static str, at: (&'static str, String), every: Duration) {
        let (stop, logins, refused) =
            (Arc::clone(&self.stop), Arc::clone(&self.logins), Arc::clone(&self.refused));
        let secrets = world.api::<k8s_openapi::api::core::v1::Secret>();
        self.tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let read = tokio::time::Instant::now();
                let secret = secrets.get(cluster).await.unwrap();
                let password = String::from_utf8(secret.data.unwrap()["VALKEY_PASSWORD"].0.clone()).unwrap();
                while read.elapsed() < every && !stop.load(Ordering::Relaxed) {
                    let answer = is_let_in(&at.1, &password).await;
                    let age = read.elapsed();
                    match answer {
                        Some(true) => drop(logins.fetch_add(1, Ordering::Relaxed)),
                        // On a busy machine an answer takes so long that the grace may be over.
                        Some(false) if age < GRACE => {
                            refused.lock().unwrap().push(format!("{} {age:?}", at.0));
                        }
                        // Servers come and go.
                        Some(false) | None => {}
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }));
    }

    async fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (self.logins.load(Ordering::Relaxed), self.refused.lock().unwrap().clone())
    }
}

/// Whether a server lets a client with this password in; none without an answer.
async fn is_let_in(host: &str, password: &str) -> Option<bool> {
    let client = redis::Client::open(format!("redis://:{password}@{host}:6379/")).unwrap();
    let opening = client.get_multiplexed_async_connection();
    let opened = tokio::time::timeout(Duration::from_secs(2), opening).await.ok()?;
    match opened {
        Ok(_) => Some(true),
        Err(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => Some(false),
        Err(_) => None,
    }
}

impl World {
    async fn host(&self, cluster: &str, service: &str) -> String {
        let services = self.api::<k8s_openapi::api::core::v1::Service>();
        services.get(&format!("{cluster}-{service}")).await.unwrap().spec.unwrap().cluster_ip.unwrap()
    }

    /// What the status says of passwords.
    async fn access(&self, cluster: &str) -> Value {
        json!(self.cluster(cluster).await.unwrap().status.unwrap().access)
    }

    async fn until_given(&self, cluster: &str, password: impl Fn(&str) -> bool) {
        until("clients have another password", async || {
            password(&self.secret(cluster).await["VALKEY_PASSWORD"]).then_some(())
        })
        .await;
    }

    async fn until_rotated(&self, cluster: &str) {
        until("the rotation is over", async || {
            let access = self.access(cluster).await;
            (access["rotation"].is_null() && !access["rotatedAt"].is_null()).then_some(())
        })
        .await;
    }
}

async fn no_client_is_refused_while_the_password_changes(mut world: World) {
    world.set_secret("mine", "word", "first").await;
    let access = json!({"passwordSecretRef": {"name": "mine", "key": "word"}, "rotation": {"grace": "6s"}});
    world.create("trio", json!({"access": access})).await;
    world.until_ready("trio").await;
    let clients = Clients::start(&world, "trio", &[300, 2500]).await;
    let logins = clients.logins.clone();
    until("logins", async || (logins.load(Ordering::Relaxed) > 100).then_some(())).await;
    world.set_secret("mine", "word", "second").await;
    until("the rotation has begun", async || {
        (!world.access("trio").await["rotation"].is_null()).then_some(())
    })
    .await;
    // Neither the operator nor a pod is needed for what was begun.
    world.kill_operator().await;
    let first: Pod = world.api().get("trio-2").await.unwrap();
    world.delete::<Pod>("trio-2").await;
    world.start_operator();
    world.until_given("trio", |password| password == "second").await;
    until("its successor", async || {
        let found = world.api::<Pod>().get_opt("trio-2").await.unwrap()?;
        (found.metadata.uid != first.metadata.uid).then_some(())
    })
    .await;
    world.until_rotated("trio").await;
    world.until_ready("trio").await;
    let (logins, refused) = clients.stop().await;
    assert!(logins > 300 && refused.is_empty(), "{logins} {refused:?}");
    // What is over is over, everywhere.
    for service in ["leader", "replica"] {
        let host = world.host("trio", service).await;
        until("the earlier password is refused", async || {
            (is_let_in(&host, "first").await == Some(false)).then_some(())
        })
        .await;
    }
    let reasons = world.events().await;
    for reason in ["PasswordOffered", "PasswordPublished", "PasswordRetired"] {
        assert!(reasons.iter().any(|event| event.contains(reason)), "{reason}: {reasons:?}");
    }
    for (name, (_, text)) in world.everything().await {
        assert!(!text.contains("\"first\"") && !text.contains("\"second\""), "{name}: {text}");
    }
}

async fn generated_password_changes_when_a_user_asks_for_it(world: World) {
    world.create("solo", json!({"instances": 1, "access": {"rotation": {"grace": "0s"}}})).await;
    world.until_ready("solo").await;
    let uid = world.api::<Pod>().get("solo-0").await.unwrap().metadata.uid;
    let mut before = world.secret("solo").await["VALKEY_PASSWORD"].clone();
    for request in ["1", "2"] {
        let patch = json!({"metadata": {"annotations": {"valkeeper.io/rotate-password": request}}});
        let clusters = world.api::<ValkeyCluster>();
        clusters.patch("solo", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        world.until_given("solo", |password| password != before).await;
        before.clone_from(&world.secret("solo").await["VALKEY_PASSWORD"]);
        world.until_rotated("solo").await;
    }
    // Without its Secret, the password is asked for again, and clients keep the one that they have until then.
    world.delete::<k8s_openapi::api::core::v1::Secret>("solo-access").await;
    until("the Secret of the servers", async || world.try_secret("solo-access").await.map(drop)).await;
    assert_eq!(world.secret("solo-access").await["password"], before);
    world.until_ready("solo").await;
    assert_eq!(world.api::<Pod>().get("solo-0").await.unwrap().metadata.uid, uid, "no pod was replaced");
}

crate::scenarios!(
    no_client_is_refused_while_the_password_changes,
    generated_password_changes_when_a_user_asks_for_it,
);
