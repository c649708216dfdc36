//! What can be ordered: projects, plans, clouds, prices, and the schema of settings. Everything here is read for
//! people who plan; the operator needs none of it.

use super::{
    call::Call,
    client::{Client, lacking},
    error::ProviderError,
    lenient,
    service::Lacking,
    token::Token,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Projects {
    #[serde(deserialize_with = "lenient::parts")]
    projects: Option<Vec<Project>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Project {
    #[serde(deserialize_with = "lenient::text")]
    project_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plans {
    #[serde(deserialize_with = "lenient::parts")]
    service_plans: Option<Vec<Plan>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    #[serde(deserialize_with = "lenient::text")]
    service_plan: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Clouds {
    #[serde(deserialize_with = "lenient::parts")]
    clouds: Option<Vec<Cloud>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cloud {
    #[serde(deserialize_with = "lenient::text")]
    cloud_name: Option<String>,
}

/// Prices of an hour, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourlyPrice {
    /// Of the plan.
    pub plan: f64,
    /// Of each GB of disk beyond that of the plan; none where disk cannot be added.
    pub added_disk_gb: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Price {
    #[serde(deserialize_with = "lenient::text")]
    base_price_usd: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    extra_disk_price_per_gb_usd: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceType {
    user_config_schema: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlanDetails {
    #[serde(deserialize_with = "lenient::whole")]
    disk_space_mb: Option<u64>,
}

impl Client {
    /// The projects that a token may see.
    pub async fn projects(&self, token: &Token) -> Result<Vec<String>, ProviderError> {
        let doing = "list the projects of the token".to_owned();
        let call = Call::to("list_projects", doing.clone(), Method::GET, vec!["v1", "project"], None);
        let listed = self.send::<Projects>(token, call).await?.projects;
        let listed = listed.ok_or_else(|| lacking(doing, Lacking("projects")))?;
        Ok(listed.into_iter().filter_map(|project| project.project_name).collect())
    }

    /// The plans of a type of service in a project.
    pub async fn plans(&self, token: &Token, project: &str, of: &str) -> Result<Vec<String>, ProviderError> {
        let doing = format!("list the plans of {of} in project {project}");
        let path = vec!["v1", "project", project, "service-types", of, "plans"];
        let call = Call::to("list_plans", doing.clone(), Method::GET, path, None);
        let listed = self.send::<Plans>(token, call).await?.service_plans;
        let listed = listed.ok_or_else(|| lacking(doing, Lacking("service_plans")))?;
        Ok(listed.into_iter().filter_map(|plan| plan.service_plan).collect())
    }

    /// The disk space of a plan in MiB, if stated.
    pub async fn plan_disk(
        &self,
        token: &Token,
        project: &str,
        of: &str,
        plan: &str,
    ) -> Result<Option<u64>, ProviderError> {
        let doing = format!("read plan {plan} of {of} in project {project}");
        let path = vec!["v1", "project", project, "service-types", of, "plans", plan];
        let call = Call::to("get_plan", doing, Method::GET, path, None);
        Ok(self.send::<PlanDetails>(token, call).await?.disk_space_mb)
    }

    /// The clouds of a project.
    pub async fn clouds(&self, token: &Token, project: &str) -> Result<Vec<String>, ProviderError> {
        let doing = format!("list the clouds of project {project}");
        let path = vec!["v1", "project", project, "clouds"];
        let call = Call::to("list_clouds", doing.clone(), Method::GET, path, None);
        let listed = self.send::<Clouds>(token, call).await?.clouds;
        let listed = listed.ok_or_else(|| lacking(doing, Lacking("clouds")))?;
        Ok(listed.into_iter().filter_map(|cloud| cloud.cloud_name).collect())
    }

    /// The JSON schema of the settings of a type of service.
    pub async fn settings_schema(
        &self,
        token: &Token,
        project: &str,
        of: &str,
    ) -> Result<Value, ProviderError> {
        let doing = format!("read the settings of {of} in project {project}");
        let path = vec!["v1", "project", project, "service-types", of];
        let call = Call::to("get_service_type", doing.clone(), Method::GET, path, None);
        let schema = self.send::<ServiceType>(token, call).await?.user_config_schema;
        schema.ok_or_else(|| lacking(doing, Lacking("user_config_schema")))
    }

    /// What a plan costs in an hour.
    pub async fn hourly_price(
        &self,
        token: &Token,
        project: &str,
        of: &str,
        plan: &str,
        cloud: &str,
    ) -> Result<HourlyPrice, ProviderError> {
        let doing = format!("read the price of plan {plan} in cloud {cloud}");
        let path =
            vec!["v1", "project", project, "pricing", "service-types", of, "plans", plan, "clouds", cloud];
        let call = Call::to("get_price", doing.clone(), Method::GET, path, None);
        let price = self.send::<Price>(token, call).await?;
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let plan = number(price.base_price_usd).ok_or_else(|| lacking(doing, Lacking("base_price_usd")))?;
        Ok(HourlyPrice { plan, added_disk_gb: number(price.extra_disk_price_per_gb_usd) })
    }
}
