//! The operator of the tests: reads lease and statuses, decides by the pure function, sends the verb.

use crate::world::World;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use valkeeper_failover::{
    Name,
    manager::LeaseAnswer,
    observer::{LeaseReading, MemberReading, Observer, Reading},
    operator::{Policy, Step},
    protocol::{Peers, Timing},
};
use valkeeper_instance::{client::Place, status::StatusAnswer};

/// Where clients that want to write are directed, as the endpoints of a Service would.
pub(crate) type Route = Arc<Mutex<Option<Name>>>;

/// One operator.
pub(crate) struct Operator {
    observer: Observer,
    timing: Timing,
    started: Instant,
    pub(crate) policy: Policy,
    pub(crate) route: Route,
    /// What nobody sees, such as an instance on another side of a network.
    pub(crate) unseen: BTreeSet<Name>,
    /// Among equals, this one is preferred.
    pub(crate) preferred: Option<Name>,
    /// The promotions that were sent, and when.
    pub(crate) promotions: Vec<(Name, Instant)>,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let timing = Timing {
            lease_duration: Duration::from_secs(8),
            hard_deadline: Duration::from_secs(6),
            ..Timing::default()
        };
        let policy = Policy {
            failover_after: Duration::from_secs(2),
            drain: Duration::from_millis(500),
            quorum: None,
            without_missing: false,
            without_consent: None,
        };
        Self {
            observer: Observer::default(),
            timing,
            started: Instant::now(),
            policy,
            route: Route::default(),
            unseen: BTreeSet::new(),
            preferred: None,
            promotions: Vec::new(),
        }
    }

    /// One reconciliation: reads, decides, sends.
    pub(crate) async fn step(&mut self, world: &World) -> Step {
        let began = self.started.elapsed();
        let lease = match world.lease().read().await {
            LeaseAnswer::Read { holder, term, version } => {
                LeaseReading { holder, term, version, peers: Peers::new() }
            }
            other => panic!("{other:?}"),
        };
        let answers = self.read(world).await;
        let routed = self.route.lock().unwrap().clone();
        let members = world.nodes.iter().map(|node| {
            let status = answers.get(&node.name).map(|answer| answer.status.clone());
            let reading = MemberReading {
                status,
                preference: u8::from(self.preferred.as_ref() == Some(&node.name)),
                routed: routed.as_ref() == Some(&node.name),
                ..MemberReading::default()
            };
            (node.name.clone(), reading)
        });
        let reading = Reading {
            began,
            ended: self.started.elapsed(),
            lease: Some(lease),
            members: members.collect(),
            ..Reading::default()
        };
        let (view, step) = self.observer.decide(&self.policy, &self.timing, reading);
        if std::env::var_os("STEPS").is_some() {
            let positions: Vec<_> =
                view.members
                    .values()
                    .map(|member| {
                        member.status.as_ref().map(|status| {
                            (status.role.clone(), status.position, status.streaming, status.synced)
                        })
                    })
                    .collect();
            eprintln!("{:?} {step:?} {:?} {positions:?}", self.started.elapsed(), view.vacant_for);
        }
        self.send(world, &step, &answers).await;
        step
    }

    async fn read(&self, world: &World) -> BTreeMap<Name, StatusAnswer> {
        let mut asked = tokio::task::JoinSet::new();
        for node in world.nodes.iter().filter(|node| !self.unseen.contains(&node.name)) {
            let (name, client) = (node.name.clone(), node.client.clone());
            asked.spawn(async move {
                let answer = tokio::time::timeout(Duration::from_secs(1), client.status()).await;
                Some((name, answer.ok()?.ok()?))
            });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }

    async fn send(&mut self, world: &World, step: &Step, answers: &BTreeMap<Name, StatusAnswer>) {
        // Answers to verbs are not looked at: the next reading shows what they did.
        match step {
            Step::Hold(name, term) => drop(world.node(name).client.hold(*term).await),
            Step::Promote(name, term, version) => {
                self.promotions.push((name.clone(), Instant::now()));
                drop(world.node(name).client.promote(*term, *version).await);
            }
            Step::Route(name, _) => {
                let holder = match world.lease().read().await {
                    LeaseAnswer::Read { holder, .. } => holder.map(|holder| holder.name),
                    other => panic!("{other:?}"),
                };
                assert_eq!(holder.as_ref(), Some(name), "clients are directed to one that was not promoted");
                *self.route.lock().unwrap() = Some(name.clone());
            }
            Step::Kick(name, term) => drop(world.node(name).client.kick(*term).await),
            Step::Follow(name, primary, term) => {
                if let Some(server) = answers.get(primary).and_then(|answer| answer.server.as_ref()) {
                    let client = &world.node(name).client;
                    let place = Place { host: &server.host, port: server.port, tls_port: None };
                    drop(client.follow(*term, primary, place).await);
                }
            }
            Step::CreateLease(_) | Step::Wait(_) | Step::Settled(..) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Reconciles until this is so.
    pub(crate) async fn until(
        &mut self,
        world: &World,
        what: &str,
        mut condition: impl AsyncFnMut(&Step) -> bool,
    ) {
        let begun = Instant::now();
        let mut steps: Vec<Step> = Vec::new();
        while begun.elapsed() < crate::world::PATIENCE {
            let step = self.step(world).await;
            if condition(&step).await {
                return;
            }
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        panic!("never: {what}; steps: {:#?}", &steps[steps.len().saturating_sub(30)..])
    }

    /// Reconciles until there is one primary, and all others that are seen have caught up with it.
    pub(crate) async fn settled(&mut self, world: &World) -> Name {
        let mut primary = None;
        let unseen = self.unseen.clone();
        self.until(world, "settled", async |step| {
            let Step::Settled(name, _) = step else { return false };
            for node in world.nodes.iter().filter(|node| node.name != *name && !unseen.contains(&node.name)) {
                if !node.client.status().await.is_ok_and(|answer| answer.status.synced) {
                    return false;
                }
            }
            primary = Some(name.clone());
            true
        })
        .await;
        primary.unwrap()
    }
}
