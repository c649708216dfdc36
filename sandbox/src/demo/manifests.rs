//! The applied manifests: the CRDs, the token, and the examples of this repository. A new user sees the very files to
//! edit, with the sandbox's token.

use anyhow::Context as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::{GROUP, Kind, VERSION, crd};

const TOKEN: &str = include_str!("../../../examples/token.yaml");
const VALKEY: &str = include_str!("../../../examples/valkey.yaml");
const REDIS: &str = include_str!("../../../examples/redis.yaml");

/// Namespace of everything.
pub(crate) const NAMESPACE: &str = "default";

/// An example that was applied.
pub(crate) struct Example {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) project: String,
    /// Name of the connection Secret.
    pub(crate) secret: String,
    /// What its keys start with.
    pub(crate) prefix: String,
    /// Where the manifest is in the repository.
    pub(crate) file: &'static str,
    /// Whether loopback was added to its `ip_filter`.
    pub(crate) admits_loopback: bool,
}

/// Teaches the API server the operator's resources.
pub(crate) async fn install_definitions(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in crd::definitions() {
        let name = definition.name_any();
        api.patch(&name, &parameters(), &Patch::Apply(&definition)).await?;
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established)
            .await
            .with_context(|| format!("the API server does not serve {name}"))??;
    }
    Ok(())
}

/// Applies the token.
pub(crate) async fn apply_token(client: &Client, token: &str) -> anyhow::Result<()> {
    let mut secret: Value = serde_yaml::from_str(TOKEN)?;
    secret["stringData"] = json!({ "token": token });
    let secrets = ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&());
    apply_one(client, &secrets, secret).await
}

/// Applies the examples; with `admit_loopback`, clients of this machine may connect to their services.
pub(crate) async fn apply(client: &Client, admit_loopback: bool) -> anyhow::Result<Vec<Example>> {
    let mut examples = Vec::new();
    let files = [(Kind::Valkey, VALKEY, "examples/valkey.yaml"), (Kind::Redis, REDIS, "examples/redis.yaml")];
    for (kind, text, file) in files {
        let mut manifest: Value = serde_yaml::from_str(text)?;
        let mut example = Example::read(kind, &manifest, file);
        example.admits_loopback = admit_loopback && admit(&mut manifest);
        apply_one(client, &resource(kind), manifest).await.with_context(|| format!("cannot apply {file}"))?;
        examples.push(example);
    }
    Ok(examples)
}

impl Example {
    fn read(kind: Kind, manifest: &Value, file: &'static str) -> Self {
        let text = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
        let name = text(&manifest["metadata"]["name"], "");
        let target = &manifest["spec"]["connInfoSecretTarget"];
        Self {
            kind,
            project: text(&manifest["spec"]["project"], ""),
            secret: text(&target["name"], &name),
            prefix: text(&target["prefix"], kind.secret_prefix()),
            name,
            file,
            admits_loopback: false,
        }
    }
}

/// Adds loopback to an `ip_filter`, if there is one.
fn admit(manifest: &mut Value) -> bool {
    let filter = manifest.pointer_mut("/spec/userConfig/ip_filter").and_then(Value::as_array_mut);
    let Some(filter) = filter else { return false };
    let description = "this machine, added by the sandbox";
    filter.extend(
        ["127.0.0.0/8", "::1/128"].map(|network| json!({ "network": network, "description": description })),
    );
    true
}

/// The resource of a kind, for dynamic access.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, kind.name()), kind.plural())
}

fn parameters() -> PatchParams {
    PatchParams::apply("valkeeper-sandbox").force()
}

async fn apply_one(client: &Client, resource: &ApiResource, manifest: Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(manifest)?;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, resource);
    api.patch(&object.name_any(), &parameters(), &Patch::Apply(&object)).await?;
    Ok(())
}
