//! The provider's own command-line client, `aiven-client` on PyPI, against the simulated provider: each command that
//! concerns Valkey, Redis, projects, users, networks, backups, migrations, integrations, types, plans and clouds
//! works, or is in the list of what is not built. Skipped unless `AIVEN_CLI` names the executable.

use crate::harness::{Api, BUILD, FIRST_BACKUP, POWER_OFF, PROJECT, VPC};
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// The documentation of the parts that are missing.
const PAGE: &str = include_str!("../../../../docs/sandbox.md");

/// A provider, and the client in a home of its own.
struct Cli {
    api: Api,
    program: PathBuf,
    home: TempDir,
}

/// What a command printed.
struct Output {
    success: bool,
    text: String,
    errors: String,
}

impl Cli {
    /// `None` where there is no client.
    async fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("AIVEN_CLI") else {
            eprintln!("skipped: set AIVEN_CLI to the executable of aiven-client");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        Some(Self { api: Api::start().await, program: program.into(), home })
    }

    /// A client whose project has a running service `cache` with a backup.
    async fn with_service() -> Option<Self> {
        let cli = Self::start().await?;
        cli.works("service create", "cache -t valkey -p startup-4", "").await;
        cli.api.advance(BUILD + FIRST_BACKUP);
        Some(cli)
    }

