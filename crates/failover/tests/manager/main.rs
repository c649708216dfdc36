//! What a manager does with the inputs that the model does not tell apart by their outcome, one table each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod consent;

use std::time::Duration;
use valkeeper_failover::{
    Identity, Term,
    manager::{Command, Effect, Input, LeaseAnswer, Manager, Refusal},
    protocol::{Role, Timing},
};

struct Harness {
    manager: Manager,
    now: Duration,
}

impl Harness {
    fn held() -> Self {
        let identity = Identity { name: "a".into(), pod: "u".into(), boot: 1 };
        let mut harness = Self { manager: Manager::boot(identity, Term(4)), now: Duration::from_secs(100) };
        harness.on(Input::Started).unwrap();
        harness.on(Input::Hold { term: Term(4) }).unwrap();
        harness
    }

    fn primary() -> Self {
        let mut harness = Self::held();
        let effects = harness.on(Input::Promote { term: Term(5), version: 50 }).unwrap();
        let [Effect::StoreTerm(Term(5)), Effect::WriteLease { request, .. }] = effects[..] else {
            panic!("{effects:?}")
        };
        let answer = LeaseAnswer::Written { version: 51 };
        let effects = harness.on(Input::Lease { request, answer }).unwrap();
        harness.confirm(&effects);
        assert_eq!(harness.manager.role(), Role::Primary(Term(5)));
        harness
    }

    fn on(&mut self, input: Input) -> Result<Vec<Effect>, Refusal> {
        let reaction = self.manager.on(&Timing::default(), self.now, input);
        reaction.refused.map_or(Ok(reaction.effects), Err)
    }

    fn after(&mut self, seconds: u64, input: Input) -> Vec<Effect> {
        self.now += Duration::from_secs(seconds);
        self.on(input).unwrap()
    }

    fn confirm(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let number = effects.iter().find_map(|effect| match effect {
            Effect::Server { number, .. } => Some(*number),
            _ => None,
        });
        self.on(Input::Confirmed(number.unwrap())).unwrap()
    }
}

fn holds(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Server { command: Command::Hold, .. }])
}

#[test]
fn unresponsive_primary_is_killed_without_confirmation() {
    let mut harness = Harness::primary();
    assert!(holds(&harness.on(Input::Unresponsive).unwrap()));
    assert_eq!(harness.after(2, Input::Tick), [Effect::KillServer]);
    let effects = harness.on(Input::Exited).unwrap();
    assert!(
        matches!(effects[..], [Effect::WriteLease { holder: None, .. }, Effect::StartServer]),
        "{effects:?}"
    );
}

#[test]
fn unresponsive_primary_that_confirms_releases_the_lease() {
    let mut harness = Harness::primary();
    let effects = harness.on(Input::Unresponsive).unwrap();
    assert!(matches!(harness.confirm(&effects)[..], [Effect::WriteLease { holder: None, .. }]));
    assert_eq!(harness.manager.role(), Role::Held);
}

#[test]
fn unresponsive_server_without_writes_is_left_alone() {
    let mut harness = Harness::held();
    assert_eq!(harness.on(Input::Unresponsive), Ok(Vec::new()));
    assert_eq!(harness.manager.role(), Role::Held);
}

#[test]
fn unresponsive_server_that_was_asked_to_detach_is_killed() {
    let mut harness = Harness::held();
    let follow = Input::Follow { term: Term(4), primary: "b".into() };
    let effects = harness.on(follow).unwrap();
    harness.confirm(&effects);
    assert_eq!(harness.on(Input::Unresponsive), Ok(Vec::new()));
    harness.on(Input::Hold { term: Term(5) }).unwrap();
    assert_eq!(harness.on(Input::Unresponsive), Ok(vec![Effect::KillServer]));
    assert_eq!(harness.on(Input::Exited), Ok(vec![Effect::StartServer]));
}

#[test]
fn leaving_primary_goes_on_until_it_has_to_stop() {
    let mut harness = Harness::primary();
    assert_eq!(harness.on(Input::Leave), Ok(Vec::new()));
    assert!(harness.manager.is_leaving());
    assert_eq!(harness.manager.role(), Role::Primary(Term(5)));
    let effects = harness.on(Input::Stop).unwrap();
    assert!(holds(&effects));
    harness.confirm(&effects);
    let refused = harness.on(Input::Promote { term: Term(6), version: 52 });
    assert_eq!(refused, Err(Refusal::Stopping));
    assert_eq!(harness.on(Input::Exited), Ok(Vec::new()), "the server is not started again");
}

