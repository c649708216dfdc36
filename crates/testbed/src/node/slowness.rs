//! Slow volumes: `strace` delays the calls with which processes wait for their files to reach the disk. There is no
//! slow file system for plain users: the device mapper needs root, and a file system in user space a
//! daemon. What is only written and not synchronized is not delayed. While it is traced, each call of a process takes
//! some microseconds longer.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::process::{Guard, Program, Running};

/// The calls that wait for a disk.
const CALLS: &str = "fsync,fdatasync,sync_file_range,msync,syncfs";

/// Why volumes cannot be slow.
pub(super) fn obstacle() -> Option<String> {
    let mut command = Command::new("strace");
    let output = command.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = output.is_ok_and(|status| status.success());
    (!works).then(|| "volumes are slowed by strace, which is not there: install strace".to_owned())
}

/// Delays the calls of these processes and of what they start.
pub(super) fn begin(guard: &Arc<Guard>, processes: &[u32], delay: Duration) -> anyhow::Result<Running> {
    let mut arguments: Vec<String> = ["-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned).to_vec();
    arguments.push(format!("trace={CALLS}"));
    arguments.extend(["-e".to_owned(), format!("inject={CALLS}:delay_enter={}", delay.as_micros())]);
    arguments.extend(processes.iter().flat_map(|process| ["-p".to_owned(), process.to_string()]));
    let program = Program {
        path: "strace".into(),
        arguments,
        environment: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]),
        folder: std::env::temp_dir(),
        namespace: None,
    };
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    let tracer = program.start(guard, &nowhere).context("cannot start strace")?;
    until_traced(processes)?;
    Ok(tracer)
}

fn until_traced(processes: &[u32]) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const LOOK: Duration = Duration::from_millis(10);
    let is_traced = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        // A process that is gone needs no tracer.
        status.lines().find_map(|line| line.strip_prefix("TracerPid:")).is_none_or(|by| by.trim() != "0")
    };
    let begun = Instant::now();
    while !processes.iter().all(is_traced) {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "strace may not trace the processes of the pod");
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Lets the processes go. Killed, the tracer would leave them stopped in the middle of a call.
pub(super) fn end(tracer: &Running) {
    tracer.terminate();
}
