//! The Secrets with the certificate for clients: what was seen of them, and what is written for the servers.

use super::{
    Reconciliation, certificates, clock,
    cluster_secret::cluster_secret,
    known::ObservedObjects,
    observe::is_ours,
    pair::{Needed, Texts, digest},
};
use crate::{
    cluster::{data_objects, secrets},
    controller::error::ReconcileError,
};
use chrono::{DateTime, Utc};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_cluster::{
    Desired, Observed, Pair, Serve, Serving, ServingSeen, SourceSeen, Step, certificate_hosts, names,
};

impl Reconciliation {
    /// Both Secrets; without TLS, they are not read.
    pub(super) async fn certificates_seen(
        &self,
        desired: &Desired,
        objects: &ObservedObjects,
    ) -> Result<(SourceSeen, ServingSeen), ReconcileError> {
        let Some(tls) = &desired.spec.tls else { return Ok((SourceSeen::Unknown, ServingSeen::Unknown)) };
        let observed = Observed { addresses: self.addresses(Some(objects)), ..Observed::default() };
        let Some(hosts) = certificate_hosts(desired, &observed) else {
            return Ok((SourceSeen::Unknown, ServingSeen::Unknown));
        };
        let client = &self.context.client;
        let get = async |name: &str| data_objects::get::<Secret>(client, &self.namespace, name).await;
        let (source, serving) =
            (get(&desired.certificate_source()).await?, get(&names::client_tls(&desired.name)).await?);
        let needed = Needed { hosts: &hosts, authenticates_clients: tls.asks_clients() };
        let source = source_seen(desired, source.as_ref(), &needed, tls.secret_name.is_none(), clock::now());
        Ok((source, serving_seen(desired, serving.as_ref())))
    }

    /// What a step writes, and what is there; nothing if the source has changed since it was seen.
    pub(super) async fn client_secret(
        &self,
        desired: &Desired,
        step: &Step,
    ) -> Result<Option<(Secret, Option<Secret>)>, ReconcileError> {
        if let Step::ServeCertificate(serve) = step {
            let seen = self.own_secret(desired, &names::client_tls(&desired.name)).await?;
            let secret = self.serving_secret(desired, seen.as_ref(), *serve).await?;
            return Ok(secret.map(|secret| (secret, seen)));
        }
        let seen = self.own_secret(desired, &names::client_authority(&desired.name)).await?;
        let issued = certificates::for_clients(desired, seen.as_ref(), &self.own_hosts(desired));
        let defect = |error| ReconcileError::Defect(format!("cannot make a certificate: {error}"));
        Ok(Some((issued.map_err(defect)?, seen)))
    }

    /// The names for a certificate that the operator issues.
    fn own_hosts(&self, desired: &Desired) -> Vec<String> {
        let addresses = self.addresses(self.known.objects.as_deref());
        let required = certificate_hosts(desired, &Observed { addresses, ..Observed::default() });
        let services = [names::leader, names::replica, names::any, names::sentinel];
        let mut hosts: BTreeSet<String> = required.unwrap_or_default().into_iter().collect();
        for service in services.map(|service| service(&desired.name)) {
            let namespace = &desired.namespace;
            hosts.insert(format!("{service}.{namespace}"));
            hosts.insert(format!("{service}.{namespace}.svc"));
            hosts.insert(format!("{service}.{namespace}.svc.cluster.local"));
            hosts.insert(service);
        }
        hosts.into_iter().collect()
    }

    /// The Secret for the servers; none if the source has changed since it was seen.
    async fn serving_secret(
        &self,
        desired: &Desired,
        existing: Option<&Secret>,
        serve: Serve,
    ) -> Result<Option<Secret>, ReconcileError> {
        let Some(SourceSeen::Found(seen)) = self.known.objects.as_ref().map(|objects| &objects.source) else {
            return Ok(None);
        };
        let name = desired.certificate_source();
        let source = data_objects::get::<Secret>(&self.context.client, &self.namespace, &name).await?;
        let Some(source) = source.and_then(|source| Texts::of(&source).ok()) else { return Ok(None) };
        if source.pair().as_ref() != Some(seen) {
            return Ok(None);
        }
        let existing = existing.and_then(|existing| Texts::of(existing).ok());
        Ok(serving(desired, &source, existing.as_ref(), serve, clock::now()))
    }
}

/// What was seen of the Secret that the certificate comes from.
fn source_seen(
    desired: &Desired,
    secret: Option<&Secret>,
    needed: &Needed<'_>,
    is_own: bool,
    now: DateTime<Utc>,
) -> SourceSeen {
    let Some(secret) = secret else { return SourceSeen::Missing };
    if is_own && !is_ours(desired, &secret.metadata) {
        return SourceSeen::Foreign;
    }
    let judged = Texts::of(secret).and_then(|texts| texts.judge(needed, now));
    match judged {
        Ok(_) if is_own && now >= certificates::renew_at(secret) => SourceSeen::Due,
        Ok(pair) => SourceSeen::Found(pair),
        // Such as for a Service that has got an address since.
        Err(_) if is_own => SourceSeen::Due,
        Err(why) => SourceSeen::Refused(why),
    }
}

/// What was seen of the Secret that servers read.
fn serving_seen(desired: &Desired, secret: Option<&Secret>) -> ServingSeen {
    let Some(secret) = secret else { return ServingSeen::Missing };
    if !is_ours(desired, &secret.metadata) {
        return ServingSeen::Foreign;
    }
    let Some(texts) = Texts::of(secret).ok().filter(Texts::belong_together) else {
        return ServingSeen::Missing;
    };
    let Some(pair) = texts.pair() else { return ServingSeen::Missing };
    // One that was changed by another process is written again.
    let revision = revision(&pair);
    if secrets::text(secret, "revision").as_deref() != Some(&revision) {
        return ServingSeen::Missing;
    }
    let since =
        secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(names::WRITTEN_AT));
    let since = since.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let since = since.map_or(DateTime::UNIX_EPOCH, |since| since.with_timezone(&Utc));
    ServingSeen::Present(Serving { pair, revision, since })
}

fn revision(pair: &Pair) -> String {
    let mut texts = vec![pair.digest.as_str()];
    texts.extend(pair.authorities.iter().map(String::as_str));
    digest(&texts)
}

/// The Secret for the servers.
fn serving(
    desired: &Desired,
    source: &Texts,
    existing: Option<&Texts>,
    serve: Serve,
    now: DateTime<Utc>,
) -> Option<Secret> {
    let (from, before) = (source.pair()?, existing.and_then(Texts::pair));
    let shown = match (serve, existing) {
        (Serve::Trust, Some(existing)) => existing,
        _ => source,
    };
    let mut pair = shown.pair()?;
    pair.authorities = from.authorities;
    if serve != Serve::Retire {
        pair.authorities.extend(before.into_iter().flat_map(|before| before.authorities));
    }
    let texts = BTreeMap::from([
        ("tls.crt", shown.certificate.clone()),
        ("tls.key", shown.key.clone()),
        ("ca.crt", pair.authorities.iter().map(String::as_str).collect()),
        ("revision", revision(&pair)),
        ("expires", pair.not_after.timestamp().to_string()),
    ]);
    let data = texts.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
    let (name, written_at) = (names::client_tls(&desired.name), now.to_rfc3339());
    let note = Some((names::WRITTEN_AT, written_at.as_str()));
    Some(cluster_secret((&desired.name, desired.owner()), &name, note, data.collect()))
}
