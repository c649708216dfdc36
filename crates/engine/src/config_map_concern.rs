//! When the connection ConfigMap is read and written. It follows the service like the Secret does, and no trouble with
//! one delays the other.

use super::{
    concern::Concern,
    config_map::{self, ConfigMapTarget},
    desired::Desired,
    observed::{ConnectionConfigMap, Observed, ObservedService, Power},
    request::Target,
    shape_concern,
    step::{RequeueClass, Step},
    violations::{self, Part},
};
use valkeeper_api::names::{self, reason};

/// What is to be done for the ConfigMap of a service that is this resource's own.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let target = desired.config_map.as_ref().filter(|_| !violations::concern(desired, Part::ConfigMap));
    let (Some(target), Some(connection)) = (target, &service.connection) else { return Concern::fine() };
    let Some(routed) = connection.over(target.route) else {
        return shape_concern::without_route(desired, connection, target.route, "connInfoConfigMapTarget");
    };
    let served = desired.annotations.contains_key(names::INSTANCE_RUNNING);
    match &observed.config_map {
        ConnectionConfigMap::Unknown => read(target, reason::BUILDING),
        ConnectionConfigMap::Foreign { owner } => conflict(target, owner),
        ConnectionConfigMap::Ours { current: false, immutable: true } => immutable(target),
        ConnectionConfigMap::Absent if service.state.power() != Power::Serving && !served => Concern::fine(),
        ConnectionConfigMap::Absent | ConnectionConfigMap::Ours { current: false, .. } => {
            let step = Step::WriteConfigMap(Box::new(config_map::content(target, &routed)));
            Concern::act(step, reason::BUILDING, format!("Writing ConfigMap {}.", target.name))
        }
        ConnectionConfigMap::Ours { current: true, .. } => Concern::fine(),
    }
}

/// Whether the name of the ConfigMap is free, before anything is created that costs money.
pub(super) fn before_creation(desired: &Desired, observed: &Observed) -> Concern {
    let Some(target) = &desired.config_map else { return Concern::fine() };
    match &observed.config_map {
        ConnectionConfigMap::Unknown => read(target, reason::CREATING),
        ConnectionConfigMap::Foreign { owner } => conflict(target, owner),
        ConnectionConfigMap::Absent | ConnectionConfigMap::Ours { .. } => Concern::fine(),
    }
}

fn read(target: &ConfigMapTarget, reason: &'static str) -> Concern {
    let message = format!("Reading ConfigMap {}.", target.name);
    Concern::act(Step::Observe(Target::ConfigMap), reason, message)
}

fn conflict(target: &ConfigMapTarget, owner: &str) -> Concern {
    let name = &target.name;
    let message = format!(
        "Cannot write ConfigMap {name}: it exists and {owner}. Delete ConfigMap {name} if nothing uses it, or recreate the resource with another spec.connInfoConfigMapTarget.name."
    );
    Concern::is_stuck(reason::CONFIG_MAP_CONFLICT, message, RequeueClass::AwaitingExternal)
}

fn immutable(target: &ConfigMapTarget) -> Concern {
    let message = format!(
        "Cannot write ConfigMap {name}: it is immutable and outdated. Delete ConfigMap {name}; the operator creates it again.",
        name = target.name
    );
    Concern::is_stuck(reason::CONFIG_MAP_CONFLICT, message, RequeueClass::AwaitingExternal)
}
