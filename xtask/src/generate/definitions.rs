//! The definitions as files: for `kubectl apply`, and as templates of the chart that installs them.

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use valkeeper_api::{crd, yaml};

use super::File;

/// The source of the file, for its readers.
const HEADER: &str =
    "# Written by the generator: change crates/api or schemas and run `cargo xtask generate`.\n";

/// Every definition, plain and as a chart template.
pub(crate) fn files() -> Result<Vec<File>> {
    let mut files = Vec::new();
    for definition in crd::definitions() {
        files.extend(pair(definition)?);
    }
    Ok(files)
}

fn pair(mut definition: CustomResourceDefinition) -> Result<[File; 2]> {
    let plain = format!("{HEADER}{}", yaml::document(&definition)?);
    // Uninstalling the chart must not delete every service.
    let keep = ("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    definition.metadata.annotations.get_or_insert_default().extend([keep]);
    let template = format!("{HEADER}{}", yaml::document(&definition)?);
    ensure!(!template.contains("{{"), "Helm would take a description for a template");
    let name = format!("{}.yaml", definition.spec.names.plural);
    Ok([
        File::new(format!("crds/{name}"), plain),
        File::new(format!("charts/valkeeper-crds/templates/{name}"), template),
    ])
}
