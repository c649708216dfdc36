//! Histories made by hand: each breaks what it should, and nothing else.

use super::{History, Outcome, promises};
use crate::history::{Promise, Promises, judge};

type Make = fn(&mut History) -> &mut History;

/// What `make` breaks.
fn broken(make: impl FnOnce(&mut History)) -> Vec<Promise> {
    let mut history = History::default();
    make(&mut history);
    judge(&history, &promises()).promises()
}

#[test]
fn refused_and_invented_values_are_found() {
    let table: [(&str, Make, bool); 6] = [
        ("unknown and there", |h| h.write("set", 1, 0, Outcome::Unknown).holds("set", &[1]), false),
        ("unknown and not there", |h| h.write("set", 1, 0, Outcome::Unknown).holds("set", &[]), false),
        ("refused and there", |h| h.write("set", 1, 0, Outcome::Refused).holds("set", &[1]), true),
        ("nobody wrote it", |h| h.holds("register", &[7]), true),
        ("twice", |h| h.ack("list", 1, (0, 1), "a", 0).holds("list", &[1, 1]), true),
        ("other key", |h| h.write("set:1", 1, 0, Outcome::Unknown).holds("set:2", &[1]), true),
    ];
    for (name, make, breaks) in table {
        let found = broken(|h| {
            make(h);
        });
        assert_eq!(found == [Promise::Faithful], breaks, "{name}");
    }
}

#[test]
fn lists_keep_the_order_of_their_writes() {
    let of = |second: (u64, u64), held: [u64; 2]| {
        broken(|h| {
            h.ack("list", 1, (0, 10), "a", 0).ack("list", 2, second, "a", 0).holds("list", &held);
        })
    };
    assert_eq!(of((11, 12), [1, 2]), []);
    assert_eq!(of((11, 12), [2, 1]), [Promise::Faithful]);
    // Concurrent: either order.
    assert_eq!(of((5, 12), [2, 1]), []);
}

#[test]
fn a_term_has_one_holder() {
    let of = |instance: &str, term: u64| {
        broken(|h| {
            h.claim("a/1", 1, 0).claim(instance, term, 9);
        })
    };
    assert_eq!(of("a/1", 1), []);
    assert_eq!(of("b/1", 2), []);
    assert_eq!(of("b/1", 1), [Promise::OneHolder]);
    // Two lives of one instance are two holders.
    assert_eq!(of("a/2", 1), [Promise::OneHolder]);
}

#[test]
fn reigns_that_overlap_are_found_with_three_writes() {
    let mut history = History::default();
    history.ack("set", 1, (0, 1), "a", 0).ack("set", 2, (10, 11), "b", 0).ack("set", 3, (20, 21), "a", 0);
    history.holds("set", &[1, 2, 3]);
    let verdict = judge(&history, &promises());
    assert_eq!(verdict.promises(), [Promise::OneSide]);
    assert_eq!(verdict.shortest().unwrap().counterexample.history, history);
    let text = verdict.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "3 writes acknowledged in 2 reigns, 0 of them lost");
    assert_eq!(lines[1], "G2 is broken 1 times: two sides acknowledge writes at once");
    let first = "  0.000000s client 0 writes 1 to set: acknowledged 0.000001s by server a history history ";
    assert_eq!(lines[2].trim_end(), first.trim_end());
}

#[test]
fn reigns_one_after_the_other_are_no_two_sides() {
    // A write of the first whose answer came late, as from a process that stood still.
    let late = |h: &mut History| {
        h.ack("set", 1, (0, 50), "a", 0).ack("set", 2, (10, 11), "b", 0).ack("set", 3, (20, 21), "b", 0);
        h.holds("set", &[1, 2, 3]);
    };
    assert_eq!(broken(late), []);
    // The same server in two reigns: its history has another id after the second promotion.
    let back = |h: &mut History| {
        h.ack("set", 1, (0, 1), "a", 0).ack("set", 2, (10, 11), "b", 0).ack("set", 3, (20, 21), "a", 0);
        h.holds("set", &[1, 2, 3]);
        if let Outcome::Acknowledged { reign, .. } = &mut h.writes[2].outcome {
            "later".clone_into(&mut reign.replication);
        }
    };
    assert_eq!(broken(back), []);
    // Four writes that interleave only together.
    let four = |h: &mut History| {
        h.ack("set", 1, (0, 12), "a", 0).ack("set", 2, (13, 40), "a", 0);
        h.ack("set", 3, (0, 11), "b", 0).ack("set", 4, (30, 31), "b", 0);
        h.holds("set", &[1, 2, 3, 4]);
    };
    assert_eq!(broken(four), [Promise::OneSide]);
}

