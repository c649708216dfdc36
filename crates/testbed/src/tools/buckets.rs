//! Servers of buckets, for tests of backups.

use super::{Place, Tool};

/// A server that speaks S3.
pub const S3_SERVER: Tool = Tool {
    name: "moto_server",
    advice: "install moto[server] (PyPI), or set MOTO_SERVER to the path of moto_server",
    variable: Some("MOTO_SERVER"),
    place: Place::Programs(&["moto_server"], &["--help"], answers),
    tests: &[("stores", &["buckets::s3::", "buckets::gcs::"]), ("self_hosted", &["backups::"])],
};
/// A server that speaks the API of Azure Blob Storage.
pub const AZURE_SERVER: Tool = Tool {
    name: "azurite-blob",
    advice: "install azurite (npm), or set AZURITE to the path of azurite-blob",
    variable: Some("AZURITE"),
    place: Place::Programs(&["azurite-blob"], &["--version"], answers),
    tests: &[("stores", &["buckets::azure::"])],
};

fn answers(_: &str) -> bool {
    true
}
