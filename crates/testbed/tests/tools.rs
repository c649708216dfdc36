//! Tests succeed on a machine without any optional tool. Each tool is hidden in turn from the test programs that use
//! it, and all tools from all of them. Every test succeeds, and the program reports what it skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};
use valkeeper_testbed::tools::{self, Place, Tool};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn hidden_tool_is_missing_and_no_other_program_is() {
    let folder = tempfile::tempdir().unwrap();
    tools::path_without(&[&tools::JQ, &tools::LUA], folder.path()).unwrap();
    let is_there = |name: &str| folder.path().join(name).exists();
    assert!(is_there("sh") && is_there("ls"));
    assert!(["jq", "lua5.1", "lua5.4", "lua"].into_iter().all(|name| !is_there(name)));
    let output = Command::new("sh").args(["-c", "ls /"]).env("PATH", folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn command_names_its_tools() {
    for (command, named) in [
        ("kubectl get valkeys -o json | jq .items", ["jq", "kubectl"].as_slice()),
        ("REDISCLI_AUTH=$(value PASSWORD) valkey-cli --tls PING", &["valkey-cli"]),
        ("valkeeper-sandbox --valkey-server ./src/valkey-server", &[]),
        ("kubectl valkeeper validate helm/", &["kubectl"]),
    ] {
        let mut found: Vec<_> =
            tools::ALL.iter().filter(|tool| tool.is_used_by(command)).map(|tool| tool.name).collect();
        found.sort_unstable();
        assert_eq!(found, named, "{command}");
    }
}

#[test]
fn no_test_starts_an_optional_tool_without_asking() {
    let mut sources = Vec::new();
    for folder in ["tests", "crates", "sandbox/tests", "xtask/tests"] {
        rust_files(&repository().join(folder), &mut sources);
    }
    assert!(sources.len() > 50);
    for path in sources.iter().filter(|path| path.components().any(|part| part.as_os_str() == "tests")) {
        let text = fs::read_to_string(path).unwrap();
        for tool in tools::ALL {
            let Place::Programs(names, ..) = tool.place else { continue };
            for name in names {
                let start = format!("Command::new(\"{name}\")");
                assert!(!text.contains(&start), "{}: {start}, which may be missing", path.display());
            }
        }
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// With `VALKEEPER_HIDDEN_TOOL`, that one alone.
#[test]
#[ignore = "runs test programs again, for minutes: cargo test --workspace --test tools -- --ignored --nocapture"]
fn tests_succeed_without_each_tool_and_without_any() {
    let programs = programs();
    let only = std::env::var("VALKEEPER_HIDDEN_TOOL").ok();
    let mut failures = Vec::new();
    let each = tools::ALL.iter().map(std::slice::from_ref);
    let neither_server: &[&Tool] = &[&tools::VALKEY_SERVER, &tools::REDIS_SERVER];
    for hidden in each.chain([neither_server, tools::ALL]) {
        if only.as_ref().is_some_and(|only| hidden.len() > 1 || hidden[0].name != only) {
            continue;
        }
        let mut reported = String::new();
        for (name, filters) in tests_that_use(hidden) {
            let program = programs.get(name).unwrap_or_else(|| panic!("there is no test program {name}"));
            match run_without(hidden, program, &filters) {
                Ok(skipped) => reported += &skipped,
                Err(failure) => failures.push(failure),
            }
        }
        let silent = hidden.iter().find(|tool| !reported.contains(&format!("skipped: {}", tool.advice)));
        // Of several tools a test reports the first that it misses.
        if let Some(tool) = silent.filter(|_| hidden.len() == 1) {
            failures.push(format!("no test reports that it is skipped without {}", tool.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The programs that use any of these tools, each with the tests that do.
fn tests_that_use(hidden: &[&Tool]) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut tests: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let servers: &[_] = if no_server(hidden) { tools::USE_SERVERS } else { &[] };
    for (program, filters) in hidden.iter().flat_map(|tool| tool.tests).chain(servers) {
        tests.entry(*program).or_default().extend_from_slice(filters);
    }
    tests
}

fn no_server(hidden: &[&Tool]) -> bool {
    [tools::VALKEY_SERVER, tools::REDIS_SERVER]
        .iter()
        .all(|server| hidden.iter().any(|tool| tool.name == server.name))
}

/// A test program, and the folder that it is run in.
struct Program {
    name: String,
    executable: PathBuf,
    folder: PathBuf,
}

/// All test programs, as cargo builds them for `cargo test --workspace`.
fn programs() -> BTreeMap<String, Program> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--workspace", "--locked", "--quiet", "--no-run", "--message-format", "json"]);
    // The variables that cargo sets for this test would make some dependencies build again.
    let of_cargo =
        |name: &String| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
    for name in std::env::vars().map(|(name, _)| name).filter(of_cargo) {
        cargo.env_remove(name);
    }
    let built = cargo.current_dir(repository()).stderr(Stdio::inherit()).output().unwrap();
    assert!(built.status.success());
    let messages = String::from_utf8(built.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let tests = messages.filter(|message| message["target"]["kind"][0] == "test");
    let program = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        let executable = message["executable"].as_str()?.into();
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
        Some((name.clone(), Program { name, executable, folder }))
    };
    tests.filter_map(program).collect()
}

/// Whether a command succeeded, and all that it printed.
fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Runs tests with some tools hidden. Returns the lines that report what was skipped, or what is wrong.
fn run_without(hidden: &[&Tool], program: &Program, filters: &[&str]) -> Result<String, String> {
    let started = Instant::now();
    let path = tempfile::tempdir().unwrap();
    tools::path_without(hidden, path.path()).unwrap();
    let mut command = Command::new(&program.executable);
    command.args(filters).current_dir(&program.folder).env("PATH", path.path()).env_remove(tools::REQUIRED);
    if program.name != "chart" {
        // These tests run on the sandbox too, with the same tools; a real API server takes longest.
        tools::ENVTEST.hide_from(&mut command);
    }
    for tool in hidden {
        tool.hide_from(&mut command);
    }
    command.env("VALKEEPER_PAGES", pages_that_use(hidden)).stdin(Stdio::null());
    let (mut succeeded, mut text) = output(&mut command);
    let names: Vec<_> = hidden.iter().map(|tool| tool.name).collect();
    let run = format!("{} {filters:?} without {}", program.name, names.join(", "));
    println!("{run}: {:.1} s", started.elapsed().as_secs_f64());
    if !succeeded {
        // As `.ci/run` does: a busy machine can make a test late, and what a missing tool breaks fails each time.
        println!("UNSTEADY unless it fails again:\n{text}");
        (succeeded, text) = output(command.env("RUST_TEST_THREADS", "1"));
    }
    if !succeeded {
        return Err(format!("{run} fails:\n{text}"));
    }
    let skipped: Vec<_> = text.lines().filter(|line| line.starts_with("skipped: ")).collect();
    println!("    {}", skipped.join("\n    "));
    Ok(skipped.join("\n"))
}

/// The pages of the documentation with commands that need one of these tools; other pages run as usual.
fn pages_that_use(hidden: &[&Tool]) -> String {
    let uses = |text: &str| {
        hidden.iter().any(|tool| tool.is_used_by(text)) || (no_server(hidden) && tools::needs_server(text))
    };
    let folders = [".", "docs", "docs/guides", "docs/reference", "charts/valkeeper"];
    let entries = folders.map(|folder| (folder, fs::read_dir(repository().join(folder)).unwrap()));
    let files = entries.into_iter().flat_map(|(folder, entries)| {
        entries.map(move |entry| Path::new(folder).join(entry.unwrap().file_name()))
    });
    let pages = files.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    let pages = pages.filter(|page| uses(&fs::read_to_string(repository().join(page)).unwrap()));
    let names = pages.map(|page| page.strip_prefix(".").unwrap_or(&page).to_str().unwrap().to_owned());
    names.collect::<Vec<_>>().join(" ")
}
