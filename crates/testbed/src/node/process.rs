//! Processes of containers: each is the leader of a session of its own, and signals can reach all of it, as they
//! reach all processes of a container. Guarantees that no session outlives the nodes, however their process
//! ends: a guard reads a pipe that only they hold, and kills what is left when it closes. Without `setsid`
//! (util-linux), all of this holds for the group of the first process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

pub(super) use super::session::Group;

/// Kills the registered groups and sessions when its input ends.
const GUARD: &str = r#"
groups=
while read -r verb group; do
  case $verb in
    add) groups="$groups $group" ;;
    del) kept=; for g in $groups; do [ "$g" = "$group" ] || kept="$kept $g"; done; groups=$kept ;;
  esac
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
for f in /proc/[0-9]*/stat; do
  read -r line 2>/dev/null <"$f" || continue
  pid=${line%% *}
  set -- ${line##*) }
  case " $groups " in *" $4 "*) kill -s KILL "$pid" 2>/dev/null ;; esac
done
"#;

/// The guard of all groups. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Guard {
    pipe: Mutex<Option<ChildStdin>>,
    process: Mutex<Child>,
}

impl Guard {
    pub(super) fn start() -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut process = Command::new("sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is not meant for it.
            .process_group(0)
            .spawn()
            .context("cannot start sh, which guards the processes of pods")?;
        let pipe = process.stdin.take();
        Ok(Self { pipe: Mutex::new(pipe), process: Mutex::new(process) })
    }

    fn send(&self, verb: &str, group: Pid) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut()
            && let Err(error) = writeln!(pipe, "{verb} {}", group.as_raw_nonzero())
        {
            tracing::warn!(%error, "the guard of pod processes has ended");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.wait() {
            tracing::warn!(%error, "cannot wait for the guard of pod processes");
        }
    }
}

/// Whether programs can be given sessions of their own.
fn has_setsid() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let mut command = Command::new("setsid");
        command.arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    *FOUND
}

/// What to start.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) folder: PathBuf,
    /// The process whose network it runs in, if not that of this machine.
    pub(super) namespace: Option<Namespace>,
}

/// The namespaces of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    /// Who holds them.
    pub(super) process: u32,
    /// Whether it has mounts of its own, beside the network.
    pub(super) mounts: bool,
}

impl Program {
    fn command(&self) -> tokio::process::Command {
        let mut words: Vec<OsString> = Vec::new();
        if has_setsid() {
            words.push("setsid".into());
        }
        if let Some(Namespace { process, mounts }) = self.namespace {
            words.extend(["nsenter", "--target", &process.to_string(), "--net"].map(OsString::from));
            if mounts {
                // A process that enters mounts leaves the folder that it was in.
                words.extend(["--mount", "--", "sh", "-c", "cd \"$0\" && exec \"$@\""].map(OsString::from));
                words.push(self.folder.clone().into());
            } else {
                words.push("--".into());
            }
        }
        words.push(self.path.clone().into());
        let (first, rest) = words.split_first().unwrap_or((&words[0], &[]));
        let mut command = tokio::process::Command::new(first);
        command
            .args(rest)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        // The leader of a group cannot begin a session.
        if !has_setsid() {
            command.process_group(0);
        }
        command
    }

    /// Starts it with its output in `log`.
    pub(super) fn start(&self, guard: &Arc<Guard>, log: &File) -> std::io::Result<Running> {
        let mut command = self.command();
        command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        Running::new(command.spawn()?, guard)
    }

    /// Runs it to its end, and returns whether it succeeded and what it printed. Dropping the future kills it.
    pub(super) async fn run(&self, guard: &Arc<Guard>) -> std::io::Result<(bool, String)> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::new(command.spawn()?, guard)?;
        let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
        let (status, out, err) = tokio::join!(running.wait(), read(stdout), read(stderr));
        Ok((status?.success(), [out, err].concat()))
    }
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    use tokio::io::AsyncReadExt as _;
    const ENOUGH: u64 = 10 * 1024;
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe
        && let Err(error) = pipe.take(ENOUGH).read_to_end(&mut bytes).await
    {
        tracing::debug!(%error, "cannot read the output of a process");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A running group. Dropping it kills the group.
#[derive(Debug)]
pub(super) struct Running {
    child: tokio::process::Child,
    group: Group,
    guard: Arc<Guard>,
    ended: bool,
}

impl Running {
    fn new(child: tokio::process::Child, guard: &Arc<Guard>) -> std::io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| std::io::Error::other("the process ended before it had a number"))?;
        guard.send("add", id);
        Ok(Self { child, group: Group::of(id), guard: Arc::clone(guard), ended: false })
    }

    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// Signals the leader to end.
    pub(super) fn terminate(&self) {
        if self.child.id().is_some()
            && let Err(error) = kill_process(self.group.leader(), Signal::TERM)
        {
            tracing::trace!(%error, "no signal");
        }
    }

    /// Waits for the leader; what it leaves behind in its group is killed.
    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group.signal(Signal::KILL);
        self.ended = true;
        status
    }

    /// Kills what is left of the session, as the end of its first process ends a container.
    pub(super) fn clear(&self) {
        self.group.signal_all(Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.clear();
        }
        self.guard.send("del", self.group.leader());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let environment = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment,
            folder: std::env::temp_dir(),
            namespace: None,
        }
    }

    fn is_alive(process: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn guard_kills_what_the_leader_left_behind() {
        let guard = Arc::new(Guard::start().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let file = folder.path().join("pid");
        // In a group of its own, as the servers of a manager are.
        let script = format!("set -m; sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let running = shell(&script).start(&guard, &log).unwrap();
        while !file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let process = std::fs::read_to_string(&file).unwrap();
        assert!(is_alive(&process));
        // As if this process were killed: nothing drops what runs, but the pipe closes.
        drop(guard.pipe.lock().unwrap().take());
        while is_alive(&process) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(running);
    }

    #[tokio::test]
    async fn output_of_a_command_is_what_it_printed() {
        let guard = Arc::new(Guard::start().unwrap());
        let (succeeded, output) = shell("echo out; echo err >&2; exit 3").run(&guard).await.unwrap();
        assert_eq!((succeeded, output.as_str()), (false, "out\nerr\n"));
    }
}
