//! Passwords that the operator generates.

use super::{
    Reconciliation, cluster_secret::cluster_secret, observe::has_password, password_text::random_word,
};
use crate::controller::error::Result;
use k8s_openapi::{ByteString, api::core::v1::Secret};
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
    let password = ByteString(random_word().into_bytes());
    let request = desired.rotation_request.as_deref().map(|request| (names::ROTATE_PASSWORD, request));
    let data = BTreeMap::from([(names::PASSWORD_KEY.to_owned(), password)]);
    cluster_secret((&desired.name, desired.owner()), &names::password(&desired.name), request, data)
}
