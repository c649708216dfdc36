//! The rows of the table that are written by hand: almost valid texts, names, and dependencies between fields.

use serde_json::{Value, json};
use valkeeper_api::Kind;

use crate::cases::{Case, Operator, Server, changed};
use crate::manifests::{minimal, with};

/// Why the API server accepts what the operator refuses.
const NOT_IN_CONTRACT: &str = "the contract has no such bound, so stored objects may break it";

/// Why the API server accepts targets that the operator refuses.
const NO_RULE_FOR_KEYS: &str =
    "a schema has no rule for the names of keys, and none that is cheap enough for names of objects";

/// Every row written by hand.
pub(crate) fn add(cases: &mut Vec<Case>) {
    for kind in Kind::ALL {
        patterns(cases, kind);
        names(cases, kind);
        texts(cases, kind);
        relations(cases, kind);
        shapes(cases, kind);
        names_in_targets(cases, kind);
        power_schedules(cases, kind);
    }
    beyond_the_contract(cases);
}

/// Texts that are almost valid, or meant to do harm.
fn patterns(cases: &mut Vec<Case>, kind: Kind) {
    let keyspace = format!("spec.userConfig.{}_notify_keyspace_events", kind.service_type());
    let wrong: [(&str, &[&str]); 7] = [
        ("spec.project", &["", "my project", "a/b", "../etc", "projekt-ä", "a\nb", "${HOME}", "a;rm -rf /"]),
        (
            "spec.disk_space",
            &["", "0", "0GiB", "10MB", "1.5GiB", "-1GiB", "GiB", "10 GiB", "10GiB\n", "１0GiB"],
        ),
        (
            "spec.technicalEmails.email",
            &["", "me", "me@host", "me@@example.com", "a b@example.com", "<me@example.com>"],
        ),
        ("spec.userConfig.project_to_fork_from", &["Project", "1st", "-a", "a_b", "a.b"]),
        ("spec.userConfig.service_to_fork_from", &["Service", "1st", "-a", "a_b", "a b", "a\u{0}"]),
        ("spec.userConfig.recovery_basebackup_name", &["", "a b", "a/b", "ä"]),
        (&keyspace, &["Kq", "K E", "KEA\n", "<script>"]),
    ];
    for (path, texts) in wrong {
        for text in texts {
            let (manifest, field) = changed(kind, path, json!(text));
            let message = format!("{field} in body should match");
            cases.push(Case::refused(
                kind,
                format!("{path} is {text:?}"),
                manifest,
                &field,
                "must match `",
                message,
            ));
        }
    }
    let regions = "spec.userConfig.additional_backup_regions";
    for (region, rule, message) in [
        ("EU", "must match `", "[0] in body should match"),
        ("eu west", "must match `", "[0] in body should match"),
        (&"a".repeat(257), "must have at most 256", "[0]: Too long: may not be more than 256 bytes"),
    ] {
        let (manifest, field) = changed(kind, regions, json!([region]));
        let field = format!("{field}[0]");
        let title = format!("{regions} holds {region:.10}");
        cases.push(Case::refused(kind, title, manifest, &field, rule, format!("{regions}{message}")));
    }
}

fn names(cases: &mut Vec<Case>, kind: Kind) {
    for name in ["1st", "my.service", &"a".repeat(64), "0", "a"] {
        let mut manifest = minimal(kind);
        manifest["metadata"]["name"] = json!(name);
        let message = "metadata.name is also the name of the service at Aiven".to_owned();
        let rule = "is also the name of the service";
        cases.push(Case::refused(
            kind,
            format!("is named {name:.10}"),
            manifest,
            "metadata.name",
            rule,
            message,
        ));
    }
    for name in ["Upper", "under_score", "-a", "a b", "ä", "a/b", "a\u{1b}[31m"] {
        let mut manifest = minimal(kind);
        manifest["metadata"]["name"] = json!(name);
        let message = "metadata.name: Invalid value".to_owned();
        let rule = "is also the name of the service";
        cases.push(Case::refused(
            kind,
            format!("is named {name:?}"),
            manifest,
            "metadata.name",
            rule,
            message,
        ));
    }
    let mut manifest = minimal(kind);
    manifest["metadata"]["name"] = json!("my-service-");
    let (title, rule) = ("ends with a hyphen".to_owned(), "must not end with a hyphen");
    let message = "metadata.name: Invalid value".to_owned();
    cases.push(Case::refused(kind, title, manifest, "metadata.name", rule, message));
    unlabelled(cases, kind);
    let mut manifest = minimal(kind);
    manifest.as_object_mut().unwrap().remove("spec");
    let message = "spec: Required value".to_owned();
    let case = Case::refused(kind, "has no spec".into(), manifest, "spec", "is required", message);
    cases.push(Case { operator: Operator::CannotDecode, ..case });
    let mut manifest = minimal(kind);
    manifest["metadata"]["labels"] = json!({"a": 1});
    let message = "cannot unmarshal number".to_owned();
    let case = Case::refused(
        kind,
        "has a number as label".into(),
        manifest,
        "metadata.labels.a",
        "must be a string",
        message,
    );
    cases.push(Case { operator: Operator::CannotDecode, ..case });
}

