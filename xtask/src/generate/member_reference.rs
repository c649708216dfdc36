//! The reference pages of `ValkeyBackup` and `ValkeyScheduledBackup`, written from their definitions.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use valkeeper_api::{
    Custom as _, VERSION, ValkeyBackup, ValkeyScheduledBackup, crd, names, valkey_backup::VERIFY,
    valkey_cluster,
};

use super::File;
use super::reference::{MARK, section, table};

/// Set by owners of a resource.
const ANNOTATIONS: [(&str, &str); 1] = [(names::RECONCILE_AT, "any new value reconciles the resource now")];
/// Set by owners of a backup.
const OF_BACKUPS: [(&str, &str); 1] = [(VERIFY, "any new value verifies a completed backup again")];

/// What differs between the pages.
struct Page {
    name: &'static str,
    short: &'static str,
    example: &'static str,
    schema: JSONSchemaProps,
}

/// Both pages.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
    let pages = [
        Page {
            name: ValkeyBackup::NAME,
            short: "vkb",
            example: "examples/self-hosted/backup.yaml",
            schema: crd::valkey_backup_schema(),
        },
        Page {
            name: ValkeyScheduledBackup::NAME,
            short: "vksb",
            example: "examples/self-hosted/scheduled-backup.yaml",
            schema: crd::valkey_scheduled_backup_schema(),
        },
    ];
    pages.iter().map(|page| file(root, page)).collect()
}

fn file(root: &Path, page: &Page) -> Result<File> {
    let Page { name, short, example, schema } = page;
    let manifest = std::fs::read_to_string(root.join(example)).with_context(|| (*example).to_owned())?;
    let description = schema.description.as_deref().unwrap_or_default();
    let group = valkey_cluster::GROUP;
    let own: &[_] = if *name == ValkeyBackup::NAME { &OF_BACKUPS } else { &[] };
    let annotations = table(&[&ANNOTATIONS[..], own].concat(), "");
    let mut text = format!(
        "{MARK}# {name}\n\n{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{group}/{VERSION}` |\n| `kind` | `{name}`, short `{short}` |\n\
         | `spec` | [what is asked for](#spec) |\n| `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe operator runs with `--self-hosted`, see \
         [Back up and restore a cluster](../self-hosted/backups.md).\n\n\
         ```yaml\n{manifest}```\n\n\
         ## Annotations\n\n| Annotation | Meaning |\n|---|---|\n{annotations}\n\
         ## Reading this page\n\n\
         Bounds carry the names they have in error messages. *Default* values are set where a field is absent.\n\n",
    );
    for part in ["spec", "status"] {
        let schema = schema.properties.as_ref().and_then(|fields| fields.get(part));
        section(&mut text, &|_| false, part, schema.context("a resource has a spec and a status")?);
    }
    Ok(File::new(format!("docs/reference/{}.md", name.to_lowercase()), text))
}
