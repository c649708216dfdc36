//! Judges a certificate with its key and its authorities, as a Secret has them: pure, with the time as an argument.
//!
//! Guarantees: what is found usable here is accepted by a client that trusts `ca.crt` and asks for one of the names, and the
//! key belongs to the certificate. No text of a key or a certificate is in what is said.

use crate::cluster::secrets;
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use rustls::{
    CertificateError, RootCertStore, ServerConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{collections::BTreeSet, sync::Arc};
use valkeeper_cluster::Pair;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a certificate is needed for.
pub(super) struct Needed<'names> {
    /// Names and addresses that clients ask for.
    pub(super) hosts: &'names [String],
    /// Servers show it to servers that ask for certificates.
    pub(super) authenticates_clients: bool,
}

/// The texts of a Secret.
pub(super) struct Texts {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) authorities: String,
}

impl Texts {
    /// Of this Secret; what is missing in it otherwise.
    pub(super) fn of(secret: &Secret) -> Result<Self, String> {
        let text = |key: &str| {
            let text = secrets::text(secret, key).filter(|text| !text.trim().is_empty());
            text.ok_or_else(|| format!("it has no {key}. Add it, as cert-manager does."))
        };
        Ok(Self { certificate: text("tls.crt")?, key: text("tls.key")?, authorities: text("ca.crt")? })
    }

    /// The pair, if its certificate can be read.
    pub(super) fn pair(&self) -> Option<Pair> {
        Some(Pair {
            digest: digest(&[&self.certificate]),
            authorities: split(&self.authorities),
            not_after: not_after(&self.certificate)?,
        })
    }

    /// Whether the key belongs to the certificate.
    pub(super) fn belong_together(&self) -> bool {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).ok();
        certificates(&self.certificate).zip(key).is_some_and(|(chain, key)| fits(&chain, key).is_ok())
    }

    /// The pair, if servers can present it and clients accept it.
    pub(super) fn judge(&self, needed: &Needed<'_>, now: DateTime<Utc>) -> Result<Pair, String> {
        let unreadable = |key: &str| format!("{key} is no certificate in PEM. Correct it.");
        let chain = certificates(&self.certificate).ok_or_else(|| unreadable("tls.crt"))?;
        let authorities = certificates(&self.authorities).ok_or_else(|| unreadable("ca.crt"))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|_| "tls.key is no private key in PEM. Correct it.".to_owned())?;
        fits(&chain, key)?;
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| unreadable("ca.crt"))?;
        }
        accepted(&chain, Arc::new(roots), needed, now)?;
        self.pair().ok_or_else(|| unreadable("tls.crt"))
    }
}

/// Whether the key belongs to the certificate.
fn fits(chain: &[CertificateDer<'static>], key: PrivateKeyDer<'static>) -> Result<(), String> {
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.to_vec(), key);
    let wrong = |_| "tls.key does not belong to tls.crt. Write both again.".to_owned();
    config.map(drop).map_err(wrong)
}

/// Whether clients accept it, under each name.
fn accepted(
    chain: &[CertificateDer<'static>],
    roots: Arc<RootCertStore>,
    needed: &Needed<'_>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let no_authority = |_| "ca.crt has no certificate of an authority. Correct it.".to_owned();
    let verifier = WebPkiServerVerifier::builder(Arc::clone(&roots)).build().map_err(no_authority)?;
    let (first, others) = chain.split_first().ok_or_else(|| "tls.crt is empty. Correct it.".to_owned())?;
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    for host in needed.hosts {
        let name =
            ServerName::try_from(host.as_str()).map_err(|_| format!("{host} is no name of a server."))?;
        let outcome = verifier.verify_server_cert(first, others, &name, &[], now);
        outcome.map_err(|error| reason(&error, host))?;
    }
    if needed.authenticates_clients {
        let verifier = WebPkiClientVerifier::builder(roots).build().map_err(no_authority)?;
        verifier.verify_client_cert(first, others, now).map_err(|_| {
            "tls.crt is not for client authentication, which replicas need with spec.tls.clientAuth. Issue it with \
             usages \"server auth\" and \"client auth\"."
                .to_owned()
        })?;
    }
    Ok(())
}

fn reason(error: &rustls::Error, host: &str) -> String {
    let rustls::Error::InvalidCertificate(error) = error else {
        return "tls.crt cannot be verified. Issue another one.".to_owned();
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "tls.crt has expired. Renew it.".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "tls.crt is not valid yet. Wait, or correct the clock of its issuer.".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("tls.crt is not for {host}. Issue it for that name.")
        }
        CertificateError::UnknownIssuer => {
            "no authority in ca.crt has signed tls.crt. Correct ca.crt, or add intermediate certificates to tls.crt."
                .to_owned()
        }
        _ => "clients that trust ca.crt would not accept tls.crt. Issue it for server authentication.".to_owned(),
    }
}

fn certificates(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    read.ok().filter(|chain| !chain.is_empty())
}

/// When the first certificate of a text expires.
pub(super) fn not_after(text: &str) -> Option<DateTime<Utc>> {
    let chain = certificates(text)?;
    let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}

/// The certificates of a text, each as a text of its own that ends with a line.
fn split(text: &str) -> BTreeSet<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = text.split_inclusive(END).filter_map(|part| {
        let start = part.find("-----BEGIN CERTIFICATE-----")?;
        let lines: Vec<&str> =
            part.get(start..)?.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        part.ends_with(END).then(|| lines.join("\n") + "\n")
    });
    parts.collect()
}

/// A short text that changes with others.
pub(super) fn digest(texts: &[&str]) -> String {
    let ended: String = texts.iter().flat_map(|text| [*text, "\0"]).collect();
    valkeeper_cluster::digest(&ended)
}

#[cfg(test)]
mod tests;
