//! Amounts such as `100m` or `2Gi`, as far as they are compared. How they are written is left as it is.

use serde_json::Value;

/// The amount in billionths; none if it is not one.
pub(crate) fn nano(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text.find(|found: char| !(found.is_ascii_digit() || "+-.".contains(found)));
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let factor = factor(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let whole = digits(whole.trim_start_matches(['+', '-']))?.checked_mul(factor)?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let amount = whole.checked_add(digits(fraction)?.checked_mul(factor)? / scale)?;
    Some(if negative { -amount } else { amount })
}

fn factor(suffix: &str) -> Option<i128> {
    const ONE: i128 = 1_000_000_000;
    let binary = |power: u32| ONE << (10 * power);
    Some(match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => ONE,
        "k" => ONE * 1_000,
        "M" => ONE * 1_000_000,
        "G" => ONE * 1_000_000_000,
        "T" => ONE * 1_000_000_000_000,
        "P" => ONE * 1_000_000_000_000_000,
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            ONE.checked_mul(10_i128.checked_pow(exponent)?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_compare_by_what_they_mean() {
        let table = [
            ("1", "1000m"),
            ("1Gi", "1024Mi"),
            ("0.5", "500m"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("-1", "-1000m"),
        ];
        for (left, right) in table {
            assert_eq!(nano(&left.into()), nano(&right.into()), "{left}");
            assert!(nano(&left.into()).is_some(), "{left}");
        }
        assert_eq!(nano(&"x".into()), None);
        assert!(nano(&"2Gi".into()) > nano(&"2G".into()));
    }
}
