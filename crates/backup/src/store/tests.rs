//! What is refused, and what is hidden.

use super::*;
use crate::destination::{Azure, Gcs, S3, Volume};
use crate::error::ErrorClass;
use secrecy::ExposeSecret as _;
use std::ops::Add as _;
use valkeeper_testbed::google::SERVICE_ACCOUNT_KEY;

fn credentials() -> Credentials {
    Credentials {
        session_token: Some("token-word".to_owned().into()),
        service_account_key: Some(SERVICE_ACCOUNT_KEY.to_owned().into()),
        account_key: Some("YWNjb3VudC1rZXk=".to_owned().into()),
        encryption_key: Some("c0ffee".repeat(10).add("c0ff").into()),
        ..Credentials::of_s3("name-of-key", "hunter2")
    }
}

fn every_kind() -> [Destination; 3] {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = "b".to_owned();
    [
        Destination::S3(S3 { bucket: bucket.clone(), ..S3::default() }),
        Destination::Gcs(Gcs { bucket: bucket.clone(), ..Gcs::default() }),
        Destination::Azure(Azure { account: "a".to_owned(), container: bucket, ..Azure::default() }),
    ]
}

/// The destination with this endpoint and this prefix.
fn with(destination: &Destination, endpoint: Option<&str>, prefix: &str) -> Destination {
    let (endpoint, prefix) = (endpoint.map(str::to_owned), prefix.to_owned());
    match destination.clone() {
        Destination::S3(s3) => Destination::S3(S3 { prefix, endpoint, ..s3 }),
        Destination::Gcs(gcs) => Destination::Gcs(Gcs { prefix, endpoint, ..gcs }),
        Destination::Azure(azure) => Destination::Azure(Azure { prefix, endpoint, ..azure }),
        other @ (Destination::Volume(_) | Destination::Folder(_)) => other,
    }
}

#[test]
fn wrong_destination_is_refused_and_names_the_field() {
    for destination in every_kind() {
        let table = [
            (with(&destination, Some("minio:9000"), ""), "endpoint"),
            (with(&destination, Some("https://user:word@minio"), ""), "endpoint"),
            (with(&destination, None, "a//b"), "prefix"),
        ];
        for (destination, field) in table {
            let error = Store::open(&destination, Some(&credentials())).unwrap_err();
            assert!(
                matches!(error, BackupError::Destination { field: found, .. } if found == field),
                "{destination:?}: {error}"
            );
        }
        let error = Store::open(&destination, None).unwrap_err();
        assert!(error.to_string().starts_with("credentials"), "{error}");
    }
}

#[test]
fn wrong_keys_are_refused_and_not_repeated() {
    let [s3, gcs, azure] = every_kind();
    let secret = |text: &str| Some(text.to_owned().into());
    let none = Credentials::default();
    let no_pem = SERVICE_ACCOUNT_KEY.replace("PRIVATE KEY", "hunter2");
    let table = [
        (&s3, none.clone(), "AWS_ACCESS_KEY_ID"),
        (&s3, Credentials { access_key_id: secret("hunter2"), ..none.clone() }, "AWS_SECRET_ACCESS_KEY"),
        (&gcs, none.clone(), "key.json"),
        (&gcs, Credentials { service_account_key: secret("\"hunter2\""), ..none.clone() }, "key.json"),
        (&gcs, Credentials { service_account_key: secret("{\"hunter2\": 1}"), ..none.clone() }, "key.json"),
        (&gcs, Credentials { service_account_key: secret(&no_pem), ..none.clone() }, "key.json"),
        (&azure, none.clone(), "AZURE_STORAGE_KEY"),
        (&azure, Credentials { account_key: secret("hunter2!"), ..none.clone() }, "AZURE_STORAGE_KEY"),
        (&azure, Credentials { sas_token: secret("hunter2"), ..none }, "AZURE_STORAGE_SAS_TOKEN"),
    ];
    for (destination, credentials, field) in table {
        let error = Store::open(destination, Some(&credentials)).unwrap_err();
        assert!(error.to_string().starts_with(field), "{destination:?}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn no_secret_is_in_a_debug_text() {
    for destination in every_kind() {
        let store = Store::open(&destination, Some(&credentials())).unwrap();
        let text = format!("{:?} {store:?}", credentials());
        for secret in ["hunter2", "token-word", "c0ffee", "BEGIN", "YWNjb3VudC1rZXk=", "account-key"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let sent = serde_json::to_string(&credentials()).unwrap();
    let read: Credentials = serde_json::from_str(&sent).unwrap();
    assert_eq!(read.secret_access_key.unwrap().expose_secret(), "hunter2");
}

/// A manager of the previous version knows these fields alone, and refuses any other.
#[test]
fn keys_of_s3_are_sent_as_they_always_were() {
    let sent = serde_json::to_value(Credentials::of_s3("a", "b")).unwrap();
    assert_eq!(sent, serde_json::json!({"accessKeyId": "a", "secretAccessKey": "b"}));
}

#[test]
fn what_pods_have_is_used_in_a_pod_alone() {
    let volume = Destination::Volume(Volume::default());
    for destination in every_kind().into_iter().chain([volume]) {
        let error = Store::open(&destination, Some(&Credentials::of_the_pod())).unwrap_err();
        assert_eq!(error.to_string(), "destination: can be used by the pods of the cluster only");
    }
}

#[test]
fn pod_that_lacks_something_says_what_and_may_be_replaced() {
    let [s3, gcs, azure] = every_kind();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let volume = Destination::Volume(Volume { prefix: "a/b".to_owned() });
    let pod = |destination, variables: &[&str]| {
        let environment = |name: &str| variables.contains(&name).then(|| place.clone());
        Store::open_in_pod(destination, Some(&Credentials::of_the_pod()), &environment).map(drop)
    };
    let role = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS"];
    let agent = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
    let entra = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"];
    let mounted = (&volume, &["BACKUPS_DIR"][..]);
    for (destination, variables) in [(&s3, &role[..]), (&s3, &agent), (&azure, &entra), (&gcs, &[]), mounted]
    {
        pod(destination, variables).unwrap();
    }
    // Not the identity of the node, nor a key that lies in the environment.
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let table = [
        (&s3, &keys[..], "AWS_ROLE_ARN"),
        (&s3, &role[..1], "AWS_ROLE_ARN"),
        (&s3, &agent[..1], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        (&azure, &entra[..2], "AZURE_FEDERATED_TOKEN_FILE"),
        (&volume, &[], "spec.backupVolume"),
    ];
    for (destination, variables, missing) in table {
        let error = pod(destination, variables).unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
        assert_eq!(error.class(), ErrorClass::Transient);
    }
}
