//! The documentation and the examples hold together: links lead somewhere, every page is in the book,
//! flags and files that are named exist, and every example is taken by a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use clap::CommandFactory as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    discovery::ApiResource,
    runtime::{conditions, wait::await_condition},
};
use regex::Regex;
use serde::Deserialize as _;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use valkeeper_testbed::{envtest::RealApiServer, tools};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Files below `folder` whose names end in `extension`.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    let more = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "charts/valkeeper/README.md"];
    files(&repository("docs"), "md").into_iter().chain(more.map(repository)).collect()
}

/// The anchors of a page, as the renderers make them of headings and of explicit marks.
fn anchors(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept =
            heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
        kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
    };
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let marks = Regex::new("id=\"([^\"]+)\"").unwrap();
    let marks = marks.captures_iter(text).map(|found| found[1].to_owned());
    headings.map(|line| anchor(line.trim_start_matches('#'))).chain(marks).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(file.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let there = anchors(&std::fs::read_to_string(&file).unwrap());
                assert!(there.contains(anchor), "{}: no {anchor} in {}", page.display(), file.display());
            }
        }
    }
}

/// One name of the repository and one of the image, wherever they are written.
#[test]
fn the_project_has_one_address_and_one_image() {
    let address = env!("CARGO_PKG_REPOSITORY");
    let image = address.replace("https://github.com/", "ghcr.io/");
    let values: Value =
        serde_yaml::from_str(&std::fs::read_to_string(repository("charts/valkeeper/values.yaml")).unwrap())
            .unwrap();
    assert_eq!(values["image"]["repository"].as_str(), Some(image.as_str()));
    let owner = address.rsplit_once('/').unwrap().0;
    let more = [
        "charts/valkeeper/Chart.yaml",
        "charts/valkeeper-crds/Chart.yaml",
        "charts/valkeeper/alerts.yaml",
        "charts/valkeeper/dashboards/valkeeper.json",
        "charts/valkeeper/values.yaml",
        "book.toml",
        ".github/workflows/release.yaml",
    ];
    let named = Regex::new(r"(?:https://github\.com/|ghcr\.io/)valkeeper[A-Za-z0-9./_-]*").unwrap();
    for path in pages().into_iter().chain(more.map(repository)) {
        let text = std::fs::read_to_string(&path).unwrap();
        for found in named.find_iter(&text) {
            let known = found.as_str().starts_with(address) || found.as_str().starts_with(&image);
            assert!(known, "{}: {} is not at {owner}", path.display(), found.as_str());
        }
    }
}

#[test]
fn every_reason_of_a_cluster_has_its_place_in_its_runbook() {
    let runbook = std::fs::read_to_string(repository("docs/self-hosted/runbook.md")).unwrap();
    let reasons = std::fs::read_to_string(repository("crates/cluster/src/names/reason.rs")).unwrap();
    let pattern = Regex::new("pub const [A-Z_]+: &str = \"([A-Za-z]+)\"").unwrap();
    let reasons: Vec<_> = pattern.captures_iter(&reasons).map(|found| found.extract::<1>().1[0]).collect();
    assert!(reasons.contains(&"Running"), "{reasons:?}");
    for reason in reasons {
        assert!(runbook.contains(&format!("\n### {reason}\n")), "{reason}");
    }
}

#[test]
fn every_page_is_in_the_book() {
    let summary = std::fs::read_to_string(repository("docs/SUMMARY.md")).unwrap();
    for page in files(&repository("docs"), "md") {
        let page = page.strip_prefix(repository("docs")).unwrap().to_str().unwrap();
        assert!(page == "SUMMARY.md" || summary.contains(&format!("({page})")), "{page} is in no chapter");
    }
}

