//! Which certificate comes next, and what is said of it.

use super::*;
use crate::decide;
use crate::observed::{InstanceSeen, TlsSeen};
use crate::pod_seen::PodSeen;
use crate::tests::{desired, instance};
use serde_json::json;

fn at(days: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(days)
}

fn pair(digest: &str, authorities: &[&str]) -> Pair {
    let authorities = authorities.iter().map(|&authority| authority.to_owned()).collect();
    Pair { digest: digest.to_owned(), authorities, not_after: at(90) }
}

fn serving(pair: Pair) -> ServingSeen {
    ServingSeen::Present(Serving { pair, revision: "now".to_owned(), since: at(0) })
}

/// A cluster whose servers present this.
fn observed(shown: Option<&str>, serving: ServingSeen) -> Observed {
    let tls = TlsSeen { port: 6380, supported: true, certificate: shown.map(str::to_owned) };
    let seen = InstanceSeen { tls: Some(tls), ..instance(0) };
    Observed {
        now: at(2),
        serving,
        pods: [(0, PodSeen::default())].into(),
        instances: [(0, seen)].into(),
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        ..Observed::default()
    }
}

#[test]
fn renewal_of_the_same_authority_waits_for_nothing() {
    let observed = observed(None, serving(pair("old", &["a"])));
    assert_eq!(next(&pair("new", &["a"]), &observed), Ok(Serve::Present));
    assert_eq!(next(&pair("old", &["a"]), &observed), Err(None));
}

#[test]
fn first_certificate_is_presented_as_it_is() {
    let observed = observed(None, ServingSeen::Missing);
    assert_eq!(next(&pair("new", &["a"]), &observed), Ok(Serve::Present));
}

#[test]
fn other_authority_is_trusted_before_use_and_retired_after() {
    let new = pair("new", &["b"]);
    let both = || serving(pair("old", &["a", "b"]));
    assert_eq!(next(&new, &observed(Some("now"), serving(pair("old", &["a"])))), Ok(Serve::Trust));
    assert!(matches!(next(&new, &observed(Some("before"), both())), Err(Some(_))), "not all servers");
    assert_eq!(next(&new, &observed(Some("now"), both())), Ok(Serve::Present));
    let mut unread = observed(Some("now"), both());
    unread.secret = ConnectionSecret::Ours { current: false, immutable: false };
    assert!(matches!(next(&new, &unread), Err(Some(_))), "the Secret has the old authority only");
    let early = Observed { now: at(0) + TimeDelta::minutes(9), ..observed(Some("now"), both()) };
    assert!(matches!(next(&new, &early), Err(Some(_))), "clients have not read it");
    // The certificate expires: nothing is waited for.
    let urgent =
        Observed { now: at(90) - TimeDelta::hours(2), ..observed(None, serving(pair("old", &["a"]))) };
    assert_eq!(next(&new, &urgent), Ok(Serve::Present));
    let presented = serving(pair("new", &["a", "b"]));
    assert_eq!(next(&new, &observed(Some("now"), presented.clone())), Ok(Serve::Retire));
    assert_eq!(next(&new, &observed(Some("before"), presented.clone())), Err(None));
    let early = Observed { now: at(0) + TimeDelta::hours(23), ..observed(Some("now"), presented) };
    assert_eq!(next(&new, &early), Err(None));
}

#[test]
fn refused_certificate_is_named_and_the_one_before_stays() {
    let desired = desired(&json!({"tls": {"secretName": "shop"}}));
    let mut observed = observed(Some("now"), serving(pair("old", &["a"])));
    observed.source = SourceSeen::Refused("tls.crt has expired. Renew it.".to_owned());
    let found = concern(&desired, &observed);
    assert!(found.step.is_none());
    assert_eq!(
        found.findings[0].message,
        "Cannot use Secret shop: tls.crt has expired. Renew it. The servers keep their certificate."
    );
    let (_, status, why, _) = statement(&desired, &observed).unwrap();
    assert_eq!((status, why), ("False", reason::CERTIFICATE_REFUSED));
    assert!(is_there(&desired, &observed));
}

#[test]
fn condition_follows_what_servers_present() {
    let desired = desired(&json!({"tls": {}}));
    let said = |observed: &Observed| {
        let (_, status, why, _) = statement(&desired, observed).unwrap();
        (status, why)
    };
    let mut seen = observed(Some("before"), serving(pair("old", &["a"])));
    assert_eq!(said(&seen), ("False", reason::CERTIFICATE_PENDING));
    seen = observed(Some("now"), serving(pair("old", &["a"])));
    for (day, expected) in [
        (2, ("True", reason::CERTIFICATE_VALID)),
        (84, ("True", reason::CERTIFICATE_EXPIRES_SOON)),
        (90, ("False", reason::CERTIFICATE_EXPIRED)),
    ] {
        seen.now = at(day);
        assert_eq!(said(&seen), expected, "{day}");
    }
    assert_eq!(statement(&crate::tests::desired(&json!({})), &seen), None);
}

#[test]
fn server_without_tls_is_named() {
    let desired = desired(&json!({"tls": {}, "image": "plain:1"}));
    let mut observed = observed(None, serving(pair("old", &["a"])));
    observed.instances.get_mut(&0).unwrap().tls.as_mut().unwrap().supported = false;
    let found = unsupported(&desired, &observed);
    assert_eq!(found.findings[0].reason, reason::TLS_UNSUPPORTED);
    assert!(found.findings[0].message.contains("image plain:1 was built without TLS"));
}

#[test]
fn no_server_starts_before_its_certificate_is_there() {
    let desired = desired(&json!({"tls": {}}));
    let observed = Observed { serving: ServingSeen::Missing, ..Observed::default() };
    assert!(!is_there(&desired, &observed));
    // The operator issues one, and writes it for the servers.
    let missing = Observed { source: SourceSeen::Missing, ..observed.clone() };
    assert!(matches!(concern(&desired, &missing).step, Some(Step::IssueClientCertificate)));
    let found = Observed { source: SourceSeen::Found(pair("new", &["a"])), ..observed };
    let step = concern(&desired, &found).step;
    assert!(matches!(step, Some(Step::ServeCertificate(Serve::Present))), "{step:?}");
    drop(decide(&desired, &found));
}
