//! Which facts the status holds after a read. Facts that a read did not show stay; facts that it showed to be gone
//! are removed.

use super::{
    desired::Desired,
    observed::{ConnectionConfigMap, Observed, Remote},
};
use valkeeper_api::{
    ServiceFacts,
    service_facts::{Binding, WrittenSecret},
};

/// The ConfigMap with the connection parameters, once it holds them.
fn config_map(before: Option<Binding>, observed: &Observed, desired: &Desired) -> Option<Binding> {
    let target = desired.config_map.as_ref()?;
    match &observed.config_map {
        ConnectionConfigMap::Ours { current: true, .. } => Some(Binding { name: target.name.clone() }),
        _ => before.filter(|known| known.name == target.name),
    }
}

/// An answer without backups does not mean that there are none.
fn with_backups_of(before: &ServiceFacts, facts: ServiceFacts) -> ServiceFacts {
    let (last_backup_time, backups) = (before.last_backup_time.clone(), before.backups.clone());
    ServiceFacts { last_backup_time, backups, ..facts }
}

/// The facts after a read, given those before it; `written` is our content of the connection Secret.
pub fn next(
    before: ServiceFacts,
    observed: &Observed,
    desired: &Desired,
    written: Option<&WrittenSecret>,
) -> ServiceFacts {
    let mut facts = match &observed.remote {
        Remote::Unknown => before.clone(),
        Remote::Absent if !observed.absence_is_certain => before.clone(),
        Remote::Absent => ServiceFacts::default(),
        // A powered-off service may have no endpoint to show.
        Remote::Present(service) => {
            let endpoint = service.facts.endpoint.clone().or_else(|| before.endpoint.clone());
            let facts = ServiceFacts { endpoint, ..service.facts.clone() };
            if service.backups_are_unknown { with_backups_of(&before, facts) } else { facts }
        }
    };
    let target = desired.secret.as_ref();
    let known =
        before.connection_secret.filter(|known| target.is_some_and(|target| target.name == known.name));
    facts.connection_secret = written.cloned().or(known);
    facts.connection_config_map = config_map(before.connection_config_map, observed, desired);
    facts.binding = target
        .filter(|target| target.binding.is_some() && facts.connection_secret.is_some())
        .map(|target| Binding { name: target.name.clone() });
    facts
}
