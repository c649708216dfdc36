//! Whether a cluster needs its Lease. An only instance accepts writes without one, so that no outage of the API server
//! stops it.
//!
//! ```text
//!   alone ──more instances──▶ settings name the Lease ──all read them──▶ Lease created ──▶ leased
//!   leased ──one instance left, which holds the Lease──▶ Lease optional ──▶ settings name none ──read──▶ Lease deleted ──▶ alone
//!                                                             └──more instances──▶ settings name the Lease
//!                                                      ──all read them──▶ Lease deleted and created ──▶ leased
//! ```
//!
//! Guarantees: while an instance may have settings that name no Lease, there is none, or the Lease says that it is
//! optional. Its term says nothing then, and no primary is elected.

use crate::desired::Desired;
use crate::members;
use crate::observed::{LeaseSeen, Observed};
use valkeeper_failover::protocol::Peer;

/// Whether the settings name no lease.
pub(crate) fn is_alone(desired: &Desired, observed: &Observed) -> bool {
    match &observed.lease {
        LeaseSeen::Missing => has_one_instance(desired, observed),
        LeaseSeen::Present(_) => observed.lease_is_optional && may_leave_the_lease(desired, observed),
        LeaseSeen::Unknown | LeaseSeen::Foreign => false,
    }
}

/// Whether the Lease is not needed any more.
pub(crate) fn may_leave_the_lease(desired: &Desired, observed: &Observed) -> bool {
    let LeaseSeen::Present(lease) = &observed.lease else { return false };
    // Whoever holds it may know more than the instance that stays.
    let known = observed.instances.get(&0).is_some_and(|instance| instance.alone);
    // Another pod with its name may still run unobserved.
    let own = observed.instances.get(&0).map(|instance| Peer::from(&instance.status.identity));
    let holder = lease.holder.as_ref().map(Peer::from);
    has_one_instance(desired, observed) && (known || holder.is_some() && holder == own)
}

fn has_one_instance(desired: &Desired, observed: &Observed) -> bool {
    desired.instances() == 1
        && observed.pods.keys().all(|ordinal| *ordinal == 0)
        && members::retained(desired, observed).next().is_none()
}
