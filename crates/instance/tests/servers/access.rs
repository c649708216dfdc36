//! Who may do what: passwords of the server, certificates for verbs.

use crate::{
    operator::Operator,
    world::{Setup, World, all_programs, until, valkey},
};
use std::fs;
use valkeeper_failover::{Name, Term, protocol::Role};
use valkeeper_instance::client::{self, ClientIdentity, InstanceClient};
use valkeeper_server::{Credentials, ErrorClass};
use valkeeper_testbed::certificates::{Authority, Issued, LATER};

fn default_user(password: &str) -> Credentials {
    Credentials { user: "default".to_owned(), password: password.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_needed_replicated_and_rotated() {
    for program in all_programs() {
        let setup = Setup { server: "  passwordFile: FOLDER/passwords\n".to_owned(), ..Setup::default() };
        let mut world = World::new(&program, 2, &setup);
        for node in &mut world.nodes {
            fs::write(node.folder.join("passwords"), "first \"word\n").unwrap();
            node.password = Some("first \"word".to_owned());
            node.start();
        }
        let mut operator = Operator::new();
        let primary = operator.settled(&world).await;
        let node = world.node(&primary);
        let mut nobody = node.server_as(None).await.unwrap();
        assert_eq!(nobody.key_count().await.unwrap_err().class(), ErrorClass::Denied);
        for passwords in ["second\nfirst \"word\n", "second\n"] {
            for node in &world.nodes {
                fs::write(node.folder.join("passwords"), passwords).unwrap();
                until("reloaded", async || node.client.reload(Term(9)).await.is_ok()).await;
            }
        }
        assert!(node.server_as(Some(&default_user("second"))).await.is_ok());
        let old = node.server_as(Some(&default_user("first \"word"))).await;
        assert_eq!(old.err().map(|error| error.class()), Some(ErrorClass::Denied));
        // Links that are new need the new password.
        let other = world.nodes.iter().find(|node| node.name != primary).unwrap();
        other.client.hold(Term(9)).await.unwrap();
        assert_ne!(operator.settled(&world).await, Name::from("nobody"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_what_can_be_changed_and_names_the_rest() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 1, &Setup::default()).await;
    let node = &world.nodes[0];
    let settings = fs::read_to_string(&node.settings).unwrap();
    let changed = "  maxMemory: 50000000\n  directives: {timeout: '300', databases: '4'}\n";
    fs::write(&node.settings, settings + changed).unwrap();
    let answer = node.client.reload(Term(0)).await.unwrap();
    assert_eq!(
        (answer.applied, answer.need_restart),
        (vec!["maxmemory".to_owned(), "timeout".to_owned()], vec!["databases".to_owned()],)
    );
    let directives = node.server().await.unwrap().config_get("timeout").await.unwrap();
    assert_eq!(directives["timeout"], "300");
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_are_taken_from_holders_of_a_certificate_only() {
    let Some(program) = valkey() else { return };
    let tls = "control: {address: 'HOST:7379', tls: {certificate: FOLDER/tls.crt, key: FOLDER/tls.key, \
               authority: FOLDER/ca.crt}}\n";
    let mut world = World::new(&program, 1, &Setup { more: tls.to_owned(), ..Setup::default() });
    let [authority, foreign, renewed] = ["one", "two", "three"].map(|name| Authority::new(name).unwrap());
    let node = &mut world.nodes[0];
    let Issued { certificate, key } = authority.issue(&[&node.host], LATER).unwrap();
    for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &authority.pem)] {
        fs::write(node.folder.join(name), text).unwrap();
    }
    node.start();
    let client = |issuer: Option<&Authority>| {
        let Issued { certificate, key } = issuer.unwrap_or(&foreign).issue(&["127.0.0.1"], LATER).unwrap();
        let identity = format!("{certificate}{key}");
        let identity = ClientIdentity { authority: &authority.pem, identity: &identity };
        InstanceClient::new(client::http(Some(identity)).unwrap(), format!("https://{}:7379", node.host))
    };
    node.client = client(Some(&authority));
    node.until("held", |status| status.status.role == Role::Held).await;
    assert!(client(None).status().await.is_err(), "a certificate of another authority");
    assert!(client(None).promote(Term(1), 1).await.is_err());
    let anonymous = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap()])
        .build()
        .unwrap();
    let anonymous = InstanceClient::new(anonymous, format!("https://{}:7379", node.host));
    assert!(anonymous.promote(Term(1), 1).await.is_err(), "no certificate");
    // Renewed files are used without a restart.
    let Issued { certificate, key } = renewed.issue(&[&node.host], LATER).unwrap();
    for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &renewed.pem)] {
        fs::write(node.folder.join(name), text).unwrap();
    }
    let own = renewed.issue(&["127.0.0.1"], LATER).unwrap();
    let identity = format!("{}{}", own.certificate, own.key);
    let identity = ClientIdentity { authority: &renewed.pem, identity: &identity };
    let renewed =
        InstanceClient::new(client::http(Some(identity)).unwrap(), format!("https://{}:7379", node.host));
    assert_eq!(renewed.promote(Term(1), 1).await.unwrap().status.role, Role::Primary(Term(1)));
}
