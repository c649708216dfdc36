//! What must hold of every step of the model.

use super::model::Model;
use super::pods::Settings;
use crate::{Step, names};
use valkeeper_failover::protocol::Role;

impl Model {
    /// What must hold of every step.
    pub(super) fn check(&self, step: &Step, primary: Option<u32>) {
        match step {
            Step::DeleteClaim(ordinal) => {
                assert!(!self.desired.retains_volumes(), "a volume is kept");
                assert!(!self.pods.contains_key(ordinal), "its pod has ended");
            }
            Step::Label(ordinal, uid, role) if *role == names::PRIMARY => {
                let pod = &self.pods[ordinal];
                assert_eq!(pod.seen.uid, *uid);
                let role = pod.instance.as_ref().map(|instance| &instance.status.role);
                assert!(matches!(role, Some(Role::Primary(_))), "labelled before it was promoted");
                let others = self.pods.iter().filter(|(other, _)| *other != ordinal);
                let labelled = others.filter(|(_, pod)| pod.seen.role.as_deref() == Some(names::PRIMARY));
                assert_eq!(labelled.count(), 0, "two are labelled");
            }
            Step::DeletePod(ordinal, _) if self.desired.is_powered() => {
                let ends = self.pods[ordinal].seen.finished || self.pods[ordinal].seen.unstarted;
                assert!(
                    ends || primary != Some(*ordinal) || self.desired.instances() == 1,
                    "the primary moves first"
                );
            }
            Step::Reload(ordinal, _) => {
                let resize = &self.pods[ordinal].seen.resize;
                let memory = resize.actual.unwrap_or(resize.asked).memory;
                let Settings { max_memory, .. } = self.settings();
                assert!(max_memory < memory, "a server may use more than its container has");
            }
            _ => {}
        }
        let reigning = self.pods.values().filter_map(|pod| pod.instance.as_ref());
        let reigning = reigning.filter(|instance| matches!(instance.status.role, Role::Primary(_)));
        assert!(reigning.count() <= 1, "two accept writes");
    }
}
