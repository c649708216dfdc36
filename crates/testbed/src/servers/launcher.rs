//! Starts processes that end when the sandbox ends, however it ends. This holds on Linux, where the kernel notifies a
//! process that its parent died; elsewhere a killed sandbox leaves its servers behind. The kernel watches the thread
//! that started a process and not the whole program. So one thread that lives as long as the launcher starts them
//! all.

use anyhow::Context as _;
use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use tokio::sync::oneshot;

struct Request {
    command: Command,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// The thread that starts processes.
pub(super) struct Launcher {
    requests: mpsc::Sender<Request>,
    /// Whether `setpriv` is installed, which makes the kernel watch the parent.
    watched: bool,
}

impl Launcher {
    pub(super) fn start() -> anyhow::Result<Self> {
        let (requests, incoming) = mpsc::channel::<Request>();
        std::thread::Builder::new()
            .name("launcher".to_owned())
            .spawn(move || {
                for mut request in incoming {
                    // The caller stops waiting when the sandbox is about to end; the child ends with it.
                    let _ = request.answer.send(request.command.spawn());
                }
            })
            .context("cannot start a thread")?;
        let watched = Command::new("setpriv").arg("--version").output().is_ok();
        Ok(Self { requests, watched })
    }

    /// A command that runs `program`, and ends when the sandbox does.
    pub(super) fn command(&self, program: &OsStr) -> Command {
        if !self.watched {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        // The polite signal: a server that is to persist its data saves it before it ends.
        command.args(["--pdeathsig", "TERM"]).arg(program);
        command
    }

    /// Starts a process.
    pub(super) async fn launch(&self, command: Command) -> anyhow::Result<Process> {
        let (answer, child) = oneshot::channel();
        self.requests.send(Request { command, answer }).ok().context("the launcher has ended")?;
        Ok(Process(child.await.context("the launcher has ended")??))
    }
}

/// A process that is killed when it is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Whether it ended, and how.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; waiting removes it from the process table.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