/// Parts that stored objects cannot have, so the operator does not check them.
fn unlabelled(cases: &mut Vec<Case>, kind: Kind) {
    let why = "the API server has checked the metadata of stored objects, and drops what it does not know";
    let mut add = |title: &str, change: Value, field: &str, rule: &str, message: &str| {
        let mut manifest = minimal(kind);
        crate::manifests::merge(&mut manifest, &change);
        let case = Case::refused(kind, title.to_owned(), manifest, field, rule, message.to_owned());
        cases.push(Case { operator: Operator::Ignores(why), ..case });
    };
    let labels = json!({"metadata": {"labels": {"team": "a b"}}});
    add(
        "a label with a space",
        labels,
        "metadata.labels.team",
        "value of a label",
        "metadata.labels: Invalid value",
    );
    let finalizers = json!({"metadata": {"finalizers": ["a b"]}});
    let field = "metadata.finalizers[0]";
    add(
        "a finalizer with a space",
        finalizers,
        field,
        "must be a name",
        "metadata.finalizers: Invalid value",
    );
    let status = json!({"status": {"nope": 1}});
    add("an unknown status", status, "status.nope", "unknown field", "unknown field \"status.nope\"");
}

/// Values inside maps and lists.
fn texts(cases: &mut Vec<Case>, kind: Kind) {
    for (path, key) in [
        ("spec.tags", "env"),
        ("spec.connInfoSecretTarget.labels", "a"),
        ("spec.connInfoSecretTarget.annotations", "c"),
    ] {
        let (manifest, _) = changed(kind, path, json!({ key: true }));
        let field = format!("{path}.{key}");
        let message = format!("{field}: Invalid value: \"boolean\": {field} in body must be of type string");
        let case = Case::refused(
            kind,
            format!("{field} is a boolean"),
            manifest,
            &field,
            "must be a string",
            message,
        );
        cases.push(Case { operator: Operator::CannotDecode, ..case });
    }
    let (manifest, _) = changed(kind, "spec.userConfig.ip_filter", json!(["10.0.0.0/8"]));
    let field = "spec.userConfig.ip_filter[0]";
    let message = format!("{field}: Invalid value: \"string\": {field} in body must be of type object");
    let case = Case::refused(
        kind,
        "ip_filter holds plain text".into(),
        manifest,
        field,
        "must be an object",
        message,
    );
    let why = "aiven-operator's users may have stored entries in the provider's text form";
    cases.push(Case { operator: Operator::Ignores(why), ..case });
    let persistence = format!("spec.userConfig.{}_persistence", kind.service_type());
    let (manifest, field) = changed(kind, &persistence, json!(false));
    let message = format!("{field} in body must be of type string: \"boolean\"");
    let rule = "write it in quotes";
    let case = Case::refused(kind, "persistence is a plain off".into(), manifest, &field, rule, message);
    cases.push(Case { operator: Operator::CannotDecode, ..case });
}

/// How fields depend on each other, and what their text means.
fn relations(cases: &mut Vec<Case>, kind: Kind) {
    let manifest = with(minimal(kind), &json!({"projectVpcId": "a", "projectVPCRef": {"name": "b"}}));
    let message = "spec.projectVpcId: Invalid value: projectVpcId excludes projectVPCRef".to_owned();
    cases.push(Case::refused(
        kind,
        "names two VPCs".into(),
        manifest,
        "spec.projectVpcId",
        "excludes projectVPCRef",
        message,
    ));
    let spec = json!({"migrationSecretSource": {"name": "source", "key": "password"}});
    cases.push(Case {
        kind,
        title: "a password of no migration".to_owned(),
        manifest: with(minimal(kind), &spec),
        field: "spec.migrationSecretSource".to_owned(),
        rule: "needs userConfig.migration".to_owned(),
        server: Server::Accepts(NOT_IN_CONTRACT),
        operator: Operator::Ignores("the Secret is not read without a migration"),
    });
    for (title, spec, field, rule) in related() {
        cases.push(Case {
            kind,
            title: title.to_owned(),
            manifest: with(minimal(kind), &spec),
            field: field.to_owned(),
            rule: rule.to_owned(),
            server: Server::Accepts(NOT_IN_CONTRACT),
            operator: Operator::Agrees,
        });
    }
}

