//! Clients of the kinds of stores: what is said about a destination and its keys, made into one.
//!
//! Guarantees: what keys look like is judged here, and no error repeats any of it; only a destination whose endpoint says so
//! is asked without TLS.

use crate::{
    destination::{Azure, Credentials, Destination, Gcs, S3},
    error::BackupError,
    pod::{self, Environment},
    uploads::{BucketUploads, Uploads},
};
use object_store::{
    Certificate, ClientOptions, ObjectStore, RetryConfig,
    aws::AmazonS3Builder,
    azure::{AzureAccessKey, AzureConfigKey, MicrosoftAzureBuilder, split_sas},
    gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc, time::Duration};

/// Longest wait for the answer to one request, which carries some megabytes.
const REQUEST: Duration = Duration::from_mins(2);
/// Longest time in which a request is repeated.
const RETRY: Duration = Duration::from_mins(1);
/// How often it is repeated.
const RETRIES: usize = 6;
/// Where Google's buckets are.
const GOOGLE: &str = "https://storage.googleapis.com";

/// Keys as users name them: what their messages say is wrong.
const SERVICE_ACCOUNT_KEY: &str = "key.json";
const ACCOUNT_KEY: &str = "AZURE_STORAGE_KEY";
const SAS_TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";

/// A client, and where its uploads in parts stay until they are ended.
type Client = (Arc<dyn ObjectStore>, Option<Uploads>);

pub(crate) fn s3(
    s3: &S3,
    credentials: &Credentials,
    environment: Option<Environment<'_>>,
) -> Result<Client, BackupError> {
    let endpoint = s3.endpoint.as_deref().map(url).transpose()?;
    let options = options(credentials, endpoint.as_deref())?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(s3.region.as_deref().unwrap_or("us-east-1"))
        .with_virtual_hosted_style_request(!s3.path_style)
        .with_client_options(options.clone())
        .with_retry(retry());
    builder = if credentials.workload_identity {
        pod::aws(builder, pod::required(environment)?)?
    } else {
        s3_key(builder, credentials)?
    };
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(address(endpoint, s3));
    }
    let bucket = Arc::new(builder.build().map_err(wrong)?);
    let uploads = BucketUploads::of_s3(Arc::clone(&bucket), &options).map_err(wrong)?;
    Ok((bucket, Some(Uploads::Bucket(uploads))))
}

fn s3_key(builder: AmazonS3Builder, credentials: &Credentials) -> Result<AmazonS3Builder, BackupError> {
    let id = secret("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_ref())?;
    let key = secret("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.as_ref())?;
    let builder = builder.with_access_key_id(id).with_secret_access_key(key);
    Ok(match &credentials.session_token {
        Some(token) => builder.with_token(token.expose_secret()),
        None => builder,
    })
}

pub(crate) fn gcs(
    gcs: &Gcs,
    credentials: &Credentials,
    environment: Option<Environment<'_>>,
) -> Result<Client, BackupError> {
    let endpoint = gcs.endpoint.as_deref().map(url).transpose()?;
    let options = options(credentials, endpoint.as_deref())?;
    let endpoint = endpoint.unwrap_or_else(|| GOOGLE.to_owned());
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&gcs.bucket)
        .with_base_url(&endpoint)
        .with_client_options(options.clone())
        .with_retry(retry());
    if credentials.workload_identity {
        // Google's pods ask an address that is the same for all.
        pod::required(environment)?;
    } else {
        builder = builder.with_service_account_key(service_account_key(credentials)?);
    }
    let bucket = Arc::new(builder.build().map_err(|_| no_service_account_key())?);
    let uploads =
        BucketUploads::of_gcs(Arc::clone(&bucket), (&endpoint, &gcs.bucket), &options).map_err(wrong)?;
    Ok((bucket, Some(Uploads::Bucket(uploads))))
}

pub(crate) fn azure(
    azure: &Azure,
    credentials: &Credentials,
    environment: Option<Environment<'_>>,
) -> Result<Client, BackupError> {
    let endpoint = azure.endpoint.as_deref().map(url).transpose()?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&azure.account)
        .with_container_name(&azure.container)
        .with_client_options(options(credentials, endpoint.as_deref())?)
        .with_retry(retry());
    builder = if credentials.workload_identity {
        pod::azure(builder, pod::required(environment)?)?
    } else {
        match azure_key(credentials)? {
            AzureKey::Account(key) => builder.with_access_key(key),
            AzureKey::Signature(sas) => builder.with_config(AzureConfigKey::SasKey, sas),
        }
    };
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    // Azure drops blocks that were not committed by itself, and has no request for it.
    Ok((Arc::new(builder.build().map_err(wrong)?), None))
}

/// Files are whole or not there, and folders go with the last of their files.
pub(crate) fn folder(folder: &Path) -> Result<Client, BackupError> {
    let failed = |error| BackupError::Io("create the folder of backups", error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| described("folder", &error))?;
    let objects = objects.with_fsync(true).with_automatic_cleanup(true);
    Ok((Arc::new(objects), Some(Uploads::Folder(folder.to_owned()))))
}

