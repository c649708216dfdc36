//! The commands of users, and their output. Runs the real `kubectl`; where there is none of at least 1.27, the
//! scenarios report that they were skipped.

use crate::world::{World, until};
use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use valkeeper_testbed::tools;

crate::scenarios![
    the_usage_section_of_the_valkey_reference,
    the_usage_section_of_the_redis_reference,
    power_plan_and_deletion_by_patch_and_wait,
    the_everyday_verbs,
    mistakes_are_refused_before_they_are_stored,
];

/// `kubectl` in the namespace of a world.
pub(crate) struct Kubectl {
    program: PathBuf,
    folder: TempDir,
    namespace: String,
}

impl Kubectl {
    /// `None`, with a message about the reason.
    pub(crate) fn new(world: &World) -> Option<Self> {
        let program = tools::KUBECTL.or_skip()?;
        let folder = tempfile::tempdir().unwrap();
        if let Some(kubeconfig) = world.kubeconfig() {
            std::fs::write(folder.path().join("config"), kubeconfig).unwrap();
        } else {
            std::fs::copy(std::env::var("KUBECONFIG").unwrap(), folder.path().join("config")).unwrap();
        }
        Some(Self { program, folder, namespace: world.namespace.clone() })
    }

    /// Exit status and both outputs in one, as a terminal shows them.
    pub(crate) async fn try_run(&self, line: &str, input: &str) -> (bool, String) {
        let mut command = Command::new(&self.program);
        command
            .args(words(line))
            .args(["--namespace", &self.namespace])
            .arg("--cache-dir")
            .arg(self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("config"))
            .env("KUBE_EDITOR", "sed -i s/startup-4/business-4/")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    async fn run(&self, line: &str) -> String {
        let (success, text) = self.try_run(line, "").await;
        assert!(success, "kubectl {line}\n{text}");
        text
    }

    async fn refused(&self, line: &str, input: &str) -> String {
        let (success, text) = self.try_run(line, input).await;
        assert!(!success, "kubectl {line} went through\n{text}");
        text
    }

    /// Runs until the output contains `wanted`.
    async fn until(&self, line: &str, wanted: &str) -> String {
        until(|| self.try_run(line, ""), |(_, text)| text.contains(wanted)).await.1
    }
}

/// Splits at spaces; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The rows of a table, with the spaces that align them folded.
fn rows(table: &str) -> Vec<String> {
    let rows = table.lines().filter(|line| !line.starts_with("Warning"));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // The last column is an age.
    rows.map(words).map(|words| words[..words.len() - 1].join(" ")).collect()
}

async fn the_usage_section_of_the_valkey_reference(world: World) -> World {
    let Some(kubectl) = Kubectl::new(&world) else { return world };
    assert_eq!(kubectl.run("apply -f examples/valkey.yaml").await, "valkey.aiven.io/my-valkey created");
    kubectl.run("wait --for=condition=Ready valkey/my-valkey --timeout=60s").await;
    assert_eq!(
        rows(&kubectl.run("get valkeys my-valkey").await),
        [
            "NAME PROJECT REGION PLAN STATE READY REASON",
            "my-valkey my-aiven-project google-europe-west1 startup-4 RUNNING True Running"
        ]
    );
    let secret = kubectl.run("describe secret my-valkey-secret").await;
    for part in [
        "baz=egg",
        "foo: bar",
        "Opaque",
        "VALKEY_HOST:",
        "VALKEY_PORT:",
        "VALKEY_USER:",
        "VALKEY_PASSWORD:",
        "VALKEY_SSL:",
    ] {
        assert!(secret.contains(part), "{part} in\n{secret}");
    }
    assert_eq!(kubectl.run("apply -f examples/valkey.yaml").await, "valkey.aiven.io/my-valkey unchanged");
    let described = kubectl.run("describe valkey my-valkey").await;
    for part in [
        "Plan:",
        "startup-4",
        "State:",
        "RUNNING",
        "Reason:",
        "Creating service my-valkey in project my-aiven-project",
    ] {
        assert!(described.contains(part), "{part} in\n{described}");
    }
    world
}

async fn the_usage_section_of_the_redis_reference(world: World) -> World {
    let Some(kubectl) = Kubectl::new(&world) else { return world };
    let applied = kubectl.run("apply -f examples/redis.yaml").await;
    assert!(applied.contains("redis.aiven.io/k8s-redis created"), "{applied}");
    assert!(applied.contains("Warning:") && applied.contains("deprecated"), "{applied}");
    kubectl.run("wait --for=condition=Ready redis/k8s-redis --timeout=60s").await;
    assert_eq!(
        rows(&kubectl.run("get redis k8s-redis").await),
        [
            "NAME PROJECT REGION PLAN STATE READY REASON",
            "k8s-redis my-aiven-project google-europe-west1 startup-4 RUNNING True Running"
        ]
    );
    let keys = kubectl
        .run("get secret redis-token -o 'go-template={{range $key, $value := .data}}{{$key}} {{end}}'")
        .await;
    let wanted = ["HOST", "PASSWORD", "PORT", "SSL", "USER"].map(|key| format!("MY_SECRET_PREFIX_{key}"));
    assert_eq!(keys.split_whitespace().collect::<Vec<_>>(), wanted);
    world
}

async fn power_plan_and_deletion_by_patch_and_wait(world: World) -> World {
    let Some(kubectl) = Kubectl::new(&world) else { return world };
    kubectl.run("apply -f examples/valkey.yaml").await;
    kubectl.run("wait --for=condition=Ready valkey/my-valkey --timeout=60s").await;
    let before = kubectl.run("get secret my-valkey-secret -o jsonpath={.metadata.resourceVersion}").await;
    for (powered, state) in [(false, "POWEROFF"), (true, "RUNNING")] {
        kubectl
            .run(&format!("patch valkey my-valkey --type merge -p '{{\"spec\":{{\"powered\":{powered}}}}}'"))
            .await;
        kubectl
            .run(&format!("wait --for=jsonpath={{.status.state}}={state} valkey/my-valkey --timeout=60s"))
            .await;
        kubectl.run("wait --for=condition=Ready valkey/my-valkey --timeout=60s").await;
    }
    assert_eq!(
        kubectl.run("get secret my-valkey-secret -o jsonpath={.metadata.resourceVersion}").await,
        before
    );

    kubectl.run("edit valkey my-valkey").await;
    kubectl.run("wait --for=jsonpath={.metadata.annotations.controllers\\.aiven\\.io/generation-was-processed}=4 valkey/my-valkey --timeout=60s").await;
    assert_eq!(world.service("my-valkey").unwrap()["plan"], "business-4");

    assert!(kubectl.run("delete valkey my-valkey --timeout=60s").await.contains("deleted"));
    assert!(world.service("my-valkey").is_none());
    kubectl.run("wait --for=delete secret/my-valkey-secret --timeout=60s").await;
    world
}

async fn the_everyday_verbs(world: World) -> World {
    let Some(kubectl) = Kubectl::new(&world) else { return world };
    assert!(kubectl.run("create secret generic extra --from-literal=token=x").await.contains("created"));
    assert!(kubectl.run("apply --server-side -f examples/valkey.yaml").await.contains("serverside-applied"));
    kubectl.run("wait --for=condition=Ready valkey/my-valkey --timeout=60s").await;
    assert_eq!(kubectl.run("get valkeys -o name").await, "valkey.aiven.io/my-valkey");
    assert!(kubectl.run("get valkeys -o wide").await.contains("my-valkey-secret"));
    for names in ["vk", "aiven", "aiven -o wide"] {
        assert!(kubectl.run(&format!("get {names}")).await.contains("my-valkey"), "{names}");
    }
    assert!(kubectl.run("get valkey my-valkey -o yaml").await.contains("plan: startup-4"));
    assert_eq!(kubectl.run("get valkey my-valkey -o jsonpath={.spec.plan}").await, "startup-4");
    assert!(kubectl.run("label valkey my-valkey team=blue").await.contains("labeled"));
    assert!(kubectl.run("annotate valkey my-valkey note=x").await.contains("annotated"));
    assert_eq!(kubectl.run("get valkeys -l team=blue -o name").await, "valkey.aiven.io/my-valkey");
    assert!(kubectl.until("events --for valkey/my-valkey", "SecretWritten").await.contains("Running"));
    assert!(kubectl.run("api-resources --api-group=aiven.io").await.contains("valkeys"));
    kubectl.until("explain valkey.spec.userConfig.valkey_timeout", "<integer>").await;
    let (differs, diff) =
        kubectl.try_run("diff --server-side --field-manager=other --force-conflicts -f -", CHANGED).await;
    assert!(!differs && diff.contains("+  plan: business-4"), "{diff}");
    let patch = "patch valkey my-valkey --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/plan\",\"value\":\"startup-8\"}]'";
    assert!(kubectl.run(patch).await.contains("patched"));
    let watch = kubectl.try_run("get valkeys --watch --request-timeout=2s", "").await.1;
    assert!(watch.contains("startup-8"), "{watch}");
    world
}

const CHANGED: &str = "
apiVersion: aiven.io/v1alpha1
kind: Valkey
metadata: {name: my-valkey}
spec: {plan: business-4, project: my-aiven-project}
";

async fn mistakes_are_refused_before_they_are_stored(world: World) -> World {
    let Some(kubectl) = Kubectl::new(&world) else { return world };
    let manifest = |spec: &str| {
        format!(
            "---\n{{apiVersion: aiven.io/v1alpha1, kind: Valkey, metadata: {{name: typo}}, spec: {{{spec}}}}}"
        )
    };
    let table = [
        ("plan: startup-4", "spec.project: Required value"),
        ("project: p, plan: startup-4, pln: x", "unknown field \"spec.pln\""),
        (
            "project: p, plan: startup-4, maintenanceWindowDow: someday",
            "spec.maintenanceWindowDow: Unsupported value",
        ),
        ("project: p, plan: startup-4, userConfig: {valkey_timeout: -1}", "spec.userConfig.valkey_timeout"),
        ("project: p, plan: startup-4, userConfig: {valkey_timeout: '1'}", "must be of type integer"),
        ("project: p, plan: startup-4, disk_space: 0GiB", "spec.disk_space"),
    ];
    for (spec, wanted) in table {
        let text = kubectl.refused("apply -f -", &manifest(spec)).await;
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let (dry, text) =
        kubectl.try_run("apply --dry-run=server -f -", &manifest("project: p, plan: startup-4")).await;
    assert!(dry && text.contains("created (server dry run)"), "{text}");
    assert!(kubectl.refused("get valkey typo", "").await.contains("not found"));
    world
}
