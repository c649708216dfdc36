//! A primary that cannot renew its lease, and what its peers say.

use crate::Harness;
use std::time::Duration;
use valkeeper_failover::{
    Term,
    manager::{ConsentAnswer, Effect, Input, LeaseAnswer},
    protocol::{Role, Timing, parse_peers},
};

impl Harness {
    /// A primary whose lease names two peers, since this moment.
    fn primary_with_peers() -> Self {
        let mut harness = Self::primary();
        harness.on(Input::Peers(parse_peers("b/v,c/w"))).unwrap();
        let effects = harness.after(0, Input::Tick);
        let [Effect::WriteLease { request, ref peers, .. }] = effects[..] else { panic!("{effects:?}") };
        assert_eq!(*peers, parse_peers("b/v,c/w"));
        harness.on(Input::Lease { request, answer: LeaseAnswer::Written { version: 52 } }).unwrap();
        harness
    }

    /// Time passes, and no request to the API server is answered. What peers are asked.
    fn without_api(&mut self, seconds: u64) -> Option<u64> {
        let mut asked = None;
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            for effect in self.on(Input::Tick).unwrap() {
                match effect {
                    Effect::WriteLease { request, .. } | Effect::ReadLease { request } => {
                        self.on(Input::Lease { request, answer: LeaseAnswer::Unknown }).unwrap();
                    }
                    Effect::AskPeers { request, term: Term(5), peers } => {
                        assert_eq!(peers, parse_peers("b/v,c/w"));
                        asked = Some(request);
                    }
                    _ => {}
                }
            }
        }
        asked
    }

    fn hears(&mut self, request: u64, answer: ConsentAnswer) {
        self.on(Input::Consent { request, answer }).unwrap();
    }
}

#[test]
fn primary_goes_on_while_its_peers_consent() {
    let mut harness = Harness::primary_with_peers();
    for _ in 0..10 {
        let request = harness.without_api(5).expect("peers are asked");
        harness.hears(request, ConsentAnswer::Given);
        assert_eq!(harness.manager.role(), Role::Primary(Term(5)));
        assert!(harness.manager.reigns_by_consent());
    }
    harness.without_api(10);
    assert_ne!(harness.manager.role(), Role::Primary(Term(5)), "no peer has consented since");
}

#[test]
fn primary_stops_at_the_first_refusal_and_without_answers() {
    for (answer, stops_at_once) in [(ConsentAnswer::Refused, true), (ConsentAnswer::Unknown, false)] {
        let mut harness = Harness::primary_with_peers();
        let request = harness.without_api(5).unwrap();
        harness.hears(request, answer);
        assert_eq!(harness.manager.role() != Role::Primary(Term(5)), stops_at_once, "{answer:?}");
        let again = harness.without_api(5);
        assert_eq!(again.is_some(), !stops_at_once, "peers that did not answer are asked again");
        assert_ne!(harness.manager.role(), Role::Primary(Term(5)));
    }
}

#[test]
fn late_consent_counts_from_the_question() {
    let mut harness = Harness::primary_with_peers();
    let request = harness.without_api(5).unwrap();
    let deadline = harness.manager.deadline(&Timing::default()).unwrap();
    harness.hears(request, ConsentAnswer::Given);
    let later = harness.manager.deadline(&Timing::default()).unwrap();
    assert_eq!(later, deadline + Duration::from_secs(4), "it was asked 4 s after the renewal");
    let fresh = harness.without_api(4).unwrap();
    harness.hears(request, ConsentAnswer::Given);
    assert_eq!(harness.manager.deadline(&Timing::default()), Some(later), "an earlier question");
    harness.hears(fresh, ConsentAnswer::Given);
    assert!(harness.manager.deadline(&Timing::default()) > Some(later));
}

#[test]
fn primary_without_named_peers_sends_no_request() {
    let mut harness = Harness::primary();
    assert_eq!(harness.without_api(10), None);
    assert_ne!(harness.manager.role(), Role::Primary(Term(5)));
}
