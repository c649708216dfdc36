//! What is recorded of a run, and the rules by which it is judged: those of the history checker for G1 and G2, and
//! one for G6. They know servers, clients and the Lease, and nothing of the protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use valkeeper_failover::{Identity, Term};
use valkeeper_testbed::history::{
    Claim, Content, Disturbance, History, Moment, Outcome, Promise, Promises, Reign, Structure, Write, judge,
};

const KEY: &str = "set";

/// Everything that was recorded.
#[derive(Default)]
pub(crate) struct Record {
    writes: Vec<Write>,
    claims: Vec<Claim>,
    pub(crate) disturbances: Vec<Disturbance>,
    /// Which life of which instance a server belongs to, and when the server was started.
    servers: BTreeMap<u64, (String, Moment)>,
}

/// How a run ended.
pub(crate) struct Outcomes {
    /// Broken rules, with what shows them.
    pub(crate) broken: Vec<String>,
    pub(crate) acknowledged: usize,
    pub(crate) reigns: usize,
    pub(crate) lost: usize,
}

pub(crate) fn moment(time: Duration) -> Moment {
    Moment(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

impl Record {
    pub(crate) fn claim(&mut self, now: Duration, holder: &Identity, term: Term) {
        let instance = holder.to_string();
        let known = self.claims.last();
        if known.is_none_or(|known| known.instance != instance || known.term != term.0) {
            self.claims.push(Claim { instance, term: term.0, at: moment(now) });
        }
    }

    pub(crate) fn started(&mut self, now: Duration, server: u64, instance: &Identity) {
        self.servers.insert(server, (instance.to_string(), moment(now)));
    }

    pub(crate) fn disturbed(&mut self, what: String, from: Duration, until: Duration) {
        let until = Some(moment(until));
        self.disturbances.push(Disturbance { what, from: moment(from), until, planned: false });
    }

    /// A client sends a write; its number.
    pub(crate) fn invoked(&mut self, now: Duration, client: u64) -> usize {
        let value = u64::try_from(self.writes.len()).unwrap_or(u64::MAX) + 1;
        let (key, structure) = (KEY.to_owned(), Structure::Set);
        let invoked = moment(now);
        self.writes.push(Write { client, key, structure, value, invoked, outcome: Outcome::Unknown });
        self.writes.len() - 1
    }

    pub(crate) fn value(&self, write: usize) -> u64 {
        self.writes[write].value
    }

    pub(crate) fn acknowledged(&mut self, now: Duration, write: usize, server: u64, history: u64) {
        let reign = Reign { server: server.to_string(), replication: history.to_string() };
        self.writes[write].outcome = Outcome::Acknowledged { at: moment(now), reign, replicas: None };
    }

    pub(crate) fn refused(&mut self, write: usize) {
        self.writes[write].outcome = Outcome::Refused;
    }

    /// Judges the run, after which the primary held this data.
    pub(crate) fn judge(&self, data: BTreeSet<u64>) -> Outcomes {
        let history = History {
            writes: self.writes.clone(),
            claims: self.claims.clone(),
            disturbances: self.disturbances.clone(),
            contents: BTreeMap::from([(KEY.to_owned(), Content::Set(data))]),
        };
        let promises = Promises { confirmed_by: None, ..Promises::default() };
        let verdict = judge(&history, &promises);
        let judged = [Promise::Faithful, Promise::OneHolder, Promise::OneSide];
        let broken = verdict.broken.iter().filter(|broken| judged.contains(&broken.promise));
        let mut broken: Vec<String> = broken.map(ToString::to_string).collect();
        broken.extend(self.served_at_boot());
        let (acknowledged, reigns, lost) = (verdict.acknowledged, verdict.reigns, verdict.lost);
        Outcomes { broken, acknowledged, reigns, lost }
    }

    /// G6: a server acknowledges nothing until its instance has claimed a term after the server was started.
    fn served_at_boot(&self) -> Option<String> {
        self.writes.iter().find_map(|write| {
            let (at, reign) = write.acknowledged()?;
            let (instance, started) = self.servers.get(&reign.server.parse().ok()?)?;
            let mut claims = self.claims.iter().filter(|claim| claim.instance == *instance);
            let claimed = claims.any(|claim| *started <= claim.at && claim.at <= at);
            (!claimed).then(|| format!("G6 is broken: {write}, started {started}, without a term"))
        })
    }
}
