//! The customary metrics of a process, under their customary names. Read from `/proc` on each scrape; absent where
//! there is none.

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::SystemTime,
};

/// The size of a page of memory wherever this program runs.
const PAGE: u64 = 4096;
/// How many parts of a second processor time is counted in.
const TICKS: f64 = 100.0;

/// Handles of the gauges.
#[derive(Clone, Default)]
pub(super) struct Gauges {
    registry: Arc<Mutex<Registry>>,
    memory: Gauge,
    files: Gauge,
    processor: Counter<f64, AtomicU64>,
    started: Gauge<f64, AtomicU64>,
}

impl Gauges {
    pub(super) fn new() -> Self {
        let gauges = Self::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        gauges.started.set(now.as_secs_f64());
        {
            let mut registry = gauges.registry.lock().unwrap_or_else(PoisonError::into_inner);
            let memory = "Memory in use, as the operating system counts it";
            registry.register("process_resident_memory_bytes", memory, gauges.memory.clone());
            registry.register("process_open_fds", "Open files and connections", gauges.files.clone());
            let processor = "Processor time used so far";
            registry.register("process_cpu_seconds", processor, gauges.processor.clone());
            let started = "When the process began, in seconds since 1970";
            registry.register("process_start_time_seconds", started, gauges.started.clone());
        }
        gauges
    }

    pub(super) fn render(&self) -> Result<String, fmt::Error> {
        if let Some(pages) = resident_pages() {
            self.memory.set(i64::try_from(pages * PAGE).unwrap_or(i64::MAX));
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        }
        if let Some(seconds) = processor_seconds() {
            self.processor.inc_by((seconds - self.processor.get()).max(0.0));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

fn resident_pages() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    sizes.split_whitespace().nth(1)?.parse().ok()
}

fn processor_seconds() -> Option<f64> {
    let fields = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program comes second and may hold blanks; of what follows, these count as its own.
    let (_, fields) = fields.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().ok());
    Some(f64::from(ticks.sum::<Option<u32>>()?) / TICKS)
}
