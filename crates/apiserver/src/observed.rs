//! Test tables: objects, and the recorded objects and messages of a Kubernetes 1.36 API server.

use serde_json::Value;

use crate::field_error::FieldError;

/// One object of a table.
pub(super) struct Case {
    row: Value,
}

impl Case {
    /// The cases of a table, which is a JSON document.
    pub(super) fn all(table: &str) -> Vec<Self> {
        let table: Value = serde_json::from_str(table).expect("the table is JSON");
        table["cases"]
            .as_array()
            .expect("the table has cases")
            .iter()
            .map(|row| Self { row: row.clone() })
            .collect()
    }

    /// What the case is called.
    pub(super) fn name(&self) -> &str {
        self.row["name"].as_str().expect("a case has a name")
    }

    /// A part of the case, such as `object`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.row.get(key)
    }

    /// The object that was sent.
    pub(super) fn object(&self) -> Value {
        self.row["object"].clone()
    }

    /// How the server's answer differs from these errors; nothing if it does not. Their order is random
    /// in the server and does not count.
    pub(super) fn difference(&self, errors: &[FieldError]) -> Option<String> {
        let expected = self.row["errors"].as_array()?;
        let text = |error: &Value, index: usize| error[index].as_str().unwrap_or_default().to_owned();
        let line = |error: &Value| format!("{} {}: {}", text(error, 0), text(error, 1), text(error, 2));
        let mut expected: Vec<String> = expected.iter().map(line).collect();
        let mut actual: Vec<String> =
            errors.iter().map(|error| format!("{} {error}", error.reason)).collect();
        expected.sort();
        actual.sort();
        let name = self.name();
        (expected != actual).then(|| format!("{name}:\n  expected {expected:#?}\n  actual   {actual:#?}"))
    }
}

/// Fails with all differences together.
pub(super) fn assert_none(differences: &[String]) {
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