#[test]
fn stop_while_the_lease_is_being_taken_never_promotes() {
    let mut harness = Harness::held();
    let effects = harness.on(Input::Promote { term: Term(5), version: 50 }).unwrap();
    let Some(Effect::WriteLease { request, .. }) = effects.last().cloned() else { panic!("{effects:?}") };
    harness.on(Input::Stop).unwrap();
    let answer = LeaseAnswer::Written { version: 51 };
    assert_eq!(harness.on(Input::Lease { request, answer }), Ok(Vec::new()));
    assert!(!harness.manager.accepts_writes());
}

#[test]
fn handover_is_for_that_primary_and_ends_with_its_successor() {
    let mut harness = Harness::primary();
    assert_eq!(harness.on(Input::HandOver { term: Term(4) }), Err(Refusal::Stale));
    assert_eq!(harness.on(Input::HandOver { term: Term(6) }), Err(Refusal::NotPrimary));
    assert_eq!(harness.on(Input::HandOver { term: Term(5) }), Ok(Vec::new()));
    assert!(harness.manager.is_leaving());
    let effects = harness.on(Input::Hold { term: Term(6) }).unwrap();
    harness.confirm(&effects[1..]);
    assert!(harness.manager.is_leaving(), "it must not be elected again among equals");
    harness.on(Input::Follow { term: Term(6), primary: "b".into() }).unwrap();
    assert!(!harness.manager.is_leaving());
    assert_eq!(Harness::held().on(Input::HandOver { term: Term(4) }), Err(Refusal::NotPrimary));
}

#[test]
fn clients_of_a_primary_are_not_kicked() {
    let mut harness = Harness::primary();
    assert_eq!(harness.on(Input::Kick { term: Term(5) }), Err(Refusal::IsPrimary));
    let mut harness = Harness::held();
    assert_eq!(harness.on(Input::Kick { term: Term(3) }), Err(Refusal::Stale));
    assert_eq!(harness.on(Input::Kick { term: Term(4) }), Ok(vec![Effect::KickClients]));
}

#[test]
fn lone_instance_accepts_writes_in_a_new_term_for_ever() {
    let mut harness = Harness::held();
    let effects = harness.manager.on(&Timing::alone(), harness.now, Input::ReignAlone).effects;
    assert_eq!(effects[0], Effect::StoreTerm(Term(5)));
    harness.confirm(&effects);
    harness.now += Duration::from_hours(10_000);
    assert_eq!(harness.manager.on(&Timing::alone(), harness.now, Input::Tick).effects, []);
    assert_eq!(harness.manager.role(), Role::Primary(Term(5)));
}

#[test]
fn lone_reign_ends_when_it_is_held_and_releases_no_lease() {
    let alone = Timing::alone();
    let mut harness = Harness::held();
    let effects = harness.manager.on(&alone, harness.now, Input::ReignAlone).effects;
    harness.confirm(&effects);
    assert!(harness.manager.reigns_alone());
    harness.now += Duration::from_hours(1);
    let effects = harness.manager.on(&alone, harness.now, Input::Hold { term: Term(6) }).effects;
    assert!(harness.manager.reigns_alone(), "until the server has confirmed it");
    let number = effects.iter().find_map(|effect| match effect {
        Effect::Server { number, .. } => Some(*number),
        _ => None,
    });
    let released = harness.manager.on(&alone, harness.now, Input::Confirmed(number.unwrap())).effects;
    assert_eq!((released, harness.manager.role()), (Vec::new(), Role::Held));
    let effects = harness.on(Input::Promote { term: Term(6), version: 9 }).unwrap();
    assert!(matches!(effects[..], [Effect::WriteLease { version: 9, .. }]), "{effects:?}");
    assert!(!harness.manager.reigns_alone());
}

