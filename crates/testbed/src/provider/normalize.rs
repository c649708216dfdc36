//! The form in which a provider stores values that have several spellings. Guarantees that a stored value
//! means the same as the one that was sent.

use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// A network without host bits, or an address; as it was where it is neither.
pub(super) fn network(text: &str) -> String {
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network.trunc().to_string(),
        (Err(_), Ok(address)) => address.to_string(),
        (Err(_), Err(_)) => text.to_owned(),
    }
}

/// The items of an `ip_filter`, which are texts or objects.
pub(super) fn ip_filter(filter: &mut Value) {
    for item in filter.as_array_mut().into_iter().flatten() {
        let text = if item.is_string() { Some(item) } else { item.get_mut("network") };
        if let Some(Value::String(text)) = text {
            *text = network(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn networks_lose_host_bits_and_upper_case() {
        let mut filter = json!(["10.1.2.3/8", "2001:DB8::5/32", { "network": "192.0.2.7" }, "nonsense"]);
        ip_filter(&mut filter);
        assert_eq!(filter, json!(["10.0.0.0/8", "2001:db8::/32", { "network": "192.0.2.7" }, "nonsense"]));
    }
}
