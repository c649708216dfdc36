//! TLS for clients: certificates of the operator's own authority and of any issuer, seen by clients that share no code with
//! the operator.

use crate::asking::until;
use crate::issuer::seen_by_openssl;
use crate::world::{World, named};
use crate::writer::missing;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use redis::{Client, TlsCertificates};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use valkeeper_testbed::certificates::{Authority, Issued, LATER, presented};
use valkeeper_testbed::node::NodeFault;
use valkeeper_testbed::recipes::code_below;
use valkeeper_testbed::tools;

/// The page whose recipes are run.
const PAGE: &str = include_str!("../../docs/self-hosted/tls.md");

/// A client that trusts this authority, and shows this certificate.
fn client(url: &str, authority: &str, own: Option<&Issued>) -> Client {
    let own = own.map(|own| redis::ClientTlsConfig {
        client_cert: own.certificate.clone().into_bytes(),
        client_key: own.key.clone().into_bytes(),
    });
    let certificates = TlsCertificates { client_tls: own, root_cert: Some(authority.as_bytes().to_vec()) };
    Client::build_with_tls(url, certificates).unwrap()
}

/// One command over a new connection.
async fn ask(client: &Client, command: &[&str]) -> redis::RedisResult<String> {
    let asking = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd(command[0]).arg(&command[1..]).query_async::<String>(&mut connection).await
    };
    let late = || redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(Duration::from_secs(3), asking).await.unwrap_or_else(|_| Err(late()))
}

/// The client of the connection Secret, without a certificate of its own.
fn client_of(secret: &BTreeMap<String, String>) -> Client {
    client(&url(secret), &secret["VALKEY_CA_CERT"], None)
}

fn url(secret: &BTreeMap<String, String>) -> String {
    assert_eq!(secret["VALKEY_SSL"], "require");
    let part = |key: &str| &secret[&format!("VALKEY_{key}")];
    format!("rediss://:{}@{}:{}", part("PASSWORD"), part("HOST"), part("PORT"))
}

/// Runs the recipe of a library with the Secret in its environment.
async fn run_recipe(tool: tools::Tool, file: &str, then: &str, secret: &BTreeMap<String, String>) {
    let Some(program) = tool.or_skip() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::write(&path, code_below(PAGE, tool.name).unwrap().to_owned() + then).unwrap();
    let mut command = tokio::process::Command::new(program);
    let command = command.arg(path).envs(secret).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.unwrap().unwrap();
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.trim(), "PONG", "{}: {errors}", tool.name);
}

/// Scenarios of one process that run at the same time have met servers of each other, whose certificates differ.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn clients_and_replicas_use_tls_of_the_own_authority(world: World) {
    let _alone = ALONE.lock().await;
    let spec = json!({"tls": {}, "connInfoConfigMapTarget": {"name": "shop"},
        "connInfoSecretTarget": {"name": "trio", "extraKeys": ["URI"]}});
    world.create("trio", spec).await;
    let status = world.until_ready("trio").await;
    let secret = until("a Secret", async || world.try_secret("trio").await).await;
    assert_eq!((&*secret["VALKEY_PORT"], &secret["VALKEY_URI"][..9]), ("6380", "rediss://"));
    let parameters = world.api::<ConfigMap>().get("shop").await.unwrap().data.unwrap();
    for key in ["HOST", "PORT", "SSL", "CA_CERT"] {
        let key = format!("VALKEY_{key}");
        assert_eq!(parameters[&key], secret[&key], "{key}");
    }
    let valid = world.until_status("trio", "valid", |status| status["CertificateValid"]["status"] == "True");
    assert!(valid.await["certificate"]["notAfter"].is_string());
    // Clients that share no code with the operator.
    let leader = client_of(&secret);
    ask(&leader, &["SET", "before", "1"]).await.unwrap();
    if let Some((_, verified)) =
        seen_by_openssl(&secret["VALKEY_HOST"], 6380, &secret["VALKEY_CA_CERT"]).await
    {
        assert!(verified);
    }
    run_recipe(tools::REDIS_PY, "program.py", "\nprint('PONG' if client.ping() else '')\n", &secret).await;
    let ping = "\nclient.ping().then((answer) => { console.log(answer); client.disconnect(); });\n";
    run_recipe(tools::IOREDIS, "program.js", ping, &secret).await;
    let stranger = Authority::new("stranger").unwrap();
    assert!(ask(&client(&url(&secret), &stranger.pem, None), &["PING"]).await.is_err());
    // No port without TLS, and none among the servers.
    assert!(tokio::net::TcpStream::connect((&*secret["VALKEY_HOST"], 6379)).await.is_err());
    let replication = ask(&leader, &["INFO", "replication"]).await.unwrap();
    assert_eq!(replication.matches(",port=6380,state=online").count(), 2, "{replication}");
    // Another server becomes primary.
    let old = status["currentPrimary"].as_str().unwrap().to_owned();
    world.nodes.inject(&NodeFault::Kill(named(&old))).unwrap();
    let moved = |status: &Value| {
        status["Ready"]["status"] == "True"
            && status["currentPrimary"] != *old
            && status["readyInstances"] == 3
    };
    world.until_status("trio", "moved", moved).await;
    let answer = until("an answer", async || ask(&leader, &["GET", "before"]).await.ok()).await;
    assert_eq!(answer, "1");
    until("a write", async || ask(&leader, &["SET", "after", "1"]).await.ok()).await;
}

