//! The status for people.

use super::details::{Details, Line};
use crate::cli::inspect::table::table;
use serde_json::Value;
use std::fmt::Write as _;

/// One line for each resource.
pub(super) fn list(lines: &[Line]) -> String {
    let head =
        ["NAMESPACE", "RESOURCE", "PLAN", "STATE", "READY", "SYNCED", "DRIFTED", "REASON", "LAST BACKUP"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|line| {
        let resource = format!("{}/{}", line.kind.to_lowercase(), line.name);
        let cells = [
            &line.namespace,
            &resource,
            &line.plan,
            &line.state,
            &line.ready,
            &line.synced,
            &line.drifted,
            &line.reason,
            &line.last_backup_time,
        ];
        cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell.clone() }).to_vec()
    }));
    table("", &rows)
}

impl Details {
    pub(super) fn text(&self) -> String {
        let Line { kind, namespace, name, .. } = &self.line;
        let mut text = format!("{kind} {namespace}/{name}\n");
        if !self.deleting_since.is_empty() {
            // A text takes everything.
            let _ = writeln!(text, "  being deleted since {}", self.deleting_since);
        }
        text.push_str("\nConditions\n");
        let conditions = self.conditions.iter().map(|one| {
            let [type_, status, reason, message] =
                ["type", "status", "reason", "message"].map(|key| one[key].as_str().unwrap_or_default());
            let repeated = type_ != "Ready" && message == self.line.message;
            [type_, status, reason, if repeated { "(as Ready)" } else { message }].map(str::to_owned).to_vec()
        });
        text.push_str(&table("  ", &conditions.collect::<Vec<_>>()));
        text.push_str("\nService\n");
        text.push_str(&table("  ", &self.facts()));
        text.push_str("\nNext\n");
        text.push_str(&self.next());
        if !self.events.is_empty() {
            text.push_str("\nEvents\n");
            let events = self.events.iter().map(|event| {
                let time = event.time.split('.').next().unwrap_or_default().to_owned();
                vec![time, event.type_.clone(), event.reason.clone(), event.note.clone()]
            });
            text.push_str(&table("  ", &events.collect::<Vec<_>>()));
        }
        text
    }

    fn facts(&self) -> Vec<Vec<String>> {
        let at = |pointer: &str| match self.service.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let endpoint = match (at("/endpoint/host"), at("/endpoint/port")) {
            (host, _) if host.is_empty() => host,
            (host, port) => format!("{host}:{port}"),
        };
        let secret = match (self.secret.name.as_str(), self.secret.exists) {
            ("", _) => "not written".to_owned(),
            (name, Some(true)) => format!("{name}, {} keys", self.secret.keys.len()),
            (name, Some(false)) => format!("{name}, MISSING"),
            (name, None) => format!("{name} (cannot be read)"),
        };
        let token = match self.token.accepted {
            Some(true) => format!("{}: accepted", self.token.source),
            Some(false) => format!("{}: NOT USABLE", self.token.source),
            None => self.token.source.clone(),
        };
        let mut rows: Vec<_> = [
            ("service", format!("{} in project {}", self.line.name, self.project)),
            ("state", at("/state")),
            ("plan", at("/plan")),
            ("cloud", at("/cloudName")),
            ("nodes", at("/nodeCount")),
            ("endpoint", endpoint),
            ("secret", secret),
            ("token", token),
            ("last backup", at("/lastBackupTime")),
            ("end of life", at("/endOfLifeTime")),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
        for update in self.service["maintenanceUpdates"].as_array().into_iter().flatten() {
            let text = |key: &str| update[key].as_str().unwrap_or("-");
            let value = format!(
                "{} (starts {}, deadline {})",
                text("description"),
                text("startTime"),
                text("deadline")
            );
            rows.push(vec!["maintenance".to_owned(), value]);
        }
        rows
    }

    fn next(&self) -> String {
        let mut text = String::new();
        if self.line.stalled {
            let _ = writeln!(text, "  waits for you: {}: {}", self.line.reason, self.line.message);
        }
        for action in &self.next.actions {
            let _ = writeln!(text, "  {action}");
        }
        let changes = self.next.changes.iter().map(|change| {
            vec![change.field.clone(), format!("{} -> {}", change.from, change.to), change.effect.to_owned()]
        });
        text.push_str(&table("    ", &changes.collect::<Vec<_>>()));
        let word = if self.next.stuck { "waits for you" } else { "then" };
        let _ = match (self.next.actions.is_empty(), self.line.ready.as_str(), self.next.stuck) {
            (true, "True", false) => {
                writeln!(text, "  nothing to do; the operator compares again at its next resync")
            }
            _ if self.line.stalled => Ok(()),
            _ => writeln!(text, "  {word}: {}: {}", self.next.reason, self.next.message),
        };
        text
    }
}
