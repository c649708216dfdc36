//! TLS of the server: files that change while it runs, a certificate that no client accepts, and a program without TLS.

use crate::{
    operator::Operator,
    world::{Setup, World, all_programs, until},
};
use rustls::pki_types::CertificateDer;
use std::{fs, path::Path, time::Duration};
use valkeeper_failover::{Term, protocol::Role};
use valkeeper_testbed::{
    certificates::{Authority, Issued, LATER, presented},
    tools,
};

/// What the certificates are for.
const NAME: &str = "c-leader.n.svc";
/// Where the files are, and a port beside that without TLS.
const SETTINGS: &str = "  tls: {certificate: FOLDER/tls/tls.crt, key: FOLDER/tls/tls.key, authority: FOLDER/tls/ca.crt, \
                        revision: FOLDER/tls/revision, expires: FOLDER/tls/expires, port: 6380, \
                        plaintext: PLAIN, clientAuth: Off, name: c-leader.n.svc}\n";

fn setup(plaintext: bool) -> Setup {
    Setup { server: SETTINGS.replace("PLAIN", &plaintext.to_string()), ..Setup::default() }
}

/// Writes the files of an instance, as the kubelet does.
fn write(folder: &Path, issued: &Issued, authority: &str, revision: &str) {
    let folder = folder.join("tls");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("tls.crt", issued.certificate.as_str()),
        ("tls.key", &issued.key),
        ("ca.crt", authority),
        ("expires", "4102444800"),
        ("revision", revision),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// The certificate that a client sees which trusts this authority.
async fn shown(host: &str, authority: &str) -> Option<CertificateDer<'static>> {
    presented((host, 6380), NAME, authority).await
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_follow_over_tls_and_renewed_files_are_presented() {
    for program in all_programs() {
        let mut world = World::new(&program, 2, &setup(true));
        let [old, new] = ["old", "new"].map(|name| Authority::new(name).unwrap());
        let one = old.issue(&[NAME], LATER).unwrap();
        for node in &mut world.nodes {
            write(&node.folder, &one, &old.pem, "1");
            node.start();
        }
        let mut operator = Operator::new();
        operator.settled(&world).await;
        let presents = async |revision: &str| {
            for node in &world.nodes {
                let is = |tls: &valkeeper_instance::status::TlsStatus| {
                    tls.certificate.as_deref() == Some(revision) && tls.port == 6380 && tls.supported
                };
                node.until("presenting", |status| status.tls.as_ref().is_some_and(is)).await;
            }
        };
        presents("1").await;
        let pids = [world.nodes[0].server_pid().await, world.nodes[1].server_pid().await];
        let two = new.issue(&[NAME], LATER).unwrap();
        for node in &world.nodes {
            assert_eq!(shown(&node.host, &old.pem).await, one.der());
            write(&node.folder, &two, &(old.pem.clone() + &new.pem), "2");
        }
        presents("2").await;
        for (node, pid) in world.nodes.iter().zip(pids) {
            assert_eq!(shown(&node.host, &new.pem).await, two.der());
            assert_eq!(node.server_pid().await, pid, "no restart");
        }
        // A torn pair: the one before stays, and is not reported as the new one.
        let torn = Issued { certificate: one.certificate.clone(), key: two.key.clone() };
        write(&world.nodes[0].folder, &torn, &new.pem, "3");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let status = world.nodes[0].client.status().await.unwrap();
        assert_eq!(status.tls.unwrap().certificate.as_deref(), Some("2"));
        assert_eq!(shown(&world.nodes[0].host, &new.pem).await, two.der());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manager_rules_a_server_whose_certificate_has_expired() {
    for program in all_programs() {
        let mut world = World::new(&program, 2, &setup(false));
        let authority = Authority::new("cache").unwrap();
        let expired = authority.issue(&[NAME], 2021).unwrap();
        for node in &mut world.nodes {
            write(&node.folder, &expired, &authority.pem, "1");
            node.start();
        }
        for node in &world.nodes {
            node.until("held", |status| status.status.role == Role::Held).await;
        }
        assert_eq!(shown(&world.nodes[0].host, &authority.pem).await, None, "no client accepts it");
        world.nodes[0].client.hold(Term(1)).await.unwrap();
        let promoted = world.nodes[0].client.promote(Term(1), 1).await.unwrap();
        assert_eq!(promoted.status.role, Role::Primary(Term(1)));
        let held = world.nodes[0].client.hold(Term(2)).await.unwrap();
        assert_eq!(held.status.role, Role::Held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_tls_is_reported_and_not_started() {
    let Some(program) = tools::VALKEY_WITHOUT_TLS.or_skip() else { return };
    let mut world = World::new(&program, 1, &setup(false));
    let authority = Authority::new("cache").unwrap();
    let node = &mut world.nodes[0];
    write(&node.folder, &authority.issue(&[NAME], LATER).unwrap(), &authority.pem, "1");
    node.start();
    let lacks = node.until("reported", |status| status.tls.as_ref().is_some_and(|tls| !tls.supported)).await;
    assert!(lacks.server.is_none());
    until("no server", async || !node.log().contains("the server ended")).await;
}
