//! What settings are read, and which are refused.

use super::*;

const COMPLETE: &str = "
name: a
pod: u
dataDir: /data
runtimeDir: /run/valkeeper
server: {program: valkey-server, host: a.cache}
control: {address: '127.0.0.1:7000'}
health: '0.0.0.0:7001'
lease: {kubernetes: {namespace: n, name: cache}}
";

fn read_text(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("instance.yaml");
    std::fs::write(&path, text).unwrap();
    let variable = |name: &str| (name == "POD_NAME").then(|| "from-environment".to_owned());
    Settings::read(&path, variable).map_err(|error| error.to_string())
}

#[test]
fn settings_have_defaults() {
    let settings = read_text(COMPLETE).unwrap();
    assert_eq!(settings.server.port, 6379);
    assert_eq!(settings.server.persistence, Persistence::None);
    assert_eq!(settings.intervals, Intervals::default());
    let lease = LeaseSettings::Kubernetes { namespace: "n".to_owned(), name: "cache".to_owned() };
    assert_eq!(settings.lease, lease);
    assert_eq!(read_text(&COMPLETE.replace("name: a\n", "")).unwrap().name, "from-environment");
}

#[test]
fn settings_that_would_be_unsafe_are_refused() {
    let table = [
        (COMPLETE.replace("pod: u", ""), "name and pod"),
        (COMPLETE.replace("name: a\n", "name: a/b\n"), "name and pod"),
        (COMPLETE.replace("127.0.0.1:7000", "0.0.0.0:7000"), "control.tls is required"),
        (COMPLETE.replace("host: a.cache", "host: a, directives: {ReplicaOf: x 1}"), "ReplicaOf"),
        (COMPLETE.replace("host: a.cache", "host: a, directives: {\"a\\nuser\": x}"), "not the name"),
        (format!("{COMPLETE}\nintervals: {{hardDeadline: 20000}}"), "hardDeadline < leaseDuration"),
        (
            format!("{COMPLETE}\npeers: {{host: x, port: 1}}\nintervals: {{consentAfter: 9000}}"),
            "consentAfter < softDeadline",
        ),
        (format!("{COMPLETE}\nsurprise: 1"), "surprise"),
    ];
    for (text, reason) in table {
        let refused = read_text(&text).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn file_that_lists_no_password_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.yaml");
    let mut settings = read_text(COMPLETE).unwrap();
    assert!(settings.access().unwrap().is_none());
    settings.server.access_file = Some(path.clone());
    let hash = "0f".repeat(32);
    for (text, usable) in [
        (String::new(), false),
        ("{clients: [], servers: canary}".to_owned(), false),
        (format!("{{clients: [{hash}]}}"), false),
        (format!("{{clients: [{hash}], servers: ''}}"), false),
        ("{clients: [canary], servers: canary}".to_owned(), false),
        (format!("{{revision: a, clients: [{hash}], servers: canary, later: 1}}"), true),
    ] {
        std::fs::write(&path, &text).unwrap();
        let read = settings.access();
        assert_eq!(read.is_ok(), usable, "{text}");
        let error = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!error.contains("canary") && !error.contains(&hash), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(settings.access().is_err());
}

#[test]
fn settings_take_addresses_and_folders_from_variables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("instance.yaml");
    let text = COMPLETE
        .replace("dataDir: /data", "dataDir: $(DATA)/$(NONE")
        .replace("host: a.cache", "host: $(POD_IP)");
    let text = text.replace("127.0.0.1:7000'", "0.0.0.0:7000', tls: {certificate: a, key: b, authority: c}");
    std::fs::write(&path, text).unwrap();
    let variable = |name: &str| match name {
        "DATA" => Some("/volume".to_owned()),
        "POD_IP" | "LISTEN_ON_POD_IP" => Some("10.0.0.7".to_owned()),
        _ => None,
    };
    let settings = Settings::read(&path, variable).unwrap();
    assert_eq!(settings.data_dir, Path::new("/volume/$(NONE"));
    assert_eq!(settings.server.host, "10.0.0.7");
    assert_eq!(settings.server.bind, ["10.0.0.7"]);
    assert_eq!(settings.control.address.to_string(), "10.0.0.7:7000");
    assert_eq!(settings.health.to_string(), "10.0.0.7:7001");
    let without = |name: &str| variable(name).filter(|_| name != "LISTEN_ON_POD_IP");
    let settings = Settings::read(&path, without).unwrap();
    assert_eq!((settings.server.bind.len(), settings.health.to_string()), (0, "0.0.0.0:7001".to_owned()));
}
