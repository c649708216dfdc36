//! The Secrets of a destination: which keys they have, and what is to be said where one is missing or cannot be used.
//!
//! Guarantees: no message holds a value.
//!
//! Left to others: where the Secrets are read from.

use crate::{clients, destination::Credentials, destination::Destination, seal::EncryptionKey};
use secrecy::SecretString;
use std::collections::BTreeMap;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const SERVICE_ACCOUNT_KEY: &str = "key.json";
const ACCOUNT_KEY: &str = "AZURE_STORAGE_KEY";
const SAS_TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";
const AUTHORITIES: &str = "ca.crt";
/// What data is encrypted with.
const ENCRYPTION_KEY: &str = "ENCRYPTION_KEY";

/// The content of a Secret, and its name for messages.
pub struct SecretData {
    /// The name.
    pub name: String,
    /// The content by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl SecretData {
    /// What this kind of store asks for; otherwise what is missing or wrong, and what to do.
    pub fn credentials(&self, destination: &Destination) -> Result<Credentials, String> {
        let credentials = self.of_kind(destination)?;
        let wrong = |error| format!("{error}. Correct it in Secret {}.", self.name);
        clients::check(destination, &credentials).map_err(wrong)?;
        Ok(credentials)
    }

    /// The key that data is encrypted with; otherwise what is missing or wrong, and what to do.
    pub fn encryption_key(&self) -> Result<SecretString, String> {
        let key = self.required(ENCRYPTION_KEY)?;
        let wrong = |error| format!("{error}. Correct {ENCRYPTION_KEY} in Secret {}.", self.name);
        EncryptionKey::parse(&key).map_err(wrong).map(|_| key)
    }

    fn of_kind(&self, destination: &Destination) -> Result<Credentials, String> {
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

    fn text(&self, key: &str) -> Option<String> {
        let text = String::from_utf8(self.data.get(key)?.clone()).ok()?;
        // An editor ends a file with a line end, which no key has.
        Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty())
    }

    fn required(&self, key: &str) -> Result<SecretString, String> {
        let missing = || format!("Secret {} has no text under the key {key}. Add it.", self.name);
        self.text(key).map(Into::into).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{Azure, Gcs, S3};

    fn opened(destination: &Destination, secret: &[(&str, &str)]) -> Result<Credentials, String> {
        let data = secret.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec()));
        SecretData { name: "keys".to_owned(), data: data.collect() }.credentials(destination)
    }

    #[test]
    fn secret_has_the_keys_of_its_kind_of_store() {
        let s3 = Destination::S3(S3 { bucket: "b".to_owned(), ..S3::default() });
        let gcs = Destination::Gcs(Gcs { bucket: "b".to_owned(), ..Gcs::default() });
        let (account, container) = ("a".to_owned(), "c".to_owned());
        let azure = Destination::Azure(Azure { account, container, ..Azure::default() });
        let (id, key) = (("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "k"));
        let account = ("AZURE_STORAGE_KEY", "a2V5\n");
        let signature = ("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=x");
        let google = ("key.json", r#"{"client_email": "e", "private_key_id": "i", "private_key": "k"}"#);
        assert!(opened(&s3, &[id, key]).unwrap().secret_access_key.is_some());
        assert!(opened(&gcs, &[google]).unwrap().service_account_key.is_some());
        assert!(opened(&azure, &[account]).unwrap().account_key.is_some());
        assert!(opened(&azure, &[signature]).unwrap().sas_token.is_some());
        let table = [
            (&s3, vec![id, account], "keys has no text under the key AWS_SECRET_ACCESS_KEY"),
            (&gcs, vec![id, key], "keys has no text under the key key.json"),
            (&gcs, vec![("key.json", "hunter2")], "key.json: must be the JSON key of a service account"),
            (&azure, vec![], "either AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"),
            (&azure, vec![account, signature], "either AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"),
            (&azure, vec![("AZURE_STORAGE_KEY", "hunter2!")], "AZURE_STORAGE_KEY: must be encoded in Base64"),
        ];
        for (destination, secret, problem) in table {
            let error = opened(destination, &secret).unwrap_err();
            assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn encryption_key_is_found_or_named() {
        let of = |text: &str| {
            let data = BTreeMap::from([(ENCRYPTION_KEY.to_owned(), text.as_bytes().to_vec())]);
            SecretData { name: "keys".to_owned(), data }.encryption_key()
        };
        assert!(of(&"0f".repeat(32)).is_ok());
        let error = of("hunter2").unwrap_err();
        assert!(error.contains("Correct ENCRYPTION_KEY in Secret keys.") && !error.contains("hunter2"));
    }
}
