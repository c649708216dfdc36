//! Networks of their own for pods (*isolated mode*): each pod has a network namespace with one interface on a
//! bridge, so that all can use the same port and wires between them can be cut. Needs `ip`, `unshare` and
//! `nsenter`, and to be root in a network namespace of its own, as `unshare --user --map-root-user --net`
//! makes it. A wire is cut by a neighbour entry that leads nowhere: packets leave and do not arrive.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::process::{Guard, Namespace, Program, Running};

/// The bridge of all pods, and its address: what pods reach the world outside by.
const BRIDGE: &str = "pods";
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
/// Address of the API for pods, and of an operator that is to be cut off together with it.
pub(super) const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 2);
/// An address that no interface has.
const UNUSED_MAC: &str = "02:de:ad:00:00:01";
/// The interface inside of a pod.
const INTERFACE: &str = "eth0";
/// Programs, and the packages that bring them.
const NEEDED: [(&str, &str); 3] = [("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")];

/// How pods are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// By loopback addresses of this machine.
    Loopback,
    /// By the bridge.
    Bridge,
}

impl Network {
    /// Builds the bridge with an address for each node. Fails with what is missing.
    pub(super) fn bridge(nodes: &[Ipv4Addr]) -> anyhow::Result<Self> {
        for (program, package) in NEEDED {
            let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.with_context(|| format!("isolated mode needs {program}: install {package}"))?;
        }
        anyhow::ensure!(
            own_namespace_is_bare()?,
            "isolated mode needs a network namespace of its own: start with unshare --user --map-root-user --net"
        );
        ip(&["link", "set", "lo", "up"])?;
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        for address in [&[GATEWAY, CONTROL], nodes].concat() {
            ip(&["addr", "add", &format!("{address}/16"), "dev", BRIDGE])?;
        }
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(Self::Bridge)
    }

    /// Makes this machine answer to an address, of a service for example.
    pub(super) fn adopt(self, address: std::net::IpAddr) -> bool {
        match self {
            Self::Loopback => address.is_loopback(),
            // It may be there already.
            Self::Bridge => {
                let added = ip(&["addr", "add", &format!("{address}/32"), "dev", BRIDGE]);
                added.is_ok() || has_address(&address.to_string())
            }
        }
    }

    /// The wire of a new pod; none where pods share the network of this machine.
    ///
    /// With a `resolver`, the pod has mounts of its own, and this file is its `resolv.conf`.
    pub(super) async fn connect(
        self,
        guard: &Arc<Guard>,
        address: Ipv4Addr,
        resolver: Option<&Path>,
    ) -> anyhow::Result<Option<Wire>> {
        match self {
            Self::Loopback => Ok(None),
            Self::Bridge => Wire::new(guard, address, resolver).await.map(Some),
        }
    }
}

/// Whether this is a namespace that has only just been made: a loopback interface and no routes.
fn own_namespace_is_bare() -> anyhow::Result<bool> {
    let interfaces = Command::new("ip").args(["-o", "link"]).output().context("cannot run ip")?;
    Ok(String::from_utf8_lossy(&interfaces.stdout).lines().count() <= 1)
}

fn has_address(address: &str) -> bool {
    let output = Command::new("ip").args(["-o", "addr", "show", "dev", BRIDGE]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!(" {address}/")))
}

pub(super) fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), text.trim());
    Ok(())
}

/// The network of one pod. It is gone when this is dropped and no process of the pod is left.
#[derive(Debug)]
pub(super) struct Wire {
    /// Keeps the namespaces while no container runs.
    holder: Running,
    mounts: bool,
}

