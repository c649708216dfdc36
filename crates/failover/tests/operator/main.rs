//! What the operator decides in the situations of a cluster's life, one table each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod consent;
mod views;

use std::time::Duration;
use valkeeper_failover::{
    Identity, Name, Position, Term,
    operator::{Lease, Member, Policy, Quorum, Step, View, Wait, decide},
    protocol::{Role, Status, Timing},
};

use views::{decided, member, policy, primary, replica, silent, view};

fn identity(name: &str, boot: u64) -> Identity {
    Identity { name: name.into(), pod: "uid".into(), boot }
}

#[test]
fn settled_cluster_needs_nothing() {
    let view = view(Some("a"), 1, vec![primary(), replica("b", 99), replica("c", 100)]);
    assert_eq!(decided(&view), Step::Settled("a".into(), Term(7)));
}

#[test]
fn held_member_is_told_to_follow() {
    let view = view(Some("a"), 1, vec![primary(), member("b", Role::Held, 7, 6, 500)]);
    assert_eq!(decided(&view), Step::Follow("b".into(), "a".into(), Term(7)));
}

#[test]
fn silent_primary_is_left_alone_while_it_renews() {
    let view = view(Some("a"), 2, vec![silent("a", 60), replica("b", 100)]);
    assert_eq!(decided(&view), Step::Wait(Wait::Term));
}

#[test]
fn replicas_are_held_only_after_the_primary_must_have_stopped() {
    let members = || vec![silent("a", 60), replica("b", 100)];
    assert_eq!(decided(&view(Some("a"), 9, members())), Step::Wait(Wait::Term));
    assert_eq!(decided(&view(Some("a"), 10, members())), Step::Hold("b".into(), Term(8)));
    let held = || vec![silent("a", 60), member("b", Role::Held, 8, 7, 100)];
    assert_eq!(decided(&view(Some("a"), 14, held())), Step::Wait(Wait::Term));
    assert_eq!(decided(&view(Some("a"), 15, held())), Step::Promote("b".into(), Term(8), 70));
}

#[test]
fn restarted_primary_is_proof_of_its_death() {
    let mut restarted = member("a", Role::Held, 8, 0, 0);
    if let Some(status) = &mut restarted.1.status {
        status.identity = identity("a", 2);
    }
    let view = view(Some("a"), 1, vec![restarted, member("b", Role::Held, 8, 7, 100)]);
    assert_eq!(decided(&view), Step::Promote("b".into(), Term(8), 70));
}

#[test]
fn pod_of_the_same_name_proves_nothing() {
    let mut other = member("a", Role::Held, 8, 0, 0);
    if let Some(status) = &mut other.1.status {
        status.identity = Identity { pod: "another".into(), ..identity("a", 1) };
    }
    let view = view(Some("a"), 3, vec![other, replica("b", 100)]);
    assert_eq!(decided(&view), Step::Wait(Wait::Term));
}

#[test]
fn leaving_primary_hands_over_to_a_synced_replica_only() {
    let leaving = || {
        let (name, member) = primary();
        (name, Member { leaving: true, ..member })
    };
    let synced = view(Some("a"), 1, vec![leaving(), replica("b", 90)]);
    assert_eq!(decided(&synced), Step::Hold("a".into(), Term(8)));
    let (name, mut fresh) = replica("b", 90);
    if let Some(status) = &mut fresh.status {
        status.synced = false;
    }
    let unsynced = view(Some("a"), 1, vec![leaving(), (name, fresh)]);
    assert_eq!(decided(&unsynced), Step::Settled("a".into(), Term(7)));
}

#[test]
fn replica_takes_in_what_was_sent_before_it_is_held() {
    let mut held = member("a", Role::Held, 8, 7, 100);
    held.1.leaving = true;
    let released = |members| View { routed: ["a".into()].into(), ..view(None, 0, members) };
    let mut behind = released(vec![held.clone(), replica("b", 90)]);
    assert_eq!(decided(&behind), Step::Wait(Wait::Drain("b".into())));
    behind.vacant_for = Duration::from_millis(500);
    assert_eq!(decided(&behind), Step::Hold("b".into(), Term(8)));
    let even = released(vec![held, replica("b", 100)]);
    assert_eq!(decided(&even), Step::Hold("b".into(), Term(8)));
}

#[test]
fn straggler_is_not_waited_for_once_a_successor_has_everything() {
    let mut held = member("a", Role::Held, 8, 7, 100);
    held.1.leaving = true;
    let straggler = || vec![held.clone(), replica("b", 20), replica("c", 100)];
    let released = |members| View { routed: ["a".into()].into(), ..view(None, 0, members) };
    assert_eq!(decided(&released(straggler())), Step::Hold("c".into(), Term(8)));
    let held_successor = vec![held.clone(), replica("b", 20), member("c", Role::Held, 8, 7, 100)];
    assert_eq!(decided(&released(held_successor)), Step::Promote("c".into(), Term(8), 70));
    let mut alone = straggler();
    alone[2].1.leaving = true;
    assert_eq!(decided(&released(alone)), Step::Wait(Wait::Drain("b".into())));
}

