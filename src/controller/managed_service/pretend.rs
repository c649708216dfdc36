//! Takes steps as done that a preview does not perform: the resource, its Secret and its service as they would be.

use super::{ConfigMapSeen, Reconciliation};
use crate::controller::{connection_secret::SecretSeen, error::ReconcileError};
use serde_json::{Value, json};
use valkeeper_api::{ManagedService, names};
use valkeeper_engine::{Remote, Step, config_map, existing_secret};

impl<K: ManagedService> Reconciliation<K> {
    /// Takes `step` as done.
    pub(super) fn pretend(&mut self, step: &Step) -> Result<(), ReconcileError> {
        match (step, &mut self.observed.remote) {
            (Step::AddFinalizer(notes), _) => {
                let notes: Vec<_> =
                    notes.iter().map(|(key, value)| ((*key).to_owned(), Some(value))).collect();
                self.edited(|object| {
                    object["metadata"]["finalizers"] = json!([names::FINALIZER]);
                    annotate(object, notes.iter().map(|(key, value)| (key.as_str(), *value)));
                })?;
                self.observed.object_is_live = true;
            }
            (Step::Annotate(annotations), _) => self.edited(|object| {
                annotate(object, annotations.iter().map(|(key, value)| (*key, value.as_ref())));
            })?,
            (Step::Record { declared, migration }, _) => self.edited(|object| {
                object["status"]["declaredValues"] = json!(declared);
                object["status"]["migration"] = json!(migration);
            })?,
            (Step::AddTokenFinalizer, _) => self.token_use.take_as_held(),
            (Step::NoteSettled, _) => {
                let settled = self.desired.uid.clone();
                self.edited(|object| {
                    annotate(object, [(names::SERVICE_SETTLED, Some(&settled))].into_iter());
                })?;
            }
            (Step::ReleaseToken(name), _) => {
                self.observed.held_names.iter_mut().for_each(|held| _ = held.remove(name));
            }
            (Step::WriteSecret(content), _) => {
                let (secret, record) = existing_secret::new(content, &self.owner());
                self.secret_seen = SecretSeen::Present(Box::new(secret));
                self.secret_written = Some(record);
            }
            (Step::WriteConfigMap(content), _) => {
                let config_map = config_map::new(content, &self.owner());
                self.config_map_seen = ConfigMapSeen::Present(Box::new(config_map));
            }
            (Step::Update(patch), Remote::Present(service)) => **service = service.with(patch),
            (Step::ChangeType, Remote::Present(service)) => {
                K::KIND.service_type().clone_into(&mut service.service_type);
            }
            (Step::StartMaintenance(_), _) => self.observed.maintenance_started = true,
            (Step::PatchTags(tags), Remote::Present(service)) => **service = service.with_tags(tags),
            _ => {}
        }
        Ok(())
    }

    /// The resource with other metadata or another status.
    fn edited(&mut self, edit: impl FnOnce(&mut Value)) -> Result<(), ReconcileError> {
        let defect =
            |error: serde_json::Error| ReconcileError::Defect(format!("cannot edit the resource: {error}"));
        let mut object = serde_json::to_value(&self.object).map_err(defect)?;
        edit(&mut object);
        let object = serde_json::from_value(object).map_err(defect)?;
        self.adopt(object);
        Ok(())
    }
}

fn annotate<'a>(object: &mut Value, annotations: impl Iterator<Item = (&'a str, Option<&'a String>)>) {
    for (key, value) in annotations {
        object["metadata"]["annotations"][key] = json!(value);
    }
    // `null` stands for a removed one.
    if let Some(all) = object["metadata"]["annotations"].as_object_mut() {
        all.retain(|_, value| !value.is_null());
    }
}
