//! Amounts of Kubernetes and of servers, as a `ValkeyCluster` writes them.

/// Bytes of an amount of Kubernetes, such as `2Gi`, `500M` or `1e9`.
pub fn bytes(text: &str) -> Option<u64> {
    let units = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("", 1_u64),
    ];
    let (number, unit) = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    scaled(number, unit)
}

/// Bytes of an amount in a configuration of a server, such as `100mb` or `1g`.
pub(crate) fn server_bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let units = [
        ("kb", 1 << 10),
        ("mb", 1 << 20),
        ("gb", 1 << 30),
        ("k", 1_000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("b", 1),
        ("", 1_u64),
    ];
    let (number, unit) = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    scaled(number, unit)
}

/// Up to here, every whole number has a form of its own.
const LARGEST: f64 = 9e15;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "amounts of memory and disks, which are checked to be small enough"
)]
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let number: f64 = number.parse().ok()?;
    let product = (number * unit as f64).ceil();
    (product.is_finite() && (1.0..=LARGEST).contains(&product)).then_some(product as u64)
}

/// As a whole number of mebibytes or gibibytes, rounded up.
pub(crate) fn amount(bytes: u64) -> String {
    let mebi = bytes.div_ceil(1 << 20);
    if mebi.is_multiple_of(1024) { format!("{}Gi", mebi / 1024) } else { format!("{mebi}Mi") }
}

/// Thousandths of a CPU, such as those of `500m`, `0.5` or `2`.
pub fn milli(text: &str) -> Option<u64> {
    text.strip_suffix('m').map_or_else(|| scaled(text, 1000), |number| scaled(number, 1))
}

/// A CPU request, such as `0.5`, in thousandths or whole CPUs.
pub(crate) fn cpu(text: &str) -> Option<String> {
    if text.strip_suffix('m').unwrap_or(text).parse::<u32>().is_ok_and(|number| number > 0) {
        return Some(text.to_owned());
    }
    let milli = scaled(text, 1000)?;
    (milli < 1_000_000).then(|| format!("{milli}m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_up_to_whole_units() {
        for (text, expected) in [
            ("2Gi", Some("2Gi")),
            ("1.5Gi", Some("1536Mi")),
            ("500M", Some("477Mi")),
            ("1e9", Some("954Mi")),
            ("1000", Some("1Mi")),
            // The largest volume that a spec may ask for, and in another form.
            ("999999Gi", Some("999999Gi")),
            ("2Pi", Some("2097152Gi")),
            ("9Pi", None),
            ("lots", None),
            ("", None),
            ("-1Gi", None),
        ] {
            assert_eq!(bytes(text).map(amount).as_deref(), expected, "{text}");
        }
        assert_eq!(server_bytes("100MB"), Some(100 << 20));
        assert_eq!(server_bytes("1g"), Some(1_000_000_000));
        for (text, expected) in [("0.5", Some("500m")), ("2", Some("2")), ("250m", Some("250m")), ("x", None)]
        {
            assert_eq!(cpu(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [("0.5", Some(500)), ("2", Some(2000)), ("250m", Some(250)), ("x", None)] {
            assert_eq!(milli(text), expected, "{text}");
        }
    }
}
