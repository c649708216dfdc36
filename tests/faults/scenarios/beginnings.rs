//! How a life begins: with a service of its own, in a network, or where something of that name is already.

use super::{End, Scenario};
use crate::world::{NAME, PROJECT, World};
use futures::FutureExt as _;
use serde_json::{Value, json};

/// The beginnings of a life.
pub(super) fn creations(scenario: Scenario) -> Vec<Scenario> {
    vec![
        Scenario { name: "create", act: act!(|world| world.create(rich()).await), ..scenario },
        Scenario {
            name: "create in a VPC",
            prepare: act!(|world| make_vpc(world).await),
            act: act!(|world| {
                let vpc = world.before.clone();
                world.create(json!({"projectVpcId": vpc})).await;
            }),
            goal: |world| {
                world.is("True", "Running")
                    && world.service().is_some_and(|it| it["project_vpc_id"] == world.before)
            },
            ..scenario
        },
        Scenario {
            name: "create, name taken",
            prepare: act!(|world| make_foreign_service(world).await),
            act: act!(|world| world.create(rich()).await),
            goal: |world| world.is("False", "NotOwned"),
            end: End::Untouched,
            ..scenario
        },
        Scenario {
            name: "create, Secret taken",
            prepare: act!(|world| {
                world.put_secret(NAME, &json!({"OTHER": "theirs"})).await;
                world.until(|world| world.secret(NAME).is_some()).await;
            }),
            act: act!(|world| world.create(json!({})).await),
            goal: |world| world.is("False", "SecretConflict"),
            end: End::Untouched,
            ..scenario
        },
    ]
}

fn rich() -> Value {
    json!({
        "tags": {"env": "test"}, "userConfig": {"valkey_timeout": 600},
        "maintenanceWindowDow": "monday", "maintenanceWindowTime": "10:00:00",
        "technicalEmails": [{"email": "a@example.com"}],
    })
}

/// A service of the resource's name that it did not make.
pub(super) async fn make_foreign_service(world: &mut World) {
    let body = json!({"service_name": NAME, "service_type": "valkey", "plan": "startup-4", "tags": {"theirs": "yes"}});
    post(world, "service", &body).await;
    world.before = world.service().unwrap()["tags"].clone();
}

async fn make_vpc(world: &mut World) {
    let body = json!({"cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": []});
    let answer = post(world, "vpcs", &body).await;
    world.before = answer.get("project_vpc_id").unwrap_or(&answer["vpc"]["project_vpc_id"]).clone();
    world.provider.advance(std::time::Duration::from_hours(2));
}

async fn post(world: &World, what: &str, body: &Value) -> Value {
    let url = format!("{}/v1/project/{PROJECT}/{what}", world.provider_url());
    let request = reqwest::Client::new().post(url).json(body);
    let answer = request.header("authorization", format!("aivenv1 {}", world.token)).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).unwrap()
}
