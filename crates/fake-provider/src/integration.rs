//! Service integrations, read replicas included.

use serde_json::{Map, Value, json};

use crate::call::Context;
use crate::reply::{Fail, Outcome};
use crate::service::{Service, State};
use crate::world::World;

/// An integration between two services or a service and an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Integration {
    id: String,
    pub(crate) kind: String,
    source_project: String,
    pub(crate) source_service: Option<String>,
    source_endpoint: Option<String>,
    dest_project: String,
    pub(crate) dest_service: Option<String>,
    dest_endpoint: Option<String>,
    user_config: Value,
    pub(crate) active: bool,
}

impl Integration {
    /// Parses a request. Inside a service create, the new service is the missing side.
    pub(crate) fn parse(
        body: &Map<String, Value>,
        project: &str,
        new: Option<&Service>,
    ) -> Result<Self, Fail> {
        // The CLI sends null endpoint IDs; null counts as absent.
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let missing =
            |what: &str| Fail::bad_request(format!("Invalid input for request: {what} is required"));
        let mut link = Self {
            id: uuid::Uuid::new_v4().to_string(),
            kind: text("integration_type").ok_or_else(|| missing("integration_type"))?,
            source_project: text("source_project").unwrap_or_else(|| project.to_owned()),
            source_service: text("source_service"),
            source_endpoint: text("source_endpoint_id"),
            dest_project: text("dest_project").unwrap_or_else(|| project.to_owned()),
            dest_service: text("dest_service"),
            dest_endpoint: text("dest_endpoint_id"),
            user_config: body.get("user_config").cloned().unwrap_or_else(|| json!({})),
            active: true,
        };
        if let Some(new) = new {
            let has_source = link.source_service.is_some() || link.source_endpoint.is_some();
            let side = if has_source { &mut link.dest_service } else { &mut link.source_service };
            side.get_or_insert_with(|| new.name.clone());
        }
        if link.source_service.is_some() == link.source_endpoint.is_some() {
            return Err(missing("one of source_service and source_endpoint_id"));
        }
        if link.dest_service.is_some() == link.dest_endpoint.is_some() {
            return Err(missing("one of dest_service and dest_endpoint_id"));
        }
        Ok(link)
    }

    pub(crate) fn touches(&self, service: &str) -> bool {
        [&self.source_service, &self.dest_service].iter().any(|side| side.as_deref() == Some(service))
    }

    pub(crate) fn refuse_hobbyist(plan: &str) -> Result<(), Fail> {
        if plan == "hobbyist" {
            return Err(Fail::new(403, "Service integrations are not available for this service"));
        }
        Ok(())
    }

    fn body(&self, world: &World) -> Value {
        let service = |project: &str, name: &Option<String>| {
            name.as_deref().and_then(|name| world.present(project, name).ok())
        };
        let source = service(&self.source_project, &self.source_service);
        let dest = service(&self.dest_project, &self.dest_service);
        let kind = |service: Option<&Service>| service.map_or(self.kind.clone(), |found| found.kind.clone());
        let built = dest.or(source).is_some_and(|found| found.state == State::Running);
        let status = match (self.active, built) {
            (false, _) => "inactive",
            (true, true) => "running",
            (true, false) => "starting",
        };
        json!({"service_integration_id": self.id, "integration_type": self.kind, "active": self.active,
            "enabled": true, "description": format!("Integration {}", self.kind), "user_config": self.user_config,
            "source_project": self.source_project, "source_service": self.source_service,
            "source_endpoint": self.source_endpoint, "source_endpoint_id": self.source_endpoint,
            "source_service_type": kind(source), "dest_project": self.dest_project,
            "dest_service": self.dest_service, "dest_endpoint": self.dest_endpoint,
            "dest_endpoint_id": self.dest_endpoint, "dest_service_type": kind(dest),
            "integration_status": {"state": {"errors": [], "nodes": {}, "status": status},
                "status_user_desc": format!("Integration is {status}")}})
    }
}

