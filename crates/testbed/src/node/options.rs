//! How nodes are started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::images::Images;

/// Heartbeats, probes and back-offs of upstream, divided by the speed.
const HEARTBEAT: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(40);

/// How nodes are started. The defaults are three nodes in three zones.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// How many there are: `node-1`, `node-2` and so on, in the zones `a`, `b`, `c`, `a` and so on.
    pub count: u8,
    /// Whether each pod has a network of its own ([`Mode::Isolated`](super::Mode::Isolated)). Needs to be root
    /// in a network namespace of its own: start with `unshare --user --map-root-user --net`.
    pub isolated: bool,
    /// Which programs stand in for images.
    pub images: Images,
    /// Variables of every container, such as `KUBECONFIG`; a container's own take precedence.
    pub environment: BTreeMap<String, String>,
    /// Where volumes, logs and the files of pods are kept; a temporary folder otherwise.
    pub folder: Option<PathBuf>,
    /// Speed of the time of nodes relative to upstream: heartbeats, the tolerance for a node that does not send them,
    /// tolerations, back-offs, and the delays and periods of probes. Timeouts and grace periods are not scaled, nor
    /// is any time of the programs themselves.
    pub speed: u32,
    /// The kubeconfig of the API server, for pods: they find one in `KUBECONFIG` that leads to the same server over
    /// an address which isolated pods reach as well, and which faults of the API shut.
    pub kubeconfig: Option<String>,
    /// Whether pods have wall clocks of their own, by libfaketime, where it is found.
    pub clocks: bool,
    /// The certificate of the API server, for the config map that pods find it in.
    pub certificate_authority: Option<String>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            count: 3,
            isolated: false,
            images: Images::default(),
            environment: BTreeMap::new(),
            folder: None,
            speed: 20,
            kubeconfig: None,
            clocks: false,
            certificate_authority: None,
        }
    }
}

/// Time as nodes count it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(u32);

impl Pace {
    pub(super) fn new(speed: u32) -> Self {
        Self(speed.max(1))
    }

    pub(super) fn seconds(self, seconds: i64) -> Duration {
        self.scale(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    }

    pub(super) fn scale(self, time: Duration) -> Duration {
        time / self.0
    }

    /// Between two heartbeats of a node.
    pub(super) fn heartbeat(self) -> Duration {
        self.scale(HEARTBEAT)
    }

    /// How long a node may be silent before it counts as unreachable.
    pub(super) fn grace(self) -> Duration {
        self.scale(GRACE)
    }
}