    async fn run(&self, command: &str, arguments: &str) -> Output {
        let words = command.split(' ').chain(arguments.split(' ').filter(|word| !word.is_empty()));
        let output = Command::new(&self.program)
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("AIVEN_WEB_URL", self.api.server.url())
            .env("AIVEN_AUTH_TOKEN", &self.api.token)
            .env("AIVEN_PROJECT", PROJECT)
            .env("COLUMNS", "400")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (text, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(!errors.contains("Traceback"), "{command} {arguments}: {errors}");
        Output { success: output.status.success(), text, errors }
    }

    /// The command succeeds and prints `expected`.
    async fn works(&self, command: &str, arguments: &str, expected: &str) -> String {
        let output = self.run(command, arguments).await;
        assert!(output.success, "{command} {arguments}: {}{}", output.text, output.errors);
        assert!(output.text.contains(expected), "{command} {arguments}: {}", output.text);
        let unmatched = self.api.handle().requests().into_iter().find(|request| request.route == "unmatched");
        assert!(unmatched.is_none(), "{command}: {unmatched:?}");
        output.text
    }

    /// The provider refuses the command for the reason `expected`.
    async fn is_refused(&self, command: &str, arguments: &str, expected: &str) {
        let output = self.run(command, arguments).await;
        let all = format!("{}{}", output.text, output.errors);
        assert!(!output.success && all.contains(expected), "{command} {arguments}: {all}");
    }

    /// The command needs something that is not built, and the documentation states so.
    async fn is_not_built(&self, command: &str, arguments: &str) {
        let output = self.run(command, arguments).await;
        assert!(!output.success, "{command} works: take it out of the list");
        let requests = self.api.handle().requests();
        let known = requests.last().unwrap();
        let missing = known.route == "unmatched" || known.status == Some(405);
        assert!(missing, "{command} {arguments}: {known:?} {}", output.errors);
        let (_, list) = PAGE.split_once("### Not built").unwrap();
        let (list, _) = list.split_once("\n## ").unwrap();
        assert!(list.contains(&format!("`avn {command}`")), "{command} is not in docs/sandbox.md");
        self.api.handle().clear_requests();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

#[tokio::test]
async fn cli_shows_projects_and_their_callers() {
    let Some(cli) = Cli::start().await else { return };
    for arguments in ["", "-v", "--json"] {
        cli.works("project list", arguments, PROJECT).await;
    }
    cli.works("project details", "", PROJECT).await;
    cli.works("project switch", "my-other-project", "").await;
    cli.works("project user-list", "", "admin").await;
    cli.works("project invite-list", "", "").await;
    cli.works("project ca-get", "--target-filepath ca.pem", "").await;
    assert!(std::fs::read_to_string(cli.file("ca.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    cli.works("project tags update", "--add-tag env=test", "updated").await;
    cli.works("project tags list", "", "env").await;
    cli.works("project tags replace", "--tag team=a", "updated").await;
    cli.works("user info", "", "sandbox.localhost").await;
    cli.is_not_built("project create", "new --cloud google-europe-west1 --parent-id a1").await;
    cli.is_not_built("project update", "--name other").await;
    cli.is_not_built("project delete", "my-other-project").await;
    cli.is_not_built("project user-invite", "a@example.com").await;
    cli.is_not_built("project user-remove", "a@example.com").await;
    cli.is_not_built("project generate-sbom", "--output csv").await;
    cli.is_not_built("user access-token list", "").await;
}

#[tokio::test]
async fn cli_shows_types_plans_versions_and_clouds() {
    let Some(cli) = Cli::start().await else { return };
    for arguments in ["", "--json"] {
        cli.works("cloud list", arguments, "google-europe-west3").await;
    }
    cli.works("service types", "", "valkey").await;
    cli.works("service types", "-v", "valkey_maxmemory_policy").await;
    cli.works("service types", "--json", "user_config_schema").await;
    cli.works("service plans", "--cloud google-europe-west1", "valkey:startup-4").await;
    cli.works("service plans", "--cloud google-europe-west1 --service-type valkey --monthly", "/mo").await;
    cli.works("service versions", "", "9.1").await;
    cli.works("service versions", &format!("--project {PROJECT}"), "9.1").await;
}

#[tokio::test]
async fn cli_creates_reads_and_terminates_services() {
    let Some(cli) = Cli::with_service().await else { return };
    let settings =
        "-c valkey_version=9.1 -c valkey_timeout=5 --no-project-vpc --enable-termination-protection";
    let create = format!("other -t valkey -p business-4 --cloud google-europe-west2 {settings}");
    cli.works("service create", &create, "").await;
    cli.api.handle().allow_redis_creation(false);
    cli.is_refused("service create", "old -t redis -p startup-4", "is not allowed").await;
    cli.is_refused("service create", "cache -t valkey -p startup-4", "409").await;
    cli.api.advance(BUILD);
    for arguments in ["", "-v", "--json"] {
        cli.works("service list", arguments, "other").await;
    }
    for arguments in ["cache", "cache -v", "cache --json"] {
        cli.works("service get", arguments, "RUNNING").await;
    }
    cli.works("service wait", "cache", "").await;
    cli.works("service connection-info valkey uri", "cache", "://default:AVNS_").await;
    cli.works("service connection-info valkey uri", "other --replica", "replica-").await;
    cli.works("service backup-list", "cache", "backup-").await;
    cli.works("events", "", "service_create").await;
    cli.is_refused("service terminate", "other --force", "protected").await;
    cli.works("service update", "other --disable-termination-protection", "").await;
    cli.works("service terminate", "other cache --force", "").await;
    assert_eq!(cli.api.handle().service_count(), 0);
}

#[tokio::test]
async fn cli_changes_services() {
    let Some(cli) = Cli::with_service().await else { return };
    let settled = || async {
        cli.api.advance(BUILD);
        cli.api.service("cache").await
    };
    cli.works("service update", "cache -p startup-8", "").await;
    assert_eq!(settled().await["plan"], "startup-8");
    cli.works("service update", "cache -c valkey_maxmemory_policy=allkeys-lru", "").await;
    assert_eq!(settled().await["user_config"]["valkey_maxmemory_policy"], "allkeys-lru");
    cli.works("service update", "cache --remove-option valkey_maxmemory_policy", "").await;
    assert_eq!(settled().await["user_config"]["valkey_maxmemory_policy"], "noeviction");
    cli.works("service update", "cache -c valkey_version=9.1", "").await;
    assert_eq!(settled().await["user_config"]["valkey_version"], "9.1");
    cli.works("service update", "cache --maintenance-dow monday --maintenance-time 10:00:00", "").await;
    assert_eq!(settled().await["maintenance"]["dow"], "monday");
    cli.works("service update", "cache --cloud google-europe-west2 --no-project-vpc", "").await;
    assert_eq!(settled().await["cloud_name"], "google-europe-west2");
    cli.works("service update", "cache --power-off", "").await;
    cli.api.advance(POWER_OFF);
    assert_eq!(cli.api.state("cache").await, "POWEROFF");
    cli.works("service update", "cache --power-on", "").await;
    assert_eq!(settled().await["state"], "RUNNING");
    cli.works("service tags update", "cache --add-tag env=test", "updated").await;
    cli.works("service tags list", "cache", "env").await;
    cli.works("service tags replace", "cache --tag team=a", "updated").await;
    cli.works("service maintenance-start", "cache", "up to date").await;
    cli.is_not_built("service logs", "cache").await;
    cli.is_not_built("service metrics", "cache").await;
    cli.is_not_built("service current-queries", "cache").await;
    cli.is_not_built("service task-create", "cache --operation upgrade_check --target-version 9.1").await;
    cli.is_not_built("service task-get", "cache --task-id x").await;
}

#[tokio::test]
async fn cli_manages_users_and_passwords() {
    let Some(cli) = Cli::with_service().await else { return };
    let rules = "--valkey-acl-keys app:* --valkey-acl-commands +get --valkey-acl-categories +@read";
    cli.works("service user-create", &format!("cache --username app {rules}"), "").await;
    cli.works("service user-list", "cache", "app").await;
    cli.works("service user-get", "cache --username app --json", "AVNS_").await;
    let rules = "--valkey-acl-keys * --valkey-acl-commands +get --valkey-acl-categories +@all";
    let channels = "--valkey-acl-channels news:*";
    cli.works("service user-set-access-control", &format!("cache --username app {rules} {channels}"), "")
        .await;
    assert_eq!(
        cli.api.service("cache").await["users"][1]["access_control"]["valkey_acl_channels"][0],
        "news:*"
    );
    let wrong = "cache --username app --valkey-acl-keys * --valkey-acl-commands nonsense --valkey-acl-categories +@all";
    cli.is_refused("service user-set-access-control", wrong, "not a valid rule").await;
    let password = cli.api.service("cache").await["users"][1]["password"].clone();
    cli.works("service user-password-reset", "cache --username app", "").await;
    cli.works("service user-password-reset", "cache --username app --new-password long-enough", "").await;
    assert_ne!(cli.api.service("cache").await["users"][1]["password"], password);
    cli.works("service user-creds-acknowledge", "cache --username app", "").await;
    cli.works("service user-delete", "cache --username app", "").await;
    let password = cli.api.service("cache").await["users"][0]["password"].clone();
    cli.works("service credentials-reset", "cache", "").await;
    assert_ne!(cli.api.service("cache").await["users"][0]["password"], password);
}

#[tokio::test]
async fn cli_makes_copies_migrations_and_integrations() {
    let Some(cli) = Cli::with_service().await else { return };
    cli.works("service create", "fork -t valkey -p startup-4 --service-to-fork-from cache", "").await;
    cli.works("service create", "copy -t valkey -p startup-4 --read-replica-for cache", "").await;
    cli.works("service integration-list", "cache", "read_replica").await;
    let source = "-c migration.host=old.example.com -c migration.port=6379 -c migration.ssl=false";
    cli.works("service update", &format!("cache {source}"), "").await;
    cli.works("service migration-status", "cache", "syncing").await;
    cli.api.advance(BUILD);
    cli.works("service migration-status", "cache", "done").await;
    cli.works("service update", "cache --remove-option migration", "").await;
    cli.is_refused("service migration-status", "cache", "No active migration").await;
    let create = "-t datadog -s cache -D 0f5b7f3c-52a9-4f0e-9c55-1d6d7a8f1a01";
    cli.works("service integration-create", create, "").await;
    let integrations = cli.api.service("cache").await["service_integrations"].clone();
    let datadog =
        integrations.as_array().unwrap().iter().find(|it| it["integration_type"] == "datadog").unwrap();
    let id = datadog["service_integration_id"].as_str().unwrap();
    cli.is_not_built("service integration-update", &format!("{id} -c a=b")).await;
    cli.works("service integration-delete", id, "").await;
    cli.is_not_built("service integration-types-list", "").await;
    cli.is_not_built("service integration-endpoint-types-list", "").await;
    cli.is_not_built("service integration-endpoint-list", "").await;
}

#[tokio::test]
async fn cli_manages_vpcs() {
    let Some(cli) = Cli::start().await else { return };
    let create = "--cloud google-europe-west1 --network-cidr 10.0.0.0/24";
    cli.works("vpc create", create, "APPROVED").await;
    cli.is_refused("vpc create", create, "overlaps").await;
    cli.is_refused("vpc create", "--cloud google-europe-west1 --network-cidr 8.8.8.0/24", "private").await;
    cli.api.advance(VPC);
    let listed = cli.works("vpc list", "--json", "ACTIVE").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["project_vpc_id"].as_str().unwrap();
    cli.works("vpc list", "-v", id).await;
    cli.works("vpc peering-connection list", &format!("--project-vpc-id {id}"), "").await;
    cli.works("service create", &format!("cache -t valkey -p startup-4 --project-vpc-id {id}"), "").await;
    cli.is_refused("vpc delete", &format!("--project-vpc-id {id}"), "services in it").await;
    cli.works("service terminate", "cache --force", "").await;
    cli.api.advance(VPC);
    cli.works("vpc delete", &format!("--project-vpc-id {id}"), "").await;
    let peer = format!("--project-vpc-id {id} --peer-cloud-account a --peer-vpc b");
    cli.is_not_built("vpc peering-connection create", &peer).await;
}