/// Checks the source of a new read replica.
pub(crate) fn check_replica(world: &World, link: &Integration, replica: &Service) -> Result<(), Fail> {
    let refused = || Fail::new(403, "Creation of a read replica not allowed under current plan");
    let source = link.source_service.as_deref().unwrap_or_default();
    let source = world.present(&link.source_project, source)?;
    // "Startup plans only" does not state whose plan; the fake checks the plan of the replica.
    if !replica.plan.starts_with("startup-") {
        return Err(refused());
    }
    if source.kind != replica.kind {
        return Err(Fail::bad_request("A read replica must have the service type of its source"));
    }
    let serves = matches!(source.state, State::Running | State::Rebalancing);
    // The provider uses the same text for a source without a backup.
    if !serves || source.backups.is_empty() || source.is_replica {
        return Err(refused());
    }
    let others = world.project(&link.source_project)?.integrations.iter();
    let count = others
        .filter(|other| other.kind == "read_replica" && other.source_service == link.source_service)
        .count();
    if count >= 5 { Err(refused()) } else { Ok(()) }
}

impl World {
    /// Renders the integrations that touch a service, on whichever side.
    pub(crate) fn integrations_of(&self, project: &str, service: &str) -> Vec<Value> {
        let links = self.projects.get(project).into_iter().flat_map(|project| &project.integrations);
        links.filter(|link| link.touches(service)).map(|link| link.body(self)).collect()
    }
}

/// GET `/project/{p}/service/{s}/integration`.
pub(crate) fn list(world: &mut World, context: &Context<'_>, name: &str) -> Outcome {
    context.require(&["project:integrations:read", "role:services:recover"])?;
    world.read(context.project, name)?;
    Ok(json!({"service_integrations": world.integrations_of(context.project, name)}))
}

/// POST `/project/{p}/integration`. A repetition creates a second object.
pub(crate) fn create(world: &mut World, context: &Context<'_>) -> Outcome {
    context.require(&["project:integrations:write"])?;
    let mut link = Integration::parse(&context.call.object()?, context.project, None)?;
    for name in link.source_service.iter().chain(&link.dest_service) {
        let service = world.present(context.project, name)?;
        Integration::refuse_hobbyist(&service.plan)?;
        if service.plan.starts_with("free-") {
            return Err(Fail::free_tier("A service integration"));
        }
    }
    // A read replica takes effect at the creation of the service only.
    link.active = link.kind != "read_replica";
    let answer = json!({"service_integration": link.body(world)});
    world.project_mut(context.project)?.integrations.push(link);
    Ok(answer)
}

/// GET, PUT, and DELETE `/project/{p}/integration/{id}`.
pub(crate) fn one(world: &mut World, context: &Context<'_>, id: &str) -> Outcome {
    let missing = || {
        let text = format!("Service integration {id} does not exist");
        Fail::new(404, text).code("service_integration_not_found")
    };
    let method = context.call.method.as_str();
    let read = "project:integrations:read";
    context.require(&[if method == "GET" { read } else { "project:integrations:write" }])?;
    let body = context.call.object()?;
    let links = &mut world.project_mut(context.project)?.integrations;
    let index = links.iter().position(|link| link.id == id).ok_or_else(missing)?;
    match method {
        "GET" => {}
        "PUT" => links[index].user_config = body.get("user_config").cloned().unwrap_or_default(),
        "DELETE" => {
            let link = links.remove(index);
            promote(world, context.project, &link)?;
            return Ok(json!({"message": "deleted"}));
        }
        _ => return Err(Fail::method_not_allowed()),
    }
    let link = world.project(context.project)?.integrations[index].clone();
    Ok(json!({"service_integration": link.body(world)}))
}

/// Promotes a read replica whose integration is gone to an independent service.
fn promote(world: &mut World, project: &str, link: &Integration) -> Result<(), Fail> {
    let Some(dest) = link.dest_service.as_deref().filter(|_| link.kind == "read_replica" && link.active)
    else {
        return Ok(());
    };
    world.edit(project, dest, |service, config, now| {
        service.is_replica = false;
        service.next_backup = Some(crate::clock::Countdown::new(config.first_backup, now));
        Ok(())
    })
}
