//! A plan for people.

use super::{
    cluster::{ChangedField, PlannedCluster},
    planned::Planned,
};
use crate::cli::inspect::table::table;
use std::fmt::Write as _;

/// The longest value that is shown, in characters.
const LONGEST: usize = 48;

impl Planned {
    /// Whether something is sent to Aiven, or the Secret is written.
    pub(super) fn changes(&self) -> bool {
        self.actions.iter().any(|action| action.target == "aiven" || action.step == "write secret")
    }

    pub(super) fn text(&self) -> String {
        let Self { kind, namespace, name, project, .. } = self;
        let mut text = format!("{kind} {namespace}/{name}: service {name} in project {project}");
        // A text takes everything.
        let _ = writeln!(text, "{}", if self.resource_exists { "" } else { " (not applied yet)" });
        let problems = self.problems.iter().map(|one| vec![format!("{}:", one.field), one.message.clone()]);
        text.push_str(&table("  refused  ", &problems.collect::<Vec<_>>()));
        if self.resource_exists || self.problems.is_empty() {
            text.push_str(&self.fields());
        }
        if !self.changes() && self.problems.is_empty() && !self.outcome.stuck {
            text.push_str("  no changes\n");
        }
        if let Some(price) = &self.price {
            let _ = match price.before {
                Some(before) if (before - price.after).abs() > 0.005 => {
                    writeln!(text, "  price: {before:.2} -> {:.2} USD per month", price.after)
                }
                _ => writeln!(text, "  price: {:.2} USD per month", price.after),
            };
        }
        if !self.outcome.message.is_empty() && self.problems.is_empty() {
            let word = if self.outcome.stuck { "stuck" } else { "then" };
            let _ = writeln!(text, "  {word}: {}: {}", self.outcome.reason, self.outcome.message);
        }
        text.push('\n');
        text
    }

    fn fields(&self) -> String {
        let mut text = String::new();
        for action in
            self.actions.iter().filter(|action| action.target == "aiven" || action.step == "write secret")
        {
            let _ = match action.step {
                "create" => writeln!(text, "  creates the service"),
                "delete" => writeln!(text, "  DELETES the service and its data"),
                "write secret" if action.fields.is_empty() => {
                    writeln!(text, "  updates owner, labels or annotations of the connection Secret")
                }
                "write secret" => {
                    writeln!(text, "  writes the connection Secret: {}", action.fields.join(", "))
                }
                step => writeln!(text, "  {step}: {}", action.fields.join(", ")),
            };
        }
        let changes = self.changes.iter().map(|change| {
            let value = if change.effect == "create" {
                short(&change.to)
            } else {
                format!("{} -> {}", short(&change.from), short(&change.to))
            };
            vec![change.field.clone(), value, effect(change.effect).to_owned()]
        });
        text.push_str(&table("    ", &changes.collect::<Vec<_>>()));
        let left = self.left.iter().map(|one| {
            vec![
                one.field.clone(),
                format!("stays {}", one.found),
                format!("the spec declares {}", one.declared),
            ]
        });
        text.push_str(&table("    ", &left.collect::<Vec<_>>()));
        text
    }
}

impl PlannedCluster {
    pub(super) fn text(&self) -> String {
        let Self { kind, namespace, name, .. } = self;
        let mut text = format!("{kind} {namespace}/{name}");
        text.push_str(if self.resource_exists { "\n" } else { " (not applied yet)\n" });
        let problems = self.problems.iter().map(|one| vec![format!("{}:", one.field), one.message.clone()]);
        text.push_str(&table("  refused  ", &problems.collect::<Vec<_>>()));
        let changes = self.changes.iter().map(|change| {
            let ChangedField { field, from, to, effect } = change;
            let value = format!("{} -> {}", short(&from.to_string()), short(&to.to_string()));
            vec![field.clone(), value, cluster_effect(effect).to_owned()]
        });
        text.push_str(&table("    ", &changes.collect::<Vec<_>>()));
        for (what, pods) in [
            ("creates", &self.created),
            ("resizes", &self.resized),
            ("replaces", &self.replaced),
            ("removes", &self.removed),
        ] {
            if !pods.is_empty() {
                // A text takes everything.
                let _ = writeln!(text, "  {what}: {}", pods.join(", "));
            }
        }
        if !self.restart_needed.is_empty() {
            let _ = writeln!(text, "  waits for a restart: {}", self.restart_needed.join(", "));
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        if !self.changes() && self.problems.is_empty() {
            text.push_str("  no changes\n");
        }
        text.push('\n');
        text
    }
}

/// What an effect means for servers.
fn cluster_effect(word: &str) -> &str {
    match word {
        "none" => "no effect on servers",
        "restart" => "restart: pods are replaced one at a time",
        "resize" => "resize: pods are resized while they run",
        "replace" => "replace: pods are replaced one at a time",
        "scale" => "scale: pods are created or removed",
        "grow" => "grow: volumes are enlarged",
        "power" => "power: all servers stop or start",
        other => other,
    }
}

/// A value that fits into a line; all of it is in the JSON.
fn short(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// What an effect means.
fn effect(word: &str) -> &str {
    match word {
        "rebuild" => "rebuild: nodes are replaced",
        "restart" => "restart: connections are interrupted",
        "power" => "power: the service stops, or starts from its backup",
        "create" => "",
        other => other,
    }
}
