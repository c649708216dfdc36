//! The read-only commands, as processes: their output matches what happens, and contains no secret.

use crate::{
    fields::Mover,
    leaks,
    plans::shown,
    world::{PROJECT, World, until},
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};
use std::process::Command;
use tempfile::TempDir;
use valkeeper_api::Kind;
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    imported_services_are_observed_and_nothing_is_sent,
    doctor_finds_what_is_planted;
    status_combines_the_answers_of_several_commands,
    report_has_everything_but_secrets,
];

/// The program, on this machine, with the permissions of the user who runs the tests.
pub(crate) struct Inspector<'w> {
    world: &'w World,
    folder: TempDir,
}

impl<'w> Inspector<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), world.kubeconfig().unwrap()).unwrap();
        Self { world, folder }
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Exit code and both outputs; neither may hold a secret.
    pub(crate) async fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
        command
            .args(words)
            .arg(format!("--kubeconfig={}", self.folder.path().join("config").display()))
            .arg(format!("--namespace={}", self.world.namespace))
            .arg(format!("--provider-url={}", self.world.provider_url()))
            .env_clear();
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        for secret in leaks::canaries(self.world) {
            assert!(!out.contains(&secret) && !err.contains(&secret), "{words:?} shows a secret");
        }
        (output.status.code().unwrap(), out, err)
    }

    /// The output of a command as JSON.
    pub(crate) async fn json(&self, words: &[&str]) -> Value {
        let (_, out, err) = self.run(&[words, &["-o", "json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}\n{out}\n{err}"))
    }

    /// The plan for a resource with this spec.
    pub(crate) async fn plan(&self, kind: Kind, name: &str, spec: &Value) -> Value {
        let file = self.file(&format!("{name}.json"), &manifest(kind, name, spec).to_string());
        self.json(&["plan", "-f", &file]).await[0].take()
    }
}

pub(crate) fn manifest(kind: Kind, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind.name(), "metadata": {"name": name}, "spec": spec})
}

async fn imported_services_are_observed_and_nothing_is_sent(world: World) -> World {
    let inspector = Inspector::new(&world);
    make_services(&world).await;
    let (code, yaml, err) =
        inspector.run(&["import", "--project", PROJECT, "--token-secret", "aiven-token"]).await;
    assert_eq!(code, 0, "{err}");
    let list = inspector.json(&["import", "--project", PROJECT, "--token-secret", "aiven-token"]).await;
    let specs: Map<_, _> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item["spec"].clone()))
        .collect();
    let plain = json!({"adoptionPolicy": "Observe", "project": PROJECT, "plan": "startup-4",
        "cloudName": "google-europe-west1", "authSecretRef": {"name": "aiven-token", "key": "token"}});
    assert_eq!(specs["plain"], plain, "only what differs from the defaults");
    assert_eq!(specs["special"]["userConfig"]["valkey_timeout"], 600, "{specs:?}");
    assert_eq!(specs["special"]["userConfig"]["ip_filter"], json!([{"network": "10.0.0.0/8"}]));
    assert_eq!(specs["special"]["tags"], json!({"team": "shop"}));
    assert_eq!(specs["old"]["userConfig"], json!({"redis_maxmemory_policy": "allkeys-lru"}));

    let running = |name: &'static str| {
        let world = &world;
        move || async move { world.service(name).unwrap()["state"].clone() }
    };
    for name in ["plain", "special"] {
        until(running(name), |state| state == "RUNNING").await;
    }
    let before = (world.writes(), shown(&world, "special"), shown(&world, "plain"));
    let file = inspector.file("services.yaml", &yaml);
    let plans = inspector.json(&["plan", "-f", &file]).await;
    for plan in plans.as_array().unwrap() {
        assert_eq!(
            (&plan["changes"], &plan["left"], &plan["problems"]),
            (&json!([]), &json!([]), &json!([])),
            "{plan:#}"
        );
    }
    for item in list["items"].as_array().unwrap() {
        let kind = if item["kind"] == "Redis" { Kind::Redis } else { Kind::Valkey };
        let object = serde_json::from_value(item.clone()).unwrap();
        Mover { world: &world, kind }.api().create(&PostParams::default(), &object).await.unwrap();
    }
    for name in ["plain", "special"] {
        let message = world.until_not_ready(name, "Observing").await;
        assert!(message.contains("is as the spec declares"), "{message}");
    }
    assert_eq!((world.writes(), shown(&world, "special"), shown(&world, "plain")), before);
    let (code, _, err) =
        inspector.run(&["import", "--project", PROJECT, "--token-secret", "aiven-token", "nope"]).await;
    assert!(code == 1 && err.contains("has no service nope"), "{err}");
    world
}