/// Waits until the server presents this certificate, to two implementations of TLS.
async fn until_shown(host: &str, issued: &Issued, authority: &str) {
    until("the certificate", async || {
        (presented((host, 6380), host, authority).await == issued.der()).then_some(())
    })
    .await;
    if let Some((certificate, verified)) = seen_by_openssl(host, 6380, authority).await {
        assert!(verified && certificate.trim() == issued.certificate.trim().replace('\r', ""));
    }
}

async fn certificate_of_any_issuer_is_reloaded_or_refused(world: World) {
    let _alone = ALONE.lock().await;
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    let tls = json!({"tls": {"secretName": "shop"}});
    world.create("trio", tls).await;
    let refused = |why: &'static str| {
        move |status: &Value| {
            status["CertificateValid"]["status"] == "False"
                && status["Ready"]["message"].as_str().unwrap().contains(why)
        }
    };
    world.until_status("trio", "waiting", refused("Secret shop does not exist")).await;
    let hosts = world.hosts("trio").await;
    world.write_certificate("shop", &first.issue(&["elsewhere"], LATER).unwrap(), &first.pem).await;
    world.until_status("trio", "refused", refused("tls.crt is not for ")).await;
    let one = first.issue(&hosts, LATER).unwrap();
    world.write_certificate("shop", &one, &first.pem).await;
    world.until_ready("trio").await;
    let secret = until("a Secret", async || world.try_secret("trio").await).await;
    let host = secret["VALKEY_HOST"].clone();
    until_shown(&host, &one, &first.pem).await;
    let pods = world.pod_uids().await;
    // Renewed by the same authority.
    let revision = world.status("trio").await["certificate"]["revision"].clone();
    let two = first.issue(&hosts, LATER).unwrap();
    world.write_certificate("shop", &two, &first.pem).await;
    let renewed = |status: &Value| status["certificate"]["revision"] != revision;
    world.until_status("trio", "renewed", renewed).await;
    until_shown(&host, &two, &first.pem).await;
    // Broken in each way: the one before stays.
    let mixed = Issued { certificate: one.certificate.clone(), key: two.key.clone() };
    let expired = first.issue(&hosts, 2021).unwrap();
    for (broken, authority, why) in [
        (&mixed, &first.pem, "tls.key does not belong to tls.crt"),
        (&expired, &first.pem, "tls.crt has expired"),
        (&one, &second.pem, "no authority in ca.crt has signed tls.crt"),
        (&one, &String::new(), "it has no ca.crt"),
    ] {
        world.write_certificate("shop", broken, authority).await;
        let status = world.until_status("trio", why, refused(why)).await;
        assert_eq!(status["Available"]["status"], "True", "{why}");
        until_shown(&host, &two, &first.pem).await;
    }
    assert_eq!(world.pod_uids().await, pods, "no pod was replaced");
}

