//! The possible next moves. Every participant may move at any time. Every call of an operator can succeed, fail
//! before or after it took effect, end in a crash on either side, or arrive after its sender is gone.

use crate::{
    bridge::{Engine, Step},
    properties,
    state::{
        Absent, Operator, Reconciliation, Record, Remote, Request, Requests, SecretSeen, Service, State,
    },
};

/// A broken promise.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) String);

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    CrashBefore,
    CrashAfter,
    CrashOnTheWay,
    LostOnTheWay,
    Lie,
}

const FATES: [Fate; 8] = [
    Fate::Answered,
    Fate::LostBefore,
    Fate::LostAfter,
    Fate::CrashBefore,
    Fate::CrashAfter,
    Fate::CrashOnTheWay,
    Fate::LostOnTheWay,
    Fate::Lie,
];

type Next = (String, Result<State, Violation>);

/// Every state that may follow `state`.
pub(crate) fn successors(engine: &mut Engine, state: &State) -> Vec<Next> {
    let mut all = Vec::new();
    for who in 0..2 {
        of_the_user(state, who, &mut all);
        if let Some(request) = state.on_the_way[who] {
            let mut later = State { on_the_way: without(state.on_the_way, who), ..*state };
            all.push((format!("{who}: {request:?} is lost on its way"), Ok(later)));
            let arrived = arrive(&mut later, who, request).map(|_| later);
            all.push((format!("{who}: {request:?} arrives late"), arrived));
        }
        of_the_operator(engine, state, who, &mut all);
    }
    of_the_provider(state, &mut all);
    all
}

fn without(mut requests: [Option<Request>; 2], who: usize) -> [Option<Request>; 2] {
    requests[who] = None;
    requests
}

fn of_the_user(state: &State, who: usize, all: &mut Vec<Next>) {
    let Some(object) = state.objects[who].filter(|object| !object.deleting) else { return };
    let mut with = |name: &str, object| {
        let mut next = *state;
        next.objects[who] = object;
        if object.is_none() {
            // The garbage collector.
            next.secrets[who] = None;
        }
        all.push((format!("{who}: the user {name}"), Ok(next)));
    };
    if object.plan == 0 {
        with("changes the plan", Some(crate::state::Object { plan: 1, ..object }));
    }
    let deleted = crate::state::Object { deleting: true, ..object };
    with("deletes", Some(deleted).filter(|_| object.finalizer));
    with(
        "deletes and orphans",
        Some(crate::state::Object { orphan: true, ..deleted }).filter(|_| object.finalizer),
    );
}

fn of_the_provider(state: &State, all: &mut Vec<Next>) {
    let Some(service) = state.service else { return };
    let mut with = |name: &str, service| {
        all.push((format!("the service {name}"), Ok(State { service: Some(service), ..*state })));
    };
    if !service.running {
        with("is built", Service { running: true, ..service });
    }
    if service.password == 0 {
        with("gets a new password", Service { password: 1, ..service });
    }
}

fn of_the_operator(engine: &mut Engine, state: &State, who: usize, all: &mut Vec<Next>) {
    let operator = state.operators[who];
    let mut with = |name: String, operator: Operator| {
        let mut next = *state;
        next.operators[who] = operator;
        all.push((format!("{who}: {name}"), Ok(next)));
    };
    if operator.cache != state.objects[who] {
        with(
            "the watch delivers".to_owned(),
            Operator { cache: state.objects[who], behind: false, ..operator },
        );
    }
    // After the time that the settings give a request, none of this resource is on its way.
    if operator.requests == Requests::Possible && state.on_the_way[who].is_none() {
        with("time passes".to_owned(), Operator { requests: Requests::Over, ..operator });
    }
    let Some(reconciliation) = operator.reconciliation else {
        if let Some(object) = operator.cache.filter(|_| !operator.behind) {
            let reconciliation = Reconciliation::begins(object);
            let requests = operator.requests.seen(object);
            with(
                "begins".to_owned(),
                Operator { reconciliation: Some(reconciliation), requests, ..operator },
            );
        }
        return;
    };
    let step = engine.decide(who, state, &operator, reconciliation);
    for fate in FATES {
        if let Some(next) = take(state, who, step, fate) {
            all.push((format!("{who}: {step:?} {fate:?}"), next));
        }
    }
}