async fn make_services(world: &World) {
    let services = [
        ("plain", "valkey", json!({})),
        (
            "special",
            "valkey",
            json!({"plan": "business-4", "termination_protection": true, "tags": {"team": "shop"},
                "tech_emails": [{"email": "a@example.com"}],
                "user_config": {"valkey_timeout": 600, "ip_filter": ["10.0.0.0/8"], "public_access": {"valkey": true}}}),
        ),
        ("old", "redis", json!({"user_config": {"redis_maxmemory_policy": "allkeys-lru"}})),
    ];
    for (name, kind, more) in services {
        let mut body = json!({"service_name": name, "service_type": kind, "plan": "startup-4", "cloud": "google-europe-west1"});
        crate::world::merge(&mut body, more);
        world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    }
}

async fn doctor_finds_what_is_planted(mut world: World) -> World {
    world.ready_valkey("well", json!({})).await;
    let has = |findings: &Value, level: &str, text: &str| {
        findings.as_array().unwrap().iter().any(|one| {
            one["level"] == level && format!("{} {}", one["message"], one["command"]).contains(text)
        })
    };
    {
        let findings = Inspector::new(&world).json(&["doctor"]).await;
        assert!(has(&findings, "ok", "valkeys.aiven.io has every field"), "{findings:#}");
        assert!(
            has(&findings, "ok", "Secret") && has(&findings, "ok", "no aiven-operator leads"),
            "{findings:#}"
        );
    }
    world.set_token("old-token", "token", &leaks::confidential("old")).await;
    world.create_valkey("missing", json!({"authSecretRef": {"name": "no-such", "key": "token"}})).await;
    world.create_valkey("rejected", json!({"authSecretRef": {"name": "old-token", "key": "token"}})).await;
    world.create_valkey("elsewhere", json!({"project": "other-project"})).await;
    world.until_not_ready("missing", "TokenMissing").await;
    world.until_not_ready("rejected", "TokenRejected").await;
    world.ready_valkey("dark", json!({})).await;
    let dark = Matcher::new(Some("GET"), "/service/dark").unwrap();
    world.provider.fail_next(dark, 1000, Fault::status(503, "maintenance"));
    world
        .until_valkey("dark", |valkey| {
            crate::world::condition(valkey, "Synced").is_some_and(|it| it.status == "False")
        })
        .await;
    let webhooks = plant(&world).await;
    let held =
        json!({"metadata": {"name": "left-token", "finalizers": [valkeeper_api::names::TOKEN_FINALIZER]}});
    world.secrets().create(&PostParams::default(), &serde_json::from_value(held).unwrap()).await.unwrap();
    world.secrets().delete("left-token", &DeleteParams::default()).await.unwrap();
    {
        let inspector = Inspector::new(&world);
        let findings = inspector.json(&["doctor"]).await;
        for (level, text) in [
            ("error", "no-such, which spec.authSecretRef names, does not exist"),
            ("error", "kubectl --namespace"),
            ("error", "Aiven rejects Secret"),
            ("error", "may not use project other-project"),
            ("error", "the-other holds lease"),
            ("error", "kubectl delete validatingwebhookconfiguration left-"),
            ("warning", "dark: ProviderUnavailable"),
            ("error", "no pod of the operator exists"),
            ("error", "patch secret left-token"),
        ] {
            assert!(has(&findings, level, text), "{level} {text} is not in {findings:#}");
        }
        let (code, text, _) = inspector.run(&["doctor"]).await;
        assert!(code == 1 && text.contains("ERROR") && text.contains("$ kubectl"), "{text}");
    }
    webhooks.delete(&format!("left-{}", world.namespace), &DeleteParams::default()).await.unwrap();
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.secrets().patch("left-token", &PatchParams::default(), &released).await.unwrap();
    world.provider.clear_faults();
    world.kill_operator().await;
    world
}

