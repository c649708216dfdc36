//! The commands in the documentation. Each block of commands is run here, page by page, against a sandbox of its own.
//! A comment above any other block names the test that runs it, or the reason why none can. Commands within sentences
//! are run too, without effects where they would have any. `tests/docs.rs` of the operator checks links and examples.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

mod page;
mod sentences;
mod shell;

use futures::StreamExt as _;
use page::{Block, Fate, Page};
use shell::Shell;
use std::path::Path;
use valkeeper_testbed::tools;

/// What a page needs before its first command: a namespace of its own where it makes a Secret that the
/// examples of the sandbox have already.
const SCENES: &[(&str, &str)] = &[
    ("docs/start.md", "kubectl create namespace shop; kubectl config set-context --current --namespace=shop"),
    (
        "docs/guides/tokens.md",
        "kubectl create namespace team-a; kubectl config set-context --current --namespace=team-a",
    ),
];

/// What a block that installs the definitions with Helm needs: those of the sandbox are not Helm's.
const HANDED_TO_HELM: &str = "kubectl label crd --all app.kubernetes.io/managed-by=Helm
kubectl annotate crd --all meta.helm.sh/release-name=valkeeper-crds meta.helm.sh/release-namespace=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_of_commands_runs() {
    let Some(valkeeper) = shell::programs() else { return };
    // All pages, or those that are named.
    let only = std::env::var("VALKEEPER_PAGES").ok();
    let wanted = |page: &Page| {
        only.as_ref().is_none_or(|only| only.split_whitespace().any(|name| name == page.name))
            && page.blocks.iter().any(|block| block.fate == Fate::Run)
    };
    let pages = page::all().into_iter().filter(wanted);
    let results: Vec<Vec<String>> =
        futures::stream::iter(pages.map(|page| run(page, &valkeeper))).buffer_unordered(3).collect().await;
    let failures: Vec<String> = results.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs the blocks of a page in their order, up to the first that fails.
async fn run(page: Page, valkeeper: &Path) -> Vec<String> {
    let shell = Shell::start(valkeeper).await;
    let scene = SCENES.iter().find(|(name, _)| *name == page.name).map_or("", |(_, scene)| scene);
    if let Err(text) = shell.run(scene).await {
        return vec![format!("{}: the scene\n{text}", page.name)];
    }
    for Block { line, text, fate } in &page.blocks {
        if *fate != Fate::Run || shell::lacks_tools(text) {
            continue;
        }
        if let Some((_, options)) = text.split_once("install valkeeper-crds") {
            let first = options.split("helm ").next().unwrap_or("");
            let namespace =
                if first.contains("--namespace valkeeper-system") { "valkeeper-system" } else { "default" };
            shell.run(&format!("{HANDED_TO_HELM}{namespace}")).await.unwrap();
        }
        if let Err(output) = shell.run(text).await {
            return vec![format!("{}:{line}\n{text}\n--- says\n{output}", page.name)];
        }
    }
    vec![]
}

#[test]
fn unrun_block_names_its_test_or_the_reason() {
    for page in page::all() {
        for block in &page.blocks {
            match &block.fate {
                Fate::Run => {}
                Fate::RunBy(named) => {
                    let (file, name) = named.split_once(": ").expect(named);
                    let source = std::fs::read_to_string(page::repository(file)).expect(file);
                    assert!(source.contains(&format!("fn {name}(")), "{}:{}: {named}", page.name, block.line);
                }
                Fate::NotRun(reason) => {
                    assert!(reason.split(' ').count() > 2, "{}:{}: {reason}", page.name, block.line);
                }
            }
        }
    }
}

#[test]
fn an_excerpt_stands_in_the_example_that_it_names() {
    let mut excerpts = 0;
    for page in page::all() {
        for (line, text) in &page.manifests {
            let Some((file, excerpt)) =
                text.strip_prefix("# examples/").and_then(|rest| rest.split_once('\n'))
            else {
                continue;
            };
            let example = std::fs::read_to_string(page::repository(&format!("examples/{file}"))).expect(file);
            assert!(example.contains(excerpt), "{}:{line}: not in {file}", page.name);
            excerpts += 1;
        }
    }
    assert!(excerpts > 5);
}

/// Numbers are another ones each time, and the order of what happens side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_readme_shows_is_what_the_sandbox_prints() {
    let digits = regex::Regex::new(r"[0-9]+(\.[0-9]+)*").unwrap();
    let lines = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines().map(|line| digits.replace_all(line, "0").into_owned()).collect()
    };
    let mut sandbox = tokio::process::Command::new(env!("CARGO_BIN_EXE_valkeeper-sandbox"));
    let output = sandbox.arg("--once").kill_on_drop(true).output().await.unwrap();
    let printed = lines(&String::from_utf8_lossy(&output.stdout));
    let readme = std::fs::read_to_string(page::repository("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    // It shows a connection to Valkey; Redis stands in for it, or nothing, where it is missing.
    let connects = tools::VALKEY_SERVER.or_skip().is_some();
    let shown = if connects { shown } else { shown.split("\nConnected").next().unwrap() };
    let missing: Vec<String> = lines(shown).difference(&printed).cloned().collect();
    assert!(missing.is_empty(), "{missing:#?}\n{printed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_manifest_within_a_page_passes_the_check() {
    let Some(valkeeper) = shell::valkeeper() else { return };
    let folder = tempfile::tempdir().unwrap();
    for page in page::all() {
        for (line, text) in page.manifests.iter().filter(|(_, text)| text.contains("apiVersion: aiven.io/")) {
            // Names may come again on other pages.
            let place = folder.path().join(format!("{}-{line}", page.name.replace('/', "-")));
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("manifest.yaml"), text).unwrap();
        }
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().count() > 3);
    let output =
        tokio::process::Command::new(valkeeper).arg("validate").arg(folder.path()).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}
