//! A project and what it holds besides its services: VPCs, events, alerts, integrations.
//! Guarantees that the event list stays bounded.

use super::clock::{Moment, microseconds, seconds};
use super::service::{Integration, Service};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Events a project keeps.
const EVENTS_KEPT: usize = 1_000;

/// Actor of all automatic changes by the platform.
pub(super) const AUTOMATION: &str = "Aiven Automation";

/// A project.
#[derive(Default)]
pub(super) struct Project {
    pub(super) services: BTreeMap<String, Arc<Service>>,
    pub(super) vpcs: BTreeMap<String, Vpc>,
    pub(super) integrations: BTreeMap<String, Arc<Integration>>,
    pub(super) alerts: Vec<Value>,
    pub(super) tags: BTreeMap<String, String>,
    events: VecDeque<Event>,
    events_recorded: u64,
}

struct Event {
    id: u64,
    time: Moment,
    actor: String,
    kind: &'static str,
    service: String,
    description: String,
}

impl Project {
    pub(super) fn record(
        &mut self,
        time: Moment,
        actor: &str,
        kind: &'static str,
        service: &str,
        description: String,
    ) {
        self.events_recorded += 1;
        self.events.push_front(Event {
            id: self.events_recorded,
            time,
            actor: actor.to_owned(),
            kind,
            service: service.to_owned(),
            description,
        });
        self.events.truncate(EVENTS_KEPT);
    }

    /// Events in wire format, newest first.
    pub(super) fn events(&self, limit: usize) -> Vec<Value> {
        let shown = |event: &Event| {
            json!({
                "actor": event.actor, "event_desc": event.description, "event_type": event.kind,
                "id": event.id.to_string(), "service_name": Some(&event.service).filter(|name| !name.is_empty()),
                "time": microseconds(event.time),
            })
        };
        self.events.iter().take(limit).map(shown).collect()
    }

    /// The VPC of `cloud` whose network overlaps with `network`.
    pub(super) fn overlapping_vpc(&self, cloud: &str, network: Ipv4Net) -> Option<&Vpc> {
        let overlaps = |vpc: &&Vpc| {
            let other = vpc.cidr.parse::<Ipv4Net>();
            other.is_ok_and(|other| other.contains(&network) || network.contains(&other))
        };
        self.vpcs.values().filter(|vpc| vpc.cloud == cloud).find(overlaps)
    }

    /// The active VPC of a cloud, the default of services there.
    pub(super) fn active_vpc_in(&self, cloud: &str) -> Option<&Vpc> {
        self.vpcs.values().find(|vpc| vpc.cloud == cloud && vpc.state == VpcState::Active)
    }

    /// Whether a service lives in the VPC, or left it so recently that it still counts.
    pub(super) fn vpc_in_use(&self, id: &str, now: Moment) -> bool {
        let lingering =
            self.vpcs.get(id).is_some_and(|vpc| vpc.in_use_until.is_some_and(|until| until > now));
        lingering || self.services.values().any(|service| service.vpc.as_deref() == Some(id))
    }
}

/// A private network of a project.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Vpc {
    pub(super) id: String,
    pub(super) cloud: String,
    pub(super) cidr: String,
    pub(super) state: VpcState,
    pub(super) create_time: Moment,
    pub(super) update_time: Moment,
    /// When the current state ends.
    pub(super) changes_at: Option<Moment>,
    /// Until when a service that left still blocks deletion.
    pub(super) in_use_until: Option<Moment>,
}

/// State of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum VpcState {
    Approved,
    Active,
    Deleting,
}

impl VpcState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}

impl Vpc {
    pub(super) fn listing(&self) -> Value {
        json!({
            "cloud_name": self.cloud, "create_time": seconds(self.create_time), "network_cidr": self.cidr,
            "project_vpc_id": self.id, "state": self.state.name(), "update_time": seconds(self.update_time),
            "peering_connections": [],
        })
    }
}