#[test]
fn confirmed_writes_survive_every_fault() {
    let lost = |replicas: u64| {
        broken(|h| {
            h.ack("set", 1, (90, 91), "a", replicas).ack("set", 2, (200, 201), "b", 0);
            h.disturbed(95, Some(150), false).holds("set", &[2]);
        })
    };
    assert_eq!(lost(0), []);
    assert_eq!(lost(1), [Promise::Confirmed]);
    let mut history = History::default();
    history.ack("set", 1, (90, 91), "a", 1).disturbed(95, None, false).holds("set", &[]);
    for (confirmed_by, breaks) in [(None, false), (Some(0), true), (Some(1), true), (Some(2), false)] {
        let verdict = judge(&history, &Promises { confirmed_by, ..promises() });
        assert_eq!(verdict.promises() == [Promise::Confirmed], breaks, "{confirmed_by:?}");
    }
}

#[test]
fn register_is_lost_only_where_an_older_value_is_left() {
    let of = |first: (u64, u64), second: (u64, u64), held: &[u64]| {
        broken(|h| {
            h.ack("register", 1, first, "a", 0).ack("register", 2, second, "a", 0).holds("register", held);
        })
    };
    assert_eq!(of((0, 1), (2, 3), &[2]), []);
    assert_eq!(of((0, 1), (2, 3), &[1]), [Promise::Planned]);
    assert_eq!(of((0, 2), (1, 3), &[1]), []);
    assert_eq!(of((0, 1), (2, 3), &[]), [Promise::Planned]);
    let mut history = History::default();
    history.ack("register", 1, (0, 1), "a", 0).ack("register", 2, (2, 3), "a", 1).holds("register", &[1]);
    let verdict = judge(&history, &promises());
    assert_eq!(verdict.promises(), [Promise::Confirmed, Promise::Planned]);
    // Both writes are needed to see it.
    assert!(verdict.broken.iter().all(|broken| broken.counterexample.history == history));
}

#[test]
fn planned_switchover_loses_nothing() {
    let of = |planned: bool, fault: Option<u64>| {
        broken(|h| {
            h.ack("set", 1, (90, 91), "a", 0).ack("set", 2, (200, 201), "b", 0).holds("set", &[2]);
            h.disturbed(95, Some(150), planned);
            if let Some(from) = fault {
                h.disturbed(from, None, false);
            }
        })
    };
    assert_eq!(of(false, None), []);
    assert_eq!(of(true, None), [Promise::Planned]);
    // A fault that comes after the successor explains nothing.
    assert_eq!(of(true, Some(300)), [Promise::Planned]);
    assert_eq!(of(true, Some(100)), []);
}

#[test]
fn unplanned_failover_loses_the_last_lag_only() {
    let of = |invoked: u64, until: Option<u64>| {
        broken(|h| {
            h.ack("set", 1, (invoked, invoked + 1), "a", 0).disturbed(1_000, until, false).holds("set", &[]);
        })
    };
    assert_eq!(of(950, None), []);
    assert_eq!(of(1_500, None), []);
    // Longer ago than the lag, and longer than a cut-off primary may continue.
    assert_eq!(of(800, None), [Promise::LastLag]);
    assert_eq!(of(2_500, None), [Promise::LastLag]);
    // In the instant after a freeze, and no longer.
    assert_eq!(of(2_500, Some(2_450)), []);
    assert_eq!(of(2_500, Some(3_000)), [Promise::LastLag]);
    assert_eq!(of(2_500, Some(2_000)), [Promise::Planned]);
    // Of a reign that goes back to the fault.
    let later = broken(|h| {
        h.ack("set", 1, (500, 501), "a", 1).ack("set", 2, (2_500, 2_501), "a", 0);
        h.disturbed(1_000, Some(2_000), false).holds("set", &[1]);
    });
    assert_eq!(later, [Promise::LastLag]);
}

#[test]
fn loss_in_the_middle_of_a_reign_is_no_lag() {
    let made = broken(|h| {
        h.ack("set", 1, (90, 91), "a", 0).ack("set", 2, (92, 93), "a", 0).ack("set", 3, (200, 201), "b", 0);
        h.disturbed(95, None, false).holds("set", &[2, 3]);
    });
    assert_eq!(made, [Promise::LastLag]);
}

#[test]
fn history_reads_back_from_json() {
    let mut history = History::default();
    history.ack("set", 1, (0, 1), "a", 1).write("list", 2, 3, Outcome::Refused).holds("set", &[1]);
    history.claim("a", 1, 5).disturbed(7, None, true).holds("register", &[]);
    let text = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
}
