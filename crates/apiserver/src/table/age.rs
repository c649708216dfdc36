//! How long ago something was, in the short form of `kubectl`: `45s`, `5m32s`, `3d4h`.

use chrono::{DateTime, Utc};

/// The age of a moment given as RFC 3339; `None` if it is not one.
pub(super) fn since(moment: &str, now: DateTime<Utc>) -> Option<String> {
    let moment = DateTime::parse_from_rfc3339(moment).ok()?;
    Some(short((now - moment.with_timezone(&Utc)).num_seconds()))
}

/// A number of seconds in at most two units, the coarser the longer.
fn short(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let two = |large: i64, unit: char, small: i64, fraction: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{fraction}"),
    };
    match seconds {
        // Clocks may differ a little.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, 'd', hours % 24, 'h'),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_get_coarser_with_time() {
        let table = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (332, "5m32s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 240, "3h4m"),
            (30 * 3600, "30h"),
            (76 * 3600, "3d4h"),
            (20 * 86400, "20d"),
            (800 * 86400, "2y70d"),
            (3650 * 86400, "10y"),
        ];
        for (seconds, expected) in table {
            assert_eq!(short(seconds), expected, "{seconds} seconds");
        }
    }
}
