//! Faults of nodes and pods, by name: each is one line that prints and parses, so that a schedule of them can
//! be written down and replayed. What they do is done by the nodes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A pod, or a claim, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A fault, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeFault {
    /// Kills the processes of a pod with SIGKILL; the kubelet starts them again.
    Kill(PodName),
    /// Kills the first processes of a pod's containers, and with them the containers.
    KillManager(PodName),
    /// Kills the Valkey and Redis servers of a pod, and nothing else.
    KillServer(PodName),
    /// Stops the processes of a pod with SIGSTOP: they keep their connections and answer nothing.
    Freeze(PodName),
    /// Resumes frozen processes.
    Thaw(PodName),
    /// Cuts a node off the API: its heartbeats end, its pods continue.
    Vanish(String),
    /// Connects the node again.
    Return(String),
    /// Cuts the wire from one pod to another, in this direction only. In isolated mode.
    Cut(PodName, PodName),
    /// Restores that wire.
    Join(PodName, PodName),
    /// Cuts a pod off everything but other pods, such as the API and the addresses of services. In isolated mode.
    CutOutside(PodName),
    /// Restores that wire.
    JoinOutside(PodName),
    /// Something that lasts until it is ended.
    Begin(Lasting),
    /// The end of it.
    End(Lasting),
}

/// A fault that lasts: the line `end FAULT` ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lasting {
    /// Stops the first processes of a pod's containers only.
    FreezeManager(PodName),
    /// Stops the Valkey and Redis servers of a pod only.
    FreezeServer(PodName),
    /// Drops all packets between two pods, in both directions. In isolated mode.
    Split(PodName, PodName),
    /// Drops all packets between a pod and every other existing pod. In isolated mode.
    SplitFromPeers(PodName),
    /// Cuts the wire between a pod and the API, and every client at the address of the API, in both directions. In
    /// isolated mode.
    SplitFromApi(PodName),
    /// On connections of the first pod to port 6379 of the second one, what either sends arrives so much later. In
    /// isolated mode.
    Delay(PodName, PodName, Duration),
    /// So many of a hundred packets of the first pod do not reach the second one, in bursts. In isolated mode.
    Loss(PodName, PodName, u8),
    /// No space is left on the volume of a claim. In isolated mode with mounts of its own.
    DiskFull(PodName),
    /// Each synchronization of files by the present processes of a pod takes so much longer. With `strace`.
    SlowVolumes(PodName, Duration),
    /// The wall clocks of a pod are so many seconds ahead, or behind. With libfaketime.
    ClockShift(PodName, i64),
    /// An image cannot be pulled any more.
    MissingImage(String),
    /// The API is unreachable for kubelets, controllers, and clients with the kubeconfig of pods.
    ApiOutage,
    /// Each request to the API takes so much longer.
    ApiSlow(Duration),
    /// Names of services and pods keep their addresses from the beginning of the fault. In isolated mode with mounts
    /// of its own.
    StaleDns,
}

impl NodeFault {
    /// The fault that ends this one; none if it is instantaneous, or is itself an end.
    pub fn healed_by(&self) -> Option<Self> {
        match self {
            Self::Freeze(pod) => Some(Self::Thaw(pod.clone())),
            Self::Vanish(node) => Some(Self::Return(node.clone())),
            Self::Cut(from, to) => Some(Self::Join(from.clone(), to.clone())),
            Self::CutOutside(pod) => Some(Self::JoinOutside(pod.clone())),
            Self::Begin(lasting) => Some(Self::End(lasting.clone())),
            Self::Kill(_)
            | Self::KillManager(_)
            | Self::KillServer(_)
            | Self::Thaw(_)
            | Self::Return(_)
            | Self::Join(..)
            | Self::JoinOutside(_)
            | Self::End(_) => None,
        }
    }

