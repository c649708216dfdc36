//! Networks for the addresses of services, for API servers that run beside each other in one process.

use std::sync::atomic::{AtomicU32, Ordering};

/// The second parts of the addresses.
const NETWORKS: std::ops::RangeInclusive<u8> = 191..=250;

/// A network for the addresses of services: another one for each of as many API servers of this process as there are
/// networks. With the same one, an address of one API server could lead to a pod of another.
pub fn service_network() -> [u8; 2] {
    static CLAIMED: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(NETWORKS.end() - NETWORKS.start()) + 1;
    let number = std::process::id().wrapping_add(CLAIMED.fetch_add(1, Ordering::Relaxed)) % count;
    [127, NETWORKS.start() + u8::try_from(number).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn api_servers_of_a_process_have_networks_of_their_own() {
        let networks: HashSet<[u8; 2]> = NETWORKS.map(|_| service_network()).collect();
        assert_eq!(networks.len(), NETWORKS.count());
    }
}