#[test]
fn primary_that_is_left_alone_outlives_the_lease_it_took() {
    let mut harness = Harness::primary();
    let effects = harness.manager.on(&Timing::alone(), harness.now, Input::ReignAlone).effects;
    // Who followed it until now does not know what it writes from now on.
    assert_eq!(effects, [Effect::StoreTerm(Term(6))]);
    assert_eq!((harness.manager.role(), harness.manager.reigned()), (Role::Primary(Term(6)), Term(6)));
    let again = harness.manager.on(&Timing::alone(), harness.now, Input::ReignAlone).effects;
    assert_eq!((again, harness.manager.seen()), (Vec::new(), Term(6)));
    harness.now += Duration::from_hours(1);
    // Others come; the timing stays that of an only instance for one that says that it reigns alone.
    assert!(harness.manager.reigns_alone());
    assert_eq!(harness.manager.on(&Timing::alone(), harness.now, Input::Tick).effects, []);
    assert!(holds(
        &harness.manager.on(&Timing::alone(), harness.now, Input::Hold { term: Term(7) }).effects[1..]
    ));
}

#[test]
fn answer_about_the_lease_changes_nothing_for_one_left_alone() {
    let mut harness = Harness::primary();
    let effects = harness.after(3, Input::Tick);
    let [Effect::WriteLease { request, .. }] = effects[..] else { panic!("{effects:?}") };
    harness.on(Input::ReignAlone).unwrap();
    for answer in [LeaseAnswer::Conflict, LeaseAnswer::Unknown, LeaseAnswer::Written { version: 52 }] {
        assert_eq!(harness.on(Input::Lease { request, answer }), Ok(Vec::new()));
        assert!(harness.manager.reigns_alone());
    }
}

#[test]
fn passed_deadline_is_noticed_by_a_verb_that_is_refused() {
    let mut harness = Harness::primary();
    harness.now += Duration::from_secs(11);
    let reaction = harness.manager.on(&Timing::default(), harness.now, Input::Hold { term: Term(1) });
    assert_eq!(reaction.refused, Some(Refusal::Stale));
    assert_eq!(reaction.effects, [Effect::KillServer]);
}

#[test]
fn deadline_moves_with_each_renewal_and_ends_with_the_reign() {
    let mut harness = Harness::primary();
    let deadline = |harness: &Harness| harness.manager.deadline(&Timing::default());
    assert_eq!(deadline(&harness), Some(Duration::from_secs(110)));
    let effects = harness.after(3, Input::Tick);
    let [Effect::WriteLease { request, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(deadline(&harness), Some(Duration::from_secs(110)), "not before the answer");
    harness.after(1, Input::Lease { request, answer: LeaseAnswer::Written { version: 52 } });
    assert_eq!(deadline(&harness), Some(Duration::from_secs(113)), "from the start of the request");
    let effects = harness.on(Input::Unresponsive).unwrap();
    assert_eq!(deadline(&harness), Some(Duration::from_secs(113)), "until the server confirms");
    harness.confirm(&effects);
    assert_eq!(deadline(&harness), None);
}

#[test]
fn answer_that_tells_nothing_is_followed_by_a_pause() {
    let mut harness = Harness::primary();
    let effects = harness.after(3, Input::Tick);
    let [Effect::WriteLease { request, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(harness.on(Input::Lease { request, answer: LeaseAnswer::Unknown }), Ok(Vec::new()));
    assert_eq!(harness.on(Input::Tick), Ok(Vec::new()));
    assert!(matches!(harness.after(1, Input::Tick)[..], [Effect::ReadLease { .. }]));
}

/// The operator has elected it for what it had, and another server may have more than what is there now.
#[test]
fn promotion_is_refused_after_a_restart_until_it_is_held_again() {
    let promote = Input::Promote { term: Term(5), version: 50 };
    let mut harness = Harness::held();
    harness.after(1, Input::Exited);
    harness.after(1, Input::Started);
    assert_eq!((harness.manager.role(), harness.manager.is_restarted()), (Role::Held, true));
    assert_eq!(harness.on(promote.clone()), Err(Refusal::NotHeld));
    harness.on(Input::Hold { term: Term(5) }).unwrap();
    assert!(!harness.manager.is_restarted());
    harness.on(promote.clone()).unwrap();
    // One that was asked while no server ran has answered for nothing.
    let mut dead = Harness::held();
    dead.after(1, Input::Exited);
    dead.on(Input::Hold { term: Term(5) }).unwrap();
    dead.after(1, Input::Started);
    assert_eq!(dead.on(promote), Err(Refusal::NotHeld));
}