/// The state after operator `who` took `step` with `fate`; none where that cannot be.
pub(crate) fn take(state: &State, who: usize, step: Step, fate: Fate) -> Option<Result<State, Violation>> {
    let mut next = *state;
    let request = request(state, who, step);
    match fate {
        Fate::Lie if step != Step::Look || !state.may_lie => return None,
        // Either a request comes late or an answer is false: against both together no finite period helps.
        Fate::CrashOnTheWay | Fate::LostOnTheWay if state.lies => return None,
        Fate::CrashOnTheWay | Fate::LostOnTheWay => {
            next.on_the_way[who] = Some(request.filter(|_| state.on_the_way[who].is_none())?);
        }
        _ => {}
    }
    let executes = matches!(fate, Fate::Answered | Fate::LostAfter | Fate::CrashAfter | Fate::Lie);
    let mut answered = false;
    if executes {
        match perform(&mut next, who, step, fate == Fate::Lie) {
            Ok(done) => answered = done,
            Err(violation) => return Some(Err(violation)),
        }
    }
    let operator = &mut next.operators[who];
    let known = matches!(fate, Fate::Answered | Fate::Lie) && step != Step::Create;
    if request.is_some() && !known {
        operator.requests = Requests::Possible;
    }
    match fate {
        Fate::CrashBefore | Fate::CrashAfter | Fate::CrashOnTheWay => *operator = Operator::default(),
        Fate::LostBefore | Fate::LostAfter | Fate::LostOnTheWay => {
            *operator =
                Operator { reconciliation: None, requests: operator.requests, ..state.operators[who] };
        }
        Fate::Answered | Fate::Lie if !answered => operator.reconciliation = None,
        Fate::Answered | Fate::Lie => {}
    }
    Some(Ok(next))
}

fn request(state: &State, who: usize, step: Step) -> Option<Request> {
    let plan = state.operators[who].reconciliation?.object.plan;
    Some(match step {
        Step::Create => Request::Create { plan },
        Step::Update => Request::Update { plan },
        Step::Mark => Request::Mark,
        Step::Delete => Request::Delete,
        _ => return None,
    })
}

/// Carries a step out; false when it was refused.
fn perform(state: &mut State, who: usize, step: Step, lie: bool) -> Result<bool, Violation> {
    let Some(mut reconciliation) = state.operators[who].reconciliation else { return Ok(false) };
    let current = state.objects[who];
    match step {
        Step::Look => {
            look(state, who, lie);
            return Ok(true);
        }
        Step::LookAtObject => return Ok(look_at_object(state, who)),
        Step::LookAtSecret => {
            look_at_secret(state, who);
            return Ok(true);
        }
        Step::AddFinalizer { notes } => {
            let Some(object) = current.filter(|object| *object == reconciliation.object && !object.deleting)
            else {
                return Ok(false);
            };
            let noted = notes && object.record == Record::Nothing;
            let record = if noted { Record::Noted } else { object.record };
            reconciliation.object = crate::state::Object { finalizer: true, record, ..object };
            reconciliation.live = true;
            state.objects[who] = Some(reconciliation.object);
        }
        Step::Annotate => {
            let Some(object) = current else { return Ok(false) };
            reconciliation.object =
                crate::state::Object { processed: Some(reconciliation.object.plan), ..object };
            state.objects[who] = Some(reconciliation.object);
        }
        Step::Record(record) => {
            let Some(object) = current else { return Ok(false) };
            reconciliation.object = crate::state::Object { record, ..object };
            state.objects[who] = Some(reconciliation.object);
        }
        Step::WriteSecret => {
            if current.is_none() || !write_secret(state, who, &mut reconciliation) {
                return Ok(false);
            }
        }
        Step::ReleaseFinalizer => return release(state, who, reconciliation),
        Step::Requeue { ready, initialized, record } => {
            properties::may_say(reconciliation, ready, who)?;
            rest(state, who, initialized, record);
            return Ok(true);
        }
        Step::Create | Step::Update | Step::Mark | Step::Delete => return send(state, who, step),
    }
    let operator = &mut state.operators[who];
    operator.reconciliation = Some(reconciliation);
    operator.behind |= operator.cache != Some(reconciliation.object);
    Ok(true)
}

/// Writes the status at the end of a reconciliation.
fn rest(state: &mut State, who: usize, initialized: bool, record: Record) {
    let operator = &mut state.operators[who];
    if let Some(object) = &mut state.objects[who] {
        let record = if record == Record::Nothing { object.record } else { record };
        operator.behind |= (initialized && !object.initialized) || record != object.record;
        object.initialized |= initialized;
        object.record = record;
    }
    operator.reconciliation = None;
    if operator.absent == Absent::Since {
        operator.absent = Absent::ForAWhile;
    }
}

