//! The processes of a session: everything that a container's first process has started, whatever groups it
//! put them into. Linux only; elsewhere there is nothing to read, and signals reach the group of the leader.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

/// Programs that are servers, by the name that the system shows.
const SERVERS: [&str; 2] = ["valkey-server", "redis-server"];

/// A process that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    pid: Pid,
    name: String,
}

impl Member {
    fn is_server(&self) -> bool {
        SERVERS.contains(&self.name.as_str())
    }
}

/// The processes of the session that `leader` began.
fn members(leader: Pid) -> Vec<Member> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit())
    });
    processes.filter_map(|entry| member(&entry.path(), leader)).collect()
}

fn member(process: &Path, leader: Pid) -> Option<Member> {
    parse(&std::fs::read_to_string(process.join("stat")).ok()?, leader)
}

/// `PID (NAME) STATE PARENT GROUP SESSION …`
fn parse(stat: &str, leader: Pid) -> Option<Member> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').take(4).collect();
    let [state, _, _, session] = fields[..] else { return None };
    let is_of_it = session.parse() == Ok(leader.as_raw_nonzero().get());
    (is_of_it && !["Z", "X"].contains(&state))
        .then(|| Some(Member { pid: Pid::from_raw(pid.parse().ok()?)?, name: name.to_owned() }))?
}

/// The number of a session and its group, which is that of its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group(Pid);

impl Group {
    pub(super) fn of(leader: Pid) -> Self {
        Self(leader)
    }

    pub(super) fn leader(self) -> Pid {
        self.0
    }

    /// Sends a signal to the leader and its group; one that is gone is left in peace.
    pub(super) fn signal(self, signal: Signal) {
        if let Err(error) = kill_process_group(self.0, signal) {
            tracing::trace!(%error, "no signal");
        }
    }

    /// Sends a signal to all of the session, whatever groups it has.
    pub(super) fn signal_all(self, signal: Signal) {
        self.signal(signal);
        for member in members(self.0) {
            send(&member, signal);
        }
    }

    /// Sends a signal to the leader alone.
    pub(super) fn signal_leader(self, signal: Signal) {
        if let Err(error) = kill_process(self.0, signal) {
            tracing::trace!(%error, "no signal");
        }
    }

    /// Sends a signal to the servers of the session; false if there is none.
    pub(super) fn signal_servers(self, signal: Signal) -> bool {
        let servers: Vec<Member> = members(self.0).into_iter().filter(Member::is_server).collect();
        for server in &servers {
            send(server, signal);
        }
        !servers.is_empty()
    }

    /// All processes of the session.
    pub(super) fn processes(self) -> Vec<u32> {
        members(self.0).iter().map(|member| number(member.pid)).collect()
    }

    /// Whether a process of it is left.
    pub(super) fn exists(self) -> bool {
        test_kill_process_group(self.0).is_ok() || !members(self.0).is_empty()
    }

    pub(super) fn number(self) -> u32 {
        number(self.0)
    }
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn send(member: &Member, signal: Signal) {
    if let Err(error) = kill_process(member.pid, signal) {
        tracing::trace!(%error, "no signal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_from_what_the_system_shows() {
        let leader = Pid::from_raw(7).unwrap();
        let of = |stat: &str| parse(stat, leader);
        let server = of("12 (valkey-server) S 9 12 7 0 -1").unwrap();
        assert_eq!((server.pid, server.is_server()), (Pid::from_raw(12).unwrap(), true));
        assert!(!of("9 (a b) c) R 7 9 7 0").unwrap().is_server());
        for other in ["12 (x) S 9 12 8 0", "12 (x) Z 9 12 7 0", "12 (x) S 9", "", "x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
