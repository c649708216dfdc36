//! From a spec to requests: a valid spec is sent in full at creation, and settings that only count at creation are
//! never sent again.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use valkeeper_api::{Kind, ManagedService, Redis, Valkey, names, validate};
use valkeeper_engine::{
    ConnectionSecret, Defaults, Desired, Observed, ObservedService, Remote, ServiceState, Source, Step,
    decide, declared::Remembered,
};

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};
use tokio::runtime::Runtime;
use valkeeper_testbed::provider::{ProviderOptions, ProviderServer};

use crate::contract;
use crate::manifests::full;

/// Any number of settings of a kind, most of them within bounds.
fn user_configs(kind: Kind) -> impl Strategy<Value = Value> {
    let everything = full(kind)["spec"]["userConfig"].as_object().unwrap().clone();
    let setting = move |(name, value): (String, Value)| {
        let facts = contract::fields(kind).remove(&format!("spec.userConfig.{name}")).unwrap_or_default();
        let limit = |bound: &str| facts.get(bound).and_then(|limit| limit.parse::<i64>().ok());
        let values = match (limit("Minimum"), limit("Maximum")) {
            (Some(least), Some(most)) => prop_oneof![
                20 => (least..=most).prop_map(Value::from),
                1 => Just(json!(most + 1)),
            ]
            .boxed(),
            _ => Just(value).boxed(),
        };
        prop::option::of(values).prop_map(move |value| value.map(|value| (name.clone(), value)))
    };
    let settings: Vec<_> = everything.into_iter().map(setting).collect();
    settings.prop_map(|settings| settings.into_iter().flatten().collect::<Map<_, _>>().into())
}

fn resource<T: ManagedService>(config: &Value) -> T {
    let mut manifest = full(T::KIND);
    manifest["metadata"]["uid"] = json!("uid-1");
    manifest["metadata"]["finalizers"] = json!([names::FINALIZER]);
    manifest["spec"]["userConfig"] = config.clone();
    // References to a VPC are followed elsewhere.
    manifest["spec"].as_object_mut().unwrap().remove("projectVPCRef");
    serde_json::from_value(manifest).unwrap()
}

/// The desired state of a resource.
fn desired<T: ManagedService>(object: &T) -> Desired {
    Desired { violations: validate(object), ..Desired::of(object, Defaults::default()) }
}

/// A running service that has nothing the spec requests.
fn other_service(kind: Kind) -> ObservedService {
    ObservedService {
        service_type: kind.service_type().to_owned(),
        state: ServiceState::Running,
        plan: "business-8".to_owned(),
        cloud: None,
        project_vpc_id: None,
        disk_space_mb: None,
        maintenance: valkeeper_engine::Maintenance::default(),
        technical_emails: Vec::new(),
        termination_protection: false,
        tags: [(names::OWNER_TAG.to_owned(), "uid-1".to_owned())].into(),
        user_config_is_unknown: false,
        credentials_are_withheld: false,
        user_config: Map::new(),
        connection: None,
        backups: 0,
        backups_are_unknown: false,
        disk_is_managed: false,
        is_replica: false,
        facts: valkeeper_api::ServiceFacts::default(),
    }
}

fn next(desired: &Desired, remote: Remote) -> Step {
    let observed = Observed {
        remote,
        secret: ConnectionSecret::Absent,
        object_is_live: true,
        token_is_held: true,
        source: Source::Ready,
        migration_password_is_known: true,
        ..Observed::default()
    };
    let Step::Record { declared, migration } = decide(desired, &observed).step else {
        return decide(desired, &observed).step;
    };
    // What is sent is written down before.
    let record = declared.into_keys().map(|path| (path, Remembered::Pending)).collect();
    decide(&Desired { record: Some(record), migration, ..desired.clone() }, &observed).step
}

/// The simulated provider checks settings against the provider's own schema, before anything else about them.
fn accepted_by_the_provider(mut body: Value) -> Result<(), TestCaseError> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static SERVER: LazyLock<ProviderServer> = LazyLock::new(|| {
        RUNTIME
            .block_on(ProviderServer::start(ProviderOptions {
                redis_creation_allowed: true,
                ..ProviderOptions::default()
            }))
            .unwrap()
    });
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    // Fails when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The contract's statements about other services do not hold in an empty project.
    for elsewhere in ["service_to_fork_from", "project_to_fork_from", "recovery_basebackup_name"] {
        body["user_config"].as_object_mut().unwrap().remove(elsewhere);
    }
    let fields = body.as_object_mut().unwrap();
    for elsewhere in ["project_vpc_id", "service_integrations", "disk_space_mb"] {
        fields.remove(elsewhere);
    }
    fields.insert("service_name".to_owned(), json!(format!("s{}", CREATED.fetch_add(1, Ordering::Relaxed))));
    fields.insert("plan".to_owned(), json!("startup-4"));
    fields.insert("cloud".to_owned(), json!("google-europe-west1"));
    let url = format!("{}/v1/project/my-aiven-project/service", SERVER.url());
    let answer = RUNTIME.block_on(async {
        let request = reqwest::Client::new().post(url).bearer_auth("sandbox-token").json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    });
    prop_assert_eq!(answer.0, 200, "{} for {}", answer.1, body);
    Ok(())
}

fn check<T: ManagedService>(config: &Value) -> Result<(), TestCaseError> {
    let object: T = resource(config);
    let desired = desired(&object);
    let created = next(&desired, Remote::Absent);
    let updated = next(&desired, Remote::Present(Box::new(other_service(T::KIND))));
    if !desired.violations.is_empty() {
        prop_assert!(matches!(created, Step::Refuse(_)), "{:?}", created);
        let settings = matches!(&updated, Step::Update(patch) if !patch.user_config.is_empty());
        prop_assert!(!settings, "{:?}", updated);
        return Ok(());
    }
    let Step::Create(request) = created else { panic!("{created:?}") };
    let body = serde_json::to_value(&request).unwrap();
    prop_assert_eq!(&body["user_config"], config);
    accepted_by_the_provider(body)?;
    let Step::Update(patch) = updated else { panic!("{updated:?}") };
    let body = serde_json::to_value(&patch).unwrap();
    let create_only =
        |key: &str| T::KIND.user_config_facts().iter().any(|facts| facts.name == key && facts.create_only);
    let mut expected = config.as_object().unwrap().clone();
    expected.retain(|key, _| !create_only(key));
    let sent = body.get("user_config").cloned().unwrap_or_else(|| json!({}));
    prop_assert_eq!(sent, Value::Object(expected));
    prop_assert!(body.get("service_integrations").is_none());
    Ok(())
}

proptest! {
    #[test]
    fn valkey_create_only_settings_are_sent_only_at_creation(config in user_configs(Kind::Valkey)) {
        check::<Valkey>(&config)?;
    }

    #[test]
    fn redis_create_only_settings_are_sent_only_at_creation(config in user_configs(Kind::Redis)) {
        check::<Redis>(&config)?;
    }
}
