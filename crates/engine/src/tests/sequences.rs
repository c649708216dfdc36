//! `driftPolicy: Report` and `adoptionPolicy: Observe` through random lives: edits of the spec and at the provider,
//! `kubectl replace`, restarts, lost status, in any order. Fields that the user did not change are not sent.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Fields, with two values each, as they stand in the spec.
const FIELDS: [(&str, &str, [&str; 2]); 8] = [
    ("plan", "/plan", ["\"startup-4\"", "\"business-4\""]),
    ("terminationProtection", "/terminationProtection", ["true", "false"]),
    ("maintenanceWindowDow", "/maintenanceWindowDow", ["\"sunday\"", "\"monday\""]),
    ("tags.env", "/tags/env", ["\"a\"", "\"b\""]),
    ("tags.team", "/tags/team", ["\"a\"", "\"b\""]),
    ("userConfig.valkey_timeout", "/userConfig/valkey_timeout", ["300", "10"]),
    ("userConfig.public_access.valkey", "/userConfig/public_access/valkey", ["true", "false"]),
    ("userConfig.public_access.prometheus", "/userConfig/public_access/prometheus", ["true", "false"]),
];

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The user sets a field, or removes it.
    Edit(usize, Option<usize>),
    /// An external change of a field at the provider.
    Intervene(usize, usize),
    /// `kubectl replace` with the same manifest.
    Replace,
    /// A new process, without any memory.
    Restart,
    /// The status is lost, as when a resource comes from elsewhere.
    LoseStatus,
    /// The operator works until it rests.
    Reconcile,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..FIELDS.len(), prop::option::of(0_usize..2)).prop_map(|(field, value)| Event::Edit(field, value)),
        3 => (0..FIELDS.len(), 0_usize..2).prop_map(|(field, value)| Event::Intervene(field, value)),
        1 => Just(Event::Replace),
        1 => Just(Event::Restart),
        1 => Just(Event::LoseStatus),
        4 => Just(Event::Reconcile),
    ]
}

struct World {
    object: Value,
    service: ObservedService,
    sent: Sent,
    /// What the user changed since the operator rested last.
    changed: BTreeSet<&'static str>,
    /// The spec of that time; none without a record of it.
    before: Option<Value>,
    writes: usize,
}