#[test]
fn restarted_primary_does_not_say_how_far_its_term_went() {
    let mut restarted = member("a", Role::Held, 8, 7, 90);
    restarted.1.status.as_mut().unwrap().live = false;
    let members = vec![restarted, replica("b", 95), replica("c", 100)];
    let released = View { routed: ["a".into()].into(), ..view(None, 0, members) };
    assert_eq!(decided(&released), Step::Wait(Wait::Drain("b".into())));
}

#[test]
fn held_replica_does_not_end_the_drain_of_others() {
    // Found by the model: "b" was held while "a" was silent; then "a" came back without its data.
    let mut restarted = member("a", Role::Held, 8, 0, 0);
    restarted.1.status.as_mut().unwrap().identity = identity("a", 2);
    let members = vec![restarted, member("b", Role::Held, 8, 7, 90), replica("c", 95)];
    assert_eq!(decided(&view(Some("a"), 1, members)), Step::Wait(Wait::Drain("c".into())));
}

#[test]
fn holder_without_a_write_has_no_claim_to_what_came_before() {
    // Found by the model: "b" took the lease of term 7 while "a" was silent, and was held before its promotion.
    let members = vec![member("a", Role::Held, 8, 6, 100), member("b", Role::Held, 8, 6, 90)];
    assert_eq!(decided(&view(Some("b"), 1, members)), Step::Promote("a".into(), Term(8), 70));
}

#[test]
fn cold_start_waits_for_everybody_who_may_know_more() {
    let cold = |name, offset| {
        let (name, mut member) = member(name, Role::Held, 8, 7, offset);
        if let Some(status) = &mut member.status {
            status.live = false;
        }
        (name, member)
    };
    let waiting = view(None, 60, vec![silent("a", 60), cold("b", 90), cold("c", 95)]);
    assert_eq!(decided(&waiting), Step::Wait(Wait::Missing(vec!["a".into()])));
    let by_hand = decide(&Policy { without_missing: true, ..policy() }, &Timing::default(), &waiting);
    assert_eq!(by_hand, Step::Promote("c".into(), Term(8), 70));
    let complete = view(None, 60, vec![cold("a", 91), cold("b", 90), cold("c", 95)]);
    assert_eq!(decided(&complete), Step::Promote("c".into(), Term(8), 70));
}

#[test]
fn quorum_waits_until_one_elector_has_every_promised_write() {
    let one = view(None, 60, vec![silent("a", 60), silent("b", 60), member("c", Role::Held, 8, 7, 95)]);
    let two = view(
        None,
        60,
        vec![silent("a", 60), member("b", Role::Held, 8, 7, 95), member("c", Role::Held, 8, 7, 90)],
    );
    let missing = Step::Wait(Wait::Missing(vec!["a".into(), "b".into()]));
    assert_eq!(decide(&quorum(3, 2), &Timing::default(), &one), missing);
    assert_eq!(decide(&quorum(3, 2), &Timing::default(), &two), Step::Promote("b".into(), Term(8), 70));
    // As many are not enough among the five that the promise was made for.
    let missing = Step::Wait(Wait::Missing(vec!["a".into()]));
    assert_eq!(decide(&quorum(5, 3), &Timing::default(), &two), missing);
}

#[test]
fn instance_that_was_started_again_is_no_elector() {
    let mut members =
        vec![silent("a", 60), member("b", Role::Held, 8, 7, 95), member("c", Role::Held, 8, 7, 90)];
    members[2].1.status.as_mut().unwrap().live = false;
    let restarted = view(None, 60, members);
    let missing = Step::Wait(Wait::Missing(vec!["a".into()]));
    assert_eq!(decide(&quorum(3, 2), &Timing::default(), &restarted), missing);
    assert_eq!(decided(&restarted), Step::Promote("b".into(), Term(8), 70));
    let by_hand = Policy { without_missing: true, ..quorum(3, 2) };
    assert_eq!(decide(&by_hand, &Timing::default(), &restarted), Step::Promote("b".into(), Term(8), 70));
}

fn quorum(members: usize, holders: usize) -> Policy {
    Policy { quorum: Some(Quorum { members, holders }), ..policy() }
}

#[test]
fn lease_of_an_older_term_is_refused() {
    let mut view = view(None, 60, vec![member("a", Role::Held, 9, 7, 95)]);
    view.remembered = Term(9);
    assert_eq!(decided(&view), Step::Wait(Wait::LeaseWentBack(Term(9))));
    view.lease = None;
    assert_eq!(decided(&view), Step::CreateLease(Term(9)));
}

#[test]
fn empty_member_never_wins_over_one_with_data() {
    let empty = member("a", Role::Held, 8, 0, 999);
    let view = view(None, 0, vec![empty, member("b", Role::Held, 8, 7, 1)]);
    assert_eq!(decided(&view), Step::Promote("b".into(), Term(8), 70));
}

