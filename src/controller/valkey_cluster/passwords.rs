//! Passwords that the operator generates.

use super::{Reconciliation, observe::has_password, password_text::random_word};
use crate::controller::error::Result;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt as _;
use serde_json::json;
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, Step, names};

impl Reconciliation {
    /// The Secret with a new password, and the one that it replaces. A password that is there is replaced only where
    /// another one is asked for.
    pub(super) async fn password_secret(
        &self,
        desired: &Desired,
        step: &Step,
    ) -> Result<(Secret, Option<Secret>)> {
        let seen = self.own_secret(desired, &names::password(&desired.name)).await?;
        let may_replace =
            |seen: &Secret| matches!(step, Step::RotatePassword) || !has_password(desired, seen);
        Ok((new_password(desired), seen.filter(may_replace)))
    }
}

/// The Secret with a new password. It notes the request that it was generated for.
fn new_password(desired: &Desired) -> Secret {
    let password = random_word();
    let mut metadata = json!({
        "name": names::password(&desired.name),
        "labels": {names::CLUSTER: desired.name},
        "ownerReferences": [desired.owner()],
    });
    if let Some(request) = &desired.rotation_request {
        metadata["annotations"] = json!({names::ROTATE_PASSWORD: request});
    }
    let data = BTreeMap::from([(names::PASSWORD_KEY.to_owned(), ByteString(password.into_bytes()))]);
    Secret {
        metadata: serde_json::from_value(metadata).unwrap_or_default(),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Whether a user asks for another generated password than this.
pub(super) fn is_due(desired: &Desired, secret: Option<&Secret>) -> bool {
    let Some(request) = desired.rotation_request.as_ref().filter(|_| desired.generates_password()) else {
        return false;
    };
    let noted = |secret: &Secret| secret.annotations().get(names::ROTATE_PASSWORD) == Some(request);
    secret.is_some_and(|secret| !noted(secret))
}
