//! The calls about a project itself.

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

/// What a certificate in PEM starts with.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Certified {
    #[serde(deserialize_with = "lenient::text")]
    certificate: Option<String>,
}

impl Client {
    /// The certificate of the project's authority, in PEM.
    pub async fn authority(&self, token: &Token, project: &str) -> Result<String, ProviderError> {
        let doing = format!("read the certificate authority of project {project}");
        let path = vec!["v1", "project", project, "kms", "ca"];
        let call = Call::to("get_authority", doing.clone(), Method::GET, path, None);
        let certificate = self.send::<Certified>(token, call).await?.certificate;
        certificate
            .filter(|text| text.trim_start().starts_with(PEM))
            .ok_or_else(|| lacking(doing, Lacking("certificate")))
    }
}
