//! Schedules: faults by the time at which they happen, one a line, so that a run can be written down and played
//! again. A line may also arm the plan of faults at the calls of an operator ([`crate::faults`]).
//!
//! ```text
//! # time since the beginning, and what happens then
//! 500ms freeze pod default/a
//! 2s calls read-lag=3s,12:500
//! 4s thaw pod default/a
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::faults::{Lasting, NodeFault, PodName};
use crate::faults::Schedule as Calls;

/// What happens at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// To nodes, pods, and what they need.
    Node(NodeFault),
    /// To the calls of an operator, counted from then on.
    Calls(Calls),
}

/// Events by their time, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSchedule(Vec<(Duration, Event)>);

/// What random faults may happen to.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Pods with one server each.
    pub pods: Vec<PodName>,
    /// Nodes.
    pub nodes: Vec<String>,
    /// Claims.
    pub claims: Vec<PodName>,
}

impl NodeSchedule {
    /// These events, in the order of their times.
    pub fn new(mut events: Vec<(Duration, Event)>) -> Self {
        events.sort_by_key(|(time, _)| *time);
        Self(events)
    }

    /// The events.
    pub fn events(&self) -> &[(Duration, Event)] {
        &self.0
    }

    /// So many faults within a time, the same for each seed; `can` chooses among faults. Each that lasts is ended
    /// within that time.
    pub fn random(
        seed: u64,
        count: usize,
        length: Duration,
        targets: &Targets,
        can: impl Fn(&NodeFault) -> bool,
    ) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let (mut events, mut known) = (Vec::new(), Vec::new());
        let all: Vec<NodeFault> = targets.faults().into_iter().filter(can).collect();
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(2);
        for _ in 0..count {
            // One that lasts must not begin twice.
            let free: Vec<&NodeFault> = all.iter().filter(|fault| !known.contains(*fault)).collect();
            let Some(fault) = free.choose(&mut random).copied() else { break };
            let from = random.random_range(0..millis - 1);
            events.push((Duration::from_millis(from), Event::Node(fault.clone())));
            if let Some(end) = fault.healed_by() {
                known.push(fault.clone());
                let until = random.random_range(from + 1..millis);
                events.push((Duration::from_millis(until), Event::Node(end)));
            }
        }
        Self::new(events)
    }
}

impl Targets {
    /// Every fault once for each target, and for each pair of pods.
    pub fn faults(&self) -> Vec<NodeFault> {
        use Lasting::{
            ApiOutage, ApiSlow, ClockShift, Delay, DiskFull, FreezeManager, FreezeServer, Loss, SlowVolumes,
            Split, SplitFromApi, SplitFromPeers,
        };
        let delay = Duration::from_millis(200);
        let mut all = vec![NodeFault::Begin(ApiOutage), NodeFault::Begin(ApiSlow(delay))];
        for pod in &self.pods {
            let of = |make: fn(PodName) -> NodeFault| make(pod.clone());
            all.extend([of(NodeFault::Kill), of(NodeFault::KillManager), of(NodeFault::KillServer)]);
            all.extend([of(NodeFault::Freeze), of(NodeFault::CutOutside)]);
            let lasting =
                [FreezeManager, FreezeServer, SplitFromPeers, SplitFromApi].map(|make| make(pod.clone()));
            all.extend(lasting.map(NodeFault::Begin));
            all.push(NodeFault::Begin(SlowVolumes(pod.clone(), delay)));
            all.push(NodeFault::Begin(ClockShift(pod.clone(), 3_600)));
            for other in self.pods.iter().filter(|other| *other != pod) {
                let (from, to) = (pod.clone(), other.clone());
                all.push(NodeFault::Cut(from.clone(), to.clone()));
                all.push(NodeFault::Begin(Delay(from.clone(), to.clone(), delay)));
                all.push(NodeFault::Begin(Loss(from.clone(), to.clone(), 30)));
                if pod < other {
                    all.push(NodeFault::Begin(Split(from, to)));
                }
            }
        }
        all.extend(self.nodes.iter().cloned().map(NodeFault::Vanish));
        all.extend(self.claims.iter().cloned().map(|claim| NodeFault::Begin(DiskFull(claim))));
        all
    }
}

