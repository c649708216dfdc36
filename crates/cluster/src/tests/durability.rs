//! With quorum durability, a write that as many replicas have confirmed as the status asks for is not lost by a failover,
//! whatever happens to the cluster, as long as one instance has it.

use super::{desired, model::Model};
use crate::{Step, names};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use valkeeper_failover::{Name, Position, protocol::Role};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Steps of the operator, and then of the world; replicas catch up.
    Goes(u8, u8),
    /// A write, which these replicas confirm before anything else happens.
    Write(u8),
    /// What it has in its memory is gone.
    Kill(u32),
    Delete(u32),
    Silence(u32),
    Speak,
    Instances(i32),
    /// A write that this replica alone confirms; then it falls silent, and the primary loses its memory.
    Strikes(u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_u8..12, 0_u8..3).prop_map(|(steps, passes)| Happening::Goes(steps, passes)),
        4 => any::<u8>().prop_map(Happening::Write),
        1 => (0_u32..5).prop_map(Happening::Kill),
        1 => (0_u32..5).prop_map(Happening::Delete),
        2 => (0_u32..5).prop_map(Happening::Silence),
        1 => Just(Happening::Speak),
        2 => prop::sample::select(vec![3, 4, 5]).prop_map(Happening::Instances),
        1 => (0_u32..5).prop_map(Happening::Strikes),
    ]
}

#[derive(Clone)]
struct Promises {
    model: Model,
    promised: Position,
    /// How many instances have lost their memory since, or will because the user had deleted them before; none loses it
    /// by the will of the operator.
    lost: usize,
}

impl Promises {
    fn new() -> Self {
        let model = Model::new(desired(&json!({"durability": "Quorum"})));
        let mut new = Self { model, promised: Position::default(), lost: 0 };
        new.settle();
        assert!(new.model.desired.status.durability.is_some());
        new
    }

    fn undergo(&mut self, happening: &Happening) {
        match happening {
            Happening::Goes(steps, passes) => self.go(*steps, *passes),
            Happening::Write(takers) => self.write(*takers),
            Happening::Kill(ordinal) => self.kill(*ordinal),
            Happening::Delete(ordinal) => {
                if let Some(pod) = self.model.pods.get_mut(ordinal) {
                    self.lost += 1;
                    pod.seen.deleting = true;
                }
            }
            Happening::Silence(ordinal) => self.silence(*ordinal),
            Happening::Speak => self.model.pods.values_mut().for_each(|pod| pod.silent = false),
            Happening::Instances(count) => self.model.desired.spec.instances = *count,
            Happening::Strikes(ordinal) => {
                let Some(primary) = self.primary().filter(|primary| primary != ordinal) else { return };
                self.write(1 << ordinal);
                self.silence(*ordinal);
                self.kill(primary);
            }
        }
    }

    /// Its server is started again, and has nothing.
    fn kill(&mut self, ordinal: u32) {
        self.model.kill(ordinal);
        let pod = self.model.pods.get_mut(&ordinal);
        if let Some(instance) = pod.and_then(|pod| pod.instance.as_mut()) {
            self.lost += 1;
            (instance.status.position, instance.status.live) = (Some(Position::default()), false);
        }
    }

    fn silence(&mut self, ordinal: u32) {
        if let Some(pod) = self.model.pods.get_mut(&ordinal) {
            pod.silent = true;
        }
    }

    /// Goes on until nothing is to be done.
    fn settle(&mut self) {
        for _ in 0..30 {
            self.go(10, 1);
        }
    }

    fn go(&mut self, steps: u8, passes: u8) {
        for _ in 0..steps {
            let before = self.positions();
            self.model.step();
            if let Some(Step::Promote(name, ..)) = self.model.steps.last() {
                let name = name.clone();
                self.judge(&name, &before);
            }
        }
        for _ in 0..passes {
            self.model.pass();
            self.stream(u8::MAX);
        }
    }

    fn positions(&self) -> Vec<(Name, Position)> {
        let instances = self.model.pods.values().filter_map(|pod| pod.instance.as_ref());
        let statuses = instances.map(|instance| &instance.status);
        statuses.filter_map(|status| Some((status.identity.name.clone(), status.position?))).collect()
    }

