//! The process between manager and server: the parent of the server, which ends it when the deadline that the
//! manager has told passes, or when the manager is gone. It does nothing else, so that a manager that stands
//! still does not keep a server running.
//!
//! ```text
//!   manager ──stdin: "until NANOSECONDS" | "free"──▶ guard ──spawn, SIGKILL──▶ server
//!           ◀─stdout: PID of the server, once──────
//! ```

use crate::clock;
use std::{
    io::{self, BufRead as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use valkeeper_failover::manager::Moment;

/// How often the clock is read.
const INTERVAL: Duration = Duration::from_millis(25);
/// No deadline.
const FREE: u64 = u64::MAX;

/// The line that tells a deadline.
pub(crate) fn line(deadline: Option<Moment>) -> String {
    match deadline.and_then(|deadline| u64::try_from(deadline.as_nanos()).ok()) {
        Some(nanoseconds) => format!("until {nanoseconds}\n"),
        None => "free\n".to_owned(),
    }
}

/// What a line says; a line that says nothing ends the server.
fn parse(line: &str) -> u64 {
    match line.trim_end().split_once(' ') {
        Some(("until", nanoseconds)) => nanoseconds.parse().unwrap_or(0),
        None if line.trim_end() == "free" => FREE,
        _ => 0,
    }
}

/// Runs the server until it ends; answers its exit code.
pub(crate) fn run(program: &Path, config: &Path) -> io::Result<u8> {
    let mut server = Command::new(program)
        .arg(config)
        .stdin(Stdio::null())
        // Its log goes where that of the manager goes; the other stream is the manager's.
        .stdout(Stdio::from(io::stderr()))
        // Signals that a terminal sends to everybody are the manager's to judge.
        .process_group(0)
        .spawn()?;
    let deadline = Arc::new(AtomicU64::new(FREE));
    let told = Arc::clone(&deadline);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            told.store(line.map_or(0, |line| parse(&line)), Ordering::SeqCst);
        }
        told.store(0, Ordering::SeqCst);
    });
    let announced = writeln!(io::stdout(), "{}", server.id()).and_then(|()| io::stdout().flush());
    if announced.is_err() {
        deadline.store(0, Ordering::SeqCst);
    }
    watch(&mut server, &deadline).map(exit_code)
}

fn watch(server: &mut Child, deadline: &AtomicU64) -> io::Result<ExitStatus> {
    loop {
        let now = u64::try_from(clock::now().as_nanos()).unwrap_or(FREE - 1);
        if now >= deadline.load(Ordering::SeqCst) {
            server.kill()?;
            return server.wait();
        }
        if let Some(status) = server.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(INTERVAL);
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| signal + 128);
    let code = status.code().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_is_read_back_and_nonsense_ends_the_server() {
        assert_eq!(parse(&line(Some(Duration::from_nanos(123)))), 123);
        assert_eq!(parse(&line(None)), FREE);
        for nonsense in ["", "until", "until x", "free lunch"] {
            assert_eq!(parse(nonsense), 0, "{nonsense}");
        }
    }
}
