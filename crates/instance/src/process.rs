//! The server's process, as the manager sees it: started through the guard, signalled by a handle that no other
//! process can inherit.

use crate::guard;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use valkeeper_failover::manager::Moment;

/// A server that was started, until it has ended.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    handle: Arc<OwnedFd>,
    input: ChildStdin,
    told: Option<Moment>,
}

/// Waits for the end of a server; blocks.
#[derive(Debug)]
pub(crate) struct Waiter {
    guard: Child,
    handle: Arc<OwnedFd>,
}

impl ServerProcess {
    /// Starts a server: `guard` is the command that runs [`guard::run`] with program and configuration.
    pub(crate) fn start(guard: &[OsString], program: &Path, config: &Path) -> io::Result<(Self, Waiter)> {
        let Some((executable, arguments)) = guard.split_first() else {
            return Err(io::Error::other("there is no command for the guard"));
        };
        let mut child = Command::new(executable)
            .args(arguments)
            .arg(program)
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        match Self::attach(&mut child) {
            Ok(process) => {
                let handle = Arc::clone(&process.handle);
                Ok((process, Waiter { guard: child, handle }))
            }
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    fn attach(guard: &mut Child) -> io::Result<Self> {
        let missing = || io::Error::other("the guard has no pipe");
        let input = guard.stdin.take().ok_or_else(missing)?;
        let mut line = String::new();
        BufReader::new(guard.stdout.take().ok_or_else(missing)?).read_line(&mut line)?;
        let pid = line.trim_end().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the server program could not be started"))?;
        let handle = Arc::new(pidfd_open(pid, PidfdFlags::empty())?);
        Ok(Self { handle, input, told: None })
    }

    /// Ends it, without asking it.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&*self.handle, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::error!(%error, ?signal, "cannot signal the server");
        }
    }

    /// Tells the guard when the server must have ended, if it has to.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Moment>) {
        if self.told == deadline {
            return;
        }
        // A guard that is gone takes the server with it; its end is noticed elsewhere.
        if self.input.write_all(guard::line(deadline).as_bytes()).is_ok() {
            self.told = deadline;
        }
    }
}

impl Waiter {
    /// Returns when there is no server any more; the answer is for people.
    pub(crate) fn wait(mut self) -> String {
        let status = self.guard.wait();
        // Nothing is left if the guard ended in order; whoever killed it did not kill the server.
        while pidfd_send_signal(&*self.handle, Signal::KILL).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        status.map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}
