//! What is legal in a `ValkeyCluster` and may fail later: warnings of `valkeeper validate`.

use crate::field_path::FieldPath;
use crate::validate::Violation;
use serde_json::Value;

/// What is remarkable about a manifest.
pub fn remarks(manifest: &Value) -> Vec<Violation> {
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let persists = text("/spec/persistence/mode").is_some_and(|mode| mode != "None");
    let size = text("/spec/persistence/size").filter(|_| persists);
    let memory = text("/spec/resources/memory").and_then(mebibytes);
    let is_small = |size: &&str| {
        mebibytes(size).zip(memory).is_some_and(|(size, memory)| size < memory.saturating_mul(2))
    };
    let small = size.filter(is_small).map(|size| Violation {
        field: FieldPath::of(&["spec", "persistence", "size"]),
        value: Value::from(size).to_string(),
        rule: "is less than twice spec.resources.memory: a snapshot or a rewrite may not fit beside the data"
            .to_owned(),
    });
    small.into_iter().collect()
}

/// Mebibytes of an amount such as `512Mi` or `2Gi`.
pub fn mebibytes(amount: &str) -> Option<u64> {
    match amount.strip_suffix("Gi") {
        Some(digits) => digits.parse::<u64>().ok()?.checked_mul(1024),
        None => amount.strip_suffix("Mi")?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn volume_below_twice_the_memory_is_remarked() {
        for (mode, size, memory, is_small) in [
            ("AppendOnly", "3Gi", "2Gi", true),
            ("Snapshot", "1000Mi", "512Mi", true),
            ("AppendOnly", "4Gi", "2Gi", false),
            ("None", "1Gi", "2Gi", false),
            ("AppendOnly", "much", "2Gi", false),
        ] {
            let spec = json!({"persistence": {"mode": mode, "size": size}, "resources": {"memory": memory}});
            assert_eq!(!remarks(&json!({"spec": spec})).is_empty(), is_small, "{mode} {size} {memory}");
        }
        assert!(remarks(&json!({})).is_empty());
    }
}
