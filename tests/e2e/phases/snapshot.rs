//! What `kubectl` shows of an object, without what differs from run to run, compared with the file that people
//! have read and found good.

use super::{
    objects::read,
    tools::{Argo, Seen, kstatus},
};
use crate::{kubectl::Kubectl, world::World};
use regex::Regex;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Longest wait for an object to match.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between reads.
const PAUSE: Duration = Duration::from_millis(200);
/// An object that is unchanged for so long is settled: the operator has reconciled it again. Only files that are
/// rewritten depend on it.
const SETTLED: Duration = Duration::from_secs(4);

/// A reader who watches objects with `kubectl`, Argo CD and Flux.
pub(super) struct Reader<'w> {
    world: &'w World,
    kubectl: Kubectl,
    argo: Option<Argo>,
}

impl<'w> Reader<'w> {
    /// `None`, with a message about what is missing.
    pub(super) fn new(world: &'w World) -> Option<Self> {
        Some(Self { world, kubectl: Kubectl::new(world)?, argo: Argo::new() })
    }

    /// Waits until `object` matches the file of `phase`; then tools must make `seen` of it.
    pub(super) async fn sees(&self, phase: &str, object: &str, seen: Seen) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/golden").join(phase);
        let file = file.with_extension("txt");
        if self.world.is_in_memory() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            self.write(&file, object).await;
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.current(object).await;
            if text == golden {
                break;
            }
            assert!(Instant::now() < deadline, "{phase}\n--- wanted\n{golden}\n--- seen\n{text}");
            sleep(PAUSE).await;
        }
        let object = read(self.world, object).await.unwrap();
        assert_eq!(kstatus(&object), seen.flux, "kstatus in phase {phase}");
        if let Some(argo) = &self.argo {
            assert_eq!(argo.health(&object), seen.argo, "health in phase {phase}");
        }
    }

    async fn write(&self, file: &PathBuf, object: &str) {
        let (mut text, mut since) = (String::new(), Instant::now());
        while since.elapsed() < SETTLED {
            let now = self.current(object).await;
            if now != text {
                (text, since) = (now, Instant::now());
            }
            sleep(PAUSE).await;
        }
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    async fn current(&self, object: &str) -> String {
        let mut shown = String::new();
        for (command, reading) in [
            (format!("get {object}"), table as fn(&str) -> String),
            (format!("get {object} -o jsonpath='{CONDITIONS}'"), str::to_owned),
            (format!("describe {object}"), description),
        ] {
            let (_, text) = self.kubectl.try_run(&command, "").await;
            let text: Vec<_> = text.lines().filter(|line| !line.starts_with("Warning:")).collect();
            let text = reading(&text.join("\n"));
            let _ = writeln!(shown, "$ kubectl {command}\n{}\n", text.trim_end());
        }
        self.without_chance(&shown)
    }

    /// Replaces what is different in each run by something of the same width.
    fn without_chance(&self, text: &str) -> String {
        let text =
            text.replace(&self.world.namespace, "shop").replace(&self.world.provider_url(), "PROVIDER");
        let uuid = Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
        let text = uuid.replace_all(&text, "00000000-0000-0000-0000-000000000000");
        let time = Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
        let text = time.replace_all(&text, "2026-01-01T00:00:00Z");
        let backup = Regex::new(r"backup-\d{8}t\d{12}z").unwrap();
        let text = backup.replace_all(&text, "backup-20260101t000000000000z");
        // The hash of a random identifier.
        let vpc = Regex::new(r"(?m)^( +Project Vpc Id: +)[0-9a-f]{8}$").unwrap();
        let text = vpc.replace_all(&text, "${1}00000000");
        let size = Regex::new(r"(?m)^( +Size Bytes: +)\d+$").unwrap();
        let text = size.replace_all(&text, "${1}104857600");
        let port = Regex::new(r"(?m)^( +Port: +)\d+$").unwrap();
        port.replace_all(&text, "${1}12345").trim_end().to_owned() + "\n"
    }
}

/// One line for each condition.
const CONDITIONS: &str = r#"{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}"#;

/// A table whose last column is an age.
fn table(text: &str) -> String {
    let age = Regex::new(r"(?m)\S+$").unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().to_owned();
    lines.fold(head, |table, line| format!("{table}\n{}", age.replace(line, "1m")))
}

/// The status and the events of a description.
fn description(text: &str) -> String {
    let status = text.find("\nStatus:").map_or(text, |at| &text[at + 1..]);
    let Some((status, events)) = status.split_once("\nEvents:") else { return status.to_owned() };
    let gap = Regex::new(" {2,}").unwrap();
    let mut rows: Vec<Vec<&str>> = Vec::new();
    for line in events.lines().skip(1).filter(|line| line.starts_with("  ")) {
        rows.push(gap.splitn(line.trim(), 5).collect());
    }
    let ages = rows.iter_mut().skip(2).filter_map(|row| row.get_mut(2));
    ages.for_each(|age| *age = "1m");
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max();
    let widths: Vec<_> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    let mut shown = format!("{status}\nEvents:{}", if rows.is_empty() { "  <none>" } else { "" });
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:width$}"));
        let _ = write!(shown, "\n{}", cells.collect::<Vec<_>>().concat().trim_end());
    }
    shown
}
