//! The rights that the chart grants with `selfHosted.enabled`, on API servers that enforce them: every scenario there runs
//! with these rights and no others, so that one that is missing fails it.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

/// The account that the chart's bindings name.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:valkeeper-system:valkeeper";
/// Where the rules stand.
const TEMPLATES: &str = include_str!("../../charts/valkeeper/templates/_helpers.tpl");

/// Grants them.
pub(crate) async fn grant(client: &Client) {
    for template in ["valkeeper.rules", "valkeeper.selfHostedRules"] {
        let name = template.to_lowercase();
        let role = json!({"metadata": {"name": name}, "rules": rules(template)});
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ACCOUNT}],
        });
        let roles: Api<ClusterRole> = Api::all(client.clone());
        roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
        let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }
}

/// A block of rules, without what only Helm decides.
fn rules(template: &str) -> Value {
    let begin = format!("{{{{- define \"{template}\" -}}}}");
    let block = TEMPLATES.split_once(&begin).unwrap().1;
    let block = block.split_once("\n{{- end }}\n").unwrap().0;
    let plain = regex::Regex::new(r"\{\{ if .*\{\{ end \}\}").unwrap().replace_all(block, "");
    serde_yaml::from_str(&plain).unwrap()
}
