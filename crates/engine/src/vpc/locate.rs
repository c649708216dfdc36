//! The VPC of a resource: identified, just found, another resource's, or absent.

use super::{
    desired::DesiredVpc,
    observed::{ObservedVpc, SeenVpc, is_going},
};

/// Where the VPC of a resource is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Located<'v> {
    /// Identified and listed.
    Known(&'v SeenVpc),
    /// Identified and not listed.
    Unlisted(&'v str),
    /// Just found, and not noted yet.
    Found(&'v SeenVpc),
    /// A matching one is listed; whether it belongs to another resource is still unknown.
    Unclear,
    /// One that fits is listed, and it is not this resource's.
    Foreign(&'v SeenVpc),
    /// Nowhere.
    Nowhere,
}

/// Whether the list shows the VPC of the resource; none while that is unknown.
pub fn is_listed(desired: &DesiredVpc, observed: &ObservedVpc) -> Option<bool> {
    match locate(desired, observed, observed.vpcs.as_ref()?) {
        Located::Known(_) | Located::Found(_) => Some(true),
        Located::Unlisted(_) | Located::Foreign(_) | Located::Nowhere => Some(false),
        Located::Unclear => None,
    }
}

pub(super) fn locate<'v>(
    desired: &'v DesiredVpc,
    observed: &'v ObservedVpc,
    vpcs: &'v [SeenVpc],
) -> Located<'v> {
    if let Some(id) = &desired.id {
        let listed = vpcs.iter().find(|vpc| vpc.id == *id);
        return listed.map_or(Located::Unlisted(id), Located::Known);
    }
    if let Some(created) = vpcs.iter().find(|vpc| Some(&vpc.id) == observed.created.as_ref()) {
        return Located::Found(created);
    }
    let mut fitting = vpcs.iter().filter(|vpc| desired.fits(vpc) && !is_going(&vpc.state));
    let Some(first) = fitting.clone().next() else { return Located::Nowhere };
    if !desired.requested {
        return Located::Foreign(first);
    }
    let Some(claimed) = &observed.claimed else { return Located::Unclear };
    fitting.find(|vpc| !claimed.contains(&vpc.id)).map_or(Located::Foreign(first), Located::Found)
}
