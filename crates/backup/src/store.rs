//! A place for backups that can be used: the client of a bucket, or a folder.
//!
//! Guarantees: credentials are in no `Debug` and no error; a destination that is described wrongly is refused before
//! anything is sent, by the name of the field.

use crate::{
    destination::{Credentials, Destination, S3},
    error::BackupError,
    seal::EncryptionKey,
    uploads::Uploads,
};
use object_store::{
    Certificate, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path,
};
use secrecy::ExposeSecret as _;
use std::{sync::Arc, time::Duration};

/// Longest wait for the answer to one request, which carries some megabytes.
const REQUEST: Duration = Duration::from_mins(2);
/// Longest time in which a request is repeated.
const RETRY: Duration = Duration::from_mins(1);
/// How often it is repeated.
const RETRIES: usize = 6;

/// A place for backups that can be used.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(crate) key: Option<EncryptionKey>,
    /// Where uploads in parts stay until they are ended.
    pub(crate) uploads: Option<Uploads>,
}

impl Store {
    /// Opens a destination; makes no request.
    pub fn open(destination: &Destination, credentials: Option<&Credentials>) -> Result<Self, BackupError> {
        let key = credentials.and_then(|credentials| credentials.encryption_key.as_ref());
        let key = key.map(EncryptionKey::parse).transpose()?;
        let store = match destination {
            Destination::Folder(folder) => {
                let wrong = |error: object_store::Error| described("folder", &error);
                std::fs::create_dir_all(folder)
                    .map_err(|error| BackupError::Io("create the folder", error))?;
                let objects = LocalFileSystem::new_with_prefix(folder).map_err(wrong)?;
                let objects = Arc::new(objects.with_fsync(true));
                Self { objects, prefix: Path::default(), key: None, uploads: None }
            }
            Destination::S3(s3) => Self::s3(s3, credentials)?,
        };
        Ok(Self { key, ..store })
    }

    fn s3(s3: &S3, credentials: Option<&Credentials>) -> Result<Self, BackupError> {
        let missing = |field| BackupError::Destination { field, rule: "is required".to_owned() };
        let credentials = credentials.ok_or_else(|| missing("credentials"))?;
        let prefix = Path::parse(s3.prefix.trim_matches('/')).map_err(|error| described("prefix", &error))?;
        let mut options =
            ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(Duration::from_secs(10));
        if let Some(pem) = &credentials.authorities {
            let authorities = Certificate::from_pem_bundle(pem.as_bytes());
            for authority in authorities.map_err(|error| described("authorities", &error))? {
                options = options.with_root_certificate(authority);
            }
            options = options.with_no_system_certificates(true);
        }
        let mut retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY, ..RetryConfig::default() };
        retry.backoff.init_backoff = Duration::from_millis(200);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&s3.bucket)
            .with_region(s3.region.as_deref().unwrap_or("us-east-1"))
            .with_virtual_hosted_style_request(!s3.path_style)
            .with_access_key_id(credentials.access_key_id.expose_secret())
            .with_secret_access_key(credentials.secret_access_key.expose_secret())
            .with_retry(retry);
        if let Some(token) = &credentials.session_token {
            builder = builder.with_token(token.expose_secret());
        }
        if let Some(endpoint) = &s3.endpoint {
            let endpoint = address(endpoint, s3)?;
            options = options.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        let wrong = |error: object_store::Error| described("destination", &error);
        let objects = Arc::new(builder.with_client_options(options.clone()).build().map_err(wrong)?);
        let uploads = Uploads::of(Arc::clone(&objects), &options).map_err(wrong)?;
        Ok(Self { objects, prefix, key: None, uploads: Some(uploads) })
    }

    /// The name of an object of the backup with this key.
    pub(crate) fn path(&self, key: &str, object: &str) -> Result<Path, BackupError> {
        let below = Path::parse(format!("{}/{object}", key.trim_matches('/')));
        let below = below.map_err(|error| described("key", &error))?;
        Ok(self.prefix.parts().chain(below.parts()).collect())
    }
}

/// The endpoint as the store wants it: with the bucket in the host name, unless it is in the path.
fn address(endpoint: &str, s3: &S3) -> Result<String, BackupError> {
    let wrong = |rule: &str| BackupError::Destination { field: "endpoint", rule: rule.to_owned() };
    let endpoint = endpoint.trim_end_matches('/');
    let Some((scheme, host)) =
        endpoint.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
    else {
        return Err(wrong("must be a URL that begins with https:// or http://"));
    };
    if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
        return Err(wrong("must be a URL of a host, without user, query or fragment"));
    }
    Ok(if s3.path_style { endpoint.to_owned() } else { format!("{scheme}://{}.{host}", s3.bucket) })
}

fn described(field: &'static str, error: &dyn std::fmt::Display) -> BackupError {
    BackupError::Destination { field, rule: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Add as _;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "name-of-key".to_owned().into(),
            secret_access_key: "hunter2".to_owned().into(),
            session_token: Some("token-word".to_owned().into()),
            authorities: None,
            encryption_key: Some("c0ffee".repeat(10).add("c0ff").into()),
        }
    }

    #[test]
    fn wrong_destination_is_refused_and_names_the_field() {
        let s3 = S3 { bucket: "b".to_owned(), ..S3::default() };
        let table = [
            (S3 { endpoint: Some("minio:9000".to_owned()), ..s3.clone() }, "endpoint"),
            (S3 { endpoint: Some("https://user:word@minio".to_owned()), ..s3.clone() }, "endpoint"),
            (S3 { prefix: "a//b".to_owned(), ..s3.clone() }, "prefix"),
        ];
        for (s3, field) in table {
            let error = Store::open(&Destination::S3(s3), Some(&credentials())).unwrap_err();
            assert!(
                matches!(error, BackupError::Destination { field: found, .. } if found == field),
                "{error}"
            );
        }
        let error = Store::open(&Destination::S3(s3), None).unwrap_err();
        assert!(error.to_string().starts_with("credentials"), "{error}");
    }

    #[test]
    fn no_secret_is_in_a_debug_text() {
        let _ = rustls_for_tests();
        let s3 = Destination::S3(S3 { bucket: "b".to_owned(), ..S3::default() });
        let store = Store::open(&s3, Some(&credentials())).unwrap();
        let text = format!("{:?} {store:?}", credentials());
        for secret in ["hunter2", "token-word", "c0ffee"] {
            assert!(!text.contains(secret), "{text}");
        }
        let sent = serde_json::to_string(&credentials()).unwrap();
        let read: Credentials = serde_json::from_str(&sent).unwrap();
        assert_eq!(read.secret_access_key.expose_secret(), "hunter2");
    }

    fn rustls_for_tests() -> Result<(), Arc<rustls::crypto::CryptoProvider>> {
        rustls::crypto::ring::default_provider().install_default()
    }

    #[test]
    fn bucket_is_in_the_path_or_in_the_host_name() {
        let s3 = |path_style| S3 { bucket: "b".to_owned(), path_style, ..S3::default() };
        assert_eq!(address("https://minio:9000/", &s3(true)).unwrap(), "https://minio:9000");
        assert_eq!(address("https://minio:9000", &s3(false)).unwrap(), "https://b.minio:9000");
    }
}
