//! Resources of any form, from the manifest to the provider and back. A valid one is decoded, is accepted by the
//! provider, and leaves nothing to change afterwards. An invalid one makes nothing panic.

use super::{
    draw::Draw,
    schemas::{self, PASSWORD},
    servers::{self, wait},
};
use serde_json::{Map, Value, json};
use valkeeper::{
    controller::observed_service,
    provider::{Client, Found, Reference, Token},
};
use valkeeper_api::{
    Kind, ManagedService, Redis, Valkey, crd, names,
    validate::{self, Violation, validate_manifest},
};
use valkeeper_engine::{ConnectionSecret, Defaults, Desired, Observed, Remote, Source, Step, decide};

const PROJECT: &str = "my-aiven-project";
const UID: &str = "uid-1";
const PLANS: [&str; 4] = ["startup-4", "business-4", "premium-8", "hobbyist"];

/// The first byte chooses the kind; the remaining bytes build a resource and an edit of it.
pub(crate) fn run(input: &[u8]) {
    // A fuzzer that watches comparisons finds the password, and writes it where it is none.
    if input.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()) {
        return;
    }
    let mut draw = Draw::new(input);
    match Kind::ALL[draw.below(2)] {
        Kind::Valkey => live::<Valkey>(&mut draw),
        Kind::Redis => live::<Redis>(&mut draw),
    }
}

fn live<T: ManagedService + PartialEq>(draw: &mut Draw<'_>) {
    let schema =
        crd::schema(T::KIND).properties.as_ref().and_then(|fields| fields.get("spec")).expect("a spec");
    let name = match draw.below(16) {
        0 => draw.text(70),
        1 => "c".repeat(draw.below(70)),
        _ => "cache".to_owned(),
    };
    let manifest = |spec| {
        json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": T::KIND.name(), "spec": spec,
            "metadata": {"name": name, "namespace": "default", "uid": UID, "generation": 1, "finalizers": [names::FINALIZER]},
        })
    };
    let first = manifest(schemas::value(draw, schema));
    let edited = manifest(schemas::value(draw, schema));
    let plans = [*draw.pick(&PLANS), *draw.pick(&PLANS)];
    let judged = [judge::<T>(&first), judge::<T>(&edited)];
    if let [true, true] = judged {
        let specs = [at_the_provider(&first, plans[0]), at_the_provider(&edited, plans[1])];
        assert!(specs.iter().all(|spec| judge::<T>(spec)), "{specs:?}");
        let provider = servers::provider();
        wait(round_trip::<T>(&provider, &specs));
    }
}

/// Judges a manifest in every way there is; returns whether it is valid.
fn judge<T: ManagedService + PartialEq>(manifest: &Value) -> bool {
    let violations = validate_manifest(T::KIND, manifest);
    for violation in &violations {
        assert!(!violation.to_string().contains(PASSWORD), "{violation}");
    }
    let object = match serde_json::from_value::<T>(served(manifest)) {
        Ok(object) => object,
        Err(error) => {
            assert!(!violations.is_empty(), "{error} in {manifest}, which passes");
            return false;
        }
    };
    assert!(!format!("{object:?} {object:#?}").contains(PASSWORD), "{manifest}");
    let written = serde_json::to_value(&object).expect("plain data");
    assert_eq!(serde_json::from_value::<T>(written).expect("what was written"), object);
    let own = validate::validate(&object);
    // The checks of the CRD find more: undeclared fields, and entries in an old form.
    assert!(own.is_empty() || !violations.is_empty(), "{own:?} in {manifest}, which passes");
    for remote in [Remote::Unknown, Remote::Absent] {
        let decision = decide(&wanted(&object, own.clone()), &seen(remote));
        assert!(!format!("{decision:?}").contains(PASSWORD), "{manifest}");
        assert!(
            own.is_empty() || matches!(decision.step, Step::Refuse(_) | Step::Observe(_)),
            "{:?} for {own:?}",
            decision.step
        );
    }
    violations.is_empty()
}

/// A manifest as an API server hands it out again: without fields that are null, and with whole numbers written
/// as such.
fn served(manifest: &Value) -> Value {
    match manifest {
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name.clone(), served(value))).collect()
        }
        Value::Array(items) => items.iter().map(served).collect(),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
            let whole = whole.and_then(|whole| format!("{whole:.0}").parse::<i64>().ok());
            whole.map_or_else(|| manifest.clone(), Value::from)
        }
        _ => manifest.clone(),
    }
}

