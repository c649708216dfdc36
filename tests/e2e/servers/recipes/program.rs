//! A program around a recipe: for each line that it reads, it opens a new connection, writes the line under
//! the name of its library, reads it back and prints what it got, or `error`.

use super::{client_of_the_uri, recipe};
use crate::world::PATIENCE;
use std::{path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, timeout},
};
use valkeeper_testbed::tools;

const PYTHON: &str = r#"
import sys
for line in sys.stdin:
    try:
        client.connection_pool.disconnect()
        client.set("redis-py", line.strip())
        print(client.get("redis-py").decode(), flush=True)
    except redis.RedisError as error:
        print("error", repr(error), flush=True)
"#;

const NODE: &str = r#"
require("readline").createInterface({ input: process.stdin }).on("line", async (line) => {
  try {
    if (client.status !== "wait" && client.status !== "connecting") client.disconnect(true);
    await client.set("ioredis", line);
    console.log(await client.get("ioredis"));
  } catch (error) {
    console.log("error " + error.message);
  }
}).on("close", () => process.exit());
"#;

/// A running program.
pub(super) struct Program {
    pub(super) library: &'static str,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
    _folder: TempDir,
}

impl Program {
    /// Programs that have the Secret mounted at `files`, one for each library that can be run here.
    pub(super) fn from_files(authority: &str, files: &Path) -> Vec<Self> {
        let path = files.to_str().unwrap();
        let mounted = |library| {
            let code = recipe(library);
            assert!(code.contains("/var/run/secrets/cache"));
            code.replace("/var/run/secrets/cache", path)
        };
        Self::all(authority, &mounted("redis-py"), &mounted("ioredis"), ("RECIPE_FOLDER", path))
    }

    /// The same with the URI in the environment.
    pub(super) fn from_environment(authority: &str, uri: &str) -> Vec<Self> {
        let (python, node) = (client_of_the_uri("redis-py"), client_of_the_uri("ioredis"));
        let python = format!("import os, redis\nuri = os.environ['VALKEY_URI']\nclient = {python}\n");
        let node = format!(
            "const Redis = require('ioredis');\nconst uri = process.env.VALKEY_URI;\nconst client = {node};\n"
        );
        Self::all(authority, &python, &node, ("VALKEY_URI", uri))
    }

    fn all(authority: &str, python: &str, node: &str, variable: (&str, &str)) -> Vec<Self> {
        let own = std::env::current_exe().unwrap();
        let rust = ["--exact", super::rust_recipe::NAME, "--nocapture", "--quiet"];
        let programs = [
            (tools::REDIS_PY, "program.py", format!("{python}{PYTHON}")),
            (tools::IOREDIS, "program.js", format!("{node}{NODE}")),
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut running =
            vec![Self::start("redis-rs", Command::new(own).args(rust), authority, variable, folder)];
        for (library, file, code) in programs {
            let Some(program) = library.or_skip() else { continue };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(file);
            std::fs::write(&path, code).unwrap();
            let mut command = Command::new(program);
            running.push(Self::start(library.name, command.arg(path), authority, variable, folder));
        }
        running
    }

    fn start(
        library: &'static str,
        command: &mut Command,
        authority: &str,
        variable: (&str, &str),
        folder: TempDir,
    ) -> Self {
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority).unwrap();
        command.env("SSL_CERT_FILE", &path).env("NODE_EXTRA_CA_CERTS", &path).env(variable.0, variable.1);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { library, input, output: BufReader::new(output).lines(), _process: process, _folder: folder }
    }

    /// What it got for a line.
    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        loop {
            let answer = timeout(PATIENCE, self.output.next_line()).await.expect("an answer").unwrap();
            let answer = answer.unwrap_or_else(|| panic!("{} ended", self.library));
            // A test program reports that it runs a test.
            if answer == line || answer.starts_with("error") {
                return answer;
            }
        }
    }

    /// Repeats the request until it gets the line back.
    pub(super) async fn until(&mut self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(line).await;
            if answer == line {
                return;
            }
            assert!(Instant::now() < deadline, "{}: {answer}", self.library);
        }
    }
}
