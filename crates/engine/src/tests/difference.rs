//! What is sent: the difference, and nothing but it.

use super::*;
use std::collections::BTreeMap;

#[test]
fn a_create_request_holds_what_the_spec_declares_and_the_owner() {
    let desired = new_resource(json!({
        "metadata": {"finalizers": [names::FINALIZER]},
        "spec": {"disk_space": "20", "tags": {"env": "test"}, "maintenanceWindowDow": "monday",
            "userConfig": {"service_to_fork_from": "source", "valkey_timeout": 10},
            "serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": "other"}]},
    }));
    let Step::Create(request) = decided(&desired, &nothing()).step else { panic!() };
    assert_eq!(
        serde_json::to_value(*request).unwrap(),
        json!({
            "service_name": "cache", "service_type": "valkey", "plan": "startup-4", "project_vpc_id": null,
            "disk_space_mb": 20480, "maintenance": {"dow": "monday"},
            "tags": {"env": "test", names::OWNER_TAG: UID},
            "service_integrations": [{"integration_type": "read_replica", "source_service": "other"}],
            "user_config": {"service_to_fork_from": "source", "valkey_timeout": 10},
        })
    );
}

#[test]
fn only_differences_are_sent() {
    let table = [
        (json!({"plan": "business-4"}), json!({"plan": "business-4"})),
        (json!({"disk_space": "80GiB"}), json!({"disk_space_mb": 81920})),
        (
            json!({"maintenanceWindowDow": "friday", "maintenanceWindowTime": "11:00:00"}),
            json!({"maintenance": {"dow": "friday"}}),
        ),
        (json!({"terminationProtection": true}), json!({"termination_protection": true})),
        (
            json!({"technicalEmails": [{"email": "a@example.com"}]}),
            json!({"tech_emails": [{"email": "a@example.com"}]}),
        ),
        (json!({"projectVpcId": "vpc"}), json!({"project_vpc_id": "vpc"})),
        (
            json!({"userConfig": {"valkey_timeout": 1, "valkey_ssl": true}}),
            json!({"user_config": {"valkey_timeout": 1}}),
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(patch(&resource(json!({"spec": spec})), service()), expected, "{spec}");
    }
}

#[test]
fn a_spec_that_is_already_true_sends_nothing() {
    let same = [
        json!({"cloudName": "google-europe-west1", "disk_space": "16"}),
        json!({"maintenanceWindowDow": "sunday"}),
        json!({"userConfig": {"ip_filter": [{"network": "::/0"}, {"network": "0.0.0.0/0"}]}}),
        json!({"userConfig": {"service_to_fork_from": "source"}}),
    ];
    for spec in same {
        let desired = resource(json!({"spec": spec}));
        assert_eq!(outcome(&desired, &seen(service())).0, "done", "{spec}");
    }
}

#[test]
fn removed_field_is_reset_and_undeclared_field_is_unchanged() {
    let mut current = service();
    current.user_config.insert("valkey_timeout".to_owned(), json!(10));
    current.user_config.insert("backup_hour".to_owned(), json!(3));
    current.project_vpc_id = Some("vpc".to_owned());
    current.termination_protection = true;
    current.technical_emails = vec!["a@example.com".to_owned()];
    assert_eq!(outcome(&resource(json!({})), &seen(current.clone())).0, "done");

    let previously = json!([
        "plan",
        "userConfig.valkey_timeout",
        "userConfig.backup_hour",
        "projectVpcId",
        "terminationProtection",
        "technicalEmails"
    ]);
    let desired = resource(json!({"status": {"declaredValues": null, "declaredFields": previously}}));
    assert_eq!(
        patch(&desired, current),
        json!({"user_config": {"valkey_timeout": 300, "backup_hour": null}, "project_vpc_id": null,
            "termination_protection": false, "tech_emails": []})
    );
}

#[test]
fn note_with_the_finalizer_counts_until_the_service_exists() {
    let mut current = service();
    current.user_config.insert("backup_hour".to_owned(), json!(3));
    let noted = |processed: Value| {
        let annotations = json!({names::DECLARED_FIELDS: "plan,userConfig.backup_hour", names::GENERATION_PROCESSED: processed});
        resource(json!({"metadata": {"annotations": annotations}, "status": {"declaredValues": null}}))
    };
    assert_eq!(patch(&noted(Value::Null), current.clone()), json!({"user_config": {"backup_hour": null}}));
    assert_eq!(outcome(&noted(json!("3")), &seen(current)).0, "done", "the status that listed it is lost");
}

#[test]
fn finalizer_note_is_removed_with_other_annotations() {
    let stale =
        |metadata: Value| match decide(&resource(json!({"metadata": metadata})), &seen(service())).step {
            Step::Annotate(stale) => stale,
            _ => BTreeMap::new(),
        };
    let noted = |generation: &str| json!({"annotations": {names::DECLARED_FIELDS: "plan", names::GENERATION_PROCESSED: generation}});
    assert_eq!(stale(noted("3")), BTreeMap::new(), "it is worth no write of its own");
    let expected = [(names::GENERATION_PROCESSED, Some("3".to_owned())), (names::DECLARED_FIELDS, None)];
    assert_eq!(stale(noted("2")), BTreeMap::from(expected));
}

#[test]
fn a_member_that_the_user_removed_goes_with_its_whole_value() {
    let mut current = service();
    current.user_config.insert("public_access".to_owned(), json!({"valkey": true, "prometheus": true}));
    let desired = resource(json!({
        "spec": {"userConfig": {"public_access": {"valkey": true}}},
        "status": {"declaredValues": null, "declaredFields": ["plan", "userConfig.public_access", "userConfig.public_access.prometheus"]},
    }));
    assert_eq!(patch(&desired, current), json!({"user_config": {"public_access": {"valkey": true}}}));
}

#[test]
fn tags_are_compared_by_key_and_foreign_tags_stay() {
    let mut current = service();
    current.tags.insert("theirs".to_owned(), "1".to_owned());
    current.tags.insert("env".to_owned(), "old".to_owned());
    let tags = |desired: &Desired| match decided(desired, &seen(current.clone())).step {
        Step::PatchTags(tags) => Some(serde_json::to_value(tags).unwrap()),
        _ => None,
    };
    assert_eq!(tags(&resource(json!({}))), None, "undeclared tags are other people's");
    let declared = json!({"spec": {"tags": {"env": "test"}}});
    assert_eq!(tags(&resource(declared.clone())), Some(json!({"env": "test"})));
    let mut other_tag = declared.clone();
    other_tag["spec"]["tags"] = json!({"team": "blue"});
    assert_eq!(tags(&edited(declared.clone(), other_tag)), Some(json!({"env": null, "team": "blue"})));
    assert_eq!(tags(&edited(declared, json!({}))), Some(json!({"env": null})));
    let names_only =
        resource(json!({"status": {"declaredValues": null, "declaredFields": ["plan", "tags"]}}));
    assert_eq!(tags(&names_only), None, "it is unknown which of them were declared");
}

#[test]
fn tags_are_sent_once_and_a_missing_effect_is_reported() {
    let desired = resource(json!({"spec": {"tags": {"env": "test"}}}));
    let sent_tags = Some([("env".to_owned(), Some("test".to_owned()))].into());
    let later = Observed { sent_tags, ..seen(service()) };
    assert_eq!(outcome(&desired, &later), ("refuse", reason::NOT_APPLIED, Ready::Stuck));
    let message = decide(&desired, &later).report.message;
    assert!(message.contains("spec.tags.env is null, not \"test\""), "{message}");
    assert_eq!(outcome(&desired, &Observed { unsettled: true, ..later }).0, "wait");
}

#[test]
fn values_that_mean_the_same_are_no_difference() {
    let mut current = service();
    current.technical_emails = vec!["ops@example.com".to_owned(), "B@example.com".to_owned()];
    current.user_config.insert("ip_filter".to_owned(), json!(["10.0.0.0/8", {"network": "2001:db8::/32"}]));
    let desired = resource(json!({"spec": {
        "technicalEmails": [{"email": "b@example.com"}, {"email": "Ops@Example.com"}],
        "userConfig": {"ip_filter": [{"network": "2001:DB8:0::/32"}, {"network": "10.1.2.3/8"}]},
    }}));
    assert_eq!(outcome(&desired, &seen(current.clone())).0, "done");
    let narrower = resource(json!({"spec": {"userConfig": {"ip_filter": [{"network": "10.0.0.0/9"}]}}}));
    assert_eq!(outcome(&narrower, &seen(current)).0, "update");
}

#[test]
fn cloud_change_states_the_network() {
    let to = |spec: Value| resource(json!({"spec": spec}));
    let cloud = "aws-eu-west-1";
    assert_eq!(
        patch(&to(json!({"cloudName": cloud})), service()),
        json!({"cloud": cloud, "project_vpc_id": null})
    );
    let inside = ObservedService { project_vpc_id: Some("vpc".to_owned()), ..service() };
    let declared = to(json!({"cloudName": cloud, "projectVpcId": "vpc"}));
    assert_eq!(patch(&declared, inside), json!({"cloud": cloud, "project_vpc_id": "vpc"}));
    let unknown = to(json!({"cloudName": cloud, "projectVPCRef": {"name": "net"}}));
    let waiting = Observed { vpc: VpcReference::NotReady("not yet".to_owned()), ..seen(service()) };
    assert_eq!(outcome(&unknown, &waiting).1, reason::VPC_NOT_READY);
}

#[test]
fn disk_waits_while_the_service_changes() {
    let desired = resource(json!({"spec": {"disk_space": "80GiB", "maintenanceWindowDow": "friday"}}));
    let changing = ObservedService { state: ServiceState::Rebuilding, ..service() };
    assert_eq!(patch(&desired, changing.clone()), json!({"maintenance": {"dow": "friday"}}));
    let mut observed = seen(changing);
    let Remote::Present(service) = &mut observed.remote else { panic!() };
    service.maintenance.day = Some("friday".to_owned());
    assert_eq!(outcome(&desired, &observed), ("wait", reason::UPDATING, Ready::Progressing));
    let Remote::Present(service) = &mut observed.remote else { panic!() };
    service.state = ServiceState::Running;
    assert_eq!(outcome(&desired, &observed).0, "update");
}

#[test]
fn not_applied_names_both_values() {
    let desired = resource(json!({"spec": {"userConfig": {"valkey_timeout": 7}}}));
    let user_config = json!({"valkey_timeout": 7}).as_object().unwrap().clone();
    let sent = Some(ServicePatch { user_config, ..ServicePatch::default() });
    let message = decide(&desired, &Observed { sent, ..seen(service()) }).report.message;
    assert!(message.contains("spec.userConfig.valkey_timeout is 300, not 7"), "{message}");
}
