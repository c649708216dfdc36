//! What a pod has that nothing else has: an identity at a cloud, by environment variables or by an address that all pods
//! ask, and a volume for backups.
//!
//! Guarantees: of the environment, only the variables are read that name an identity of the pod. Where they are missing, the
//! identity of the node is not used in their place. A pod that lacks something is to be replaced: that passes.

use crate::error::{BackupError, ErrorClass};
use object_store::{aws::AmazonS3Builder, azure::MicrosoftAzureBuilder};

/// What the environment of the pod says.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The folder where the volume for backups is mounted.
const VOLUME: &str = "BACKUPS_DIR";

/// IAM roles for service accounts, and EKS Pod Identity.
const AWS: [&str; 7] = [
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
/// Microsoft Entra Workload ID.
const AZURE: [&str; 4] =
    ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"];

/// Refuses what only pods can use.
pub(crate) fn required(environment: Option<Environment<'_>>) -> Result<Environment<'_>, BackupError> {
    environment.ok_or_else(|| BackupError::Destination {
        field: "destination",
        rule: "can be used by the pods of the cluster only".to_owned(),
    })
}

pub(crate) fn aws(
    builder: AmazonS3Builder,
    environment: Environment<'_>,
) -> Result<AmazonS3Builder, BackupError> {
    let has = |name| environment(name).is_some();
    let of_role = has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN");
    let of_agent = has("AWS_CONTAINER_CREDENTIALS_FULL_URI") && has("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if !(of_role || of_agent || has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
        return Err(lacks_identity(
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or AWS_CONTAINER_CREDENTIALS_FULL_URI and \
             AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, which EKS puts there",
        ));
    }
    Ok(named(&AWS, environment).fold(builder, |builder, (key, value)| builder.with_config(key, value)))
}

pub(crate) fn azure(
    builder: MicrosoftAzureBuilder,
    environment: Environment<'_>,
) -> Result<MicrosoftAzureBuilder, BackupError> {
    if AZURE.iter().take(3).any(|name| environment(name).is_none()) {
        return Err(lacks_identity(
            "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE, which the webhook of Microsoft Entra \
             Workload ID puts there",
        ));
    }
    Ok(named(&AZURE, environment).fold(builder, |builder, (key, value)| builder.with_config(key, value)))
}

/// The settings that these variables stand for.
fn named<'a, K: std::str::FromStr>(
    names: &'a [&str],
    environment: Environment<'a>,
) -> impl Iterator<Item = (K, String)> + 'a {
    names.iter().filter_map(move |name| name.to_lowercase().parse().ok().zip(environment(name)))
}

/// The folder of the volume.
pub(crate) fn volume(environment: Environment<'_>) -> Result<String, BackupError> {
    let missing = "this pod does not mount it; spec.backupVolume of the cluster names its claim";
    environment(VOLUME).ok_or_else(|| lacks("open the volume for backups", missing.to_owned()))
}

fn lacks_identity(variables: &str) -> BackupError {
    lacks("use the identity of the pod", format!("its environment lacks {variables}"))
}

fn lacks(doing: &str, cause: String) -> BackupError {
    BackupError::Store { doing: doing.to_owned(), class: ErrorClass::Transient, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::{aws::AmazonS3ConfigKey, azure::AzureConfigKey};

    #[test]
    fn every_variable_is_a_setting_of_the_client() {
        let word = |_: &str| Some("word".to_owned());
        assert_eq!(named::<AmazonS3ConfigKey>(&AWS, &word).count(), AWS.len());
        assert_eq!(named::<AzureConfigKey>(&AZURE, &word).count(), AZURE.len());
    }
}