#[test]
fn clients_are_routed_before_anybody_is_kicked_or_follows() {
    let misrouted = |name: &str| {
        let (name, mut member) = member(name, Role::Held, 7, 6, 90);
        if let Some(status) = &mut member.status {
            status.misrouted = true;
        }
        (name, member)
    };
    let mut view = view(Some("a"), 1, vec![primary(), misrouted("b"), replica("c", 100)]);
    for wrong in [vec![], vec!["b".into()], vec!["a".into(), "b".into()]] {
        view.routed = wrong.into_iter().collect();
        assert_eq!(decided(&view), Step::Route("a".into(), Term(7)));
    }
    view.routed = [Name::from("a")].into();
    assert_eq!(decided(&view), Step::Kick("b".into(), Term(7)));
    view.members.get_mut(&"b".into()).unwrap().status.as_mut().unwrap().misrouted = false;
    assert_eq!(decided(&view), Step::Follow("b".into(), "a".into(), Term(7)));
}

#[test]
fn clients_stay_where_they_are_while_the_primary_is_silent() {
    let mut view = view(Some("a"), 1, vec![silent("a", 2), replica("b", 100)]);
    view.routed.clear();
    assert_eq!(decided(&view), Step::Settled("a".into(), Term(7)));
}

#[test]
fn primary_that_asks_for_it_hands_over() {
    let (name, mut asking) = primary();
    asking.status.as_mut().unwrap().leaving = true;
    let view = view(Some("a"), 1, vec![(name, asking), replica("b", 90)]);
    assert_eq!(decided(&view), Step::Hold("a".into(), Term(8)));
}

#[test]
fn leaving_member_is_elected_only_if_it_knows_more() {
    let leaving = |offset| {
        let (name, mut member) = member("a", Role::Held, 8, 7, offset);
        member.status.as_mut().unwrap().leaving = true;
        (name, member)
    };
    let even = view(None, 60, vec![leaving(100), member("b", Role::Held, 8, 7, 100)]);
    assert_eq!(decided(&even), Step::Promote("b".into(), Term(8), 70));
    let ahead = view(None, 60, vec![leaving(101), member("b", Role::Held, 8, 7, 100)]);
    assert_eq!(decided(&ahead), Step::Promote("a".into(), Term(8), 70));
}

#[test]
fn member_that_cannot_settle_delays_the_election_for_a_time() {
    let changing = member("c", Role::Changing, 7, 7, 500);
    let mut vacant = view(None, 0, vec![silent("a", 60), member("b", Role::Held, 8, 7, 100), changing]);
    assert_eq!(decided(&vacant), Step::Wait(Wait::Change("c".into())));
    vacant.vacant_for = Duration::from_secs(5);
    assert_eq!(decided(&vacant), Step::Promote("b".into(), Term(8), 70));
    // It is as good as missing: with quorum durability, that may be too few.
    let missing = Step::Wait(Wait::Missing(vec!["a".into(), "c".into()]));
    assert_eq!(decide(&quorum(3, 2), &Timing::default(), &vacant), missing);
}

#[test]
fn term_in_which_nothing_was_written_is_known_by_its_holder() {
    // "b" took the lease of term 7 and was held before it accepted a write: all data is of term 6.
    let members =
        || vec![silent("a", 60), member("b", Role::Held, 8, 6, 100), member("c", Role::Held, 8, 6, 100)];
    assert_eq!(decided(&view(Some("b"), 1, members())), Step::Promote("b".into(), Term(8), 70));
    // Somebody else may have written in it.
    let missing = Step::Wait(Wait::Missing(vec!["a".into()]));
    assert_eq!(decided(&view(None, 1, members())), missing);
    // What the holder had may be gone.
    let mut restarted = members();
    restarted[1].1.status.as_mut().unwrap().live = false;
    assert_eq!(decided(&view(Some("b"), 1, restarted)), missing);
}

#[test]
fn member_that_ends_is_not_promoted_but_what_it_knows_counts() {
    let other = || member("b", Role::Held, 8, 7, 100);
    let decided_beside = |offset| {
        let mut ending = member("a", Role::Held, 8, 7, offset);
        ending.1.status.as_mut().unwrap().stopping = true;
        decided(&view(None, 60, vec![ending, other()]))
    };
    assert_eq!(decided_beside(100), Step::Promote("b".into(), Term(8), 70));
    assert_eq!(decided_beside(101), Step::Wait(Wait::Candidates), "it may come back");
}

#[test]
fn nobody_follows_a_primary_that_does_not_say_where_it_is() {
    let held = member("b", Role::Held, 7, 7, 100);
    let silent = view(Some("a"), 1, vec![silent("a", 1), held]);
    assert_eq!(decided(&silent), Step::Settled("a".into(), Term(7)));
}
