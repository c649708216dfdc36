//! The calls about VPCs of a project. The provider gives a VPC no name, so a VPC is found by its
//! identifier or by what it was created with, both in the list of the project.

use super::{
    call::Call,
    client::{Client, lacking},
    error::ProviderError,
    lenient::{self, Part},
    service::Lacking,
    token::Token,
};
use reqwest::Method;
use serde::{Deserialize, Deserializer};
use serde_json::json;

/// A VPC, as list and create answer it. Parts that cannot be read are empty, except the identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Vpc {
    /// Identifier.
    #[serde(deserialize_with = "or_empty")]
    pub project_vpc_id: String,
    /// Cloud and region.
    #[serde(deserialize_with = "or_empty")]
    pub cloud_name: String,
    /// Address range.
    #[serde(deserialize_with = "or_empty")]
    pub network_cidr: String,
    /// `APPROVED`, `ACTIVE`, `DELETING` or `DELETED`.
    #[serde(deserialize_with = "or_empty")]
    pub state: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    /// Each entry counts: a skipped entry would appear as a deleted VPC.
    vpcs: Option<Vec<Part<Vpc>>>,
}

fn or_empty<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(lenient::text(input)?.unwrap_or_default())
}

fn identified(vpc: Vpc) -> Result<Vpc, Lacking> {
    if vpc.project_vpc_id.is_empty() { Err(Lacking("project_vpc_id")) } else { Ok(vpc) }
}

impl Client {
    /// Every VPC of a project.
    pub async fn vpcs(&self, token: &Token, project: &str) -> Result<Vec<Vpc>, ProviderError> {
        let doing = format!("list the VPCs of project {project}");
        let call =
            Call::to("list_vpcs", doing.clone(), Method::GET, vec!["v1", "project", project, "vpcs"], None);
        let incomplete = |part| lacking(doing.clone(), part);
        let listed =
            self.send::<Listed>(token, call).await?.vpcs.ok_or_else(|| incomplete(Lacking("vpcs")))?;
        let vpcs = listed.into_iter().map(|Part(vpc)| identified(vpc.unwrap_or_default()));
        vpcs.collect::<Result<_, _>>().map_err(incomplete)
    }

    /// Creates a VPC. It can be used when its state is `ACTIVE`.
    pub async fn create_vpc(
        &self,
        token: &Token,
        project: &str,
        cloud: &str,
        cidr: &str,
    ) -> Result<Vpc, ProviderError> {
        let doing = format!("create VPC {cidr} of {cloud} in project {project}");
        let body = json!({"cloud_name": cloud, "network_cidr": cidr, "peering_connections": []});
        let path = vec!["v1", "project", project, "vpcs"];
        let call = Call::to("create_vpc", doing.clone(), Method::POST, path, Some(body));
        identified(self.send(token, call).await?).map_err(|part| lacking(doing, part))
    }

    /// Requests the deletion of a VPC; `false` when the provider reports that it does not exist. 409 while services
    /// are in it.
    pub async fn delete_vpc(&self, token: &Token, project: &str, id: &str) -> Result<bool, ProviderError> {
        let doing = format!("delete VPC {id} of project {project}");
        let call =
            Call::to("delete_vpc", doing, Method::DELETE, vec!["v1", "project", project, "vpcs", id], None);
        match self.confirm(token, call).await {
            Ok(()) => Ok(true),
            Err(error) if error.absence().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