/// Creates the Secret, or patches the version that was seen; false when there is another.
fn write_secret(state: &mut State, who: usize, reconciliation: &mut Reconciliation) -> bool {
    let Remote::Present(service) = reconciliation.remote else { return false };
    match (reconciliation.secret, state.secrets[who]) {
        (SecretSeen::Holds(seen), held) if held != Some(seen) => return false,
        (SecretSeen::Unknown | SecretSeen::Absent | SecretSeen::Exists, Some(_)) => {
            reconciliation.secret = SecretSeen::Exists;
        }
        _ => {
            state.secrets[who] = Some(service.password);
            reconciliation.secret = SecretSeen::Holds(service.password);
        }
    }
    true
}

fn look(state: &mut State, who: usize, lie: bool) {
    let service = state.service;
    let late = state.operators[who].requests == Requests::Possible;
    let Some(reconciliation) = &mut state.operators[who].reconciliation else { return };
    reconciliation.late = late;
    match service.filter(|_| !lie) {
        None => {
            reconciliation.remote = Remote::Absent;
            state.operators[who].saw_nothing();
        }
        Some(service) => {
            saw(reconciliation, service);
            state.operators[who].absent = Absent::No;
        }
    }
    state.may_lie &= !lie;
}

fn look_at_object(state: &mut State, who: usize) -> bool {
    let Some(object) = state.objects[who] else { return false };
    let operator = &mut state.operators[who];
    let Some(reconciliation) = &mut operator.reconciliation else { return false };
    reconciliation.object = object;
    reconciliation.live = true;
    operator.behind |= operator.cache != Some(object);
    true
}

fn look_at_secret(state: &mut State, who: usize) {
    if let Some(reconciliation) = &mut state.operators[who].reconciliation {
        reconciliation.secret = state.secrets[who].map_or(SecretSeen::Absent, SecretSeen::Holds);
    }
}

fn saw(reconciliation: &mut Reconciliation, service: Service) {
    reconciliation.remote = Remote::Present(service);
    reconciliation.secret = SecretSeen::Unknown;
}

fn release(state: &mut State, who: usize, reconciliation: Reconciliation) -> Result<bool, Violation> {
    match state.objects[who] {
        Some(object) if object == reconciliation.object => {
            properties::may_go(state, who, object)?;
            state.objects[who] = None;
            state.orphaned[who] = object.orphan;
            state.secrets[who] = None;
            state.operators[who] = Operator { cache: state.operators[who].cache, ..Operator::default() };
            Ok(true)
        }
        Some(_) => Ok(false),
        None => {
            state.operators[who] = Operator { cache: state.operators[who].cache, ..Operator::default() };
            Ok(true)
        }
    }
}

fn send(state: &mut State, who: usize, step: Step) -> Result<bool, Violation> {
    let Some(request) = request(state, who, step) else { return Ok(false) };
    let accepted = arrive(state, who, request)?;
    let service = state.service;
    let operator = &mut state.operators[who];
    let Some(reconciliation) = &mut operator.reconciliation else { return Ok(false) };
    match request {
        Request::Delete => {
            reconciliation.remote = Remote::Unknown;
            if accepted {
                operator.deletion_requested = true;
            } else {
                operator.saw_nothing();
            }
            return Ok(true);
        }
        Request::Update { plan } if accepted => operator.sent = Some(plan),
        _ => {}
    }
    if let (true, Some(service)) = (accepted, service) {
        saw(reconciliation, service);
        operator.absent = Absent::No;
    }
    Ok(accepted)
}

/// A request reaches the provider; false when it is refused.
fn arrive(state: &mut State, who: usize, request: Request) -> Result<bool, Violation> {
    properties::may_arrive(state, who, request)?;
    match (request, &mut state.service) {
        (Request::Create { plan }, None) => {
            state.service = Some(Service { owner: Some(who), plan, running: false, password: 0 });
            state.created[who] += 1;
        }
        (Request::Update { plan }, Some(service)) => {
            service.running &= service.plan == plan;
            service.plan = plan;
        }
        (Request::Mark, Some(service)) => service.owner = Some(who),
        (Request::Delete, Some(_)) => state.service = None,
        _ => return Ok(false),
    }
    Ok(true)
}
