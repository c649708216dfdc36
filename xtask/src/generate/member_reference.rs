//! The reference pages of the kinds that belong to a `ValkeyCluster`, written from their definitions.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use valkeeper_api::{
    Custom as _, VERSION, ValkeyBackup, ValkeyScheduledBackup, ValkeyUser, crd, names, valkey_backup::VERIFY,
    valkey_cluster,
};

use super::File;
use super::reference::{MARK, section, table};

/// Set by owners of a resource.
const ANNOTATIONS: [(&str, &str); 1] = [(names::RECONCILE_AT, "any new value reconciles the resource now")];
/// Set by owners of a backup.
const OF_BACKUPS: &[(&str, &str)] = &[(VERIFY, "any new value verifies a completed backup again")];
/// Set by owners of a user.
const OF_USERS: &[(&str, &str)] = &[
    (names::PAUSED, "any value but `false`: the user is left as it is"),
    (
        names::ROTATE_PASSWORD,
        "any new value generates another password, unless `spec.passwordSecretRef` is set",
    ),
];
/// The guide about backups, and that about users.
const BACKUPS: &str = "[Back up and restore a cluster](../self-hosted/backups.md)";
const USERS: &str = "[Give applications users of their own](../self-hosted/users.md)";

/// What differs between the pages.
struct Page {
    name: &'static str,
    short: &'static str,
    example: &'static str,
    guide: &'static str,
    annotations: &'static [(&'static str, &'static str)],
    schema: JSONSchemaProps,
}

/// All pages.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
    let pages = [
        Page {
            name: ValkeyBackup::NAME,
            short: "vkb",
            example: "examples/self-hosted/backup.yaml",
            guide: BACKUPS,
            annotations: OF_BACKUPS,
            schema: crd::valkey_backup_schema(),
        },
        Page {
            name: ValkeyScheduledBackup::NAME,
            short: "vksb",
            example: "examples/self-hosted/scheduled-backup.yaml",
            guide: BACKUPS,
            annotations: &[],
            schema: crd::valkey_scheduled_backup_schema(),
        },
        Page {
            name: ValkeyUser::NAME,
            short: "vku",
            example: "examples/self-hosted/user.yaml",
            guide: USERS,
            annotations: OF_USERS,
            schema: crd::valkey_user_schema(),
        },
    ];
    pages.iter().map(|page| file(root, page)).collect()
}

fn file(root: &Path, page: &Page) -> Result<File> {
    let Page { name, short, example, guide, annotations, schema } = page;
    let manifest = std::fs::read_to_string(root.join(example)).with_context(|| (*example).to_owned())?;
    let description = schema.description.as_deref().unwrap_or_default();
    let group = valkey_cluster::GROUP;
    let annotations = table(&[&ANNOTATIONS[..], annotations].concat(), "");
    let mut text = format!(
        "{MARK}# {name}\n\n{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{group}/{VERSION}` |\n| `kind` | `{name}`, short `{short}` |\n\
         | `spec` | [what is asked for](#spec) |\n| `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe operator runs with `--self-hosted`, see {guide}.\n\n\
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
