//! Whatever happens to a cluster: when it stops happening, the cluster comes to rest as it was declared.

use super::{desired, model::Model, resizes::Kubelet};
use crate::{Step, bytes, names};
use proptest::prelude::*;
use serde_json::{Value, json};
use valkeeper_engine::Ready;

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Steps of the operator, and then of the world.
    Goes(u8, u8),
    Kill(u32),
    Delete(u32),
    Silence(u32),
    Instances(i32),
    Memory(&'static str),
    Config(&'static str),
    Powered(bool),
    /// Another password is asked for.
    Password(u32),
    /// Another generated one.
    Rotate,
    /// Clients of Sentinel are served and who may connect is limited, or not.
    Clients(bool),
    /// From now on, kubelets do this with pods that ask for other resources.
    Kubelet(Kubelet),
    /// Volumes are to have so many gibibytes, if there are any that have fewer.
    Volumes(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u8..20, 0_u8..4).prop_map(|(steps, passes)| Happening::Goes(steps, passes)),
        1 => (0_u32..4).prop_map(Happening::Kill),
        1 => (0_u32..4).prop_map(Happening::Delete),
        1 => (0_u32..4).prop_map(Happening::Silence),
        1 => (1_i32..5).prop_map(Happening::Instances),
        2 => prop::sample::select(vec!["1Gi", "2Gi", "3Gi"]).prop_map(Happening::Memory),
        1 => prop::sample::select(Kubelet::ALL.to_vec()).prop_map(Happening::Kubelet),
        1 => prop::sample::select(vec!["1", "2"]).prop_map(Happening::Config),
        1 => any::<bool>().prop_map(Happening::Powered),
        2 => (1_u32..4).prop_map(Happening::Password),
        1 => Just(Happening::Rotate),
        1 => any::<bool>().prop_map(Happening::Clients),
        1 => (1_u64..9).prop_map(Happening::Volumes),
    ]
}

impl Model {
    fn undergo(&mut self, happening: &Happening) {
        match happening {
            Happening::Goes(steps, passes) => {
                for _ in 0..*steps {
                    self.step();
                }
                for _ in 0..*passes {
                    self.pass();
                }
            }
            Happening::Kill(ordinal) => self.kill(*ordinal),
            Happening::Delete(ordinal) => {
                if let Some(pod) = self.pods.get_mut(ordinal) {
                    pod.seen.deleting = true;
                }
            }
            // The API, and with it the Lease, is as far away as the operator.
            Happening::Silence(ordinal) => {
                if let Some(pod) = self.pods.get_mut(ordinal) {
                    pod.silent = true;
                }
            }
            Happening::Instances(count) => self.desired.spec.instances = *count,
            Happening::Memory(memory) => (*memory).clone_into(&mut self.desired.spec.resources.memory),
            Happening::Config(value) => {
                let config = [("timeout".to_owned(), (*value).to_owned())];
                self.desired.spec.config = Some(config.into());
            }
            Happening::Powered(powered) => self.desired.spec.powered = Some(*powered),
            Happening::Volumes(gibi) => {
                let size =
                    self.desired.spec.persistence.as_mut().and_then(|persistence| persistence.size.as_mut());
                if let Some(size) = size.filter(|size| bytes(size) < gibi << 30) {
                    *size = format!("{gibi}Gi");
                }
            }
            Happening::Password(password) => self.password = self.password.and(Some(*password)),
            Happening::Rotate => self.password_is_due = true,
            Happening::Kubelet(kubelet) => self.kubelet = *kubelet,
            Happening::Clients(served) => {
                let clients = if *served { json!({"sentinel": true, "allowFrom": []}) } else { Value::Null };
                self.desired.spec.clients = serde_json::from_value(clients).unwrap();
            }
        }
    }

    /// Goes on for as long as a cluster without trouble needs, whether or not it comes to rest.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            if !self.step() {
                self.pass();
            }
        }
    }

    /// Goes on until nothing is to be done.
    pub(super) fn rest(&mut self) {
        for pod in self.pods.values_mut() {
            pod.silent = false;
        }
        self.raise_quota();
        let mut calm = 0;
        for _ in 0..2_000 {
            let acted = self.step();
            if acted {
                calm = 0;
                continue;
            }
            self.pass();
            calm += 1;
            let observed = self.observe();
            if calm > 3 && crate::decide(&self.desired, &observed).report.ready == Ready::Yes {
                return;
            }
        }
        let observed = self.observe();
        let decision = crate::decide(&self.desired, &observed);
        panic!("no rest: {:?}; {:#?}", decision.report, &self.steps[self.steps.len() - 30..]);
    }
}

