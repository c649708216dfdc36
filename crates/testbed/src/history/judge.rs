//! The judge: from a history to the promises that it breaks. Pure and total.
//!
//! A write took effect at some moment between its invocation and its acknowledgment; nothing else is assumed of
//! clocks. Each rule below accuses only if every such choice of moments breaks the promise.

use super::counterexample::Counterexample;
use super::promises::{Broken, Promise, Promises, Verdict};
use super::record::{Content, Disturbance, History, Outcome, Write};
use super::reigns::{Reigned, View};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Judges a history.
pub fn judge(history: &History, promises: &Promises) -> Verdict {
    let view = View::of(history);
    let mut broken = vec![faithful(history), one_holder(history), one_side(&view)];
    broken.push(promises.confirmed_by.and_then(|replicas| confirmed(&view, replicas)));
    broken.extend(losses(&view, promises));
    Verdict {
        broken: broken.into_iter().flatten().collect(),
        acknowledged: history.writes.iter().filter(|write| write.acknowledged().is_some()).count(),
        lost: view.lost.len(),
        reigns: view.reigns.len(),
    }
}

/// The witnesses against one promise; the shortest is kept.
struct Case {
    promise: Promise,
    count: usize,
    shortest: Option<(String, Counterexample)>,
}

impl Case {
    fn against(promise: Promise) -> Self {
        Self { promise, count: 0, shortest: None }
    }

    fn accuse(&mut self, what: &str, counterexample: Counterexample) {
        self.count += 1;
        if self.shortest.as_ref().is_none_or(|(_, known)| counterexample.len() < known.len()) {
            self.shortest = Some((what.to_owned(), counterexample));
        }
    }

    fn close(self) -> Option<Broken> {
        let Self { promise, count, shortest } = self;
        shortest.map(|(what, counterexample)| Broken { promise, what, count, counterexample })
    }
}

/// What is there was written, once, not refused, and in order.
fn faithful(history: &History) -> Option<Broken> {
    let mut case = Case::against(Promise::Faithful);
    let mut known: HashMap<(&str, u64), usize> = HashMap::new();
    for (number, write) in history.writes.iter().enumerate() {
        known.insert((&write.key, write.value), number);
    }
    for (key, content) in &history.contents {
        let mut latest: Option<usize> = None;
        let mut seen = std::collections::HashSet::new();
        for value in content.values() {
            let Some(number) = known.get(&(key.as_str(), value)).copied() else {
                let found = Counterexample::unexplained(key, content.clone());
                case.accuse(&format!("{key} holds {value}, which nobody wrote"), found);
                continue;
            };
            let of = |writes: &[usize]| Counterexample::of(history, writes, &[], &[]);
            let write = &history.writes[number];
            if write.outcome == Outcome::Refused {
                case.accuse("a refused write is there", of(&[number]));
            }
            if !matches!(content, Content::List(_)) {
                continue;
            }
            if !seen.insert(value) {
                case.accuse("an appended value is there twice", of(&[number]));
            }
            let before = latest.filter(|before| is_after(&history.writes[*before], write));
            if let Some(before) = before {
                case.accuse("a list is not in the order of its writes", of(&[before, number]));
            }
            if latest.is_none_or(|latest| history.writes[latest].invoked < write.invoked) {
                latest = Some(number);
            }
        }
    }
    case.close()
}

/// Whether a write was sent after another one had been acknowledged.
fn is_after(write: &Write, earlier: &Write) -> bool {
    earlier.acknowledged().is_some_and(|(at, _)| at < write.invoked)
}

/// No term has two holders.
fn one_holder(history: &History) -> Option<Broken> {
    let mut case = Case::against(Promise::OneHolder);
    let mut holders: BTreeMap<u64, usize> = BTreeMap::new();
    for (number, claim) in history.claims.iter().enumerate() {
        let first = *holders.entry(claim.term).or_insert(number);
        if history.claims[first].instance != claim.instance {
            let found = Counterexample::of(history, &[], &[first, number], &[]);
            case.accuse("two instances hold one term", found);
        }
    }
    case.close()
}

/// Of two reigns, one ends before the other one begins.
fn one_side(view: &View<'_>) -> Option<Broken> {
    let mut case = Case::against(Promise::OneSide);
    for (number, first) in view.reigns.iter().enumerate() {
        for second in &view.reigns[number + 1..] {
            if let Some(writes) = overlap(view, first, second) {
                let found = Counterexample::of(view.history, &writes, &[], &[]);
                case.accuse("two sides acknowledge writes at once", found);
            }
        }
    }
    case.close()
}

