//! The calls about VPCs of a project. The provider gives a VPC no name, so a VPC is found by its
//! identifier or by what it was created with, both in the list of the project.

use super::{call::Call, client::Client, error::ProviderError, token::Token};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// A VPC, as list and create answer it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Vpc {
    /// Identifier.
    pub project_vpc_id: String,
    /// Cloud and region.
    pub cloud_name: String,
    /// Address range.
    pub network_cidr: String,
    /// `APPROVED`, `ACTIVE`, `DELETING` or `DELETED`.
    pub state: String,
}

#[derive(Deserialize)]
struct Listed {
    vpcs: Vec<Vpc>,
}

impl Client {
    /// Every VPC of a project.
    pub async fn vpcs(&self, token: &Token, project: &str) -> Result<Vec<Vpc>, ProviderError> {
        let doing = format!("listing the VPCs of project {project}");
        let call = Call::to("list_vpcs", doing, Method::GET, vec!["v1", "project", project, "vpcs"], None);
        Ok(self.send::<Listed>(token, call).await?.vpcs)
    }

    /// Creates a VPC. It can be used when its state is `ACTIVE`.
    pub async fn create_vpc(
        &self,
        token: &Token,
        project: &str,
        cloud: &str,
        cidr: &str,
    ) -> Result<Vpc, ProviderError> {
        let doing = format!("creating VPC {cidr} of {cloud} in project {project}");
        let body = json!({"cloud_name": cloud, "network_cidr": cidr, "peering_connections": []});
        self.send(
            token,
            Call::to("create_vpc", doing, Method::POST, vec!["v1", "project", project, "vpcs"], Some(body)),
        )
        .await
    }

    /// Asks for the deletion of a VPC; one that does not exist counts as deleted. 409 while services are in it.
    pub async fn delete_vpc(&self, token: &Token, project: &str, id: &str) -> Result<(), ProviderError> {
        let doing = format!("deleting VPC {id} of project {project}");
        let call =
            Call::to("delete_vpc", doing, Method::DELETE, vec!["v1", "project", project, "vpcs", id], None);
        match self.send::<Value>(token, call).await {
            Err(error) if error.status() != Some(404) => Err(error),
            _ => Ok(()),
        }
    }
}
