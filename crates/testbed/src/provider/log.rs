//! The record of requests: target, token and result of each. It holds no token values, no bodies and no query values,
//! and its counters outlive the entries.

use super::clock::Moment;
use std::collections::{BTreeMap, VecDeque};

/// A request as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Number of the request, starting at 1.
    pub sequence: u64,
    /// When it arrived, in the provider's time.
    pub time: chrono::DateTime<chrono::Utc>,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Names of the query keys.
    pub query_keys: Vec<String>,
    /// Template of the matched route, or `unmatched`.
    pub route: &'static str,
    /// Name of the token; `None` when it was missing or wrong.
    pub token: Option<String>,
    /// Status sent; `None` while the request is in progress and when nothing was sent.
    pub status: Option<u16>,
    /// Whether the request took effect, even if its answer was lost.
    pub executed: bool,
}

/// Bounded log with unbounded counters.
pub(super) struct Log {
    entries: VecDeque<RequestRecord>,
    capacity: usize,
    last_sequence: u64,
    counts: BTreeMap<(String, &'static str), u64>,
    writes: u64,
}

/// The data of a request at its arrival.
pub(super) struct Arrival {
    pub(super) time: Moment,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) route: &'static str,
}

impl Log {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, last_sequence: 0, counts: BTreeMap::new(), writes: 0 }
    }

    /// Notes an arrival and returns its sequence number.
    pub(super) fn begin(&mut self, arrival: Arrival) -> u64 {
        self.last_sequence += 1;
        *self.counts.entry((arrival.method.clone(), arrival.route)).or_default() += 1;
        if arrival.method != "GET" {
            self.writes += 1;
        }
        let query_keys = arrival.query.split('&').filter_map(|pair| pair.split('=').next());
        self.entries.push_back(RequestRecord {
            sequence: self.last_sequence,
            time: arrival.time,
            method: arrival.method,
            path: arrival.path,
            query_keys: query_keys.filter(|key| !key.is_empty()).map(str::to_owned).collect(),
            route: arrival.route,
            token: None,
            status: None,
            executed: false,
        });
        if self.entries.len() > self.capacity {
            self.entries.pop_front();
        }
        self.last_sequence
    }

    /// Changes an entry that is still kept.
    pub(super) fn amend(&mut self, sequence: u64, change: impl FnOnce(&mut RequestRecord)) {
        let first = self.entries.front().map_or(u64::MAX, |entry| entry.sequence);
        let index = sequence.checked_sub(first).and_then(|offset| usize::try_from(offset).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            change(entry);
        }
    }

    pub(super) fn entries(&self) -> Vec<RequestRecord> {
        self.entries.iter().cloned().collect()
    }

    /// Entries that arrived after the one with number `sequence`.
    pub(super) fn entries_after(&self, sequence: u64) -> Vec<RequestRecord> {
        self.entries.iter().filter(|entry| entry.sequence > sequence).cloned().collect()
    }

    pub(super) fn counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.counts.clone()
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Empties the log and resets its counters; sequence numbers continue.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.counts.clear();
        self.writes = 0;
    }
}