type Webhooks = kube::Api<k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration>;

/// What another operator leaves behind: its lease and a webhook.
async fn plant(world: &World) -> Webhooks {
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "40db2fac.aiven.io", "namespace": world.namespace},
        "spec": {"holderIdentity": "the-other", "leaseDurationSeconds": 3600, "renewTime": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)}});
    let leases = kube::Api::<k8s_openapi::api::coordination::v1::Lease>::namespaced(
        world.client.clone(),
        &world.namespace,
    );
    leases.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("left-{}", world.namespace)},
        "webhooks": [{"name": "v.aiven.io", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
            "namespaceSelector": {"matchLabels": {"nobody": "has-it"}},
            "clientConfig": {"service": {"name": "gone", "namespace": "gone"}},
            "rules": [{"operations": ["CREATE"], "apiGroups": ["aiven.io"], "apiVersions": ["*"], "resources": ["valkeys"]}]}]});
    let webhooks = Webhooks::all(world.client.clone());
    webhooks.create(&PostParams::default(), &serde_json::from_value(webhook).unwrap()).await.unwrap();
    webhooks
}

async fn status_combines_the_answers_of_several_commands(world: World) -> World {
    let inspector = Inspector::new(&world);
    world.ready_valkey("cache", json!({})).await;
    let status = async |name| inspector.json(&["status", name]).await;
    let fine = until(|| status("cache"), |status| status["last_backup_time"] != "").await;
    assert_eq!(
        (&fine["ready"], &fine["synced"], &fine["drifted"]),
        (&json!("True"), &json!("True"), &json!("False"))
    );
    assert_eq!(
        (&fine["secret"]["exists"], &fine["token"]["accepted"]),
        (&json!(true), &json!(true)),
        "{fine:#}"
    );
    assert_eq!(fine["next"]["actions"], json!([]), "{fine:#}");
    assert!(fine["events"].as_array().unwrap().iter().any(|event| event["reason"] == "Running"), "{fine:#}");
    let (code, text, _) = inspector.run(&["status", "valkey/cache"]).await;
    assert!(code == 0 && text.contains("Conditions") && text.contains("nothing to do"), "{text}");

    let wrong = Patch::Merge(json!({"spec": {"plan": "startup-999"}}));
    world.valkeys().patch("cache", &PatchParams::default(), &wrong).await.unwrap();
    world.until_not_ready("cache", "ProviderRejected").await;
    let (code, text, _) = inspector.run(&["status"]).await;
    assert!(code == 1 && text.contains("ProviderRejected") && text.contains("valkey/cache"), "{text}");
    let stuck = status("cache").await;
    assert_eq!(stuck["next"]["changes"][0]["field"], "spec.plan", "{stuck:#}");
    let (code, _, err) = inspector.run(&["status", "nope"]).await;
    assert!(code == 1 && err.contains("no Valkey or Redis nope"), "{err}");
    world
}

async fn report_has_everything_but_secrets(world: World) -> World {
    let inspector = Inspector::new(&world);
    let password = leaks::confidential("migration");
    world.ready_valkey("cache", json!({})).await;
    world
        .create_valkey(
            "moving",
            json!({"userConfig": {"migration": {"host": "h", "port": 1, "password": password}}}),
        )
        .await;
    let (code, out, err) = inspector.run(&["report"]).await;
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let names: Vec<_> =
        report["services"].as_array().unwrap().iter().map(|one| &one["metadata"]["name"]).collect();
    assert!(names.contains(&&json!("cache")) && names.contains(&&json!("moving")), "{names:?}");
    assert!(report["doctor"].is_array() && report["events"].is_array() && report["valkeeper"].is_string());
    world.valkeys().delete("moving", &DeleteParams::default()).await.unwrap();
    // The resource that held the password is not searched for it.
    world.until_gone("moving").await;
    world
}
