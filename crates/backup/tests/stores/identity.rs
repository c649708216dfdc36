//! A pod that has an identity at the store, and no keys.

use crate::buckets::BUCKET;
use crate::running::{Running, fill, programs};
use valkeeper_backup::{Credentials, Destination, S3, Store};
use valkeeper_testbed::{
    identity_agent::IdentityAgent,
    s3::{KEY, S3Server},
    tools,
};

#[tokio::test(flavor = "multi_thread")]
async fn pod_with_an_identity_backs_up_and_deletes_without_keys() {
    let (Some(program), Some(moto)) = (programs().into_iter().next(), tools::S3_SERVER.or_skip()) else {
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, agent) =
        (S3Server::start(&moto, BUCKET).await.unwrap(), IdentityAgent::start(KEY).await.unwrap());
    let s3 = S3 {
        bucket: BUCKET.to_owned(),
        endpoint: Some(format!("http://{}", server.address())),
        path_style: true,
        ..S3::default()
    };
    let given = agent.environment();
    let environment = |name: &str| given.get(name).cloned();
    let store =
        Store::open_in_pod(&Destination::S3(s3.clone()), Some(&Credentials::of_the_pod()), &environment)
            .unwrap();
    let running = Running::start(program, &[]).await;
    fill(&mut running.connect().await).await;
    running.back_up(&store, "k").await.unwrap();
    assert_eq!(agent.given(), 1, "one key serves many requests");
    let with_keys = Store::open(&Destination::S3(s3), Some(&Credentials::of_s3(KEY.0, KEY.1))).unwrap();
    assert_eq!(with_keys.list("").await.unwrap().len(), 1);
    store.delete("k").await.unwrap();
    assert_eq!(with_keys.list("").await.unwrap().len(), 0);
}
