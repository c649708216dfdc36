//! The reference page of `ValkeyCluster`, written from its definition as those of the other kinds are.

use std::path::Path;

use anyhow::{Context, Result};
use valkeeper_api::{Custom as _, VERSION, ValkeyCluster, crd, names, valkey_cluster};

use super::File;
use super::reference::{MARK, section, table};

/// The annotations of a `ValkeyCluster`, all set by its owner.
const CLUSTER_ANNOTATIONS: [(&str, &str); 5] = [
    (
        names::PAUSED,
        "any value but `false` stops all changes until the annotation is removed; failovers go on",
    ),
    (names::RECONCILE_AT, "any new value reconciles the cluster now"),
    (
        "valkeeper.io/approve-update",
        "with `update.primary: Approve`, the revision in `status.revision` lets the operator replace the primary",
    ),
    (
        "valkeeper.io/elect-without-missing",
        "the term in `status.term` lets the operator elect a primary although servers that may have later data are \
         missing; TERM/VERSION also confirms that the holder of that version of the Lease does not run",
    ),
    (
        "valkeeper.io/skip-final-backup",
        "any value but `false` deletes the cluster without the backup of `finalBackup`",
    ),
];

/// The page of `ValkeyCluster`.
pub(crate) fn file(root: &Path) -> Result<File> {
    let schema = crd::valkey_cluster_schema();
    let file = "examples/self-hosted/cluster.yaml";
    let manifest = std::fs::read_to_string(root.join(file)).context(file)?;
    let name = ValkeyCluster::NAME;
    let description = schema.description.as_deref().unwrap_or_default();
    let annotations = table(&CLUSTER_ANNOTATIONS, "");
    let group = valkey_cluster::GROUP;
    let mut page = format!(
        "{MARK}# {name}\n\n{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{group}/{VERSION}` |\n| `kind` | `{name}`, short `vkc` |\n\
         | `metadata.name` | beginning of the names of pods and Services, at most 40 letters |\n\
         | `spec` | [what the cluster should be](#spec) |\n\
         | `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe operator runs with `--self-hosted`, see [Run a cluster](../self-hosted/guide.md).\n\n\
         ```yaml\n{manifest}```\n\n\
         ## Annotations\n\n| Annotation | Meaning |\n|---|---|\n{annotations}\n\
         ## Reading this page\n\n\
         Bounds carry the names they have in error messages. *Default* values are set where a field is absent.\n\n",
    );
    for part in ["spec", "status"] {
        let schema = schema.properties.as_ref().and_then(|fields| fields.get(part));
        section(&mut page, &|_| false, part, schema.context("a resource has a spec and a status")?);
    }
    Ok(File::new("docs/reference/valkeycluster.md", page))
}
