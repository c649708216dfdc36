//! Whether a cluster needs its Lease. An only instance accepts writes without one, so that no outage of the API server
//! stops it.
//!
//! ```text
//!   alone ──more instances──▶ settings name the Lease ──all read them──▶ Lease created ──▶ leased
//!   leased ──one instance left, which holds the Lease──▶ settings name none ──read──▶ Lease deleted ──▶ alone
//! ```

use crate::desired::Desired;
use crate::observed::{LeaseSeen, Observed};

/// Whether the settings name no lease.
pub(crate) fn is_alone(desired: &Desired, observed: &Observed) -> bool {
    if desired.instances() != 1 || observed.pods.keys().any(|ordinal| *ordinal != 0) {
        return false;
    }
    match &observed.lease {
        LeaseSeen::Missing => true,
        // Whoever holds it may know more than the instance that stays.
        LeaseSeen::Present(lease) => {
            let known = observed.instances.get(&0).is_some_and(|instance| instance.alone);
            let holder = lease.holder.as_ref().map(|holder| holder.name.as_str() == desired.instance(0));
            known || holder == Some(true)
        }
        LeaseSeen::Unknown | LeaseSeen::Foreign => false,
    }
}
