//! Removing a field has the effect that the table of the reference pages states.

use super::*;
use valkeeper_api::removal::{self, Removal};

/// A value of each field, and a service that has it.
fn spec_with(field: &str) -> Value {
    match field {
        "cloudName" => json!({"cloudName": "aws-eu-west-1"}),
        "disk_space" => json!({"disk_space": "80GiB"}),
        "maintenanceWindowDow" => json!({"maintenanceWindowDow": "friday"}),
        "maintenanceWindowTime" => json!({"maintenanceWindowTime": "01:00:00"}),
        "migrationSecretSource" => json!({"migrationSecretSource": {"name": "s", "key": "k"}}),
        "powerSchedule" => json!({"powerSchedule": {"offAt": "0 20 * * *", "onAt": "0 7 * * *"}}),
        "powered" => json!({"powered": false}),
        "projectVPCRef" => json!({"projectVPCRef": {"name": "net"}}),
        "projectVpcId" => json!({"projectVpcId": "vpc"}),
        "serviceIntegrations" => {
            json!({"serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": "other"}]})
        }
        "tags" => json!({"tags": {"env": "test"}}),
        "technicalEmails" => json!({"technicalEmails": [{"email": "a@example.com"}]}),
        "terminationProtection" => json!({"terminationProtection": true}),
        other => panic!("a value of {other}"),
    }
}

fn service_with_everything() -> ObservedService {
    let mut service = service();
    service.cloud = Some("aws-eu-west-1".to_owned());
    service.disk_space_mb = Some(81920);
    service.maintenance = Maintenance { day: Some("friday".to_owned()), time: Some("01:00:00".to_owned()) };
    service.project_vpc_id = Some("vpc".to_owned());
    service.tags.insert("env".to_owned(), "test".to_owned());
    service.technical_emails = vec!["a@example.com".to_owned()];
    service.termination_protection = true;
    service
}

#[test]
fn field_removal_matches_the_reference() {
    for (field, removal) in removal::FIELDS {
        let mut service = service_with_everything();
        if field == "powered" || field == "powerSchedule" {
            service.state = ServiceState::PoweredOff;
        }
        let removed = edited(json!({"spec": spec_with(field)}), json!({}));
        let step = decided(&removed, &seen(service)).step;
        let sends = matches!(step, Step::Update(_) | Step::PatchTags(_));
        let expected = matches!(removal, Removal::Resets(_) | Removal::Default(_));
        assert_eq!(sends, expected, "{field}: {step:?}");
    }
}

#[test]
fn setting_removal_matches_the_reference() {
    for facts in valkeeper_api::Kind::Valkey.user_config_facts() {
        let mut service = service();
        service.user_config.insert(facts.name.to_owned(), json!("something else"));
        let mut removed = resource(json!({}));
        let mut before = declared_by(&removed);
        before.insert(format!("userConfig.{}", facts.name), "00000000".to_owned());
        remember(&mut removed, before);
        let step = decided(&removed, &seen(service)).step;
        let expected = matches!(removal::of_setting(facts), Removal::Resets(_));
        assert_eq!(matches!(step, Step::Update(_)), expected, "{}: {step:?}", facts.name);
    }
}
