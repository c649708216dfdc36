//! The lease as a Lease of the Kubernetes API: on the embedded API server, and on a real one where there is one.

use crate::{
    operator::Operator,
    world::{LeaseKind, Setup, World, until, valkey},
    writer::Writer,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use std::{path::Path, sync::Arc, time::Duration};
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_failover::{
    Identity, Term,
    manager::LeaseAnswer,
    protocol::{Peers, Role, parse_peers},
};
use valkeeper_instance::lease::{KubernetesLease, LeaseStore, reading};
use valkeeper_testbed::{envtest::RealApiServer, tools};

/// Creates the Lease as the operator does, with a label that is not the instances' to change.
async fn create(client: &Client) -> Api<Lease> {
    let api: Api<Lease> = Api::namespaced(client.clone(), "default");
    let lease = json!({
        "metadata": {"name": "cache", "labels": {"app": "cache"}},
        "spec": {"leaseTransitions": 0},
    });
    api.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
    api
}

fn lease_of(client: Client) -> KubernetesLease {
    KubernetesLease::new(client, "default", "cache", Duration::from_secs(4))
}

async fn lease_is_written_by_its_version_only(config: kube::Config) {
    let client = Client::try_from(config).unwrap();
    let lease = lease_of(client.clone());
    assert_eq!(lease.read().await, LeaseAnswer::Unknown, "there is none");
    let api = create(&client).await;
    let LeaseAnswer::Read { holder: None, term: Term(0), version } = lease.read().await else { panic!() };
    let holder = Identity { name: "a".into(), pod: "a-uid".into(), boot: 3 };
    let peers = parse_peers("b/b-uid,c/c-uid");
    let taken = lease.write(version, Term(1), Some(holder.clone()), peers.clone()).await;
    let LeaseAnswer::Written { version: second } = taken else { panic!("{taken:?}") };
    assert_eq!(lease.write(version, Term(2), None, Peers::new()).await, LeaseAnswer::Conflict);
    let expected = LeaseAnswer::Read { holder: Some(holder.clone()), term: Term(1), version: second };
    assert_eq!(lease.read().await, expected);
    let named = async || reading(&api.get("cache").await.unwrap()).unwrap().peers;
    assert_eq!(named().await, peers);
    // A renewal changes the version even when nothing else changes.
    let LeaseAnswer::Written { version: third } =
        lease.write(second, Term(1), Some(holder), Peers::new()).await
    else {
        panic!()
    };
    assert_ne!(second, third);
    assert_eq!(named().await, Peers::new());
    let LeaseAnswer::Written { version: fourth } = lease.write(third, Term(1), None, Peers::new()).await
    else {
        panic!()
    };
    let expected = LeaseAnswer::Read { holder: None, term: Term(1), version: fourth };
    assert_eq!(lease.read().await, expected);
    let labels = api.get("cache").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["app"], "cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_is_written_by_its_version_on_the_embedded_api() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = KubeServer::start(KubeOptions::default()).await.unwrap();
    lease_is_written_by_its_version_only(server.client_config().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_is_written_by_its_version_on_a_real_api() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let Some(assets) = tools::ENVTEST.or_skip() else { return };
    let server = RealApiServer::start(Path::new(&assets)).await.unwrap();
    lease_is_written_by_its_version_only(server.client_config().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_of_the_api_fences_the_primary() {
    let Some(program) = valkey() else { return };
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = KubeServer::start(KubeOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    let client = Client::try_from(server.client_config().unwrap()).unwrap();
    create(&client).await;
    let lease = LeaseKind::Kubernetes { kubeconfig, lease: Arc::new(lease_of(client)) };
    let world = World::started(&program, 2, &Setup { lease, ..Setup::default() }).await;
    let mut operator = Operator::new();
    let primary = operator.settled(&world).await;
    let identity = world.node(&primary).client.status().await.unwrap().status.identity;
    assert!(
        matches!(world.lease().read().await, LeaseAnswer::Read { holder, .. } if holder == Some(identity))
    );
    // Longer than the whole lease: it is renewed.
    let version = || async {
        match world.lease().read().await {
            LeaseAnswer::Read { version, .. } => version,
            other => panic!("{other:?}"),
        }
    };
    let before = version().await;
    until("several renewals", async || version().await >= before + 12).await;
    assert_eq!(operator.settled(&world).await, primary);
    let writer = Writer::stubborn(world.node(&primary));
    until("writes", async || writer.acknowledged().len() > 50).await;
    server.shutdown().await;
    world.node(&primary).until("held", |status| status.status.role == Role::Held).await;
    let fenced = writer.acknowledged().len();
    assert_eq!(world.writable().await, []);
    assert_eq!(writer.stop().len(), fenced);
}