async fn new_authority_is_trusted_before_it_is_used(world: World) {
    let _alone = ALONE.lock().await;
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    world.create("trio", json!({"tls": {"secretName": "shop"}})).await;
    let hosts = world.hosts("trio").await;
    let two = first.issue(&hosts, LATER).unwrap();
    world.write_certificate("shop", &two, &first.pem).await;
    world.until_ready("trio").await;
    let secret = until("a Secret", async || world.try_secret("trio").await).await;
    let (pods, host) = (world.pod_uids().await, secret["VALKEY_HOST"].clone());
    ask(&client_of(&secret), &["SET", "key", "1"]).await.unwrap();
    let three = second.issue(&hosts, LATER).unwrap();
    world.write_certificate("shop", &three, &second.pem).await;
    let both = until("both authorities", async || {
        let secret = world.secret("trio").await;
        (secret["VALKEY_CA_CERT"].matches("BEGIN").count() == 2).then_some(secret)
    })
    .await;
    until_shown(&host, &two, &first.pem).await;
    ask(&client_of(&both), &["PING"]).await.unwrap();
    world.age_certificate("trio").await;
    until_shown(&host, &three, &second.pem).await;
    ask(&client_of(&both), &["PING"]).await.unwrap();
    world.until_ready("trio").await;
    world.age_certificate("trio").await;
    until("the new authority alone", async || {
        let secret = world.secret("trio").await;
        (secret["VALKEY_CA_CERT"].trim() == second.pem.trim()).then_some(())
    })
    .await;
    world.until_ready("trio").await;
    assert_eq!(ask(&client(&url(&secret), &second.pem, None), &["GET", "key"]).await.unwrap(), "1");
    assert_eq!(world.pod_uids().await, pods, "no pod was replaced");
}

async fn clients_need_a_certificate_where_the_spec_says_so(world: World) {
    let _alone = ALONE.lock().await;
    let authority = Authority::new("issuer").unwrap();
    let spec = json!({"instances": 2, "tls": {"secretName": "shop", "clientAuth": "Required"}});
    world.create("duo", spec).await;
    let hosts = world.hosts("duo").await;
    world.write_certificate("shop", &authority.issue(&hosts, LATER).unwrap(), &authority.pem).await;
    // The replica shows its certificate to the primary.
    world.until_status("duo", "protected", |status| status["Protected"]["status"] == "True").await;
    let secret = until("a Secret", async || world.try_secret("duo").await).await;
    let own = authority.issue(&["shop"], LATER).unwrap();
    let known = client(&url(&secret), &authority.pem, Some(&own));
    ask(&known, &["PING"]).await.unwrap();
    assert!(ask(&client_of(&secret), &["PING"]).await.is_err(), "no certificate");
    let stranger = Authority::new("stranger").unwrap().issue(&["shop"], LATER).unwrap();
    assert!(ask(&client(&url(&secret), &authority.pem, Some(&stranger)), &["PING"]).await.is_err());
    // Changed while the servers run.
    let pods = world.pod_uids().await;
    world.change("duo", json!({"tls": {"clientAuth": "Off"}})).await;
    until("clients without a certificate", async || ask(&client_of(&secret), &["PING"]).await.ok()).await;
    assert_eq!(world.pod_uids().await, pods);
}

async fn tls_is_added_while_clients_and_replication_go_on(world: World) {
    let _alone = ALONE.lock().await;
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let plain = world.url("trio", "leader").await;
    let writer = crate::writer::Writer::start(&plain);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    world.change("trio", json!({"tls": {"plaintext": true}})).await;
    let secured = |status: &Value| {
        status["CertificateValid"]["status"] == "True"
            && status["Ready"]["status"] == "True"
            && status["readyInstances"] == 3
    };
    world.until_status("trio", "secured", secured).await;
    let secret = until("a Secret with TLS", async || {
        world.try_secret("trio").await.filter(|secret| secret["VALKEY_SSL"] == "require")
    })
    .await;
    let leader = client_of(&secret);
    ask(&leader, &["PING"]).await.unwrap();
    let before = writer.count();
    until("writes without TLS", async || (writer.count() > before + 100).then_some(())).await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &plain).await, Vec::<u64>::new());
    // Clients have moved.
    world.change("trio", json!({"tls": {"plaintext": false}})).await;
    let pods = async || {
        let mut open = Vec::new();
        for name in world.pods().await {
            let pod = world.api::<Pod>().get_opt(&name).await.unwrap();
            let address = pod.and_then(|pod| pod.status?.pod_ip).unwrap_or_default();
            if tokio::net::TcpStream::connect((&*address, 6379)).await.is_ok() {
                open.push(name);
            }
        }
        open
    };
    until("no port without TLS", async || {
        (world.pods().await.len() == 3 && pods().await.is_empty()).then_some(())
    })
    .await;
    world.until_status("trio", "secured", secured).await;
    let replication = until("an answer", async || ask(&leader, &["INFO", "replication"]).await.ok()).await;
    assert_eq!(replication.matches(",port=6380,state=online").count(), 2, "{replication}");
}

crate::scenarios!(
    clients_and_replicas_use_tls_of_the_own_authority;
    certificate_of_any_issuer_is_reloaded_or_refused,
    new_authority_is_trusted_before_it_is_used,
    clients_need_a_certificate_where_the_spec_says_so,
    tls_is_added_while_clients_and_replication_go_on,
);
