//! Where every way through the world of token Secrets leads once nothing goes wrong any more, and how a state was
//! reached.

use super::{Answers, Fate, State, begin, bridge::decide, perform};
use std::collections::HashMap;

/// A shortest way to a state.
pub(super) fn way(known: &HashMap<State, Option<State>>, end: State) -> String {
    let states = std::iter::successors(Some(end), |state| known[state]);
    let mut lines: Vec<_> = states.map(|state| format!("{state:?}")).collect();
    lines.reverse();
    lines.join("\n")
}

/// Without more faults and edits the resource rests, and only what it needs is held.
pub(super) fn comes_to_its_end(answers: &mut Answers, from: State) -> Result<(), &'static str> {
    let must = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let mut state = State { reconciliation: None, ..from };
    for _ in 0..4 {
        let Some(mut now) = begin(state) else { break };
        for steps in 0.. {
            let Some(reconciliation) = now.reconciliation else { break };
            must(steps < 16, "a reconciliation that does not end")?;
            let step = decide(answers, reconciliation, now.tokens);
            now = perform(now, reconciliation, step, Fate::Answered);
        }
        state = now;
    }
    let held = [0, 1].map(|index| state.tokens[index].exists && state.tokens[index].held);
    let Some(object) = state.object else {
        return must(held == [false, false], "a token is protected forever");
    };
    let token = state.tokens[object.names];
    must(!object.deleting || !token.exists, "a deleted resource with a token stays")?;
    if token.exists && object.finalizer && !token.deleting {
        must(state.service && held[object.names], "it has no service, or may lose its token")?;
        must(!held[1 - object.names], "an unneeded token is protected")?;
    }
    Ok(())
}