impl Wire {
    async fn new(guard: &Arc<Guard>, address: Ipv4Addr, resolver: Option<&Path>) -> anyhow::Result<Self> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let mut arguments = vec!["--net".to_owned()];
        match resolver {
            None => arguments.extend(["--", "sleep", "infinity"].map(str::to_owned)),
            // Volumes that are mounted later are seen.
            Some(file) => {
                let hold = "mount --bind \"$0\" /etc/resolv.conf && exec sleep infinity";
                let mounts = ["--mount", "--propagation", "slave", "--", "sh", "-c", hold];
                arguments.extend(mounts.map(str::to_owned));
                arguments.push(file.display().to_string());
            }
        }
        let holder = Program {
            path: "unshare".into(),
            arguments,
            environment: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]),
            folder: std::env::temp_dir(),
            namespace: None,
        };
        let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
        let wire = Self { holder: holder.start(guard, &nowhere)?, mounts: resolver.is_some() };
        let ready = wire.until_apart();
        tokio::time::timeout(PATIENCE, ready).await.context("no network namespace for a pod")?;
        let process = wire.process().to_string();
        let [.., node, pod] = address.octets();
        let outer = format!("pod{node}-{pod}");
        let peer = ["type", "veth", "peer", "name", INTERFACE, "netns", &process];
        ip(&[&["link", "add", &outer][..], &peer].concat())?;
        ip(&["link", "set", &outer, "master", BRIDGE, "up"])?;
        wire.inside(&[
            "link set lo up".to_owned(),
            format!("addr add {address}/16 dev {INTERFACE}"),
            format!("link set {INTERFACE} up"),
            format!("route add default via {GATEWAY}"),
        ])?;
        Ok(wire)
    }

    /// The namespaces of the pod.
    pub(super) fn namespace(&self) -> Namespace {
        Namespace { process: self.process(), mounts: self.mounts }
    }

    /// The process that holds the namespaces.
    pub(super) fn process(&self) -> u32 {
        self.holder.group().number()
    }

    async fn until_apart(&self) {
        const LOOK: Duration = Duration::from_millis(1);
        let of = |process: &str| std::fs::read_link(Path::new("/proc").join(process).join("ns/net")).ok();
        let (own, process) = (of("self"), self.process().to_string());
        // The last thing that the holder becomes.
        let command = Path::new("/proc").join(&process).join("comm");
        let sleeps = || std::fs::read_to_string(&command).is_ok_and(|name| name.trim() == "sleep");
        while of(&process).is_none_or(|found| Some(&found) == own.as_ref()) || !sleeps() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Runs `ip` in the namespace of the pod, once for all lines.
    fn inside(&self, lines: &[String]) -> anyhow::Result<()> {
        let process = self.process().to_string();
        let mut command = Command::new("nsenter")
            .args(["--target", &process, "--net", "ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run nsenter")?;
        if let Some(mut input) = command.stdin.take() {
            input.write_all(lines.join("\n").as_bytes())?;
        }
        let output = command.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "the network of a pod: {}", text.trim());
        Ok(())
    }
}

fn inside(process: u32, arguments: &[&str]) -> anyhow::Result<()> {
    let process = process.to_string();
    run("nsenter", &[&["--target", &process, "--net", "ip"][..], arguments].concat())
}

/// Lets what a pod sends to an address go nowhere, or arrive again.
pub(super) fn set_wire(process: u32, to: Ipv4Addr, up: bool) -> anyhow::Result<()> {
    let to = to.to_string();
    if up {
        // Without an entry there is nothing to take back.
        let entry = inside(process, &["neigh", "del", &to, "dev", INTERFACE]);
        return entry.or(Ok(()));
    }
    inside(process, &["neigh", "replace", &to, "lladdr", UNUSED_MAC, "dev", INTERFACE, "nud", "permanent"])
}

/// The same for what this machine sends to a pod.
pub(super) fn set_gateway_wire(to: Ipv4Addr, up: bool) -> anyhow::Result<()> {
    let to = to.to_string();
    if up {
        return ip(&["neigh", "del", &to, "dev", BRIDGE]).or(Ok(()));
    }
    ip(&["neigh", "replace", &to, "lladdr", UNUSED_MAC, "dev", BRIDGE, "nud", "permanent"])
}

/// Leads what a pod sends to an address over this machine.
pub(super) fn lead_over_gateway(process: u32, to: Ipv4Addr) -> anyhow::Result<()> {
    let link = Command::new("ip").args(["-o", "link", "show", "dev", BRIDGE]).output()?;
    let text = String::from_utf8_lossy(&link.stdout).into_owned();
    let mut words = text.split_whitespace().skip_while(|word| *word != "link/ether");
    let hardware = words.nth(1).context("the bridge has no hardware address")?;
    let to = to.to_string();
    inside(process, &["neigh", "replace", &to, "lladdr", hardware, "dev", INTERFACE, "nud", "permanent"])
}

/// Lets this machine forward packets from one pod to another.
pub(super) fn forward() -> anyhow::Result<()> {
    for (name, value) in
        [("ip_forward", "1"), ("conf/all/send_redirects", "0"), ("conf/pods/send_redirects", "0")]
    {
        let path = Path::new("/proc/sys/net/ipv4").join(name);
        std::fs::write(path, value).with_context(|| format!("cannot set net.ipv4.{name}"))?;
    }
    Ok(())
}
