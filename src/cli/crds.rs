//! `valkeeper crds`: prints the custom resource definitions this program was built with.

use clap::Args;
use std::{
    io::{self, Write as _},
    process::ExitCode,
};
use valkeeper_api::{crd, yaml};

/// The flags of `valkeeper crds`.
#[derive(Args, Debug)]
pub(super) struct Crds {}

impl Crds {
    #[expect(clippy::unused_self, reason = "every command is run in the same way")]
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        io::stdout().write_all(definitions()?.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The definitions as one stream of YAML documents, ready for `kubectl apply -f -`.
fn definitions() -> Result<String, serde_json::Error> {
    let documents: Result<Vec<_>, _> = crd::definitions().iter().map(yaml::document).collect();
    Ok(documents?.join("---\n"))
}

#[cfg(test)]
mod tests {
    use super::definitions;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use serde::Deserialize as _;

    #[test]
    fn every_definition_is_printed_as_a_document() {
        let text = definitions().unwrap();
        let names: Vec<_> = serde_yaml::Deserializer::from_str(&text)
            .map(|document| CustomResourceDefinition::deserialize(document).unwrap().metadata.name.unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "valkeys.aiven.io",
                "redis.aiven.io",
                "projectvpcs.aiven.io",
                "serviceusers.aiven.io",
                "valkeyclusters.valkeeper.io",
                "valkeybackups.valkeeper.io",
                "valkeyscheduledbackups.valkeeper.io",
                "valkeyusers.valkeeper.io"
            ]
        );
    }
}
