//! Obstacles to faults: what this mode or machine does not support, and what would be needed.

use super::faults::{Lasting, NodeFault};
use super::{Mode, Nodes, slowness};

impl Nodes {
    /// Why this mode or machine cannot do this.
    pub fn obstacle(&self, fault: &NodeFault) -> Option<String> {
        let isolated = "wires can be cut in isolated mode only";
        let mounts = "only in isolated mode with mounts of its own (unshare --mount)";
        let lasting = match fault {
            NodeFault::Cut(..)
            | NodeFault::Join(..)
            | NodeFault::CutOutside(_)
            | NodeFault::JoinOutside(_) => {
                return (self.mode() == Mode::Plain).then(|| isolated.to_owned());
            }
            NodeFault::Begin(lasting) | NodeFault::End(lasting) => lasting,
            _ => return None,
        };
        match lasting {
            Lasting::Split(..)
            | Lasting::SplitFromPeers(_)
            | Lasting::SplitFromApi(_)
            | Lasting::Delay(..)
            | Lasting::Loss(..) => (self.mode() == Mode::Plain).then(|| isolated.to_owned()),
            Lasting::DiskFull(_) => (!self.sized).then(|| format!("volumes have a size {mounts}")),
            Lasting::StaleDns => (!self.sized).then(|| format!("names are served {mounts}")),
            Lasting::SlowVolumes(..) => slowness::obstacle(),
            Lasting::ClockShift(..) => {
                let asked = "pods have clocks of their own only with NodeOptions::clocks and libfaketime";
                (!self.clocks).then(|| asked.to_owned())
            }
            Lasting::FreezeManager(_)
            | Lasting::FreezeServer(_)
            | Lasting::MissingImage(_)
            | Lasting::ApiOutage
            | Lasting::ApiSlow(_) => None,
        }
    }
}
