//! The output that users get for their mistakes: each row of docs/mistakes.md is made here, and compared with the
//! messages of both API servers and the operator. After a change of texts, run `UPDATE_GOLDEN=1 cargo test --test e2e
//! mistakes::on_the_sandbox` and read the difference as a user would.

use crate::{
    leaks,
    world::{PROJECT, World, merge, minimal_spec, until},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::Path};
use valkeeper_api::Valkey;

crate::scenarios![mistakes_match_the_documented_output];

/// Where the table begins and ends.
const MARKS: [&str; 2] = ["<!-- rows of tests/e2e/mistakes.rs -->\n", "<!-- end of rows -->\n"];

/// Mistakes in a resource that is created: what they are, what is wrong in the spec, and the reason of its condition;
/// none where the API server refuses it.
fn created() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let config = |key: &str, value: Value| json!({"userConfig": {key: value}});
    vec![
        ("a setting with a typing error", config("valkey_maxmemory_polcy", json!("noeviction")), None),
        ("a value that a setting does not take", config("valkey_maxmemory_policy", json!("never")), None),
        ("a weekday that is none", json!({"maintenanceWindowDow": "Sunday"}), None),
        ("no plan", json!({"plan": null}), None),
        (
            "a VPC by ID and by reference",
            json!({"projectVpcId": "1", "projectVPCRef": {"name": "net"}}),
            None,
        ),
        ("a plan that does not exist", json!({"plan": "startup-5"}), Some("ProviderRejected")),
        ("a cloud that does not exist", json!({"cloudName": "google-mars-1"}), Some("ProviderRejected")),
        ("a project that does not exist", json!({"project": "other-project"}), Some("ProjectNotFound")),
        (
            "no Secret with the token",
            json!({"authSecretRef": {"name": "none", "key": "token"}}),
            Some("TokenMissing"),
        ),
        (
            "a key that the Secret lacks",
            json!({"authSecretRef": {"name": "aiven-token", "key": "tokn"}}),
            Some("TokenMissing"),
        ),
        (
            "a token that Aiven rejects",
            json!({"authSecretRef": {"name": "old-token", "key": "token"}}),
            Some("TokenRejected"),
        ),
        (
            "a network that is none",
            config("ip_filter", json!([{"network": "10.0.0.0/99"}])),
            Some("InvalidSpec"),
        ),
        (
            "a connection Secret of another name's owner",
            json!({"connInfoSecretTarget": {"name": "taken"}}),
            Some("SecretConflict"),
        ),
        ("the name of an existing service", json!({}), Some("NotOwned")),
        (
            "a fork of a service that does not exist",
            config("service_to_fork_from", json!("nope")),
            Some("SourceNotReady"),
        ),
        ("a VPC that does not exist", json!({"projectVPCRef": {"name": "net"}}), Some("VpcNotReady")),
    ]
}

fn object(name: &str, spec: Value) -> DynamicObject {
    let mut all = minimal_spec();
    merge(&mut all, spec);
    if all["plan"].is_null() {
        all.as_object_mut().unwrap().remove("plan");
    }
    let manifest =
        json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": name}, "spec": all});
    serde_json::from_value(manifest).unwrap()
}

async fn mistakes_match_the_documented_output(world: World) -> World {
    world.set_token("old-token", "token", &leaks::confidential("no-longer-valid")).await;
    world.set_token("taken", "precious", &leaks::confidential("data")).await;
    let body = json!({"service_name": "mistake-13", "service_type": "valkey", "plan": "startup-4", "cloud": "google-europe-west1"});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &ApiResource::erase::<Valkey>(&()));
    let mut rows = String::new();
    for (number, (mistake, spec, reason)) in created().into_iter().enumerate() {
        let name = format!("mistake-{number}");
        let seen = match (create(&world, &object(&name, spec)).await, reason) {
            (Err(kube::Error::Api(status)), None) => status.message.clone(),
            (Ok(_), Some(reason)) => world.until_not_ready(&name, reason).await,
            (answer, _) => panic!("{mistake}: {answer:?}"),
        };
        row(&mut rows, &world, mistake, reason.unwrap_or("refused"), &seen.replace(&name, "NAME"));
    }
    for (name, mistake, before, after, reason) in [
        ("moved", "another project", json!({}), json!({"project": "other"}), None),
        (
            "shrunk",
            "a plan that does not exist, later",
            json!({}),
            json!({"plan": "startup-5"}),
            Some("ProviderRejected"),
        ),
        (
            "protected",
            "power-off of a protected service",
            json!({"terminationProtection": true}),
            json!({"powered": false}),
            Some("Running"),
        ),
    ] {
        world.ready_valkey(name, before).await;
        let patch = Patch::Merge(json!({"spec": after}));
        let seen = match (api.patch(name, &PatchParams::default(), &patch).await, reason) {
            (Err(kube::Error::Api(status)), None) => status.message.clone(),
            (Ok(_), Some("Running")) => {
                let waits = |valkey: &Valkey| {
                    crate::world::ready(valkey).is_some_and(|it| it.message.contains("Cannot power off"))
                };
                let valkey = world.until_valkey(name, waits).await;
                crate::world::ready(&valkey).unwrap().message.clone()
            }
            (Ok(_), Some(reason)) => world.until_not_ready(name, reason).await,
            (answer, _) => panic!("{mistake}: {answer:?}"),
        };
        row(&mut rows, &world, mistake, reason.unwrap_or("refused"), &seen.replace(name, "NAME"));
    }
    until(|| async { world.service("protected").unwrap()["state"].clone() }, |state| state == "RUNNING")
        .await;
    check(&world, &rows);
    world
}

/// As kubectl does.
async fn create(world: &World, object: &DynamicObject) -> Result<DynamicObject, kube::Error> {
    let path =
        format!("/apis/aiven.io/v1alpha1/namespaces/{}/valkeys?fieldValidation=Strict", world.namespace);
    let request = http::Request::post(path).header("content-type", "application/json");
    world.client.request(request.body(serde_json::to_vec(object).unwrap()).unwrap()).await
}

fn row(rows: &mut String, world: &World, mistake: &str, seen_as: &str, message: &str) {
    let message = message.replace(&world.namespace, "NAMESPACE").replace('\n', " ").replace('|', "\\|");
    writeln!(rows, "| {mistake} | `{seen_as}` | {message} |").unwrap();
}

fn check(world: &World, rows: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mistakes.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (table, after) = rest.split_once(MARKS[1]).unwrap();
    let head = "\n| mistake | seen as | message |\n|---|---|---|\n";
    let wanted = format!("{head}{rows}\n");
    if world.is_in_memory() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, format!("{before}{}{wanted}{}{after}", MARKS[0], MARKS[1])).unwrap();
        return;
    }
    assert_eq!(table, wanted, "docs/mistakes.md is out of date");
}
