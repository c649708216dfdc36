//! Certificates of a cluster: an authority of its own, one certificate for its servers, and one for the operator. That of
//! the servers authenticates servers only, so that no pod can send verbs to another. Another authority is for clients: with
//! a certificate of that one, no client sends a verb.

use super::{clock, cluster_secret::cluster_secret, pair};
use crate::cluster::secrets;
use chrono::{DateTime, Datelike as _, Duration, Utc};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, names};

/// How long an authority is valid, and other certificates.
const AUTHORITY_DAYS: i64 = 3650;
const DAYS: i64 = 90;
/// An authority with less than this is replaced, by way of both being trusted.
const AUTHORITY_DAYS_LEFT: i64 = 365;
/// When they are renewed.
const RENEWED_AFTER_DAYS: i64 = 60;
/// Clocks may differ.
const BEFORE_DAYS: i64 = 1;

/// The texts of a Secret.
type Texts = BTreeMap<&'static str, String>;

/// An authority and the operator's certificate; the authority of `existing` stays.
pub(super) fn authority(desired: &Desired, existing: Option<&Secret>) -> Result<Secret, rcgen::Error> {
    let now = clock::now();
    let (authority, key) = match existing.and_then(authority_in) {
        Some(kept) => kept,
        None => new_authority(&subject(desired), now)?,
    };
    let params = params(now, DAYS, "valkeeper operator", ExtendedKeyUsagePurpose::ClientAuth)?;
    let (certificate, private) = signed(&subject(desired), &params, &key)?;
    let texts = [("ca.crt", authority), ("ca.key", key), ("tls.crt", certificate), ("tls.key", private)];
    Ok(secret(desired, &names::authority(&desired.name), texts.into(), now))
}

/// The certificate of the servers, from the authority in this Secret.
pub(super) fn servers(desired: &Desired, authority: &Secret) -> Result<Secret, rcgen::Error> {
    let now = clock::now();
    let (authority, key) = authority_in(authority).unwrap_or_default();
    let mut params = params(now, DAYS, &desired.name, ExtendedKeyUsagePurpose::ServerAuth)?;
    let host = names::host("*", &desired.name, &desired.namespace);
    params.subject_alt_names = vec![rcgen::SanType::DnsName(host.try_into()?)];
    let (certificate, private) = signed(&subject(desired), &params, &key)?;
    let texts = [("ca.crt", authority), ("tls.crt", certificate), ("tls.key", private)];
    Ok(secret(desired, &names::certificate(&desired.name), texts.into(), now))
}

/// An authority for clients and a certificate of it for servers under these names; the authority of `existing` stays while
/// it is valid for long enough.
pub(super) fn for_clients(
    desired: &Desired,
    existing: Option<&Secret>,
    hosts: &[String],
) -> Result<Secret, rcgen::Error> {
    let now = clock::now();
    let lasts = |(authority, _): &(String, String)| {
        pair::not_after(authority).is_some_and(|end| end - now > Duration::days(AUTHORITY_DAYS_LEFT))
    };
    let subject = format!("{}/{} for clients", desired.namespace, desired.name);
    let (authority, key) = match existing.and_then(authority_in).filter(lasts) {
        Some(kept) => kept,
        None => new_authority(&subject, now)?,
    };
    let mut params = params(now, DAYS, &desired.name, ExtendedKeyUsagePurpose::ServerAuth)?;
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params.subject_alt_names = CertificateParams::new(hosts)?.subject_alt_names;
    let (certificate, private) = signed(&subject, &params, &key)?;
    let texts = [("ca.crt", authority), ("ca.key", key), ("tls.crt", certificate), ("tls.key", private)];
    Ok(secret(desired, &names::client_authority(&desired.name), texts.into(), now))
}

/// Certificate and key of the authority in a Secret.
fn authority_in(secret: &Secret) -> Option<(String, String)> {
    Some((secrets::text(secret, "ca.crt")?, secrets::text(secret, "ca.key")?))
}

/// What the first authority of a cluster is called.
fn subject(desired: &Desired) -> String {
    format!("{}/{}", desired.namespace, desired.name)
}

/// What the certificate of an authority says; the same as long as there is the cluster.
fn authority_params(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn new_authority(subject: &str, now: DateTime<Utc>) -> Result<(String, String), rcgen::Error> {
    let mut params = authority_params(subject);
    validity(&mut params, now, AUTHORITY_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(
    now: DateTime<Utc>,
    days: i64,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now, days);
    Ok(params)
}

fn validity(params: &mut CertificateParams, now: DateTime<Utc>, days: i64) {
    let day = |moment: DateTime<Utc>| {
        let part = |number: u32| u8::try_from(number).unwrap_or(1);
        date_time_ymd(moment.year(), part(moment.month()), part(moment.day()))
    };
    params.not_before = day(now - Duration::days(BEFORE_DAYS));
    params.not_after = day(now + Duration::days(days));
}

fn signed(
    subject: &str,
    params: &CertificateParams,
    authority_key: &str,
) -> Result<(String, String), rcgen::Error> {
    let issuer = Issuer::new(authority_params(subject), KeyPair::from_pem(authority_key)?);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn secret(desired: &Desired, name: &str, texts: Texts, now: DateTime<Utc>) -> Secret {
    let renew_at = (now + Duration::days(RENEWED_AFTER_DAYS)).to_rfc3339();
    let data = texts.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
    let note = Some((names::RENEW_AT, renew_at.as_str()));
    cluster_secret((&desired.name, desired.owner()), name, note, data.collect())
}

/// When the certificate in a Secret is renewed; at once if it does not say.
pub(super) fn renew_at(secret: &Secret) -> DateTime<Utc> {
    let text = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(names::RENEW_AT));
    let parsed = text.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    parsed.map_or(DateTime::UNIX_EPOCH, |moment| moment.with_timezone(&Utc))
}
