//! The token that a pod finds in its volumes.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::pod::PodContext;
use super::volumes;
use kube::ResourceExt as _;

impl PodContext {
    /// Gets a token for the account of the pod, if a volume needs one.
    pub(super) async fn fetch_token(&self) -> Result<(), kube::Error> {
        let pod = self.present();
        let wanted = volumes::of(&pod).iter().any(|volume| {
            let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
            sources.into_iter().any(|source| source.service_account_token.is_some())
        });
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        let Some(account) = account.filter(|_| wanted) else { return Ok(()) };
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", self.namespace());
        let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": self.uid});
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"boundObjectRef": bound, "expirationSeconds": 3607},
        });
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        let answer: Value = self.machine.client.request(request).await?;
        let token = answer["status"]["token"].as_str().map(str::to_owned);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }
}
