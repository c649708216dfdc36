//! The texts around the progress: where everything is, what was applied, what came of it, what to try.
//! Guarantees lines that fit into eighty columns, except where a path of the user is longer.

use super::files::Files;
use super::manifests::Example;
use super::options::Options;
use super::screen::Screen;
use super::secrets::Checked;
use super::table;
use kube::Client;
use valkeeper::api::Kind;
use valkeeper_sandbox::provider::ProviderServer;

/// Where everything is.
pub(crate) fn opening(
    screen: &Screen,
    kubernetes: &str,
    provider: &ProviderServer,
    files: &Files,
    options: &Options,
) {
    screen.heading("Valkeeper sandbox");
    screen.fact("Kubernetes API", kubernetes);
    screen.fact("Provider API", &provider.url());
    screen.fact("Kubeconfig", &files.kubeconfig.display().to_string());
    if options.verbose == 0 {
        screen.fact("Operator log", &files.log.display().to_string());
    }
}

/// What was applied.
pub(crate) fn applied(screen: &Screen, examples: &[Example]) {
    screen.heading("Applied");
    screen.fact("secret", "aiven-token          examples/token.yaml");
    for example in examples {
        screen.fact(&example.kind.name().to_lowercase(), &format!("{:20} {}", example.name, example.file));
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
pub(crate) fn suggestions(screen: &Screen, files: &Files, provider: &ProviderServer, token: &str) {
    screen.heading("Point kubectl at it, in another terminal");
    screen.line(&format!("  export KUBECONFIG={}", files.kubeconfig.display()));
    screen.heading("Three things to try");
    screen.line("  1. Move to a larger plan, and follow it here:");
    screen.line("     kubectl patch valkey my-valkey --type merge \\");
    screen.line("       -p '{\"spec\": {\"plan\": \"business-4\"}}'");
    screen.line("  2. Reset the password at the provider; the Secret follows within seconds:");
    screen.line(&format!("     API={}/v1/project/my-aiven-project", provider.url()));
    screen.line(&format!("     curl -so /dev/null -X PUT -H 'Authorization: aivenv1 {token}' \\"));
    screen.line("       $API/service/my-valkey/credentials/reset");
    screen.line("     kubectl get secret my-valkey-secret -o jsonpath='{.data.VALKEY_PASSWORD}'");
    screen.line("  3. Delete a resource; its service and its Secret go with it:");
    screen.line("     kubectl delete redis k8s-redis");
    screen.heading("Watching; Ctrl-C stops everything.");
}
