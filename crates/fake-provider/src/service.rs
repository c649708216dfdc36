//! State and life cycle of one service.

use serde_json::{Map, Value, json};

use crate::clock::{Countdown, Instant, micros};
use crate::config::{Config, Delay};
use crate::migration::Migration;

/// `state` of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    PowerOff,
    Rebalancing,
    Rebuilding,
    Running,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PowerOff => "POWEROFF",
            Self::Rebalancing => "REBALANCING",
            Self::Rebuilding => "REBUILDING",
            Self::Running => "RUNNING",
        }
    }
}

/// What the platform does with a service.
#[derive(Clone, Debug)]
pub(crate) enum Activity {
    Idle,
    /// A change is accepted, the earlier state is still reported.
    Starting(State, Countdown),
    /// The nodes change.
    Working(Countdown),
}

/// A service user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    /// `None` is a password that the customer set outside the API.
    pub(crate) password: Option<String>,
    /// Password before the last reset, while `reset_lag` lasts.
    pub(crate) earlier: Option<String>,
    pub(crate) reset_lag: u32,
    pub(crate) hidden_reads: u32,
    pub(crate) access_control: Map<String, Value>,
    pub(crate) changed: Instant,
}

impl User {
    pub(crate) fn new(name: &str, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            password: Some(password()),
            earlier: None,
            reset_lag: 0,
            hidden_reads: 0,
            access_control: Map::new(),
            changed: now,
        }
    }

    pub(crate) fn reset(&mut self, chosen: Option<String>, lag: u32, now: Instant) {
        self.earlier = self.password.replace(chosen.unwrap_or_else(password));
        self.reset_lag = lag;
        self.changed = now;
    }

    /// Counts a read against the lags.
    pub(crate) fn count_read(&mut self) {
        self.reset_lag = self.reset_lag.saturating_sub(1);
        self.hidden_reads = self.hidden_reads.saturating_sub(1);
    }
}

/// Returns a new random password.
pub(crate) fn password() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("AVNS_{}", &random[..19])
}

/// A service with its desired configuration and its current state.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) plan: String,
    pub(crate) cloud: String,
    pub(crate) vpc: Option<String>,
    /// VPC that the service is migrating from.
    pub(crate) leaving_vpc: Option<String>,
    pub(crate) disk_mb: u64,
    pub(crate) dow: String,
    pub(crate) time: String,
    pub(crate) maintenance_updates: Vec<Value>,
    pub(crate) protected: bool,
    pub(crate) tech_emails: Vec<Value>,
    pub(crate) tags: Map<String, Value>,
    pub(crate) user_config: Map<String, Value>,
    pub(crate) users: Vec<User>,
    pub(crate) backups: Vec<Value>,
    pub(crate) notifications: Vec<Value>,
    pub(crate) state: State,
    pub(crate) activity: Activity,
    /// Whether nodes serve clients, also while other nodes are built.
    pub(crate) has_nodes: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) version: String,
    pub(crate) created: Instant,
    pub(crate) updated: Instant,
    pub(crate) next_backup: Option<Countdown>,
    pub(crate) is_replica: bool,
    pub(crate) data_lost: bool,
    pub(crate) post_lag: u32,
    pub(crate) migration: Option<Migration>,
    /// Merge patch that a test lays over the answers.
    pub(crate) overlay: Option<Value>,
}

impl Service {
    pub(crate) fn setting(&self, suffix: &str) -> Option<&Value> {
        self.user_config.get(&format!("{}_{suffix}", self.kind))
    }

    pub(crate) fn persists(&self) -> bool {
        self.setting("persistence").and_then(Value::as_str) != Some("off")
    }

    pub(crate) fn is_building(&self) -> bool {
        matches!(self.activity, Activity::Working(_))
    }

    /// Moves the service along its life cycle. A read counts against waits in reads.
    pub(crate) fn tick(&mut self, now: Instant, read: bool, config: &Config) {
        loop {
            match &mut self.activity {
                Activity::Idle => break,
                Activity::Starting(target, wait) => {
                    if !wait.observe(now, read) {
                        break;
                    }
                    let target = *target;
                    self.enter(target, now, config);
                }
                Activity::Working(wait) => {
                    if !wait.observe(now, read) {
                        break;
                    }
                    self.complete(now, config);
                }
            }
        }
        self.tick_backups(now, read);
    }

    fn enter(&mut self, target: State, now: Instant, config: &Config) {
        self.state = target;
        self.activity = Activity::Idle;
        match target {
            State::PowerOff => {
                if self.has_nodes && self.persists() && !self.is_replica && !self.backups.is_empty() {
                    self.take_backup(now);
                }
                self.data_lost |= self.backups.is_empty() && !self.is_replica;
                self.has_nodes = false;
            }
            State::Rebuilding | State::Rebalancing => {
                self.activity = Activity::Working(Countdown::new(config.build, now));
            }
            State::Running => {}
        }
    }

    fn complete(&mut self, now: Instant, config: &Config) {
        self.state = State::Running;
        self.activity = Activity::Idle;
        self.has_nodes = true;
        self.maintenance_updates.clear();
        self.leaving_vpc = None;
        if let Some(version) = self.setting("version").and_then(Value::as_str) {
            self.version = format!("{version}.0");
        }
        if self.next_backup.is_none() && !self.is_replica {
            self.next_backup = Some(Countdown::new(config.first_backup, now));
        }
    }

    fn tick_backups(&mut self, now: Instant, read: bool) {
        if !self.persists() {
            self.backups.clear();
            return;
        }
        let due = self.state == State::Running
            && self.next_backup.as_mut().is_some_and(|wait| wait.observe(now, read));
        if due {
            self.take_backup(now);
        }
    }

    /// Adds a backup and plans the next one.
    pub(crate) fn take_backup(&mut self, now: Instant) {
        let name = now.format("backup-%Y%m%dt%H%M%S%6fz").to_string();
        self.backups.push(json!({"additional_regions": [], "backup_name": name,
            "backup_time": micros(now), "data_size": 104_857_600, "storage_location": self.cloud}));
        if self.backups.len() > 6 {
            self.backups.remove(0);
        }
        let hours = if self.user_config.contains_key("backup_hour") { 24 } else { 12 };
        let interval = std::time::Duration::from_secs(hours * 3600);
        self.next_backup = Some(Countdown::new(Delay::Time(interval), now));
    }

    /// Starts a change that leads to another state.
    pub(crate) fn start(&mut self, target: State, now: Instant, config: &Config) {
        match (&self.activity, target) {
            // A change during a build restarts the build.
            (Activity::Working(_), State::Rebuilding | State::Rebalancing) => {
                self.activity = Activity::Working(Countdown::new(config.build, now));
            }
            // A move of nodes does not replace a change that is already accepted.
            (Activity::Starting(..), State::Rebalancing) => {}
            _ => self.activity = Activity::Starting(target, Countdown::new(config.change_start, now)),
        }
    }

    /// Whether the service is off, or is about to be off.
    pub(crate) fn wants_off(&self) -> bool {
        match &self.activity {
            Activity::Starting(target, _) => *target == State::PowerOff,
            _ => self.state == State::PowerOff,
        }
    }

    /// Completes all pending waits.
    pub(crate) fn finish(&mut self, now: Instant, config: &Config) {
        for _ in 0..2 {
            if let Activity::Starting(_, wait) | Activity::Working(wait) = &mut self.activity {
                wait.finish();
            }
            self.tick(now, false, config);
        }
    }
}
