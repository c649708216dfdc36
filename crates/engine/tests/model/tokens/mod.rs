//! The protocol of token Secrets, explored exhaustively: a resource with a service, two Secrets with tokens, and an
//! operator that crashes and loses answers between any two steps, while a user edits which Secret the resource names,
//! and deletes the resource and the Secrets. The decisions are those of the real engine.
//!
//! ```text
//!   Secret:    free ──hold──▶ held ──release──▶ free         a held one that is deleted stays until it is released
//!   resource:  noted (names the Secret) ─▶ settled (needs none any more) ─▶ gone
//! ```

mod bridge;
mod end;

use bridge::decide;
use end::{comes_to_its_end, way};
use std::collections::{HashMap, VecDeque};

const UID: &str = "u";
/// How often the user changes which Secret the resource names.
const EDITS: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Object {
    finalizer: bool,
    deleting: bool,
    initialized: bool,
    /// The annotations of aiven-operator are there.
    processed: bool,
    settled: bool,
    /// The status holds the record of the declarations.
    recorded: bool,
    names: usize,
    edits: u8,
    noted: [bool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Token {
    exists: bool,
    held: bool,
    deleting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Unknown,
    Absent,
    Present,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reconciliation {
    object: Object,
    live: bool,
    service: Seen,
    held_in_vain: bool,
    held: Option<[bool; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    object: Option<Object>,
    tokens: [Token; 2],
    service: bool,
    reconciliation: Option<Reconciliation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    CrashBefore,
    CrashAfter,
}

/// The decision of the engine, as far as this world represents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Move {
    Look,
    LookAtObject,
    LookAtTokens,
    AddFinalizer([bool; 2]),
    Hold,
    Record,
    Create,
    Annotate { noted: Option<[bool; 2]>, processed: bool },
    NoteSettled,
    ReleaseToken(usize),
    Delete,
    ReleaseFinalizer,
    Requeue { initialized: bool },
}

type Answers = HashMap<(Reconciliation, [Token; 2]), Move>;

#[test]
fn tokens_outlive_their_use_and_nothing_else() {
    let fresh = Object {
        finalizer: false,
        deleting: false,
        initialized: false,
        processed: false,
        settled: false,
        recorded: false,
        names: 0,
        edits: 0,
        noted: [false; 2],
    };
    let free = Token { exists: true, held: false, deleting: false };
    let start = State { object: Some(fresh), tokens: [free; 2], service: false, reconciliation: None };
    let (mut answers, mut waiting) = (Answers::new(), VecDeque::from([start]));
    let mut known: HashMap<State, Option<State>> = HashMap::from([(start, None)]);
    while let Some(state) = waiting.pop_front() {
        if let Err(broken) = comes_to_its_end(&mut answers, state) {
            panic!("{broken}, after:\n{}", way(&known, state));
        }
        for next in successors(&mut answers, state) {
            known.entry(next).or_insert_with(|| {
                waiting.push_back(next);
                Some(state)
            });
        }
    }
    println!("{} states of tokens", known.len());
    assert!(known.len() > 1_000, "{}", known.len());
}

fn successors(answers: &mut Answers, state: State) -> Vec<State> {
    let mut all = of_the_user(state);
    match state.reconciliation {
        None => all.extend(begin(state)),
        Some(reconciliation) => {
            let step = decide(answers, reconciliation, state.tokens);
            for fate in [Fate::Answered, Fate::CrashBefore, Fate::CrashAfter] {
                all.push(perform(state, reconciliation, step, fate));
            }
        }
    }
    all
}

fn of_the_user(state: State) -> Vec<State> {
    let mut all = Vec::new();
    if let Some(object) = state.object {
        let deleted = Some(Object { deleting: true, ..object }).filter(|_| object.finalizer);
        all.push(State { object: deleted, ..state });
        if object.edits < EDITS {
            let edited = Object { names: 1 - object.names, edits: object.edits + 1, ..object };
            all.push(State { object: Some(edited), ..state });
        }
    }
    for index in 0..2 {
        let token = state.tokens[index];
        if token.exists && !token.deleting {
            all.push(with_token(state, index, Token { deleting: true, exists: token.held, ..token }));
        }
    }
    all
}

fn with_token(mut state: State, index: usize, token: Token) -> State {
    state.tokens[index] = token;
    state
}

fn begin(state: State) -> Option<State> {
    let object = state.object?;
    let reconciliation =
        Reconciliation { object, live: false, service: Seen::Unknown, held_in_vain: false, held: None };
    Some(State { reconciliation: Some(reconciliation), ..state })
}

/// The state after this step; a reconciliation that cannot continue ends.
fn perform(state: State, reconciliation: Reconciliation, step: Move, fate: Fate) -> State {
    let ended = State { reconciliation: None, ..state };
    if fate == Fate::CrashBefore {
        return ended;
    }
    let next = execute(state, reconciliation, step).unwrap_or(ended);
    if fate == Fate::CrashAfter { State { reconciliation: None, ..next } } else { next }
}

fn execute(state: State, reconciliation: Reconciliation, step: Move) -> Option<State> {
    let own = reconciliation.object.names;
    let readable = state.tokens[own].exists;
    let goes_on = |state: State, reconciliation: Reconciliation| {
        Some(State { reconciliation: Some(reconciliation), ..state })
    };
    match step {
        Move::Look => {
            let service = if state.service { Seen::Present } else { Seen::Absent };
            readable.then(|| goes_on(state, Reconciliation { service, ..reconciliation }))?
        }
        Move::LookAtObject => {
            goes_on(state, Reconciliation { object: state.object?, live: true, ..reconciliation })
        }
        Move::LookAtTokens => {
            let held = [0, 1].map(|index| state.tokens[index].exists && state.tokens[index].held);
            goes_on(state, Reconciliation { held: Some(held), ..reconciliation })
        }
        Move::Hold => {
            let token = state.tokens[own];
            let can = token.exists && (token.held || !token.deleting);
            if !can {
                return (reconciliation.service == Seen::Present)
                    .then(|| goes_on(state, Reconciliation { held_in_vain: true, ..reconciliation }))?;
            }
            goes_on(with_token(state, own, Token { held: true, ..token }), reconciliation)
        }
        Move::Create => {
            assert!(readable && state.tokens[own].held, "created with a token that may go: {state:?}");
            readable.then(|| {
                goes_on(
                    State { service: true, ..state },
                    Reconciliation { service: Seen::Present, ..reconciliation },
                )
            })?
        }
        Move::ReleaseToken(index) => {
            let held = reconciliation.held.map(|mut held| {
                held[index] = false;
                held
            });
            goes_on(release_token(state, index), Reconciliation { held, ..reconciliation })
        }
        Move::Delete => {
            let unseen = Reconciliation { service: Seen::Unknown, ..reconciliation };
            readable.then(|| goes_on(State { service: false, ..state }, unseen))?
        }
        Move::ReleaseFinalizer => {
            state.object.filter(|object| *object == reconciliation.object)?;
            assert!(!state.service, "a service is left without an owner: {state:?}");
            Some(State { object: None, reconciliation: None, ..state })
        }
        Move::Requeue { initialized } => {
            let object = state
                .object
                .map(|object| Object { initialized: object.initialized || initialized, ..object });
            Some(State { object, reconciliation: None, ..state })
        }
        other => write(state, reconciliation, other),
    }
}

/// Changes the resource itself.
fn write(state: State, reconciliation: Reconciliation, step: Move) -> Option<State> {
    let goes_on = |state: State, reconciliation: Reconciliation| {
        Some(State { reconciliation: Some(reconciliation), ..state })
    };
    match step {
        Move::AddFinalizer(noted) => {
            let current = state.object.filter(|object| *object == reconciliation.object)?;
            let object = Object { finalizer: true, noted, ..current };
            goes_on(
                State { object: Some(object), ..state },
                Reconciliation { object, live: true, ..reconciliation },
            )
        }
        Move::Annotate { noted, processed } => {
            // A note of tokens carries the version that it was computed from.
            let current =
                state.object.filter(|object| noted.is_none() || *object == reconciliation.object)?;
            let (noted, processed) = (noted.unwrap_or(current.noted), current.processed || processed);
            let object = Object { processed, noted, ..current };
            goes_on(State { object: Some(object), ..state }, Reconciliation { object, ..reconciliation })
        }
        Move::NoteSettled => {
            let object = Object { settled: true, ..state.object? };
            assert!(!state.service, "settled with a service: {state:?}");
            goes_on(State { object: Some(object), ..state }, Reconciliation { object, ..reconciliation })
        }
        Move::Record => {
            let object = Object { recorded: true, ..state.object? };
            goes_on(State { object: Some(object), ..state }, Reconciliation { object, ..reconciliation })
        }
        other => panic!("{other:?} changes something else"),
    }
}

/// What the shell does about one token Secret: nothing while a resource that has something at Aiven names it.
fn release_token(state: State, index: usize) -> State {
    let needs = |object: Object| object.finalizer && !object.settled && object.names == index;
    let token = state.tokens[index];
    if state.object.is_some_and(needs) || !token.exists {
        return state;
    }
    with_token(state, index, Token { held: false, exists: !token.deleting, ..token })
}