/// Writes that show that neither reign ended before the other one began.
fn overlap(view: &View<'_>, first: &Reigned, second: &Reigned) -> Option<Vec<usize>> {
    let goes_on = |one: &Reigned, other: &Reigned| view.write(one.latest).invoked > view.at(other.earliest);
    if !goes_on(first, second) || !goes_on(second, first) {
        return None;
    }
    let between = |inner: &Reigned, outer: &Reigned| {
        let (begin, end) = (view.at(outer.earliest), view.write(outer.latest).invoked);
        let is_between = |write: &usize| view.write(*write).invoked > begin && view.at(*write) < end;
        inner.writes.iter().copied().find(is_between).map(|write| vec![outer.earliest, write, outer.latest])
    };
    let three = between(first, second).or_else(|| between(second, first));
    Some(three.unwrap_or_else(|| vec![first.earliest, first.latest, second.earliest, second.latest]))
}

/// No write that enough replicas confirmed is lost.
fn confirmed(view: &View<'_>, replicas: u64) -> Option<Broken> {
    let mut case = Case::against(Promise::Confirmed);
    for lost in view.lost.iter().filter(|lost| view.write(**lost).replicas() >= replicas.max(1)) {
        let what = format!("a write that {replicas} replicas confirmed is lost");
        case.accuse(&what, evidence(view, *lost, &[], &[]));
    }
    case.close()
}

/// A lost write with what is there in its place, and more.
fn evidence(view: &View<'_>, lost: usize, more: &[usize], causes: &[usize]) -> Counterexample {
    let instead = view.instead_of(lost);
    let writes: Vec<usize> = [lost].into_iter().chain(instead).chain(more.iter().copied()).collect();
    Counterexample::of(view.history, &writes, &[], causes)
}

/// Losses without a fault, and those that are more than the last lag.
fn losses(view: &View<'_>, promises: &Promises) -> [Option<Broken>; 2] {
    let mut planned = Case::against(Promise::Planned);
    let mut last = Case::against(Promise::LastLag);
    for (number, reign) in view.reigns.iter().enumerate() {
        let end = view.reigns.get(number + 1).map_or(u64::MAX, |next| view.at(next.earliest).0);
        let survivors = reign.writes.iter().copied().filter(|write| view.is_present(view.write(*write)));
        let survivor = survivors.max_by_key(|write| view.write(*write).invoked);
        for lost in reign.writes.iter().copied().filter(|write| view.lost.binary_search(write).is_ok()) {
            if let Some(later) = survivor.filter(|later| is_after(view.write(*later), view.write(lost))) {
                let what = "a write is lost, and a later one of the same primary is not";
                last.accuse(what, evidence(view, lost, &[later], &[]));
            }
            match excuse(view, lost, (reign.earliest, end), promises) {
                Excuse::Fault => {}
                Excuse::NotThis(fault) => {
                    let what = "an unplanned failover loses more than the last lag";
                    // That the reign goes back to the fault is to be seen, too.
                    let is_over = view.history.disturbances[fault].until.is_some();
                    let earliest = is_over.then_some(reign.earliest).filter(|earliest| *earliest != lost);
                    last.accuse(what, evidence(view, lost, earliest.as_slice(), &[fault]));
                }
                Excuse::None => {
                    let what = "an acknowledged write is lost, and no fault explains it";
                    planned.accuse(what, evidence(view, lost, &[], &[]));
                }
            }
        }
    }
    [planned.close(), last.close()]
}

/// Whether a fault explains a loss.
enum Excuse {
    /// It does.
    Fault,
    /// There is one, which does not explain this loss.
    NotThis(usize),
    /// There is none.
    None,
}

/// `reign`: its first write, and when the next one had begun at the latest.
fn excuse(view: &View<'_>, lost: usize, (first, end): (usize, u64), promises: &Promises) -> Excuse {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (lag, cut_off) = (micros(promises.lag), micros(promises.cut_off));
    let (invoked, at) = (view.write(lost).invoked.0, view.at(lost).0);
    let healed = |fault: &Disturbance| fault.until.map(|until| until.0);
    let faults = view.history.disturbances.iter().enumerate().filter(|(_, fault)| {
        let over = healed(fault).map_or(u64::MAX, |until| until.saturating_add(lag));
        !fault.planned && fault.from.0 <= end && view.write(first).invoked.0 <= over
    });
    let mut nearest = None;
    for (number, fault) in faults {
        let unsent =
            at >= fault.from.0.saturating_sub(lag) && invoked <= fault.from.0.saturating_add(cut_off);
        // Writes of a resumed process before it reads the clock.
        let resumed =
            healed(fault).is_some_and(|until| until <= invoked && invoked <= until.saturating_add(lag));
        if unsent || resumed {
            return Excuse::Fault;
        }
        nearest = Some(number);
    }
    nearest.map_or(Excuse::None, Excuse::NotThis)
}
