//! Commands within sentences. Guarantees that `kubectl` and `valkeeper` take them as they stand, that `cargo`
//! finds what they name, and that any other is listed here with its reason.

use crate::{
    page,
    shell::{self, Shell},
};
use regex::Regex;

/// Programs in commands for readers.
const PROGRAMS: &[&str] =
    &["kubectl", "valkeeper", "valkeeper-sandbox", "helm", "cargo", "docker", "kind", "curl"];

/// Beginnings of commands that are not run, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo build --workspace", "done before any test runs"),
    ("cargo build --release --features otlp", "`.ci/run` builds it with this feature, in the other profile"),
    ("cargo install", "the build is the same as that of the tests, and takes minutes"),
    ("cargo xtask dependencies", "run by `.ci/run`"),
    ("cargo xtask generate", "the generated files are compared by `xtask/tests/generate.rs`"),
    ("cargo xtask tidy", "run by `.ci/run`, and by a test of its own"),
    ("cargo run -p valkeeper-sandbox", "run by `sandbox/tests/command.rs`"),
    ("docker build", "needs a container engine; `.ci/image` builds the same without one"),
    ("kind create cluster", "needs a container engine"),
    ("kind delete cluster", "needs a container engine"),
    ("kubectl port-forward", "the sandbox runs no pods"),
    ("helm upgrade", "only named; written out on another page, where it is run"),
    ("helm uninstall", "only named; `tests/chart/install.rs` does it"),
    ("helm template", "only named; written out on another page, where it is run"),
    ("kubectl scale deployment", "named as missing in the sandbox"),
    ("kubectl delete application", "a resource of Argo CD, which is not there"),
    ("kubectl apply --server-side", "only named: with files of the reader's"),
    ("kubectl auth can-i", "named as missing in the sandbox"),
    ("kubectl edit", "opens an editor; `tests/e2e/kubectl.rs` runs it"),
    ("kubectl get events --watch", "does not end"),
    ("kubectl create namespace", "written out where it is run"),
    ("kubectl -n valkeeper-system exec", "the sandbox runs no pods"),
    ("kubectl -n valkeeper-system logs", "the sandbox runs no pods"),
    ("kubectl -n valkeeper-system get pods", "the sandbox has no pods"),
    ("kubectl -n valkeeper-system get lease", "in the sandbox the operator works without a lease"),
    ("kubectl -n valkeeper-system delete lease", "in the sandbox the operator works without a lease"),
    ("kubectl valkeeper doctor", "in the sandbox no pod of the operator runs, which is an error"),
    ("kubectl rollout restart", "only named: of a Deployment of the reader's"),
    (
        "kubectl wait valkey/migrated",
        "`tests/e2e/servers/migration.rs` migrates; the example's source does not exist",
    ),
];

/// Whether it is more than the name of a program.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    words.next().is_some_and(|program| PROGRAMS.contains(&program)) && words.next().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_within_a_sentence_is_taken() {
    let Some(valkeeper) = shell::programs() else { return };
    let shell = Shell::start(&valkeeper).await;
    let mut failures = vec![];
    for page in page::all() {
        for (line, text) in page.inline.iter().filter(|(_, text)| is_command(text)) {
            // Of all tests, these are some.
            if NOT_RUN.iter().any(|(beginning, _)| text.starts_with(beginning))
                || text.contains("cargo test --workspace")
                || shell::lacks_tools(text)
            {
                continue;
            }
            let result = if text.contains("cargo test") {
                is_there(text)
            } else {
                shell.run(&without_effect(text)).await.map(|_| ())
            };
            if let Err(output) = result {
                failures.push(format!("{}:{line}: {text}\n{output}", page.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The command, so that what it writes is checked and not stored.
fn without_effect(text: &str) -> String {
    // A verb without its object is only named.
    if text.split_whitespace().count() < 3 {
        return format!("{text} --help");
    }
    let writes = ["annotate", "patch", "delete", "label"]
        .iter()
        .any(|verb| text.contains(&format!("kubectl {verb} ")));
    let text =
        text.replace('…', "value").replace("kubectl apply -f -", "kubectl apply --dry-run=server -f -");
    if writes { format!("{text} --dry-run=server") } else { text }
}

/// Whether the target of tests and the test that a command names exist.
fn is_there(text: &str) -> Result<(), String> {
    let named = Regex::new(r"--test ([a-z0-9]+)(?: ([a-z_]+))?").unwrap();
    let named = named.captures(text).ok_or("names no tests")?;
    let package = Regex::new(r"-p valkeeper-([a-z]+)").unwrap().captures(text);
    let package = package.map_or(String::new(), |package| match &package[1] {
        "sandbox" => "sandbox/".to_owned(),
        library => format!("crates/{library}/"),
    });
    let folder = page::repository(&format!("{package}tests/{}", &named[1]));
    let sources: String = if folder.is_dir() {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).collect()
    } else {
        std::fs::read_to_string(folder.with_extension("rs")).map_err(|_| "there are no such tests")?
    };
    // Names of tests come after `fn` or in the list of a macro, and may be cut.
    match named.get(2) {
        Some(name) if !sources.contains(name.as_str()) => Err("there is no such test".to_owned()),
        _ => Ok(()),
    }
}