/// The book as `.ci/book` makes it, checked as a browser reads it.
#[test]
fn every_link_of_the_built_book_leads_somewhere() {
    let (Some(_), Some(program)) = (tools::BASH.or_skip(), tools::MDBOOK.or_skip()) else { return };
    let book = tempfile::tempdir().unwrap();
    let mut script = std::process::Command::new(repository(".ci/book"));
    let output = script.arg(book.path()).env("MDBOOK", program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let link = Regex::new("(?:href|src)=\"([^\"]+)\"").unwrap();
    let pages = files(book.path(), "html");
    assert!(pages.len() > files(&repository("docs"), "md").len());
    // The page for missing pages is shown at any depth.
    for page in pages.iter().filter(|page| !page.ends_with("404.html")) {
        for found in link.captures_iter(&std::fs::read_to_string(page).unwrap()) {
            let target = found[1].replace("&amp;", "&");
            if target.contains(':') {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(file.exists(), "{}: {target}", page.display());
            let there = || std::fs::read_to_string(&file).unwrap();
            assert!(
                anchor.is_empty() || there().contains(&format!("id=\"{anchor}\"")),
                "{}: {target}",
                page.display()
            );
        }
    }
}

#[test]
fn flags_and_files_that_pages_name_exist() {
    let mut command = valkeeper::cli::Arguments::command();
    command.build();
    let commands: Vec<_> = command.get_subcommands().collect();
    // The sandbox is another program.
    let sandbox = ["demo", "bench"]
        .map(|part| std::fs::read_to_string(repository(&format!("sandbox/src/{part}/options.rs"))).unwrap())
        .concat();
    let known = |flag: &str| {
        sandbox.contains(&format!(" {}:", flag.replace('-', "_")))
            || commands
                .iter()
                .flat_map(|command| command.get_arguments())
                .any(|known| known.get_long() == Some(flag))
    };
    let flag = Regex::new("`--([a-z][a-z-]+)[=` ]").unwrap();
    let file = Regex::new(r"\b((?:examples|charts|crds)/[A-Za-z0-9/_.-]+\.(?:yaml|json|md))").unwrap();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in flag.captures_iter(&text) {
            // Those of other programs.
            let foreign = [
                "nocapture",
                "sizes",
                "mount",
                "set",
                "check",
                "as",
                "help",
                "cascade",
                "reset-then-reuse-values",
            ]
            .contains(&&found[1]);
            assert!(foreign || known(&found[1]), "{}: --{}", page.display(), &found[1]);
        }
        for found in file.captures_iter(&text) {
            assert!(repository(&found[1]).exists(), "{}: {}", page.display(), &found[1]);
        }
    }
}

#[test]
fn connection_secret_promises_name_existing_tests() {
    let text = std::fs::read_to_string(repository("docs/connection-secret.md")).unwrap();
    let promises =
        text.split("## What is promised").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let scenario = Regex::new("`([a-z_/]+): ([a-z_]+)`").unwrap();
    for line in promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What ")) {
        let mut named = scenario.captures_iter(line).peekable();
        assert!(named.peek().is_some(), "{line}");
        for found in named {
            let file = match &found[1] {
                "engine" => "crates/engine/src/tests/upkeep.rs".to_owned(),
                module => format!("tests/e2e/{module}.rs"),
            };
            let module = std::fs::read_to_string(repository(&file)).unwrap();
            assert!(module.contains(&format!("fn {}(", &found[2])), "{}", &found[0]);
        }
    }
}

/// Types with every field of a pod keep all of it, so that nothing is misspelt or misplaced.
#[test]
fn every_pod_of_a_page_holds_fields_of_pods_only() {
    let manifests = manifests_of_pages();
    let pods = manifests.iter().filter(|(_, manifest)| manifest.contains("kind: Pod\n"));
    assert!(pods.clone().count() >= 2, "the recipes for mounting");
    for (page, manifest) in pods {
        let written: Value = serde_yaml::from_str(manifest).unwrap();
        let pod: Pod = serde_json::from_value(written.clone()).unwrap();
        assert!(!pod.spec.as_ref().unwrap().containers.is_empty());
        assert_eq!(serde_json::to_value(pod).unwrap(), written, "{}", page.display());
    }
}

#[test]
fn every_example_passes_the_check_without_a_cluster() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_valkeeper"))
        .args(["validate", "examples"])
        .current_dir(repository(""))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

/// The manifests that stand in pages, with the page of each.
fn manifests_of_pages() -> Vec<(PathBuf, String)> {
    let block = Regex::new("(?s)```yaml\n(.*?)```").unwrap();
    let mut found = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks = block.captures_iter(&text).map(|block| block[1].to_owned());
        let manifests = blocks.filter(|block| block.contains("apiVersion:") && block.contains("kind:"));
        found.extend(manifests.map(|manifest| (page.clone(), manifest)));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_taken_by_a_real_api_server() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(assets) = tools::ENVTEST.or_skip() else { return };
    let server = RealApiServer::start(&assets).await.unwrap();
    let client = Client::try_from(server.client_config().await.unwrap()).unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for path in files(&repository("crds"), "yaml") {
        let text = std::fs::read_to_string(path).unwrap();
        let definition: CustomResourceDefinition = serde_yaml::from_str(&text).unwrap();
        let apply = Patch::Apply(&definition);
        let name = definition.name_any();
        definitions.patch(&name, &PatchParams::apply("docs").force(), &apply).await.unwrap();
        let established = await_condition(definitions.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established).await.unwrap().unwrap();
    }
    let texts = files(&repository("examples"), "yaml").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    });
    for (path, text) in texts.chain(manifests_of_pages()) {
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut object: DynamicObject =
                serde_json::from_value(Value::deserialize(document).unwrap()).unwrap();
            let types = object.types.as_ref().unwrap();
            // Kinds of other projects, and of a group that small API servers leave out.
            let foreign = ["argoproj.io", "fluxcd.io", "velero.io", "batch/"];
            if foreign.iter().any(|group| types.api_version.contains(group)) {
                continue;
            }
            let mut resource = ApiResource::from_gvk(&types.try_into().unwrap());
            if resource.kind == "Redis" {
                "redis".clone_into(&mut resource.plural);
            }
            object.metadata.namespace = Some("default".to_owned());
            let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
            let parameters = PatchParams::apply("docs").force().validation_strict().dry_run();
            let applied = api.patch(&object.name_any(), &parameters, &Patch::Apply(&object)).await;
            // Small API servers have no pods.
            if resource.kind == "Pod" && matches!(&applied, Err(kube::Error::Api(error)) if error.code == 404)
            {
                continue;
            }
            assert!(applied.is_ok(), "{}: {applied:?}", path.display());
        }
    }
}