/// Judges keys by what they look like, without a client of them.
pub(crate) fn check(destination: &Destination, credentials: &Credentials) -> Result<(), BackupError> {
    match destination {
        _ if credentials.workload_identity => Ok(()),
        Destination::Gcs(_) => service_account_key(credentials).map(drop),
        Destination::Azure(_) => azure_key(credentials).map(drop),
        Destination::S3(_) | Destination::Volume(_) | Destination::Folder(_) => Ok(()),
    }
}

enum AzureKey<'a> {
    Account(&'a str),
    Signature(&'a str),
}

fn azure_key(credentials: &Credentials) -> Result<AzureKey<'_>, BackupError> {
    let refused = |field, rule: &str| BackupError::Destination { field, rule: rule.to_owned() };
    if let Some(sas) = &credentials.sas_token {
        let sas = sas.expose_secret();
        if split_sas(sas).is_ok_and(|pairs| pairs.iter().any(|(name, _)| name == "sig")) {
            return Ok(AzureKey::Signature(sas));
        }
        return Err(refused(SAS_TOKEN, "must be a query with a signature, such as sv=…&sig=…"));
    }
    let key = secret(ACCOUNT_KEY, credentials.account_key.as_ref())?;
    AzureAccessKey::try_new(key).map_err(|_| refused(ACCOUNT_KEY, "must be encoded in Base64"))?;
    Ok(AzureKey::Account(key))
}

/// What is used of the key of a service account. The rest could lead requests to another place.
#[derive(Serialize, Deserialize)]
struct ServiceAccountKey {
    client_email: String,
    private_key: String,
    private_key_id: String,
}

fn service_account_key(credentials: &Credentials) -> Result<String, BackupError> {
    let key = secret(SERVICE_ACCOUNT_KEY, credentials.service_account_key.as_ref())?;
    // An error of the parser repeats what it read.
    let key: ServiceAccountKey = serde_json::from_str(key).map_err(|_| no_service_account_key())?;
    serde_json::to_string(&key).map_err(|_| no_service_account_key())
}

fn no_service_account_key() -> BackupError {
    let rule = "must be the JSON key of a service account, with client_email, private_key_id and private_key";
    BackupError::Destination { field: SERVICE_ACCOUNT_KEY, rule: rule.to_owned() }
}

fn options(credentials: &Credentials, endpoint: Option<&str>) -> Result<ClientOptions, BackupError> {
    let mut options =
        ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(Duration::from_secs(10));
    if let Some(pem) = &credentials.authorities {
        let authorities = Certificate::from_pem_bundle(pem.as_bytes());
        for authority in authorities.map_err(|error| described("authorities", &error))? {
            options = options.with_root_certificate(authority);
        }
        options = options.with_no_system_certificates(true);
    }
    Ok(options.with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))))
}

fn retry() -> RetryConfig {
    let mut retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY, ..RetryConfig::default() };
    retry.backoff.init_backoff = Duration::from_millis(200);
    retry
}

fn secret<'a>(field: &'static str, secret: Option<&'a SecretString>) -> Result<&'a str, BackupError> {
    secret.map(ExposeSecret::expose_secret).ok_or_else(|| missing(field))
}

/// The endpoint without what may follow the path.
fn url(endpoint: &str) -> Result<String, BackupError> {
    let wrong = |rule: &str| BackupError::Destination { field: "endpoint", rule: rule.to_owned() };
    let endpoint = endpoint.trim_end_matches('/');
    let Some((_, host)) = endpoint.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
    else {
        return Err(wrong("must be a URL that begins with https:// or http://"));
    };
    if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
        return Err(wrong("must be a URL of a host, without user, query or fragment"));
    }
    Ok(endpoint.to_owned())
}

/// The endpoint as S3 wants it: with the bucket in the host name, unless it is in the path.
fn address(endpoint: String, s3: &S3) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !s3.path_style => format!("{scheme}://{}.{host}", s3.bucket),
        _ => endpoint,
    }
}

pub(crate) fn missing(field: &'static str) -> BackupError {
    BackupError::Destination { field, rule: "is required".to_owned() }
}

pub(crate) fn described(field: &'static str, error: &dyn std::fmt::Display) -> BackupError {
    BackupError::Destination { field, rule: error.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "what a closure is given")]
fn wrong(error: object_store::Error) -> BackupError {
    described("destination", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_is_in_the_path_or_in_the_host_name() {
        let s3 = |path_style| S3 { bucket: "b".to_owned(), path_style, ..S3::default() };
        let endpoint = url("https://minio:9000/").unwrap();
        assert_eq!(address(endpoint.clone(), &s3(true)), "https://minio:9000");
        assert_eq!(address(endpoint, &s3(false)), "https://b.minio:9000");
    }
}
