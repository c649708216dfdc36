//! Follows `spec.projectVPCRef` to the `ProjectVPC` it names. References to other namespaces work within
//! the namespaces that are watched; where consent is required, the `ProjectVPC` has to name who may use it.

use super::Reconciliation;
use crate::{
    cluster::bounded,
    controller::{context::Context, error::ReconcileError},
};
use kube::{Api, ResourceExt as _};
use valkeeper_api::{ManagedService, ProjectVpc, common::ResourceReference, names};
use valkeeper_engine::VpcReference;

impl<K: ManagedService> Reconciliation<K> {
    /// Finds the VPC that the resource references.
    pub(super) async fn follow_vpc(&mut self) -> Result<(), ReconcileError> {
        let spec = self.object.service();
        let Some(reference) = &spec.project_vpc_ref else { return Ok(()) };
        self.observed.vpc = find(&self.context, &self.namespace, &spec.project, reference).await?;
        Ok(())
    }
}

async fn find(
    context: &Context,
    from: &str,
    project: &str,
    reference: &ResourceReference,
) -> Result<VpcReference, ReconcileError> {
    let name = &reference.name;
    let namespace = reference.namespace.as_deref().unwrap_or(from);
    let what = format!("ProjectVPC {namespace}/{name}, which spec.projectVPCRef names,");
    if !context.watches(namespace) {
        return Ok(VpcReference::Refused(format!(
            "{what} is in a namespace that the operator does not watch. Use one of a watched namespace."
        )));
    }
    let api: Api<ProjectVpc> = Api::namespaced(context.client.clone(), namespace);
    let Some(vpc) = bounded(|| format!("read ProjectVPC {namespace}/{name}"), api.get_opt(name)).await?
    else {
        return Ok(VpcReference::NotReady(format!(
            "{what} does not exist yet. Create it, or correct the reference."
        )));
    };
    if namespace != from && context.settings.require_vpc_consent && !consents(&vpc, from) {
        return Ok(VpcReference::Refused(format!(
            "{what} does not allow references from namespace {from}. Its owner can allow them with annotation {}: {from}.",
            names::REFERENCED_FROM
        )));
    }
    Ok(usable(&vpc, project, &what))
}

fn usable(vpc: &ProjectVpc, project: &str, what: &str) -> VpcReference {
    if vpc.spec.project != project {
        return VpcReference::Refused(format!(
            "{what} is of project {}, and the service of project {project}. Use one of the same project.",
            vpc.spec.project
        ));
    }
    if vpc.metadata.deletion_timestamp.is_some() {
        return VpcReference::NotReady(format!("{what} is being deleted. Refer to another one."));
    }
    let status = vpc.status.clone().unwrap_or_default();
    match (status.id.filter(|id| !id.is_empty()), status.state.as_deref()) {
        (Some(id), Some("ACTIVE")) => VpcReference::Usable(id),
        (_, state) => {
            let state = state.filter(|state| !state.is_empty()).unwrap_or("unknown");
            VpcReference::NotReady(format!(
                "{what} is not active yet (state {state}). Its conditions give the reason."
            ))
        }
    }
}

/// Whether the annotation names the namespace, or all of them.
fn consents(vpc: &ProjectVpc, from: &str) -> bool {
    let named = vpc.annotations().get(names::REFERENCED_FROM).map(String::as_str).unwrap_or_default();
    named.split(',').map(str::trim).any(|one| one == from || one == "*")
}
