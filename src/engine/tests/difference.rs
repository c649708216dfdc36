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
    let Step::Create(request) = decide(&desired, &nothing()).step else { panic!() };
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
        (json!({"cloudName": "aws-eu-west-1"}), json!({"cloud": "aws-eu-west-1"})),
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
fn a_field_that_the_user_removed_is_reset_and_one_never_declared_is_left_alone() {
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
    let desired = resource(json!({"status": {"declaredFields": previously}}));
    assert_eq!(
        patch(&desired, current),
        json!({"user_config": {"valkey_timeout": 300, "backup_hour": null}, "project_vpc_id": null,
            "termination_protection": false, "tech_emails": []})
    );
}

#[test]
fn what_came_with_the_finalizer_counts_as_declared_until_the_status_says_more() {
    let mut current = service();
    current.user_config.insert("backup_hour".to_owned(), json!(3));
    let noted = json!({"annotations": {names::DECLARED_FIELDS: "plan,userConfig.backup_hour"}});
    let before = resource(json!({"metadata": noted, "status": {"declaredFields": null}}));
    assert_eq!(patch(&before, current.clone()), json!({"user_config": {"backup_hour": null}}));
    let after = resource(json!({"metadata": noted}));
    assert!(matches!(decide(&after, &seen(current)).step, Step::Done), "the status does not list it");
}

#[test]
fn the_note_that_came_with_the_finalizer_goes_along_with_what_else_is_annotated() {
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
        "status": {"declaredFields": ["plan", "userConfig.public_access", "userConfig.public_access.prometheus"]},
    }));
    assert_eq!(patch(&desired, current), json!({"user_config": {"public_access": {"valkey": true}}}));
}

#[test]
fn tags_are_exact_but_marks_of_ownership_stay() {
    let mut current = service();
    current.tags.insert("old".to_owned(), "1".to_owned());
    let tags = |desired: &Desired| match decide(desired, &seen(current.clone())).step {
        Step::ReplaceTags(tags) => Some(serde_json::to_value(tags).unwrap()),
        _ => None,
    };
    assert_eq!(tags(&resource(json!({}))), None, "undeclared tags are other people's");
    let declared = resource(json!({"spec": {"tags": {"env": "test"}}}));
    assert_eq!(tags(&declared), Some(json!({"env": "test", names::OWNER_TAG: UID})));
    let removed = resource(json!({"status": {"declaredFields": ["plan", "tags"]}}));
    assert_eq!(tags(&removed), Some(json!({names::OWNER_TAG: UID})));
}
