//! The reference page of `ServiceUser`, written from its definition.

use std::path::Path;

use anyhow::{Context, Result};
use valkeeper_api::{Custom as _, GROUP, ServiceUser, VERSION, crd, names, service_user::SECRET_PREFIX};

use super::File;
use super::reference::{MARK, section, table};

/// Set by the owner of a resource.
const ANNOTATIONS: [(&str, &str); 4] = [
    (names::ADOPTION_POLICY, "`Adopt` manages a user that exists already"),
    (names::DELETION_POLICY, "`Orphan` keeps the user when the resource is deleted"),
    (names::PAUSED, "any value but `false` leaves the user alone until the annotation is removed"),
    (names::RECONCILE_AT, "any new value reconciles the resource now"),
];

/// What the connection Secret holds, after the prefix.
const SECRET_KEYS: [(&str, &str); 7] = [
    ("HOST", "host name to connect to"),
    ("PORT", "port to connect to"),
    ("USERNAME", "user name"),
    ("PASSWORD", "password of the user"),
    ("CA_CERT", "certificate of the project's certificate authority"),
    ("ACCESS_CERT", "empty: other types of service have a certificate here"),
    ("ACCESS_KEY", "empty, for the same reason"),
];

pub(crate) fn file(root: &Path) -> Result<File> {
    let schema = crd::service_user_schema();
    let file = "examples/serviceuser.yaml";
    let manifest = std::fs::read_to_string(root.join(file)).context(file)?;
    let (name, description) = (ServiceUser::NAME, schema.description.as_deref().unwrap_or_default());
    let (keys, annotations) = (table(&SECRET_KEYS, SECRET_PREFIX), table(&ANNOTATIONS, ""));
    let mut page = format!(
        "{MARK}# {name}\n\n{description}\n\n\
         | | |\n|---|---|\n| `apiVersion` | `{GROUP}/{VERSION}` |\n| `kind` | `{name}`, short `su` |\n\
         | `metadata.name` | the name to log in with, unless `spec.username` is set |\n\
         | `spec` | [what the user should be](#spec) |\n\
         | `status` | [what it is](#status) |\n\n\
         ## Usage example\n\nThe token is in a Secret, see `examples/token.yaml`. How users are used: \
         [users of a service](../guides/users.md).\n\n\
         ```yaml\n{manifest}```\n\n\
         ```shell\nvalkeeper validate {file}\nkubectl apply -f {file}\n\
         kubectl wait --for=condition=Ready serviceusers/shop --timeout=5m\n```\n\n\
         ## Connection Secret\n\n| Key | Value |\n|---|---|\n{keys}\n\
         ## Annotations\n\n| Annotation | Meaning |\n|---|---|\n{annotations}\n\
         ## Reading this page\n\n\
         Bounds carry the names they have in error messages. *Immutable* fields stay as they are once set.\n\n",
    );
    for part in ["spec", "status"] {
        let schema = schema.properties.as_ref().and_then(|fields| fields.get(part));
        section(&mut page, &|_| false, part, schema.context("a resource has a spec and a status")?);
    }
    Ok(File::new("docs/reference/serviceuser.md", page))
}
