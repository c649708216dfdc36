//! The texts around the progress: addresses and paths, applied resources, results, suggestions. Lines fit into eighty
//! columns, except where a path of the user is longer.

use super::engine;
use super::files::Files;
use super::manifests::Example;
use super::nodes;
use super::options::Options;
use super::sandbox::Sandbox;
use super::screen::Screen;
use super::secrets::Checked;
use super::table;
use kube::Client;
use std::time::Duration;
use valkeeper::settings::Settings;
use valkeeper_api::Kind;
use valkeeper_testbed::provider::{Engine, ProviderServer};

/// Where everything is.
pub(crate) fn opening(
    screen: &Screen,
    kubernetes: &str,
    sandbox: &Sandbox,
    files: &Files,
    options: &Options,
) {
    let (provider, engine) = (&sandbox.provider, &sandbox.engine);
    screen.heading("Valkeeper sandbox");
    screen.fact("Kubernetes API", kubernetes);
    screen.fact("Provider API", &provider.url());
    screen.fact("Console", &format!("{}/console", provider.url()));
    screen.fact("Services", &engine::describe(engine));
    if let Some(nodes) = &sandbox.nodes {
        screen.fact("Nodes", &nodes::describe(nodes));
    }
    screen.fact("Kubeconfig", &files.kubeconfig.display().to_string());
    if matches!(engine, Engine::Process { .. }) {
        screen.fact("CA certificate", &files.authority.display().to_string());
    }
    if options.verbose == 0 {
        screen.fact("Operator log", &files.log.display().to_string());
    }
}

/// How often the operator reads services here, and by default.
pub(crate) fn intervals(screen: &Screen, settings: &Settings) {
    let default = Settings::default();
    let text = |settings: &Settings| {
        let time = |duration: Duration| humantime::format_duration(duration).to_string();
        format!(
            "{} in sync, {} to {} while building",
            time(settings.resync_interval),
            time(settings.building_interval_min),
            time(settings.building_interval_max)
        )
    };
    screen.fact("Reads services", &format!("every {}", text(settings)));
    screen.fact("", &format!("(in production: {})", text(&default)));
}

/// What was applied.
pub(crate) fn applied(screen: &Screen, examples: &[Example]) {
    screen.heading("Applied");
    screen.fact("secret", "aiven-token          examples/token.yaml");
    for example in examples {
        screen.fact(&example.kind.name().to_lowercase(), &format!("{:20} {}", example.name, example.file));
        if example.admits_loopback {
            screen.fact("", &format!("{:20} with loopback in its ip_filter", ""));
        }
    }
    screen.heading("Progress");
}

/// What `kubectl` shows, and the Secrets.
pub(crate) async fn result(screen: &Screen, client: &Client, checked: &[Checked]) -> anyhow::Result<()> {
    screen.heading("$ kubectl get valkeys,redis");
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        if index > 0 {
            screen.line("");
        }
        for line in table::get(client, kind).await? {
            screen.line(&line);
        }
    }
    screen.heading("Connection Secrets, every value as the provider reports it");
    for secret in checked {
        secret.show(screen);
    }
    Ok(())
}

/// What to do next.
pub(crate) fn suggestions(screen: &Screen, files: &Files, provider: &ProviderServer) {
    point_kubectl(screen, files, provider);
    screen.heading("Three things to try, each of which shows below");
    screen.line("  1. Move to a larger plan; the service is rebuilt:");
    screen.line("     kubectl patch valkey my-valkey --type merge \\");
    screen.line("       -p '{\"spec\": {\"plan\": \"business-4\"}}'");
    screen.line("  2. Reset the password at the provider; SecretWritten within 5 seconds:");
    screen.line("     cargo run -p valkeeper-sandbox -- ctl reset-password my-valkey");
    screen.line("     kubectl get secret my-valkey-secret -o jsonpath='{.data.VALKEY_PASSWORD}'");
    screen.line("  3. Change a plan in the console; Drift within 5 seconds, and the way back:");
    screen.line(&format!("     {}/console", provider.url()));
    screen.heading(WATCHING);
}

/// For users with manifests of their own.
pub(crate) fn ready(screen: &Screen, files: &Files, provider: &ProviderServer) {
    point_kubectl(screen, files, provider);
    screen.line("  The token is in Secret aiven-token, key token, of namespace default.");
    screen.heading(WATCHING);
}

const WATCHING: &str = "Watching; Ctrl-C stops everything.";

fn point_kubectl(screen: &Screen, files: &Files, provider: &ProviderServer) {
    screen.heading("Point kubectl at it, in another terminal");
    screen.line(&format!("  export KUBECONFIG={}", files.kubeconfig.display()));
    // For `kubectl valkeeper`.
    screen.line(&format!("  export AIVEN_WEB_URL={}", provider.url()));
}
