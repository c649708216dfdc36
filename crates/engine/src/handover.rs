//! A `Valkey` takes over the service and the Secret of the `Redis` of its name. The provider changes the type of the
//! service first: as long as it refuses, nothing has happened to the `Redis`. Then the ownership tag moves, which is the
//! one moment at which the service changes hands; the Secret and its owner follow in one patch.
//!
//! ```text
//!   service redis,  tag Redis   ── change type ──▶  service valkey, tag Redis   ── tag ──▶  service valkey, tag Valkey
//!   deleted here: Redis waits                       deleted here: Redis waits               Redis is inert: Migrated
//! ```
//!
//! A crash is between two of these, and each is decided from what is there. A `Redis` that is deleted waits for its
//! successor until the Secret has changed hands as well.

use super::{
    concern::Concern,
    desired::Desired,
    existence, migration,
    observed::{ConnectionSecret, Observed, ObservedService, Power, Predecessor, Successor},
    ownership, recording,
    request::Target,
    step::{RequeueClass, Step},
};
use valkeeper_api::{
    Kind,
    names::{self, reason},
};

/// What a `Valkey` with `spec.migrateFrom` has to do before the service is its own; nothing once it is.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Option<Concern> {
    let is_redis = service.service_type == Kind::Redis.service_type();
    let is_valkey = service.service_type == Kind::Valkey.service_type();
    if !desired.takes_over || desired.policies.observes || !(is_redis || is_valkey) {
        return None;
    }
    if is_valkey && ownership::is_ours(desired, service) {
        return None;
    }
    let concern = obstacle(desired, observed, service).unwrap_or_else(|| next(desired, observed, service));
    Some(concern.unless_refused(observed))
}

/// What speaks against the takeover.
fn obstacle(desired: &Desired, observed: &Observed, service: &ObservedService) -> Option<Concern> {
    let name = &desired.name;
    if !desired.policies.marks_ownership {
        return Some(stuck(
            desired,
            "ownership tags are off, and a service changes hands by its tag. Start the operator with tags",
        ));
    }
    let tag = service.tags.get(names::OWNER_TAG).filter(|uid| **uid != desired.uid);
    match &observed.predecessor {
        Predecessor::Unknown => {
            let message = format!("Reading Redis {name}.");
            Some(Concern::act(Step::Observe(Target::Predecessor), reason::MIGRATING, message))
        }
        Predecessor::Absent => foreign(desired, observed, tag?),
        Predecessor::Present { uid, project, manages, secret } => {
            if tag.is_some_and(|tag| tag != uid) {
                return Some(stuck(
                    desired,
                    &format!("the service does not belong to Redis {name}. Choose another metadata.name"),
                ));
            }
            if *project != desired.project {
                return Some(stuck(
                    desired,
                    &format!("Redis {name} is of project {project}. Set spec.project to it"),
                ));
            }
            if tag.is_none() && !manages {
                return Some(stuck(
                    desired,
                    &format!(
                        "the service is not managed by Redis {name}. Set spec.adoptionPolicy: Adopt on the Redis first"
                    ),
                ));
            }
            other_secret(desired, secret.as_ref())
        }
    }
}

/// The service carries the tag of a resource, and the `Redis` is gone. Which resources exist is not known for certain: a
/// watch may be behind, and others are in other clusters. So the user has to say that no other resource has the service.
fn foreign(desired: &Desired, observed: &Observed, tag: &str) -> Option<Concern> {
    if let Some(owner) = &observed.owner {
        return Some(stuck(
            desired,
            &format!("the service belongs to {owner}. Choose another metadata.name"),
        ));
    }
    (!desired.policies.adopts).then(|| {
        let why = format!(
            "there is no such Redis, and the service belongs to a resource with uid {tag}. If that is gone as well, set \
             spec.adoptionPolicy: Adopt"
        );
        stuck(desired, &why)
    })
}

/// Applications must find the Secret where it was, with its keys.
fn other_secret(desired: &Desired, before: Option<&(String, String)>) -> Option<Concern> {
    let (name, prefix) = before?;
    let Some(target) = &desired.secret else {
        return Some(stuck(desired, "the Redis has a Secret. Remove spec.connInfoSecretTargetDisabled"));
    };
    if target.name != *name {
        let advice =
            format!("its Secret is {name}. Recreate this Valkey with spec.connInfoSecretTarget.name: {name}");
        return Some(stuck(desired, &advice));
    }
    (target.prefix != *prefix).then(|| {
        let advice = format!(
            "the keys of its Secret start with {prefix:?}. Set spec.connInfoSecretTarget.prefix: {prefix:?}"
        );
        stuck(desired, &advice)
    })
}

fn stuck(desired: &Desired, why: &str) -> Concern {
    let message = format!("Cannot take over Redis {}: {why}.", desired.name);
    Concern::is_stuck(reason::MIGRATION_BLOCKED, message, RequeueClass::AwaitingExternal)
}

