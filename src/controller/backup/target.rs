//! A destination as users write it, with the credentials of its Secret, as stores take it.

use crate::cluster::{ClusterError, data_objects};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Client;
use secrecy::SecretString;
use std::collections::BTreeMap;
use valkeeper_api::{ValkeyCluster, valkey_backup::BackupDestination};
use valkeeper_backup::{Azure, Credentials, Destination, EncryptionKey, Gcs, S3, Volume};

/// Keys of the Secret.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const SERVICE_ACCOUNT_KEY: &str = "key.json";
const ACCOUNT_KEY: &str = "AZURE_STORAGE_KEY";
const SAS_TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";
const AUTHORITIES: &str = "ca.crt";

/// A destination, and what its store asks for.
pub(in crate::controller) type Target = (Destination, Credentials);

/// The key of the Secret that data is encrypted with.
const ENCRYPTION_KEY: &str = "ENCRYPTION_KEY";

/// The texts of a Secret, or what is missing and what to do.
struct Texts {
    name: String,
    data: BTreeMap<String, ByteString>,
}

impl Texts {
    async fn read(
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<Result<Self, String>, ClusterError> {
        let Some(secret) = data_objects::get::<Secret>(client, namespace, name).await? else {
            return Ok(Err(format!("Secret {name} does not exist. Create it in namespace {namespace}.")));
        };
        Ok(Ok(Self { name: name.to_owned(), data: secret.data.unwrap_or_default() }))
    }

    fn text(&self, key: &str) -> Option<String> {
        let ByteString(bytes) = self.data.get(key)?;
        let text = String::from_utf8(bytes.clone()).ok()?;
        // An editor ends a file with a line end, which no key has.
        Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty())
    }

    fn required(&self, key: &str) -> Result<SecretString, String> {
        let missing = || format!("Secret {} has no text under the key {key}. Add it.", self.name);
        self.text(key).map(Into::into).ok_or_else(missing)
    }

    /// What this kind of store asks for.
    fn credentials(&self, destination: &Destination) -> Result<Credentials, String> {
        let optional = |key| self.text(key).map(SecretString::from);
        let mut credentials = Credentials { authorities: self.text(AUTHORITIES), ..Credentials::default() };
        match destination {
            Destination::S3(_) => {
                credentials.access_key_id = Some(self.required(ACCESS_KEY_ID)?);
                credentials.secret_access_key = Some(self.required(SECRET_ACCESS_KEY)?);
                credentials.session_token = optional(SESSION_TOKEN);
            }
            Destination::Gcs(_) => {
                credentials.service_account_key = Some(self.required(SERVICE_ACCOUNT_KEY)?);
            }
            Destination::Azure(_) => {
                credentials.account_key = optional(ACCOUNT_KEY);
                credentials.sas_token = optional(SAS_TOKEN);
                if credentials.account_key.is_some() == credentials.sas_token.is_some() {
                    return Err(format!(
                        "Secret {} must have a text under either {ACCOUNT_KEY} or {SAS_TOKEN}. Correct it.",
                        self.name
                    ));
                }
            }
            Destination::Volume(_) | Destination::Folder(_) => {}
        }
        Ok(credentials)
    }
}

/// Reads the Secrets; what is missing, and what to do, if they cannot be used.
pub(in crate::controller) async fn read(
    client: &Client,
    namespace: &str,
    destination: &BackupDestination,
) -> Result<Result<Target, String>, ClusterError> {
    let key = match &destination.encryption {
        Some(encryption) => match encryption_key(client, namespace, &encryption.secret_name).await? {
            Ok(key) => Some(key),
            Err(obstacle) => return Ok(Err(obstacle)),
        },
        None => None,
    };
    let Some((bucket, secret)) = bucket(destination) else {
        return Ok(Err("The destination names no store. Set s3, gcs, azure or volume in it.".to_owned()));
    };
    let Some(secret) = secret else {
        return Ok(Ok((bucket, Credentials { encryption_key: key, ..Credentials::of_the_pod() })));
    };
    let texts = Texts::read(client, namespace, secret).await?;
    Ok(texts.and_then(|texts| {
        let credentials = texts.credentials(&bucket)?;
        let wrong = |error| format!("{error}. Correct it in Secret {secret}.");
        valkeeper_backup::check(&bucket, &credentials).map_err(wrong)?;
        Ok((bucket, Credentials { encryption_key: key, ..credentials }))
    }))
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
fn bucket(destination: &BackupDestination) -> Option<(Destination, Option<&str>)> {
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

/// A key that cannot be used is refused here, before an instance is asked.
async fn encryption_key(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Result<SecretString, String>, ClusterError> {
    let texts = Texts::read(client, namespace, name).await?;
    Ok(texts.and_then(|texts| {
        let key = texts.required(ENCRYPTION_KEY)?;
        let wrong = |error| format!("{error}. Correct {ENCRYPTION_KEY} in Secret {name}.");
        EncryptionKey::parse(&key).map_err(wrong).map(|_| key)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn opened(destination: Value, secret: &[(&str, &str)]) -> Result<Credentials, String> {
        let destination: BackupDestination = serde_json::from_value(destination).unwrap();
        let (bucket, name) = bucket(&destination).unwrap();
        let data = secret.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        let credentials =
            Texts { name: name.unwrap().to_owned(), data: data.collect() }.credentials(&bucket)?;
        valkeeper_backup::check(&bucket, &credentials)
            .map_err(|error| error.to_string())
            .map(|()| credentials)
    }

    #[test]
    fn secret_has_the_keys_of_its_kind_of_store() {
        let s3 = json!({"s3": {"bucket": "b", "credentialsSecretName": "keys"}});
        let gcs = json!({"gcs": {"bucket": "b", "credentialsSecretName": "keys"}});
        let azure = json!({"azure": {"account": "a", "container": "c", "credentialsSecretName": "keys"}});
        let (id, key) = (("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "k"));
        let account = ("AZURE_STORAGE_KEY", "a2V5\n");
        let signature = ("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=x");
        let google = ("key.json", r#"{"client_email": "e", "private_key_id": "i", "private_key": "k"}"#);
        assert!(opened(s3.clone(), &[id, key]).unwrap().secret_access_key.is_some());
        assert!(opened(gcs.clone(), &[google]).unwrap().service_account_key.is_some());
        assert!(opened(azure.clone(), &[account]).unwrap().account_key.is_some());
        assert!(opened(azure.clone(), &[signature]).unwrap().sas_token.is_some());
        let table = [
            (s3, vec![id, account], "keys has no text under the key AWS_SECRET_ACCESS_KEY"),
            (gcs.clone(), vec![id, key], "keys has no text under the key key.json"),
            (gcs, vec![("key.json", "hunter2")], "key.json: must be the JSON key of a service account"),
            (azure.clone(), vec![], "either AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"),
            (azure.clone(), vec![account, signature], "either AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"),
            (azure, vec![("AZURE_STORAGE_KEY", "hunter2!")], "AZURE_STORAGE_KEY: must be encoded in Base64"),
        ];
        for (destination, secret, problem) in table {
            let error = opened(destination, &secret).unwrap_err();
            assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
        }
    }
}
