//! The kinds of resources, as words of a command and in manifests.

use anyhow::bail;
use serde_json::Value;
use valkeeper_api::{GROUP, Kind, valkey_cluster};

/// The kind of service that a word means, as for `kubectl`.
pub(super) fn kind_of(text: &str) -> anyhow::Result<Kind> {
    match text.split('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "valkey" | "valkeys" | "vk" => Ok(Kind::Valkey),
        "redis" => Ok(Kind::Redis),
        _ => bail!("{text:?} is not a kind of service: write valkey or redis"),
    }
}

/// The kind of service of a manifest.
pub(super) fn kind_of_manifest(manifest: &Value) -> Option<Kind> {
    let group = manifest["apiVersion"].as_str()?.split('/').next()?;
    let kind = Kind::ALL.into_iter().find(|kind| manifest["kind"] == kind.name());
    kind.filter(|_| group == GROUP)
}

/// Whether a word means the kind of self-hosted clusters, as for `kubectl`.
pub(super) fn is_cluster_kind(kind: &str) -> bool {
    let word = kind.split('.').next().unwrap_or_default().to_ascii_lowercase();
    ["valkeycluster", "valkeyclusters", "vkc"].contains(&&*word)
}

/// Whether a manifest is one of a self-hosted cluster.
pub(super) fn is_cluster_manifest(manifest: &Value) -> bool {
    let group = manifest["apiVersion"].as_str().and_then(|version| version.split('/').next());
    group == Some(valkey_cluster::GROUP) && manifest["kind"] == valkey_cluster::NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_for_kubectl() {
        assert_eq!(kind_of("valkeys.aiven.io").unwrap(), Kind::Valkey);
        assert_eq!(kind_of("Redis").unwrap(), Kind::Redis);
        assert!(kind_of("pods").is_err());
    }
}