#[rustfmt::skip]
fn related() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let network = |network: &str| json!({"userConfig": {"ip_filter": [{"network": "::/0"}, {"network": network}]}});
    let second = "spec.userConfig.ip_filter[1].network";
    let time = |time: &str| json!({"maintenanceWindowTime": time});
    let target = |target: Value| json!({"connInfoSecretTarget": target});
    let tag = |key: &str, value: &str| json!({"tags": {key: value}});
    let itself = "must be another service than this one";
    vec![
        ("an empty plan", json!({"plan": ""}), "spec.plan", "must not be empty"),
        ("a disk of 99999999999 GiB", json!({"disk_space": "99999999999"}), "spec.disk_space", "is too large"),
        ("hours and minutes only", time("10:00"), "spec.maintenanceWindowTime", "HH:mm:ss"),
        ("25 o'clock", time("25:00:00"), "spec.maintenanceWindowTime", "HH:mm:ss"),
        ("minute 60", time("10:60:00"), "spec.maintenanceWindowTime", "HH:mm:ss"),
        ("one-digit hour", time("9:00:00"), "spec.maintenanceWindowTime", "HH:mm:ss"),
        ("a time in words", time("noon"), "spec.maintenanceWindowTime", "HH:mm:ss"),
        ("a project to fork from only", json!({"userConfig": {"project_to_fork_from": "other"}}),
            "spec.userConfig.project_to_fork_from", "needs service_to_fork_from"),
        ("a fork of itself", json!({"userConfig": {"service_to_fork_from": "minimal"}}),
            "spec.userConfig.service_to_fork_from", itself),
        ("a fork of itself, in words", json!({"userConfig": {"service_to_fork_from": "minimal",
            "project_to_fork_from": "my-project"}}), "spec.userConfig.service_to_fork_from", itself),
        ("a replica of itself", json!({"serviceIntegrations": [{"integrationType": "read_replica",
            "sourceServiceName": "minimal"}]}), "spec.serviceIntegrations[0].sourceServiceName", itself),
        ("an address of 257 characters", json!({"technicalEmails": [{"email": format!("{}@example.com", "a".repeat(245))}]}),
            "spec.technicalEmails[0].email", "at most 254"),
        ("a backup minute only", json!({"userConfig": {"backup_minute": 5}}), "spec.userConfig.backup_minute",
            "needs backup_hour"),
        ("an address without length", network("10.0.0.1"), second, "append /32"),
        ("an IPv6 address without length", network("::1"), second, "append /128"),
        ("an address block of 33 bits", network("10.0.0.0/33"), second, "CIDR"),
        ("an address block of 129 bits", network("::/129"), second, "CIDR"),
        ("a host name as network", network("example.com/8"), second, "CIDR"),
        ("a network with spaces", network(" 10.0.0.0/8"), second, "CIDR"),
        ("an empty network", network(""), second, "CIDR"),
        ("a tag that starts with a digit", tag("1st", "x"), "spec.tags.1st", "starting with a letter"),
        ("a tag with spaces", tag("a b", "x"), "spec.tags[\"a b\"]", "starting with a letter"),
        ("a tag with an escape sequence", tag("a\u{1b}[31m", "x"), "spec.tags[\"a\\u{1b}[31m\"]", "letter"),
        ("an empty tag key", tag("", "x"), "spec.tags[\"\"]", "starting with a letter"),
        ("a tag of the operator", tag("valkeeper-owner", "me"), "spec.tags.valkeeper-owner", "who owns"),
        ("a long tag value", tag("env", &"x".repeat(65)), "spec.tags.env", "at most 64"),
        ("no Secret name", target(json!({"name": "My_Secret"})), "spec.connInfoSecretTarget.name", "name of a Secret"),
        ("a Secret name that is a path", target(json!({"name": "../../etc"})), "spec.connInfoSecretTarget.name", "name of a Secret"),
        ("a prefix with a slash", target(json!({"name": "", "prefix": "a/b"})), "spec.connInfoSecretTarget.prefix", "key of a Secret"),
        ("a prefix that is too long", target(json!({"name": "", "prefix": "x".repeat(246)})), "spec.connInfoSecretTarget.prefix", "key of a Secret"),
        ("no label key", target(json!({"name": "a", "labels": {"a b": "x"}})), "spec.connInfoSecretTarget.labels[\"a b\"]", "key of a label"),
        ("no label value", target(json!({"name": "a", "labels": {"a": "x y"}})), "spec.connInfoSecretTarget.labels.a", "value of a label"),
        ("no annotation key", target(json!({"name": "a", "annotations": {"/": "x"}})), "spec.connInfoSecretTarget.annotations[\"/\"]", "key of a label"),
        ("a token in the place of its Secret", json!({"authSecretRef": {"name": "AVNS+Token/==", "key": "token"}}),
            "spec.authSecretRef.name", "name of a Secret"),
        ("a token in the place of its key", json!({"authSecretRef": {"name": "token", "key": "AVNS+Token/=="}}),
            "spec.authSecretRef.key", "key of a Secret"),
        ("the token's Secret as target", json!({"authSecretRef": {"name": "a", "key": "token"},
            "connInfoSecretTarget": {"name": "a"}}), "spec.authSecretRef.name", "another Secret"),
        ("the token's Secret as default target", json!({"authSecretRef": {"name": "minimal", "key": "token"}}),
            "spec.authSecretRef.name", "another Secret"),
    ]
}

