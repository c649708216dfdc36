//! The certificate that servers present to clients: where it comes from, which one comes next, and whether clients see it.
//!
//! ```text
//!   Secret of the issuer ──checked──▶ Secret of the servers ──files──▶ servers ──handshake──▶ confirmed
//!   (spec.tls.secretName,             (<name>-client-tls)
//!    or <name>-client-authority)
//!
//!   authority changes:  Trust (old certificate, both authorities) ──confirmed, clients know both──▶ Present (new
//!                       certificate, both) ──confirmed, a day──▶ Retire (new certificate, its authority alone)
//! ```
//!
//! Guarantees: a pair that was refused reaches no server, so that what runs goes on and starts again with what it had. No
//! server presents a certificate before every server and the connection Secret trust its authority; no authority is
//! dropped while a server presents a certificate of it. Time is an argument.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::foundations::{conflict, state};
use crate::names::{self, reason};
use crate::observed::Observed;
use crate::parameters;
use crate::report::State;
use crate::status::Statement;
use crate::step::{RequeueClass, Step};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use valkeeper_api::{names::condition, valkey_cluster::CertificateStatus};
use valkeeper_engine::{ConnectionSecret, Ready};

/// How long clients have to read a second authority from the connection Secret before servers make use of it.
const UNTIL_CLIENTS_KNOW: TimeDelta = TimeDelta::minutes(10);
/// How long the authority before is trusted when no server needs it any more.
const UNTIL_RETIRED: TimeDelta = TimeDelta::days(1);
/// So soon before a certificate expires, nothing is waited for.
const URGENT: TimeDelta = TimeDelta::days(1);
/// So soon before it expires, the condition says so.
const SOON: TimeDelta = TimeDelta::days(7);

/// A certificate with its key, which was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Stands for the certificate, to which the key belongs.
    pub digest: String,
    /// The authorities of its Secret, as PEM texts.
    pub authorities: BTreeSet<String>,
    /// When it expires.
    pub not_after: DateTime<Utc>,
}

/// The Secret that the certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceSeen {
    /// Nobody looked, or none is needed.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// The operator would issue one, and another owner has its name.
    Foreign,
    /// The operator has issued one, and it is time for another.
    Due,
    /// It cannot be used; in words.
    Refused(String),
    /// It can.
    Found(Pair),
}

/// The Secret that servers read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServingSeen {
    /// Nobody looked, or none is needed.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// Another owner has one of its name.
    Foreign,
    /// This.
    Present(Serving),
}

/// What servers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The certificate and its key, and what is trusted.
    pub pair: Pair,
    /// Stands for all of it.
    pub revision: String,
    /// When it was last written.
    pub since: DateTime<Utc>,
}

/// What to write for the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// The certificate that there is, and a second authority.
    Trust,
    /// The certificate of the source, and every authority.
    Present,
    /// The certificate of the source, and its authorities alone.
    Retire,
}

/// The names and addresses that a certificate has to be for; none while an address is not known.
pub fn hosts(desired: &Desired, observed: &Observed) -> Option<Vec<String>> {
    let mut services = vec![names::leader(&desired.name)];
    services.extend((desired.instances() > 1).then(|| names::replica(&desired.name)));
    let mut hosts = BTreeSet::new();
    for service in services {
        hosts.insert(parameters::host(desired, observed, &service)?);
        hosts.insert(parameters::dns_name(desired, &service));
    }
    Some(hosts.into_iter().collect())
}

/// Whether clients reach the cluster with TLS: once every server has presented a certificate.
pub fn reaches_clients(desired: &Desired) -> bool {
    desired.spec.tls.is_some() && desired.status.certificate.is_some()
}

/// Whether every server presents what it should.
fn is_confirmed(observed: &Observed, serving: &Serving) -> bool {
    let mut pods = observed.pods.iter().filter(|(_, pod)| !pod.foreign && !pod.deleting).peekable();
    pods.peek().is_some()
        && pods.all(|(ordinal, _)| {
            let tls = observed.instances.get(ordinal).and_then(|instance| instance.tls.as_ref());
            tls.is_some_and(|tls| tls.certificate.as_deref() == Some(&*serving.revision))
        })
}

/// The certificate that all servers present; the one before while they do not.
pub(crate) fn certificate(desired: &Desired, observed: &Observed) -> Option<CertificateStatus> {
    desired.spec.tls.as_ref()?;
    match &observed.serving {
        ServingSeen::Present(serving) if is_confirmed(observed, serving) => {
            Some(CertificateStatus { revision: serving.revision.clone(), not_after: serving.pair.not_after })
        }
        _ => desired.status.certificate.clone(),
    }
}

/// What comes next, or what is waited for.
fn next(pair: &Pair, observed: &Observed) -> Result<Serve, Option<String>> {
    let serving = match &observed.serving {
        ServingSeen::Present(serving) => serving,
        ServingSeen::Missing => return Ok(Serve::Present),
        ServingSeen::Unknown | ServingSeen::Foreign => return Err(None),
    };
    let (old, age) = (&serving.pair, observed.now - serving.since);
    let confirmed = is_confirmed(observed, serving);
    if old.not_after - observed.now < URGENT && old.digest != pair.digest {
        return Ok(Serve::Present);
    }
    if !pair.authorities.is_subset(&old.authorities) {
        return Ok(Serve::Trust);
    }
    let is_same_authority = pair.authorities == old.authorities;
    if old.digest != pair.digest {
        let outdated = ConnectionSecret::Ours { current: false, immutable: false };
        return match (is_same_authority, confirmed, observed.secret != outdated) {
            (true, ..) => Ok(Serve::Present),
            (_, false, _) => Err(Some("all servers trust the new authority".to_owned())),
            (_, true, true) if age >= UNTIL_CLIENTS_KNOW => Ok(Serve::Present),
            _ => Err(Some("clients have read the new authority".to_owned())),
        };
    }
    if !is_same_authority && confirmed && age >= UNTIL_RETIRED {
        return Ok(Serve::Retire);
    }
    Err(None)
}

