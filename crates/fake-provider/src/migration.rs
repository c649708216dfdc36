//! Data migration that `user_config.migration` starts.

use serde_json::{Value, json};

use crate::clock::{Countdown, Instant};
use crate::config::Config;

/// A migration of a service.
#[derive(Clone, Debug)]
pub(crate) struct Migration {
    settings: Value,
    wait: Countdown,
    done_reads: u32,
    failure: Option<String>,
}

impl Migration {
    pub(crate) fn new(settings: Value, now: Instant, config: &Config) -> Self {
        Self { settings, wait: Countdown::new(config.migration, now), done_reads: 0, failure: None }
    }

    /// The same migration cannot be restarted; only different settings start another one.
    pub(crate) fn is_same(&self, settings: &Value) -> bool {
        self.settings == *settings
    }

    pub(crate) fn fail(&mut self, text: &str) {
        self.failure = Some(text.to_owned());
    }

    pub(crate) fn finish(&mut self) {
        self.wait.finish();
    }

    /// Reads the status; `None` means that no migration is active any more.
    ///
    /// The sources disagree: a finished migration "says `done`", and the endpoint answers 404 "once
    /// there is no active migration". The fake reports `done` a few times and then 404.
    pub(crate) fn read(&mut self, now: Instant, config: &Config) -> Option<Value> {
        // A migration without a method uses the method `scan`, which the request enum lacks.
        let method = self.settings["method"].as_str().unwrap_or("scan").to_owned();
        if let Some(text) = &self.failure {
            return Some(body(&method, "failed", &Value::from(text.clone()), "down"));
        }
        if self.wait.observe(now, true) {
            self.done_reads += 1;
            let active = self.done_reads <= config.migration_done_reads;
            return active.then(|| body(&method, "done", &Value::Null, "up"));
        }
        let progress = self.wait.progress(now);
        let status = match progress {
            part if part < 0.3 => "waiting",
            part if part < 0.6 => "running",
            _ => "syncing",
        };
        Some(body(&method, status, &Value::Null, "up"))
    }
}

fn body(method: &str, status: &str, error: &Value, link: &str) -> Value {
    json!({
        "migration": {"method": method, "status": status, "error": error,
            "master_link_status": link, "master_last_io_seconds_ago": 1},
        "migration_detail": [{"dbname": "0", "method": method, "status": status, "error": error}],
    })
}
