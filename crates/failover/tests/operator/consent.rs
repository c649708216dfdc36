//! A lease that names peers: its holder may go on while they consent.

use crate::{decided, member, policy, primary, replica, silent, view};
use std::time::Duration;
use valkeeper_failover::{
    Term,
    operator::{Member, Policy, Step, View, Wait, decide},
    protocol::{Role, Timing, parse_peers},
};

/// The primary is silent, and its lease names `c`.
fn with_peer(unchanged: u64, refused: u64, members: Vec<(valkeeper_failover::Name, Member)>) -> View {
    let mut view = view(Some("a"), unchanged, members);
    if let Some(lease) = &mut view.lease {
        (lease.peers, lease.refused_for) = (parse_peers("c/uid"), Duration::from_secs(refused));
    }
    view
}

#[test]
fn silent_primary_with_peers_is_replaced_after_a_refusal() {
    let held = || vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), silent("c", 60)];
    let waits = Step::Wait(Wait::Consent(vec!["c".into()]));
    assert_eq!(decided(&with_peer(600, 0, held())), waits);
    assert_eq!(decided(&with_peer(600, 14, held())), Step::Wait(Wait::Term));
    assert_eq!(decided(&with_peer(14, 15, held())), Step::Wait(Wait::Term), "it has renewed since");
    assert_ne!(decided(&with_peer(15, 15, held())), Step::Wait(Wait::Term));
}

#[test]
fn peers_are_held_so_that_they_refuse() {
    let members = vec![silent("a", 60), replica("b", 100), replica("c", 100)];
    assert_eq!(decided(&with_peer(10, 0, members)), Step::Hold("c".into(), Term(8)), "before others");
    let members = vec![silent("a", 60), replica("b", 100), member("c", Role::Held, 8, 7, 100)];
    assert_eq!(decided(&with_peer(10, 0, members)), Step::Hold("b".into(), Term(8)));
}

#[test]
fn peers_do_not_matter_after_the_longest_consent() {
    let held = || vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), silent("c", 60)];
    assert_eq!(decided(&with_peer(5399, 0, held())), Step::Wait(Wait::Consent(vec!["c".into()])));
    assert_ne!(decided(&with_peer(5400, 0, held())), Step::Wait(Wait::Consent(vec!["c".into()])));
}

#[test]
fn holder_whose_pod_is_gone_has_stopped() {
    let held =
        || vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), member("c", Role::Held, 8, 7, 100)];
    let mut view = with_peer(1, 0, held());
    assert_eq!(decided(&view), Step::Wait(Wait::Term));
    view.gone = parse_peers("a/another");
    assert_eq!(decided(&view), Step::Wait(Wait::Term));
    view.gone = parse_peers("a/uid");
    assert_eq!(decided(&view), Step::Promote("b".into(), Term(8), 70));
}

/// Its server does not start; it would consent for as long as it has not heard of a later term.
#[test]
fn peer_without_a_server_receives_the_term() {
    let changing = |seen| member("c", Role::Changing, seen, 7, 0);
    let members = |seen| vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), changing(seen)];
    assert_eq!(decided(&with_peer(10, 0, members(7))), Step::Hold("c".into(), Term(8)));
    assert_eq!(decided(&with_peer(10, 0, members(8))), Step::Wait(Wait::Term));
}

#[test]
fn primary_that_goes_on_by_consent_is_left_alone() {
    let (name, mut member) = primary();
    if let Some(status) = &mut member.status {
        status.by_consent = true;
    }
    let view = with_peer(600, 0, vec![(name, member), replica("b", 100), replica("c", 100)]);
    assert_eq!(decided(&view), Step::Settled("a".into(), Term(7)));
}

#[test]
fn user_decision_replaces_consent_for_one_lease_version() {
    let held = vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), silent("c", 60)];
    let view = with_peer(15, 0, held);
    let step = |version| {
        let policy = Policy { without_consent: Some(version), without_missing: true, ..policy() };
        decide(&policy, &Timing::default(), &view)
    };
    assert_eq!(step(70), Step::Promote("b".into(), Term(8), 70));
    assert_eq!(step(69), Step::Wait(Wait::Consent(vec!["c".into()])), "that was about another lease");
}

/// No instance can take the lease while the API is away, so only a primary that has to stop is held.
#[test]
fn primary_by_consent_is_held_only_if_it_has_to_stop() {
    let primary_with = |by_consent, has_to_stop| {
        let (name, mut member) = primary();
        if let Some(status) = &mut member.status {
            (status.by_consent, status.leaving) = (by_consent, has_to_stop);
        }
        (name, Member { leaving: true, ..member })
    };
    let members = |by_consent, has_to_stop| {
        vec![primary_with(by_consent, has_to_stop), replica("b", 100), replica("c", 100)]
    };
    let held = Step::Hold("a".into(), Term(8));
    assert_eq!(decided(&with_peer(600, 0, members(true, false))), Step::Settled("a".into(), Term(7)));
    assert_eq!(decided(&with_peer(600, 0, members(true, true))), held);
    assert_eq!(decided(&with_peer(1, 0, members(false, false))), held);
}
