//! Follows `spec.projectVPCRef` to the `ProjectVPC` it names. References to other namespaces work within
//! the namespaces that are watched; where consent is required, the `ProjectVPC` has to name who may use it.

use super::{context::Context, error::PassError, pass::Pass};
use crate::{
    api::{ManagedService, ProjectVpc, common::ResourceReference, names},
    cluster::bounded,
    engine::VpcReference,
};
use kube::{Api, ResourceExt as _};

impl<K: ManagedService> Pass<K> {
    /// Looks for the VPC that the resource refers to, if it refers to one.
    pub(super) async fn follow_vpc(&mut self) -> Result<(), PassError> {
        let spec = self.object.service();
        let by_id = spec.project_vpc_id.as_ref().is_some_and(|id| !id.is_empty());
        let Some(reference) = spec.project_vpc_ref.as_ref().filter(|_| !by_id && !self.desired.deleting)
        else {
            return Ok(());
        };
        self.observed.vpc = find(&self.context, &self.namespace, &spec.project, reference).await?;
        Ok(())
    }
}

async fn find(
    context: &Context,
    from: &str,
    project: &str,
    reference: &ResourceReference,
) -> Result<VpcReference, PassError> {
    let name = &reference.name;
    let namespace = reference.namespace.as_deref().unwrap_or(from);
    let what = format!("ProjectVPC {namespace}/{name}, which spec.projectVPCRef names,");
    if !context.watches(namespace) {
        return Ok(VpcReference::Refused(format!(
            "{what} is in a namespace that this operator does not watch; use one of a watched namespace"
        )));
    }
    let api: Api<ProjectVpc> = Api::namespaced(context.client.clone(), namespace);
    let Some(vpc) = bounded(|| format!("reading ProjectVPC {namespace}/{name}"), api.get_opt(name)).await?
    else {
        return Ok(VpcReference::NotReady(format!(
            "{what} does not exist yet; create it, or correct the reference"
        )));
    };
    if namespace != from && context.settings.require_vpc_consent && !consents(&vpc, from) {
        return Ok(VpcReference::Refused(format!(
            "{what} does not allow references from namespace {from}; its owner can allow them with annotation {}: {from}",
            names::REFERENCED_FROM
        )));
    }
    Ok(usable(&vpc, project, &what))
}

fn usable(vpc: &ProjectVpc, project: &str, what: &str) -> VpcReference {
    if vpc.spec.project != project {
        return VpcReference::Refused(format!(
            "{what} is of project {}, and this object of project {project}; they must be the same",
            vpc.spec.project
        ));
    }
    if vpc.metadata.deletion_timestamp.is_some() {
        return VpcReference::NotReady(format!("{what} is being deleted; refer to another one"));
    }
    let status = vpc.status.clone().unwrap_or_default();
    match (status.id.filter(|id| !id.is_empty()), status.state.as_deref()) {
        (Some(id), Some("ACTIVE")) => VpcReference::Usable(id),
        (_, state) => {
            let state = state.filter(|state| !state.is_empty()).unwrap_or("nothing yet");
            VpcReference::NotReady(format!(
                "{what} is not active yet, the provider says {state}; see its conditions for the reason"
            ))
        }
    }
}

/// Whether the annotation names the namespace, or all of them.
fn consents(vpc: &ProjectVpc, from: &str) -> bool {
    let named = vpc.annotations().get(names::REFERENCED_FROM).map(String::as_str).unwrap_or_default();
    named.split(',').map(str::trim).any(|one| one == from || one == "*")
}