impl fmt::Display for NodeSchedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (time, event) in &self.0 {
            let time = humantime::format_duration(*time).to_string().replace(' ', "");
            match event {
                Event::Node(fault) => writeln!(formatter, "{time} {fault}")?,
                Event::Calls(calls) => writeln!(formatter, "{time} calls {calls}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for NodeSchedule {
    type Err = String;

    /// Reads the lines that `Display` writes; empty ones and those that begin with `#` are skipped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let events: Result<Vec<_>, String> = lines
            .map(|(number, line)| event(line).map_err(|error| format!("line {}: {error}", number + 1)))
            .collect();
        events.map(Self::new)
    }
}

fn event(line: &str) -> Result<(Duration, Event), String> {
    let (time, rest) = line.split_once(' ').ok_or("a line is a time and a fault")?;
    let time = humantime::parse_duration(time).map_err(|error| format!("{time:?}: {error}"))?;
    let rest = rest.trim();
    match rest.strip_prefix("calls ") {
        Some(calls) => Ok((time, Event::Calls(Calls::parse(calls)?))),
        None => Ok((time, Event::Node(rest.parse()?))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = PodName> {
        ("[a-z]{1,4}", "[a-z]([a-z0-9-]{0,4}[a-z0-9])?")
            .prop_map(|(namespace, name)| PodName { namespace, name })
    }

    fn time() -> impl Strategy<Value = Duration> {
        (0..100_000_u64).prop_map(Duration::from_millis)
    }

    fn lasting() -> impl Strategy<Value = Lasting> {
        let pair = || (name(), name());
        prop_oneof![
            name().prop_map(Lasting::FreezeManager),
            name().prop_map(Lasting::FreezeServer),
            pair().prop_map(|(one, other)| Lasting::Split(one, other)),
            name().prop_map(Lasting::SplitFromPeers),
            name().prop_map(Lasting::SplitFromApi),
            (name(), name(), time()).prop_map(|(from, to, by)| Lasting::Delay(from, to, by)),
            (name(), name(), 1..=100_u8).prop_map(|(from, to, share)| Lasting::Loss(from, to, share)),
            name().prop_map(Lasting::DiskFull),
            (name(), time()).prop_map(|(pod, by)| Lasting::SlowVolumes(pod, by)),
            (name(), any::<i32>()).prop_map(|(pod, by)| Lasting::ClockShift(pod, by.into())),
            "[a-z]{1,4}/[a-z]{1,4}:[0-9]".prop_map(Lasting::MissingImage),
            Just(Lasting::ApiOutage),
            time().prop_map(Lasting::ApiSlow),
            Just(Lasting::StaleDns),
        ]
    }

    fn fault() -> impl Strategy<Value = NodeFault> {
        let pair = || (name(), name());
        prop_oneof![
            name().prop_map(NodeFault::Kill),
            name().prop_map(NodeFault::KillManager),
            name().prop_map(NodeFault::KillServer),
            name().prop_map(NodeFault::Freeze),
            name().prop_map(NodeFault::Thaw),
            "node-[0-9]".prop_map(NodeFault::Vanish),
            "node-[0-9]".prop_map(NodeFault::Return),
            pair().prop_map(|(from, to)| NodeFault::Cut(from, to)),
            pair().prop_map(|(from, to)| NodeFault::Join(from, to)),
            name().prop_map(NodeFault::CutOutside),
            name().prop_map(NodeFault::JoinOutside),
            lasting().prop_map(NodeFault::Begin),
            lasting().prop_map(NodeFault::End),
        ]
    }

    fn calls() -> impl Strategy<Value = Calls> {
        prop::sample::select(vec!["12:500", "read-lag=3s,e0:Hang", "7:404Page*12", "watch-lag=1s"])
            .prop_map(|text| Calls::parse(text).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn schedule_reads_back_as_it_prints(
            faults in prop::collection::vec((time(), fault()), 0..6),
            calls in prop::collection::vec((time(), calls()), 0..2),
        ) {
            let calls = calls.into_iter().map(|(time, calls)| (time, Event::Calls(calls)));
            let events = faults.into_iter().map(|(time, fault)| (time, Event::Node(fault))).chain(calls);
            let schedule = NodeSchedule::new(events.collect());
            prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }

        #[test]
        fn random_schedule_is_that_of_its_seed_and_heals(seed in any::<u64>(), count in 0..20_usize) {
            let pod = |name: &str| PodName { namespace: "default".to_owned(), name: name.to_owned() };
            let targets = Targets {
                pods: vec![pod("a"), pod("b"), pod("c")],
                nodes: vec!["node-1".to_owned()],
                claims: vec![pod("data")],
            };
            let length = Duration::from_secs(30);
            let make = || NodeSchedule::random(seed, count, length, &targets, |_| true);
            let schedule = make();
            prop_assert_eq!(&schedule, &make());
            let mut begun: Vec<NodeFault> = Vec::new();
            for (time, event) in schedule.events() {
                prop_assert!(*time < length);
                let Event::Node(fault) = event else { continue };
                if fault.heals() {
                    let place = begun.iter().position(|known| known.healed_by().as_ref() == Some(fault));
                    begun.remove(place.expect("ended before it began"));
                } else if fault.healed_by().is_some() {
                    prop_assert!(!begun.contains(fault));
                    begun.push(fault.clone());
                }
            }
            prop_assert_eq!(begun, Vec::<NodeFault>::new());
        }
    }

    #[test]
    fn wrong_lines_are_named() {
        for wrong in [
            "500ms",
            "soon kill pod default/a",
            "1s kill pod a",
            "1s kill node a",
            "1s vanish",
            "1s lose 0% of a/b to a/c",
            "1s lose 101% of a/b to a/c",
            "1s shift clock of a/b by 1h",
            "1s end",
            "1s end kill pod a/b",
            "1s calls 1:Nothing",
            "1s freeze pod /a",
            "1s freeze pod a/b/c",
        ] {
            let error = format!("# first\n{wrong}").parse::<NodeSchedule>().unwrap_err();
            assert!(error.starts_with("line 2: "), "{wrong}: {error}");
        }
        let read: NodeSchedule = "\n# nothing\n 2s kill pod a/b \n 1s  freeze dns\n".parse().unwrap();
        assert_eq!(read.to_string(), "1s freeze dns\n2s kill pod a/b\n");
    }
}