/// A cluster at rest.
pub(super) fn start(spec: &Value) -> Model {
    let mut model = Model::new(desired(spec));
    model.rest();
    model
}

#[test]
fn new_cluster_comes_to_rest_with_one_primary_that_is_labelled() {
    for instances in [1, 2, 3, 9] {
        let mut model = start(&json!({"instances": instances}));
        let observed = model.observe();
        let (primary, _) = observed.primary().unwrap();
        let labelled: Vec<u32> = model
            .pods
            .iter()
            .filter(|(_, pod)| pod.seen.role.as_deref() == Some(names::PRIMARY))
            .map(|(ordinal, _)| *ordinal)
            .collect();
        assert_eq!(labelled, [primary], "{instances}");
        assert_eq!(model.lease.is_some(), instances > 1, "an only instance needs no lease");
        let creations = model.steps.iter().filter(|step| matches!(step, Step::CreatePod(_))).count();
        assert_eq!(creations, usize::try_from(instances).unwrap());
    }
}

#[test]
fn settled_cluster_causes_no_step() {
    let mut model = start(&json!({}));
    let before = model.steps.len();
    for _ in 0..50 {
        assert!(!model.step(), "{:?}", &model.steps[before..]);
        model.pass();
    }
}

/// Its settings let it accept writes, and its term does not end.
#[test]
fn only_instance_that_is_cut_off_is_not_replaced() {
    let (mut settled, mut alone) = (start(&json!({"instances": 3})), 0);
    settled.desired.spec.instances = 1;
    for _ in 0..60 {
        if !settled.step() {
            settled.pass();
        }
        let mut model = settled.clone();
        let only = model.pods.get_mut(&0).unwrap();
        only.silent = true;
        alone += usize::from(only.instance.as_ref().is_some_and(|instance| instance.alone));
        model.desired.spec.instances = 3;
        // The user gives up what it may have.
        model.desired.without_missing = Some(model.desired.remembered().0.to_string());
        // Longer than a term.
        for _ in 0..100 {
            model.step();
            model.pass();
        }
    }
    assert!((1..60).contains(&alone), "cut off both before and after it had read its settings");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn cluster_comes_to_rest_whatever_happened(
        instances in 1_i32..5, persists: bool, deletes: bool, happenings in prop::collection::vec(happening(), 0..12),
    ) {
        let mut spec = json!({"instances": instances, "access": {"rotation": {"grace": "2s"}}});
        if persists {
            let when = if deletes { "Delete" } else { "Retain" };
            spec["persistence"] = json!({"mode": "AppendOnly", "size": "1Gi", "whenDeleted": when});
        }
        let mut model = Model::new(desired(&spec));
        for happening in &happenings {
            model.undergo(happening);
        }
        model.rest();
        if model.desired.is_powered() {
            model.rest_of_rotations();
            prop_assert_eq!(model.given.now, model.password, "clients have what is asked for");
            prop_assert!(model.desired.status.access.as_ref().is_some_and(|access| access.rotation.is_none()));
        }
        let wanted = if model.desired.is_powered() { model.desired.instances() } else { 0 };
        prop_assert_eq!(model.pods.len(), usize::try_from(wanted).unwrap());
        let labelled = model.pods.values().filter(|pod| pod.seen.role.as_deref() == Some(names::PRIMARY)).count();
        prop_assert_eq!(labelled, usize::from(wanted > 0));
        // And to its end.
        model.desired.deleting = true;
        for _ in 0..200 {
            if !model.desired.has_finalizer { break; }
            if !model.step() { model.pass(); }
        }
        prop_assert!(!model.desired.has_finalizer && model.pods.is_empty());
        prop_assert!(model.claims.is_empty() || !deletes);
        prop_assert!(!persists || deletes || !model.claims.is_empty() || model.steps.iter().all(|step| !matches!(step, Step::CreateClaim(_))));
    }
}