/// Targets of connections that cannot be written.
fn shapes(cases: &mut Vec<Case>, kind: Kind) {
    let keys = |keys: Value| json!({"connInfoSecretTarget": {"name": "a", "keys": keys}});
    let secret = "spec.connInfoSecretTarget";
    let refused = [
        (
            "an unknown placeholder",
            keys(json!({"DSN": "{hostname}"})),
            "keys.DSN",
            "must match `",
            "should match",
        ),
        ("an open placeholder", keys(json!({"DSN": "{host"})), "keys.DSN", "must match `", "should match"),
        ("braces in braces", keys(json!({"DSN": "{{host}}"})), "keys.DSN", "must match `", "should match"),
        (
            "a long template",
            keys(json!({"DSN": "x".repeat(1025)})),
            "keys.DSN",
            "at most 1024 characters",
            "may not be more than 1024",
        ),
        (
            "17 keys",
            keys(
                (0..17)
                    .map(|number| (format!("K{number}"), json!("")))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
            "keys",
            "at most 16 entries",
            "Too many: 17",
        ),
        (
            "an unknown preset",
            json!({"connInfoSecretTarget": {"name": "a", "presets": ["rails"]}}),
            "presets[0]",
            "must be one of",
            "Unsupported value: \"rails\"",
        ),
        (
            "an unknown route",
            json!({"connInfoSecretTarget": {"name": "a", "route": "private"}}),
            "route",
            "must be one of",
            "Unsupported value: \"private\"",
        ),
    ];
    for (title, spec, field, rule, message) in refused {
        let field = format!("{secret}.{field}");
        let title = format!("{title} of the connection Secret");
        cases.push(Case::refused(kind, title, with(minimal(kind), &spec), &field, rule, message.to_owned()));
    }
}

/// Names in targets that the API server accepts and the operator does not.
fn names_in_targets(cases: &mut Vec<Case>, kind: Kind) {
    let keys = |keys: Value| json!({"connInfoSecretTarget": {"name": "a", "keys": keys}});
    let (secret, config_map) = ("spec.connInfoSecretTarget", "spec.connInfoConfigMapTarget");
    let prefix = kind.secret_prefix();
    let taken = [
        (
            "a key of the operator",
            keys(json!({format!("{prefix}HOST"): ""})),
            format!("{secret}.keys.{prefix}HOST"),
        ),
        (
            "a key of a preset",
            json!({"connInfoSecretTarget": {"name": "a", "presets": ["sidekiq"], "keys": {"REDIS_URL": ""}}}),
            format!("{secret}.keys.REDIS_URL"),
        ),
    ];
    for (title, spec, field) in taken {
        let case = Case::refused(
            kind,
            title.to_owned(),
            with(minimal(kind), &spec),
            &field,
            "writes already",
            String::new(),
        );
        cases.push(Case { server: Server::Accepts(NO_RULE_FOR_KEYS), ..case });
    }
    let named = [
        ("no key", keys(json!({"a b": ""})), format!("{secret}.keys[\"a b\"]"), "key of a Secret"),
        (
            "no name of a ConfigMap",
            json!({"connInfoConfigMapTarget": {"name": "My_Map"}}),
            format!("{config_map}.name"),
            "name of a ConfigMap",
        ),
        (
            "no prefix of a ConfigMap",
            json!({"connInfoConfigMapTarget": {"name": "a", "prefix": "a/b"}}),
            format!("{config_map}.prefix"),
            "key of a ConfigMap",
        ),
        (
            "no label of a ConfigMap",
            json!({"connInfoConfigMapTarget": {"name": "a", "labels": {"a": "x y"}}}),
            format!("{config_map}.labels.a"),
            "value of a label",
        ),
    ];
    for (title, spec, field, rule) in named {
        let case =
            Case::refused(kind, title.to_owned(), with(minimal(kind), &spec), &field, rule, String::new());
        cases.push(Case { server: Server::Accepts(NO_RULE_FOR_KEYS), ..case });
    }
}

/// Schedules that no clock can follow.
fn power_schedules(cases: &mut Vec<Case>, kind: Kind) {
    let schedule = |off: &str, on: &str, zone: &str| json!({"powerSchedule": {"offAt": off, "onAt": on, "timeZone": zone}});
    let (evening, morning) = ("0 20 * * 1-5", "0 7 * * 1-5");
    let accepted = [
        ("six fields", schedule("0 0 20 * * 1-5", morning, "UTC"), "offAt", "five fields"),
        ("hour 25", schedule("0 25 * * *", morning, "UTC"), "offAt", "five fields"),
        ("a day that never comes", schedule(evening, "0 7 30 2 *", "UTC"), "onAt", "never due"),
        ("no time zone", schedule(evening, morning, "Mars/Olympus"), "timeZone", "time zone"),
        (
            "one schedule with other spaces",
            schedule(evening, "0  20 * * 1-5", "UTC"),
            "onAt",
            "another schedule",
        ),
    ];
    for (title, spec, field, rule) in accepted {
        let field = format!("spec.powerSchedule.{field}");
        let title = format!("power schedule: {title}");
        let case = Case::refused(kind, title, with(minimal(kind), &spec), &field, rule, String::new());
        cases
            .push(Case { server: Server::Accepts("a schema has no grammar of schedules and zones"), ..case });
    }
    let (title, same) = ("power schedule: the same twice", schedule(evening, evening, "UTC"));
    let (field, message) =
        ("spec.powerSchedule.onAt", "offAt and onAt must be different schedules".to_owned());
    let manifest = with(minimal(kind), &same);
    cases.push(Case::refused(kind, title.to_owned(), manifest, field, "another schedule", message));
}

/// Bounds of properties that the contract does not have yet.
fn beyond_the_contract(cases: &mut Vec<Case>) {
    let kind = Kind::Valkey;
    for (name, value, rule, message) in [
        (
            "valkey_active_expire_effort",
            json!(0),
            "must be at least 1",
            "should be greater than or equal to 1",
        ),
        (
            "valkey_active_expire_effort",
            json!(11),
            "must be at most 10",
            "should be less than or equal to 10",
        ),
        ("valkey_version", json!("7.2"), "must be one of", "Unsupported value: \"7.2\""),
        ("valkey_version", json!("8.1.1"), "must be one of", "Unsupported value: \"8.1.1\""),
    ] {
        let (manifest, field) = changed(kind, &format!("spec.userConfig.{name}"), value.clone());
        cases.push(Case::refused(
            kind,
            format!("{name} is {value}"),
            manifest,
            &field,
            rule,
            message.to_owned(),
        ));
    }
    for (name, value, rule) in [
        ("enable_ipv6", json!("yes"), "must be a boolean"),
        ("valkey_activedefrag", json!(1), "must be a boolean"),
        ("valkey_version", json!(8.1), "write it in quotes"),
    ] {
        let (manifest, field) = changed(kind, &format!("spec.userConfig.{name}"), value.clone());
        let case = Case::refused(
            kind,
            format!("{name} is {value}"),
            manifest,
            &field,
            rule,
            format!("{field} in body must be of type"),
        );
        cases.push(Case { operator: Operator::CannotDecode, ..case });
    }
}