/// One step after the other. What is declared is recorded before the service is this resource's own.
fn next(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let is_redis = service.service_type == Kind::Redis.service_type();
    if let Some(wait) = not_yet(desired, observed, service).filter(|_| is_redis) {
        return wait;
    }
    let adopted = recording::adopted(desired);
    let step = if !desired.has_finalizer {
        Step::AddFinalizer(existence::notes(desired, false))
    } else if !observed.object_is_live {
        Step::Observe(Target::Object)
    } else if desired.record.is_none() || !recording::is(desired, &adopted) {
        Step::Record { declared: adopted, migration: migration::remembered(desired, observed) }
    } else if is_redis {
        Step::ChangeType
    } else {
        Step::PatchTags([(names::OWNER_TAG.to_owned(), Some(desired.uid.clone()))].into())
    };
    let message = if is_redis {
        format!(
            "Changing the type of service {} from Redis to Valkey. Its data and address stay.",
            desired.name
        )
    } else {
        format!("Taking over service {} from Redis {}.", desired.name, desired.name)
    };
    Concern::act(step, reason::MIGRATING, message)
}

/// What the change of the type waits for.
fn not_yet(desired: &Desired, observed: &Observed, service: &ObservedService) -> Option<Concern> {
    let name = &desired.name;
    match service.state.power() {
        Power::Serving if !observed.unsettled => {}
        Power::Off => {
            return Some(stuck(
                desired,
                "the service is powered off, and Aiven changes only a running one. Set spec.powered: true on the Redis",
            ));
        }
        Power::Serving | Power::Changing => {
            let message = format!(
                "Waiting to take over service {name} until Aiven has finished its changes (state {}).",
                service.state.as_str()
            );
            return Some(Concern::waits(reason::MIGRATING, message, RequeueClass::Building));
        }
    }
    let needs_backup = !service.never_has_backups(Kind::Redis) && !desired.policies.accepts_data_loss;
    (service.backups == 0 && needs_backup).then(|| {
        let message = format!("Waiting to take over service {name} until its first backup exists.");
        Concern::waits(reason::WAITING_FOR_BACKUP, message, RequeueClass::AwaitingExternal)
    })
}

/// Whether the service of a `Redis` belongs to the `Valkey` that took it over.
pub(super) fn is_over(desired: &Desired, observed: &Observed, service: &ObservedService) -> bool {
    let by_valkey = observed.owner.as_ref().is_some_and(|owner| owner.starts_with("Valkey "));
    is_tagged_otherwise(desired, service) && by_valkey && ownership::became_valkey(desired, service)
}

fn is_tagged_otherwise(desired: &Desired, service: &ObservedService) -> bool {
    service.tags.get(names::OWNER_TAG).is_some_and(|uid| *uid != desired.uid)
}

/// What a `Redis` that is being deleted has to find out, or to wait for, because of its successor. `is_deleted` says
/// whether its service would go with it.
pub(super) fn before_deletion(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    is_deleted: bool,
) -> Option<(Step, String)> {
    if desired.kind != Kind::Redis {
        None
    } else if is_deleted {
        with_successor(desired, observed)
    } else if is_tagged_otherwise(desired, service) && ownership::became_valkey(desired, service) {
        with_secret(desired, observed)
    } else {
        None
    }
}

/// The same where the service stays whatever happens, and no call asks for it.
pub(super) fn before_orphaning(desired: &Desired, observed: &Observed) -> Option<(Step, String)> {
    if desired.kind == Kind::Redis { with_secret(desired, observed) } else { None }
}

/// Finds out whether there is a successor, and waits for it. Both resources may have been changed at once, and a watch
/// may be late.
fn with_successor(desired: &Desired, observed: &Observed) -> Option<(Step, String)> {
    let (name, wait) = (&desired.name, Step::Wait(RequeueClass::Building));
    match &observed.successor {
        Successor::Unknown => Some((Step::Observe(Target::Successor), format!("Reading Valkey {name}."))),
        Successor::Absent => None,
        Successor::Present => {
            Some((wait, format!("Waiting until Valkey {name} has taken over service {name}.")))
        }
        Successor::Elsewhere(project) => {
            let message = format!(
                "Waiting for Valkey {name}, which is to take over service {name} and has spec.project: {project} \
                 instead of {}. Correct it, or delete it to end the takeover.",
                desired.project
            );
            Some((wait, message))
        }
    }
}

/// The same, and waits only as long as the Secret is this resource's: Kubernetes would collect it.
fn with_secret(desired: &Desired, observed: &Observed) -> Option<(Step, String)> {
    desired.secret.as_ref()?;
    let wait = match with_successor(desired, observed)? {
        wait @ (Step::Wait(_), _) => wait,
        first => return Some(first),
    };
    match &observed.secret {
        ConnectionSecret::Unknown | ConnectionSecret::Exists => {
            Some((Step::Observe(Target::Secret), "Reading the connection Secret.".to_owned()))
        }
        ConnectionSecret::Ours { .. } => Some(wait),
        ConnectionSecret::Absent | ConnectionSecret::Foreign { .. } => None,
    }
}
