//! Connects services and their servers: sends every keeper the configuration of its service, and every service the
//! reports of its keeper. A deleted service takes its server along, and servers end in an orderly way when the
//! provider is stopped.

use super::clock::Moment;
use super::server::Shared;
use crate::servers::{Identity, Keeper, Report, Servers, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval of checks of services; it moves their time when no request comes in.
const PACE: Duration = Duration::from_millis(50);

/// Runs until the provider ends.
pub(super) async fn run(shared: Arc<Shared>, servers: Arc<Servers>, lifetime: CancellationToken) {
    let mut keepers: BTreeMap<Identity, Keeper> = BTreeMap::new();
    let mut leaving = Vec::new();
    loop {
        let wanted = wanted(&shared);
        let gone: Vec<_> = keepers.extract_if(.., |identity, _| !wanted.contains_key(identity)).collect();
        leaving.extend(gone.into_iter().map(|(_, keeper)| keeper.delete()));
        leaving.retain(|task| !task.is_finished());
        for (identity, wanted) in wanted {
            if let Some(keeper) = keepers.get(&identity) {
                keeper.keep(wanted);
            } else {
                let keeper = start(&shared, &servers, identity.clone(), wanted);
                keepers.insert(identity, keeper);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            () = lifetime.cancelled() => break,
        }
    }
    futures::future::join_all(keepers.into_values().map(Keeper::leave)).await;
    futures::future::join_all(leaving).await;
}

fn start(shared: &Arc<Shared>, servers: &Arc<Servers>, identity: Identity, wanted: Wanted) -> Keeper {
    let (shared, reporter) = (Arc::clone(shared), identity.clone());
    Keeper::start(Arc::clone(servers), identity, wanted, move |report| {
        handle_report(&shared, &reporter, report);
    })
}

fn handle_report(shared: &Shared, identity: &Identity, report: &Report) {
    let mut world = shared.world();
    // It may be gone, or another one of the same name.
    if world.find(&identity.project, &identity.service).is_some_and(|known| known.identity() == *identity) {
        let _ = world.edit(&identity.project, &identity.service, |service| service.handle_report(report));
    }
}

fn wanted(shared: &Shared) -> BTreeMap<Identity, Wanted> {
    let now: Moment = shared.clock.now();
    let world = shared.world_at(now);
    let services = world.projects.values().flat_map(|project| project.services.values());
    services.filter_map(|service| Some((service.identity(), service.wanted(&world, now)?))).collect()
}