    fn judge(&self, promoted: &Name, before: &[(Name, Position)]) {
        let has = |position: Position| position >= self.promised;
        let own = before.iter().find(|(name, _)| name == promoted).map(|(_, position)| *position);
        // Two instances had it, at least.
        let exists = self.lost < 2 || before.iter().any(|(_, position)| has(*position));
        assert!(
            own.is_some_and(has) || !exists,
            "{promoted} is promoted at {own:?} without {:?}: {before:?}",
            self.promised
        );
    }

    /// The write is promised if enough replicas have it.
    fn write(&mut self, takers: u8) {
        let Some(ordinal) = self.primary() else { return };
        let instance = self.model.pods.get_mut(&ordinal).and_then(|pod| pod.instance.as_mut());
        let Some(position) = instance.and_then(|instance| instance.status.position.as_mut()) else { return };
        position.offset += 1;
        let position = *position;
        let confirmed = self.stream(takers);
        let asked = self.model.desired.status.durability.map(|durability| durability.acknowledgments);
        let is_promised = asked.is_some_and(|asked| confirmed >= usize::try_from(asked).unwrap());
        if is_promised && position > self.promised {
            (self.promised, self.lost) = (position, self.ending_holders(position));
        }
    }

    fn ending_holders(&self, position: Position) -> usize {
        let ending = self.model.pods.values().filter(|pod| pod.seen.deleting);
        let statuses = ending.filter_map(|pod| pod.instance.as_ref()).map(|instance| &instance.status);
        statuses.filter(|status| status.position == Some(position)).count()
    }

    fn primary(&self) -> Option<u32> {
        let reigns = |pod: &&super::pods::Pod| {
            let role = pod.instance.as_ref().map(|instance| &instance.status.role);
            matches!(role, Some(Role::Primary(_)))
        };
        self.model.pods.iter().find(|(_, pod)| reigns(pod)).map(|(ordinal, _)| *ordinal)
    }

    /// These replicas take in what the primary has; answers how many have it.
    fn stream(&mut self, takers: u8) -> usize {
        let Some(primary) = self.primary() else { return 0 };
        let position =
            self.model.pods[&primary].instance.as_ref().and_then(|instance| instance.status.position);
        let name: Name = format!("c-{primary}").as_str().into();
        let is_among = |ordinal: u32| takers & (1 << ordinal) != 0;
        let mut count = 0;
        for (_, pod) in self.model.pods.iter_mut().filter(|(ordinal, _)| is_among(**ordinal)) {
            let follows =
                pod.instance.as_mut().filter(|instance| instance.status.role == Role::Replica(name.clone()));
            if let Some(instance) = follows {
                instance.status.position = position;
                count += 1;
            }
        }
        count
    }
}

#[test]
fn promised_write_survives_whatever_happens() {
    let settled = Promises::new();
    let happenings = prop::collection::vec(happening(), 0..40);
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
    let judged = runner.run(&happenings, |happenings| {
        let mut promises = settled.clone();
        for happening in &happenings {
            promises.undergo(happening);
        }
        Ok(())
    });
    judged.unwrap();
}

/// No replica could keep it: the write is confirmed by a pod that is ending.
#[test]
fn write_that_only_ending_pods_have_may_be_lost() {
    let mut promises = Promises::new();
    let primary = promises.primary().unwrap();
    let replica = if primary == 0 { 2 } else { 0 };
    for happening in [Happening::Delete(replica), Happening::Delete(primary), Happening::Write(1 << replica)]
    {
        promises.undergo(&happening);
    }
    assert_eq!(promises.lost, 2);
    promises.settle();
}

#[test]
fn promise_grows_when_every_instance_has_everything() {
    let mut promises = Promises::new();
    let said = |promises: &Promises| {
        promises.model.desired.status.durability.map(|said| (said.acknowledgments, said.members))
    };
    assert_eq!(said(&promises), Some((1, 3)));
    promises.model.desired.spec.instances = 5;
    for _ in 0..40 {
        promises.model.step();
        promises.model.pass();
        // One replica takes in nothing.
        promises.write(0b1_0111);
    }
    assert_eq!((promises.model.pods.len(), said(&promises)), (5, Some((1, 3))));
    promises.settle();
    assert_eq!(said(&promises), Some((2, 5)));
    promises.model.desired.spec.instances = 3;
    promises.settle();
    assert_eq!(said(&promises), Some((1, 3)));
    assert!(promises.model.objects.values().any(|object| {
        let text = object["data"]["instance.yaml"].as_str().unwrap_or_default();
        names::settings("c") == object["metadata"]["name"] && text.contains("minReplicas")
    }));
}
