//! `valkeeper plan` about clusters says beforehand what then happens to servers.

use crate::plain_server::PlainServer;
use crate::world::{World, version};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use valkeeper_api::valkey_cluster::RESERVED_DIRECTIVES;
use valkeeper_cluster::effects::RESTART_DIRECTIVES;
use valkeeper_testbed::tools;

/// Exit code and output of the program for this manifest.
async fn plan(world: &World, spec: &Value) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster", "metadata": {"name": "trio"}, "spec": spec,
    });
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cluster.json"), manifest.to_string()).unwrap();
    std::fs::write(path("config"), &world.kubeconfig).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
    command
        .args(["plan", "--namespace=default", "--output=json", "--detailed-exitcode", "--filename"])
        .arg(path("cluster.json"))
        .arg(format!("--kubeconfig={}", path("config").display()))
        .env_clear();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let plans: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    (output.status.code().unwrap(), plans[0].clone())
}

/// Pods that are new, other ones, and gone.
fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> [BTreeSet<String>; 3] {
    let names = |pods: &BTreeMap<String, String>| pods.keys().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (names(before), names(after));
    let both = old.intersection(&new);
    let replaced = both.filter(|name| before[*name] != after[*name]).cloned().collect();
    [new.difference(&old).cloned().collect(), replaced, old.difference(&new).cloned().collect()]
}

fn effects(plan: &Value) -> Vec<(&str, &str)> {
    let changes = plan["changes"].as_array().unwrap().iter();
    changes.map(|one| (one["field"].as_str().unwrap(), one["effect"].as_str().unwrap())).collect()
}

async fn cluster_plan_matches_what_happens_to_pods(world: World) {
    let mut spec = json!({"version": version(), "instances": 3, "resources": {"memory": "64Mi"}});
    let (code, planned) = plan(&world, &spec).await;
    assert_eq!((code, &planned["created"]), (3, &json!(["trio-0", "trio-1", "trio-2"])), "{planned:#}");
    assert!(world.cluster("trio").await.is_none(), "a plan stores nothing");
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    assert_eq!(plan(&world, &spec).await.0, 0, "nothing changes");
    let mut resizes = 0;
    for (part, expected) in [
        (json!({"config": {"timeout": "300"}}), ("spec.config.timeout", "online")),
        (json!({"config": {"timeout": "300", "databases": "20"}}), ("spec.config.databases", "restart")),
        (json!({"resources": {"memory": "96Mi"}}), ("spec.resources.memory", "resize")),
        (json!({"imagePullPolicy": "Always"}), ("spec.imagePullPolicy", "replace")),
        (json!({"instances": 4}), ("spec.instances", "scale")),
        (json!({"failover": {"after": "7s"}}), ("spec.failover.after", "online")),
        (json!({"instances": 3}), ("spec.instances", "scale")),
        (
            json!({"connInfoConfigMapTarget": {"name": "parameters"}}),
            ("spec.connInfoConfigMapTarget.name", "none"),
        ),
    ] {
        spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        let primary = world.status("trio").await["currentPrimary"].clone();
        let (code, planned) = plan(&world, &spec).await;
        assert_eq!(code, 3, "{planned:#}");
        assert!(effects(&planned).contains(&expected), "{part}: {planned:#}");
        let before = world.pod_uids().await;
        world.change("trio", part.clone()).await;
        let generation = world.cluster("trio").await.unwrap().metadata.generation;
        let is_done = |status: &Value| {
            status["Ready"]["status"] == "True"
                && status["observedGeneration"].as_i64() == generation
                && status["readyInstances"] == spec["instances"]
                && status["restartNeeded"].is_null()
        };
        world.until_status("trio", "as declared", is_done).await;
        let found = difference(&before, &world.pod_uids().await);
        let told = world.events().await.iter().filter(|event| event.starts_with("PodResized")).count();
        resizes += planned["resized"].as_array().unwrap().len();
        assert_eq!(told, resizes, "{part}: {planned:#}");
        let said = ["created", "replaced", "removed"].map(|key| {
            let names = planned[key].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        });
        assert_eq!(said, found, "{part}: {planned:#}");
        if let Some(last) = planned["replaced"].as_array().unwrap().last() {
            assert_eq!(*last, primary, "the primary is last: {planned:#}");
        }
    }
}

async fn plan_names_what_the_api_server_refuses_about_a_cluster(world: World) {
    let spec = json!({"version": version(), "instances": 12, "resources": {"memory": "64Mi"}});
    let (code, planned) = plan(&world, &spec).await;
    assert_eq!((code, &planned["problems"][0]["field"]), (1, &json!("spec.instances")), "{planned:#}");
    let spec =
        json!({"version": version(), "resources": {"memory": "64Mi"}, "failover": {"apiServerOutages": "x"}});
    let (code, planned) = plan(&world, &spec).await;
    let field = &planned["problems"][0]["field"];
    assert_eq!((code, field), (1, &json!("spec.failover.apiServerOutages")), "{planned:#}");
    world.create("trio", json!({"persistence": {"mode": "Snapshot", "size": "1Gi"}})).await;
    let spec = json!({
        "version": version(), "resources": {"memory": "64Mi"}, "persistence": {"mode": "AppendOnly", "size": "1Gi"},
    });
    let (code, planned) = plan(&world, &spec).await;
    assert_eq!(code, 1, "{planned:#}");
    assert!(planned["problems"][0]["message"].as_str().unwrap().contains("immutable"), "{planned:#}");
}

/// Every directive of this server that it does not take while it runs.
async fn refused_while_running(program: &std::path::Path) -> BTreeSet<String> {
    let server = PlainServer::start(program, "", &[]).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let all: BTreeMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg("*").query_async(&mut connection).await.unwrap();
    let mut refused = BTreeSet::new();
    for (name, value) in all {
        let set: redis::RedisResult<()> =
            redis::cmd("CONFIG").arg("SET").arg(&name).arg(&value).query_async(&mut connection).await;
        if set.is_err_and(|error| error.to_string().contains("immutable")) {
            refused.insert(name);
        }
    }
    refused
}

#[tokio::test]
async fn directives_that_need_a_restart_are_those_of_real_servers() {
    for tool in [&tools::VALKEY_SERVER, &tools::REDIS_SERVER] {
        let Some(program) = tool.or_skip() else { continue };
        let refused = refused_while_running(&program).await;
        assert!(refused.contains("databases"), "the server was asked: {refused:?}");
        let is_known = |name: &String| {
            RESTART_DIRECTIVES.contains(&name.as_str()) || RESERVED_DIRECTIVES.contains(&name.as_str())
        };
        let unknown: Vec<_> = refused.iter().filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", program.display());
    }
}

crate::scenarios!(;
    cluster_plan_matches_what_happens_to_pods,
    plan_names_what_the_api_server_refuses_about_a_cluster,
);