impl World {
    fn new(policy: &Value) -> Self {
        let mut object = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
            "metadata": {
                "name": "cache", "namespace": "ns", "uid": UID, "generation": 1,
                "finalizers": [names::FINALIZER], "annotations": {names::GENERATION_PROCESSED: "1"},
            },
            "spec": {"project": "p", "plan": "startup-4"},
        });
        merge(&mut object, json!({"spec": policy}));
        let service = service();
        Self { object, service, sent: Sent::default(), changed: BTreeSet::new(), before: None, writes: 0 }
    }

    fn desired(&self) -> Desired {
        Desired::of(&serde_json::from_value::<Valkey>(self.object.clone()).unwrap(), Defaults::default())
    }

    fn observed(&self) -> Observed {
        Observed {
            sent: Some(self.sent.patch.clone()).filter(|patch| !patch.is_empty()),
            sent_tags: Some(self.sent.tags.clone()).filter(|tags| !tags.is_empty()),
            ..seen(self.service.clone())
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Edit(field, value) => self.edit(field, value),
            Event::Intervene(field, value) => self.intervene(field, value),
            Event::Replace => {
                self.object["metadata"]["annotations"] = json!({});
                self.object["metadata"]["finalizers"] = json!([]);
            }
            Event::Restart => self.sent = Sent::default(),
            Event::LoseStatus => {
                self.object["status"] = Value::Null;
                // The earlier changes of the user are unknown.
                self.before = None;
            }
            Event::Reconcile => self.reconcile(),
        }
    }

    fn edit(&mut self, field: usize, value: Option<usize>) {
        let (name, pointer, values) = FIELDS[field];
        let value = value.map(|value| serde_json::from_str::<Value>(values[value]).unwrap());
        if value.is_none() && name == "plan" || self.object["spec"].pointer(pointer) == value.as_ref() {
            return;
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut at = &mut self.object["spec"];
        for step in parent.split('/').filter(|step| !step.is_empty()) {
            at = at.as_object_mut().unwrap().entry(step).or_insert_with(|| json!({}));
        }
        match value {
            Some(value) => drop(at.as_object_mut().unwrap().insert(key.to_owned(), value)),
            None => drop(at.as_object_mut().unwrap().remove(key)),
        }
        let generation = self.object["metadata"]["generation"].as_i64().unwrap();
        self.object["metadata"]["generation"] = json!(generation + 1);
        self.sent = Sent::default();
    }

    fn intervene(&mut self, field: usize, value: usize) {
        let (name, _, values) = FIELDS[field];
        let value = serde_json::from_str::<Value>(values[value]).unwrap();
        let service = &mut self.service;
        match name {
            "plan" => service.plan = value.as_str().unwrap().to_owned(),
            "terminationProtection" => service.termination_protection = value.as_bool().unwrap(),
            "maintenanceWindowDow" => service.maintenance.day = value.as_str().map(str::to_owned),
            "tags.env" | "tags.team" => {
                service.tags.insert(name[5..].to_owned(), value.as_str().unwrap().to_owned());
            }
            "userConfig.valkey_timeout" => {
                service.user_config.insert("valkey_timeout".to_owned(), value);
            }
            _ => {
                let access = service.user_config.entry("public_access").or_insert_with(|| json!({}));
                access[name.rsplit('.').next().unwrap()] = value;
            }
        }
    }

    fn reconcile(&mut self) {
        let spec = &self.object["spec"];
        let edited = |pointer| {
            self.before.as_ref().is_some_and(|before| before.pointer(pointer) != spec.pointer(pointer))
        };
        let may_send_all = spec.get("driftPolicy").is_none();
        self.changed = FIELDS
            .iter()
            .filter(|(_, pointer, _)| may_send_all || edited(pointer))
            .map(|(name, ..)| *name)
            .collect();
        for _ in 0..16 {
            let (desired, observed) = (self.desired(), self.observed());
            let status = json!({
                "declaredValues": remembered(&desired, &observed),
                "conditions": [{"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            });
            match decide(&desired, &observed).step {
                Step::AddFinalizer(notes) => {
                    self.object["metadata"]["finalizers"] = json!([names::FINALIZER]);
                    merge(&mut self.object["metadata"]["annotations"], json!(notes));
                }
                Step::Annotate(notes) => merge(&mut self.object["metadata"]["annotations"], json!(notes)),
                Step::Record { declared, .. } => {
                    self.object["status"] = status;
                    self.object["status"]["declaredValues"] = json!(declared);
                }
                Step::Update(patch) => self.update(&desired, &patch),
                Step::PatchTags(tags) => self.patch_tags(&desired, &tags),
                step => {
                    assert!(step.ends_reconciliation(), "{step:?}");
                    self.object["status"] = status;
                    self.before = Some(self.object["spec"].clone());
                    let still = self.outstanding(&desired);
                    self.changed.retain(|field| still.contains(*field));
                    return;
                }
            }
        }
        panic!("it does not come to rest");
    }

    /// Every field that differs from what was there before must be one that the user has changed.
    fn update(&mut self, desired: &Desired, patch: &ServicePatch) {
        self.writes += 1;
        let before = self.service.clone();
        let body = serde_json::to_value(patch).unwrap();
        self.service.plan = body["plan"].as_str().unwrap_or(&before.plan).to_owned();
        if let Some(protected) = body["termination_protection"].as_bool() {
            self.service.termination_protection = protected;
        }
        if let Some(day) = body["maintenance"]["dow"].as_str() {
            self.service.maintenance.day = Some(day.to_owned());
        }
        for (key, value) in body["user_config"].as_object().into_iter().flatten() {
            self.service.user_config.insert(key.clone(), value.clone());
        }
        let access = |service: &ObservedService, member: &str| {
            service.user_config.get("public_access").and_then(|all| all.get(member)).cloned()
        };
        let differs = [
            ("plan", self.service.plan != before.plan),
            ("terminationProtection", self.service.termination_protection != before.termination_protection),
            ("maintenanceWindowDow", self.service.maintenance != before.maintenance),
            (
                "userConfig.valkey_timeout",
                self.service.user_config.get("valkey_timeout") != before.user_config.get("valkey_timeout"),
            ),
            ("userConfig.public_access.valkey", access(&self.service, "valkey") != access(&before, "valkey")),
            (
                "userConfig.public_access.prometheus",
                access(&self.service, "prometheus") != access(&before, "prometheus"),
            ),
        ];
        for (field, _) in differs.into_iter().filter(|(_, differs)| *differs) {
            assert!(self.changed.contains(field), "{field} was not changed by the user: {body}");
        }
        let sent = Sent { patch: patch.clone(), tags: TagPatch::new() };
        self.sent = self.sent.and(&sent).common(&outstanding(desired, &self.service));
    }

    fn patch_tags(&mut self, desired: &Desired, tags: &TagPatch) {
        self.writes += 1;
        for (key, value) in tags {
            let field = format!("tags.{key}");
            assert!(
                key == names::OWNER_TAG || self.changed.contains(field.as_str()),
                "{field} was not changed by the user"
            );
            match value {
                Some(value) => drop(self.service.tags.insert(key.clone(), value.clone())),
                None => drop(self.service.tags.remove(key)),
            }
        }
        let sent = Sent { patch: ServicePatch::default(), tags: tags.clone() };
        self.sent = self.sent.and(&sent).common(&outstanding(desired, &self.service));
    }

    /// The fields that the service does not show as they are declared.
    fn outstanding(&self, desired: &Desired) -> BTreeSet<String> {
        let settings = crate::difference::settings(desired, &self.service).into_iter().map(|one| one.path);
        let tags = crate::tags::differences(desired, &self.service).into_iter().map(|one| one.path);
        settings.chain(tags).collect()
    }
}

proptest! {
    #[test]
    fn report_sends_only_what_the_user_changed(events in prop::collection::vec(any_event(), 1..40)) {
        let mut world = World::new(&json!({"driftPolicy": "Report"}));
        for event in events {
            world.happens(event);
        }
        // What the user changed last arrives.
        world.happens(Event::Reconcile);
        prop_assert!(world.changed.is_empty(), "{:?} never arrived", world.changed);
    }

    #[test]
    fn observe_sends_nothing(events in prop::collection::vec(any_event(), 1..40), owned: bool) {
        let mut world = World::new(&json!({"adoptionPolicy": "Observe", "driftPolicy": "Report"}));
        if !owned {
            world.service.tags.clear();
        }
        for event in events {
            world.happens(event);
        }
        prop_assert_eq!(world.writes, 0);
    }

    #[test]
    fn correct_ends_as_declared(events in prop::collection::vec(any_event(), 1..40)) {
        let mut world = World::new(&json!({}));
        for event in events {
            world.happens(event);
        }
        world.sent = Sent::default();
        world.happens(Event::Reconcile);
        let desired = world.desired();
        prop_assert!(outstanding(&desired, &world.service).is_empty());
        let writes = world.writes;
        world.happens(Event::Restart);
        world.happens(Event::Reconcile);
        prop_assert_eq!(world.writes, writes, "a reconciliation with nothing to do writes nothing");
    }
}
