//! The judge against histories made by hand, and against generated ones that keep or break a promise.

mod generated;
mod tables;

use super::{Claim, Content, Disturbance, History, Moment, Outcome, Promises, Reign, Structure, Write};
use std::time::Duration;

/// W = 1, a lag of 100 and a deadline of 1 000 microseconds.
fn promises() -> Promises {
    Promises { confirmed_by: Some(1), lag: Duration::from_micros(100), cut_off: Duration::from_millis(1) }
}

fn reign(name: &str) -> Reign {
    Reign { server: name.to_owned(), replication: format!("history of {name}") }
}

fn structure(key: &str) -> Structure {
    match key.split_once(':').map_or(key, |(kind, _)| kind) {
        "register" => Structure::Register,
        "set" => Structure::Set,
        _ => Structure::List,
    }
}

impl History {
    fn write(&mut self, key: &str, value: u64, invoked: u64, outcome: Outcome) -> &mut Self {
        let (key, structure) = (key.to_owned(), structure(key));
        self.writes.push(Write { client: 0, key, structure, value, invoked: Moment(invoked), outcome });
        self
    }

    fn ack(&mut self, key: &str, value: u64, time: (u64, u64), by: &str, replicas: u64) -> &mut Self {
        let replicas = (replicas > 0).then_some(replicas);
        let outcome = Outcome::Acknowledged { at: Moment(time.1), reign: reign(by), replicas };
        self.write(key, value, time.0, outcome)
    }

    fn claim(&mut self, instance: &str, term: u64, at: u64) -> &mut Self {
        self.claims.push(Claim { instance: instance.to_owned(), term, at: Moment(at) });
        self
    }

    fn disturbed(&mut self, from: u64, until: Option<u64>, planned: bool) -> &mut Self {
        let what = "kill pod default/a".to_owned();
        self.disturbances.push(Disturbance { what, from: Moment(from), until: until.map(Moment), planned });
        self
    }

    fn holds(&mut self, key: &str, values: &[u64]) -> &mut Self {
        let content = match structure(key) {
            Structure::Register => Content::Register(values.first().copied()),
            Structure::Set => Content::Set(values.iter().copied().collect()),
            Structure::List => Content::List(values.to_vec()),
        };
        self.contents.insert(key.to_owned(), content);
        self
    }
}
