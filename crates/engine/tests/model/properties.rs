//! What is promised, in every state and on every way.

use crate::{
    bridge::{Engine, Step},
    moves::{Fate, Violation, take},
    state::{Object, Operator, Reconciliation, Remote, Request, Requests, SecretSeen, Service, State},
};

fn must(holds: bool, rule: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(rule.to_owned())) }
}

/// Whether this request may reach the provider now, however late.
pub(crate) fn may_arrive(state: &State, who: usize, request: Request) -> Result<(), Violation> {
    let held = state.orphaned[who] || state.objects[who].is_some_and(|object| object.finalizer);
    let owner = state.service.map(|service| service.owner);
    let own = owner == Some(Some(who));
    match request {
        Request::Create { .. } if state.service.is_none() => {
            must(held, "a service is created that no finalizer holds")?;
            // What arrives during the deletion is deleted as well.
            let goes = state.objects[who].is_some_and(|object| object.deleting);
            must(goes || state.created[who] == 0, "a service is created twice for one resource")
        }
        Request::Create { .. } => Ok(()),
        Request::Update { .. } => must(own || owner.is_none(), "a foreign service is changed"),
        Request::Mark => must(
            own || owner.is_none() || (state.adoption && owner == Some(None)),
            "a service is taken from its owner",
        ),
        Request::Delete => {
            must(own || owner.is_none(), "a foreign service is deleted")?;
            let asked = state.objects[who].is_none_or(|object| object.deleting && !object.orphan);
            must(asked, "a service is deleted without a request")
        }
    }
}

/// Whether the resource may be released.
pub(crate) fn may_go(state: &State, who: usize, object: Object) -> Result<(), Violation> {
    must(object.deleting, "a resource loses its finalizer without a deletion")?;
    // A mark that arrives late on a service which this resource did not make is no loss.
    let owned = state.created[who] > 0 && state.service.is_some_and(|service| service.owner == Some(who));
    must(object.orphan || !owned, "a service is left without an owner")?;
    let creating = matches!(state.on_the_way[who], Some(Request::Create { .. }));
    must(
        object.orphan || !creating || state.service.is_some(),
        "a service without an owner may still be created",
    )
}

/// Whether this report about the resource is allowed.
pub(crate) fn may_say(reconciliation: Reconciliation, ready: bool, who: usize) -> Result<(), Violation> {
    if !ready {
        return Ok(());
    }
    let Remote::Present(Service { owner, running, password, .. }) = reconciliation.remote else {
        return must(false, "ready without a service");
    };
    must(owner == Some(who), "ready with a foreign service")?;
    must(running, "ready while the service is not running")?;
    must(reconciliation.secret == SecretSeen::Holds(password), "ready while the Secret is not true")
}

/// Once faults and changes have ended, every resource reaches its desired state, and then nothing is written.
pub(crate) fn comes_to_its_end(engine: &mut Engine, mut state: State) -> Result<(), Violation> {
    state.on_the_way = [None, None];
    for who in 0..2 {
        // A reconciliation in progress fails; the in-memory state stays.
        state.operators[who] = Operator { reconciliation: None, ..state.operators[who] };
        // A deletion that was requested long ago is requested again.
        state.operators[who].deletion_requested = false;
        // An update that a late one has undone is reported as `NotApplied` until a user edits the spec.
        state.operators[who].sent = None;
    }
    let mut writes = 0;
    for _ in 0..8 {
        writes = 0;
        for who in 0..2 {
            writes += reconciliation(engine, &mut state, who)?;
            if let Some(service) = &mut state.service {
                service.running = true;
            }
        }
    }
    must(writes == 0, "it is written on and on")?;
    for who in 0..2 {
        let owned = state.service.is_some_and(|service| service.owner == Some(who));
        match state.objects[who] {
            None => {}
            Some(object) if object.deleting => must(false, "a deleted resource stays forever")?,
            Some(object) if owned => {
                let service = state.service.unwrap();
                must(service.plan == object.plan, "the plan is not what the spec says")?;
                must(state.secrets[who] == Some(service.password), "the Secret is not true")?;
            }
            Some(object) => {
                let taken = state.service.is_some() || object.initialized;
                must(taken, "a resource never gets its service")?;
            }
        }
    }
    Ok(())
}

/// One reconciliation without faults; returns how much it wrote.
fn reconciliation(engine: &mut Engine, state: &mut State, who: usize) -> Result<usize, Violation> {
    state.operators[who].cache = state.objects[who];
    let Some(object) = state.objects[who] else { return Ok(0) };
    state.operators[who].reconciliation = Some(Reconciliation::begins(object));
    state.operators[who].requests = Requests::Over;
    let mut writes = 0;
    for _ in 0..16 {
        let operator = state.operators[who];
        let Some(now) = operator.reconciliation else { return Ok(writes) };
        let step = engine.decide(who, state, &operator, now);
        writes += usize::from(!matches!(
            step,
            Step::Look | Step::LookAtObject | Step::LookAtSecret | Step::Requeue { .. }
        ));
        let next = take(state, who, step, Fate::Answered);
        *state = next.ok_or(Violation(format!("{step:?} is not possible")))??;
    }
    must(false, "a reconciliation that does not end")?;
    Ok(writes)
}