/// The same, except for errors that only a catalogue or other services can reveal.
fn at_the_provider(manifest: &Value, plan: &str) -> Value {
    let mut manifest = served(manifest);
    let spec = manifest["spec"].as_object_mut().expect("a spec that passed");
    for elsewhere in
        ["projectVpcId", "projectVPCRef", "serviceIntegrations", "disk_space", "terminationProtection"]
    {
        spec.remove(elsewhere);
    }
    for policy in ["driftPolicy", "adoptionPolicy", "ownershipPolicy", "deletionPolicy"] {
        spec.remove(policy);
    }
    spec.insert("project".to_owned(), PROJECT.into());
    spec.insert("plan".to_owned(), plan.into());
    if spec.contains_key("cloudName") {
        spec.insert("cloudName".to_owned(), "aws-eu-west-1".into());
    }
    spec.insert("powered".to_owned(), true.into());
    if let Some(Value::Object(config)) = spec.get_mut("userConfig") {
        for elsewhere in ["service_to_fork_from", "project_to_fork_from", "recovery_basebackup_name"] {
            config.remove(elsewhere);
        }
    }
    manifest
}

fn wanted<T: ManagedService>(object: &T, violations: Vec<Violation>) -> Desired {
    Desired { violations, ..Desired::of(object, Defaults::default()) }
}

fn seen(remote: Remote) -> Observed {
    Observed {
        remote,
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        source: Source::Ready,
        object_is_live: true,
        token_is_held: true,
        migration_password_is_known: true,
        ..Observed::default()
    }
}

/// Creates the first manifest, edits it to the second, and finds nothing left to do after each.
async fn round_trip<T: ManagedService>(provider: &str, manifests: &[Value; 2]) {
    let client = servers::client(provider);
    let token = Token::parse("sandbox-token").expect("a token");
    let name = manifests[0]["metadata"]["name"].as_str().expect("a name that passed");
    let reference = Reference { project: PROJECT.to_owned(), service: name.to_owned() };
    let mut declared = Value::Null;
    for (index, manifest) in manifests.iter().enumerate() {
        let mut manifest = manifest.clone();
        manifest["status"] = json!({"declaredValues": declared, "conditions": [
            {"type": "Initialized", "status": if index == 0 { "False" } else { "True" }, "reason": "r", "message": "",
             "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let object: T = serde_json::from_value(manifest.clone()).expect("a manifest that passed");
        let mut desired = wanted(&object, Vec::new());
        // One step at a time, as the operator does it: first the service, then its tags, each written down before.
        for _ in 0..6 {
            let step = decide(&desired, &look(&client, &token, &reference).await).step;
            if let Step::Record { declared, migration } = &step {
                manifest["status"]["declaredValues"] = json!(declared);
                manifest["status"]["migration"] = json!(migration);
                desired =
                    wanted(&serde_json::from_value::<T>(manifest.clone()).expect("a status"), Vec::new());
                continue;
            }
            if !perform(&client, &token, &reference, step, &desired, &manifest).await {
                break;
            }
        }
        let step = decide(&desired, &look(&client, &token, &reference).await).step;
        let quiet = !matches!(step, Step::Create(_) | Step::Update(_) | Step::PatchTags(_) | Step::Delete);
        assert!(quiet, "{step:?} is left to do for {manifest}");
        declared = json!(desired.declared);
    }
    client.delete(&token, &reference).await.expect("nothing protects it");
}

async fn look(client: &Client, token: &Token, reference: &Reference) -> Observed {
    let service = client.service(token, reference).await.expect("the provider answers");
    seen(match service {
        Found::Service(service) => Remote::Present(Box::new(observed_service(*service))),
        Found::Absent(_) => Remote::Absent,
    })
}

/// Performs a step that the provider must accept; whether there was one.
async fn perform(
    client: &Client,
    token: &Token,
    reference: &Reference,
    step: Step,
    desired: &Desired,
    manifest: &Value,
) -> bool {
    let accepted = match step {
        Step::Create(request) => {
            let body = serde_json::to_value(request).expect("plain data");
            let expected = desired.user_config.clone();
            assert_eq!(
                body.get("user_config").cloned().unwrap_or(Map::new().into()),
                Value::Object(expected)
            );
            client.create(token, reference, body).await.map(drop)
        }
        Step::Update(patch) => {
            client.update(token, reference, serde_json::to_value(patch).expect("plain data")).await.map(drop)
        }
        Step::PatchTags(tags) => client.patch_tags(token, reference, &tags).await,
        _ => return false,
    };
    accepted.unwrap_or_else(|error| panic!("{error} for {manifest}"));
    true
}