    /// Whether this is the end of a fault.
    pub fn heals(&self) -> bool {
        !matches!(self, Self::Kill(_) | Self::KillManager(_) | Self::KillServer(_))
            && self.healed_by().is_none()
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(pod) => write!(formatter, "kill pod {pod}"),
            Self::KillManager(pod) => write!(formatter, "kill manager {pod}"),
            Self::KillServer(pod) => write!(formatter, "kill server {pod}"),
            Self::Freeze(pod) => write!(formatter, "freeze pod {pod}"),
            Self::Thaw(pod) => write!(formatter, "thaw pod {pod}"),
            Self::Vanish(node) => write!(formatter, "vanish node {node}"),
            Self::Return(node) => write!(formatter, "return node {node}"),
            Self::Cut(from, to) => write!(formatter, "cut {from} to {to}"),
            Self::Join(from, to) => write!(formatter, "join {from} to {to}"),
            Self::CutOutside(pod) => write!(formatter, "cut {pod} to outside"),
            Self::JoinOutside(pod) => write!(formatter, "join {pod} to outside"),
            Self::Begin(lasting) => write!(formatter, "{lasting}"),
            Self::End(lasting) => write!(formatter, "end {lasting}"),
        }
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Duration| humantime::format_duration(*time).to_string().replace(' ', "");
        match self {
            Self::FreezeManager(pod) => write!(formatter, "freeze manager {pod}"),
            Self::FreezeServer(pod) => write!(formatter, "freeze server {pod}"),
            Self::Split(one, other) => write!(formatter, "split {one} from {other}"),
            Self::SplitFromPeers(pod) => write!(formatter, "split {pod} from peers"),
            Self::SplitFromApi(pod) => write!(formatter, "split {pod} from api"),
            Self::Delay(from, to, by) => write!(formatter, "delay {from} to {to} by {}", time(by)),
            Self::Loss(from, to, percent) => write!(formatter, "lose {percent}% of {from} to {to}"),
            Self::DiskFull(claim) => write!(formatter, "fill claim {claim}"),
            Self::SlowVolumes(pod, by) => write!(formatter, "slow volumes of {pod} by {}", time(by)),
            Self::ClockShift(pod, seconds) => write!(formatter, "shift clock of {pod} by {seconds:+}s"),
            Self::MissingImage(image) => write!(formatter, "miss image {image}"),
            Self::ApiOutage => formatter.write_str("stop api"),
            Self::ApiSlow(by) => write!(formatter, "slow api by {}", time(by)),
            Self::StaleDns => formatter.write_str("freeze dns"),
        }
    }
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("{text:?} is not of the form NAMESPACE/NAME")),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}"))
}

fn seconds(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{text:?} is not of the form +SECONDSs"))
}

fn percent(text: &str) -> Result<u8, String> {
    let number: Option<u8> = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|number| (1..=100).contains(number)).ok_or_else(|| format!("{text:?} is no percentage"))
}

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["freeze", "manager", pod] => pod.parse().map(Self::FreezeManager),
            ["freeze", "server", pod] => pod.parse().map(Self::FreezeServer),
            ["split", pod, "from", "peers"] => pod.parse().map(Self::SplitFromPeers),
            ["split", pod, "from", "api"] => pod.parse().map(Self::SplitFromApi),
            ["split", one, "from", other] => Ok(Self::Split(one.parse()?, other.parse()?)),
            ["delay", from, "to", to, "by", by] => Ok(Self::Delay(from.parse()?, to.parse()?, duration(by)?)),
            ["lose", share, "of", from, "to", to] => {
                Ok(Self::Loss(from.parse()?, to.parse()?, percent(share)?))
            }
            ["fill", "claim", claim] => claim.parse().map(Self::DiskFull),
            ["slow", "volumes", "of", pod, "by", by] => Ok(Self::SlowVolumes(pod.parse()?, duration(by)?)),
            ["shift", "clock", "of", pod, "by", by] => Ok(Self::ClockShift(pod.parse()?, seconds(by)?)),
            ["miss", "image", image] => Ok(Self::MissingImage((*image).to_owned())),
            ["stop", "api"] => Ok(Self::ApiOutage),
            ["slow", "api", "by", by] => duration(by).map(Self::ApiSlow),
            ["freeze", "dns"] => Ok(Self::StaleDns),
            _ => Err(format!("unknown fault {text:?}")),
        }
    }
}

impl FromStr for NodeFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(ended) = text.strip_prefix("end ") {
            return ended.parse().map(Self::End);
        }
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["kill", "pod", pod] => pod.parse().map(Self::Kill),
            ["kill", "manager", pod] => pod.parse().map(Self::KillManager),
            ["kill", "server", pod] => pod.parse().map(Self::KillServer),
            ["freeze", "pod", pod] => pod.parse().map(Self::Freeze),
            ["thaw", "pod", pod] => pod.parse().map(Self::Thaw),
            ["vanish", "node", node] => Ok(Self::Vanish((*node).to_owned())),
            ["return", "node", node] => Ok(Self::Return((*node).to_owned())),
            ["cut", pod, "to", "outside"] => pod.parse().map(Self::CutOutside),
            ["join", pod, "to", "outside"] => pod.parse().map(Self::JoinOutside),
            ["cut", from, "to", to] => Ok(Self::Cut(from.parse()?, to.parse()?)),
            ["join", from, "to", to] => Ok(Self::Join(from.parse()?, to.parse()?)),
            _ => text.parse().map(Self::Begin),
        }
    }
}
