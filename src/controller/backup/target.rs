//! A destination as users write it, with the credentials of its Secret, as stores take it.

use crate::cluster::{ClusterError, data_objects};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Client;
use valkeeper_api::{ValkeyCluster, valkey_backup::BackupDestination};
use valkeeper_backup::{Azure, Credentials, Destination, Gcs, S3, SecretData, Volume};

/// A destination, and what its store asks for.
pub(in crate::controller) type Target = (Destination, Credentials);

/// Reads the Secrets; what is missing, and what to do, if they cannot be used.
pub(in crate::controller) async fn read(
    client: &Client,
    namespace: &str,
    destination: &BackupDestination,
) -> Result<Result<Target, String>, ClusterError> {
    let key = match &destination.encryption {
        Some(encryption) => {
            let data = secret_data(client, namespace, &encryption.secret_name).await?;
            // A key that cannot be used is refused here, before an instance is asked.
            match data.and_then(|data| data.encryption_key()) {
                Ok(key) => Some(key),
                Err(obstacle) => return Ok(Err(obstacle)),
            }
        }
        None => None,
    };
    let Some((bucket, secret)) = bucket(destination) else {
        return Ok(Err("The destination names no store. Set s3, gcs, azure or volume in it.".to_owned()));
    };
    let Some(secret) = secret else {
        return Ok(Ok((bucket, Credentials { encryption_key: key, ..Credentials::of_the_pod() })));
    };
    let data = secret_data(client, namespace, secret).await?;
    Ok(data.and_then(|data| {
        let credentials = data.credentials(&bucket)?;
        Ok((bucket, Credentials { encryption_key: key, ..credentials }))
    }))
}

/// The content of a Secret, or what to do where there is none.
async fn secret_data(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Result<SecretData, String>, ClusterError> {
    let Some(secret) = data_objects::get::<Secret>(client, namespace, name).await? else {
        return Ok(Err(format!("Secret {name} does not exist. Create it in namespace {namespace}.")));
    };
    let data = secret.data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
    Ok(Ok(SecretData { name: name.to_owned(), data: data.collect() }))
}

/// What is wrong where the pods of the cluster do not mount the volume, and what to do.
pub(in crate::controller) fn unmounted(
    destination: &BackupDestination,
    cluster: &ValkeyCluster,
) -> Option<String> {
    let claim = &destination.volume.as_ref()?.claim_name;
    let mounted = cluster.spec.backup_volume.as_ref().map(|volume| &volume.claim_name);
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let wrong = || {
        format!("ValkeyCluster {name} does not mount claim {claim}. Set spec.backupVolume.claimName in it.")
    };
    (mounted != Some(claim)).then(wrong)
}

/// The store as it is opened, and the name of the Secret with its keys; no name where only pods can open it.
pub(super) fn bucket(destination: &BackupDestination) -> Option<(Destination, Option<&str>)> {
    let prefix = |prefix: &Option<String>| prefix.clone().unwrap_or_default();
    let BackupDestination { s3, gcs, azure, volume, encryption: _ } = destination;
    let s3 = s3.as_ref().map(|s3| {
        let bucket = S3 {
            bucket: s3.bucket.clone(),
            prefix: prefix(&s3.prefix),
            region: s3.region.clone(),
            endpoint: s3.endpoint.clone(),
            path_style: s3.path_style,
        };
        (Destination::S3(bucket), s3.credentials_secret_name.as_deref())
    });
    let gcs = gcs.as_ref().map(|gcs| {
        let bucket =
            Gcs { bucket: gcs.bucket.clone(), prefix: prefix(&gcs.prefix), endpoint: gcs.endpoint.clone() };
        (Destination::Gcs(bucket), gcs.credentials_secret_name.as_deref())
    });
    let azure = azure.as_ref().map(|azure| {
        let container = Azure {
            account: azure.account.clone(),
            container: azure.container.clone(),
            prefix: prefix(&azure.prefix),
            endpoint: azure.endpoint.clone(),
        };
        (Destination::Azure(container), azure.credentials_secret_name.as_deref())
    });
    let volume = volume.as_ref().map(|volume| {
        let volume = Volume { prefix: prefix(&volume.prefix) };
        (Destination::Volume(volume), None)
    });
    s3.or(gcs).or(azure).or(volume)
}