/// What is to be done so that clients see a certificate that is valid.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    let Some(tls) = &desired.spec.tls else { return Concern::fine() };
    if observed.serving == ServingSeen::Foreign {
        return conflict(desired, "Secret", &names::client_tls(&desired.name));
    }
    match &observed.source {
        SourceSeen::Unknown => Concern::fine(),
        SourceSeen::Foreign => conflict(desired, "Secret", &desired.certificate_source()),
        SourceSeen::Due => Concern::act(Step::IssueClientCertificate),
        SourceSeen::Missing if tls.secret_name.is_none() => Concern::act(Step::IssueClientCertificate),
        SourceSeen::Missing | SourceSeen::Refused(_) => {
            let message = refusal(desired, observed).unwrap_or_default();
            Concern::is_stuck(RequeueClass::Active, state(desired), reason::CERTIFICATE_REFUSED, message)
        }
        SourceSeen::Found(pair) => match next(pair, observed) {
            Ok(serve) => Concern::act(Step::ServeCertificate(serve)),
            Err(None) => Concern::fine(),
            Err(Some(what)) => {
                let message = format!("Replacing the authority of the certificate: waiting until {what}.");
                let reason = reason::CERTIFICATE_REPLACED;
                Concern::finds(Ready::Yes, RequeueClass::Steady, State::Running, reason, message)
            }
        },
    }
}

/// Why the source cannot be used.
fn refusal(desired: &Desired, observed: &Observed) -> Option<String> {
    let secret = desired.certificate_source();
    match &observed.source {
        SourceSeen::Missing => Some(format!(
            "Secret {secret} does not exist. Create it with tls.crt, tls.key and ca.crt, or correct spec.tls.secretName."
        )),
        SourceSeen::Refused(why) => {
            let goes_on = match &observed.serving {
                ServingSeen::Present(_) => " The servers keep their certificate.",
                _ => "",
            };
            Some(format!("Cannot use Secret {secret}: {why}{goes_on}"))
        }
        _ => None,
    }
}

/// Whether servers can be started: what they read is there.
pub(crate) fn is_there(desired: &Desired, observed: &Observed) -> bool {
    desired.spec.tls.is_none() || matches!(observed.serving, ServingSeen::Present(_))
}

/// What is to be said of the certificate; nothing without TLS.
pub(crate) fn statement(desired: &Desired, observed: &Observed) -> Option<Statement> {
    desired.spec.tls.as_ref()?;
    let (status, why, message) = judged(desired, observed);
    Some((condition::CERTIFICATE_VALID, status, why, message))
}

fn judged(desired: &Desired, observed: &Observed) -> (&'static str, &'static str, String) {
    let Some(shown) = certificate(desired, observed) else {
        let message = refusal(desired, observed).unwrap_or_else(|| {
            "Waiting for the servers to present their certificate; the operator retries automatically."
                .to_owned()
        });
        return ("False", reason::CERTIFICATE_PENDING, message);
    };
    let day = shown.not_after.format("%Y-%m-%d %H:%M UTC");
    let left = shown.not_after - observed.now;
    if left <= TimeDelta::zero() {
        let message = format!("The certificate that clients see has expired: {day}. Renew it in its Secret.");
        return ("False", reason::CERTIFICATE_EXPIRED, message);
    }
    if let Some(refused) = refusal(desired, observed) {
        return ("False", reason::CERTIFICATE_REFUSED, refused);
    }
    if left < SOON {
        let message =
            format!("The certificate that clients see expires soon: {day}. Renew it in its Secret.");
        return ("True", reason::CERTIFICATE_EXPIRES_SOON, message);
    }
    ("True", reason::CERTIFICATE_VALID, format!("Clients see a certificate that is valid until {day}."))
}

/// Clients get no connection before every server has presented its certificate.
pub(crate) fn pending(desired: &Desired, observed: &Observed) -> Concern {
    if desired.spec.tls.is_none() || certificate(desired, observed).is_some() {
        return Concern::fine();
    }
    let message = "Waiting for the servers to present their certificate.";
    Concern::waits(RequeueClass::Active, state(desired), reason::CERTIFICATE_PENDING, message)
}

/// Servers whose program has no TLS.
pub(crate) fn unsupported(desired: &Desired, observed: &Observed) -> Concern {
    let lacks = |instance: &crate::InstanceSeen| instance.tls.as_ref().is_some_and(|tls| !tls.supported);
    let lacking = observed.instances.iter().find(|(_, instance)| lacks(instance));
    lacking.map_or_else(Concern::fine, |(ordinal, _)| {
        let (name, image) = (desired.instance(*ordinal), desired.image());
        let state = if observed.primary().is_some() { State::Degraded } else { State::Creating };
        let message = format!(
            "Cannot start server {name}: the server of image {image} was built without TLS. Set spec.image to one with \
             TLS, or create the cluster without spec.tls."
        );
        Concern::is_stuck(RequeueClass::Active, state, reason::TLS_UNSUPPORTED, message)
    })
}

#[cfg(test)]
mod tests;
