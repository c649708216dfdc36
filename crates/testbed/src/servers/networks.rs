//! The networks a service admits: its `ip_filter`. An address is admitted only if one of the listed networks contains
//! it; an entry that is no network admits no address.

use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};

/// A list of networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Networks(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    /// IPv4 as the mapped IPv6 address.
    base: u128,
    /// Length of the prefix within 128 bits.
    prefix: u32,
}

impl Networks {
    /// Reads an `ip_filter`; a service without one admits every address.
    pub(super) fn read(filter: Option<&Value>) -> Self {
        let Some(items) = filter.and_then(Value::as_array) else {
            return Self(["0.0.0.0/0", "::/0"].into_iter().filter_map(Network::read).collect());
        };
        let text = |item: &'_ Value| item.as_str().or_else(|| item["network"].as_str()).map(str::to_owned);
        Self(items.iter().filter_map(text).filter_map(|text| Network::read(&text)).collect())
    }

    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| network.contains(bits, address.is_ipv4()))
    }
}

impl Network {
    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (offset, longest) = if address.is_ipv4() { (96, 32) } else { (0, 128) };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then(|| Self { base: bits(address), prefix: prefix + offset })
    }

    fn contains(self, address: u128, is_v4: bool) -> bool {
        // `::/0` is about IPv6 only, although mapped IPv4 addresses are numbers in it.
        let families_agree = is_v4 == (self.prefix >= 96 && self.base >> 32 == 0xffff);
        let differing = address ^ self.base;
        families_agree && (self.prefix == 0 || differing >> (128 - self.prefix) == 0)
    }
}

fn bits(address: IpAddr) -> u128 {
    let mapped: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    mapped.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn admits(filter: &Value, address: &str) -> bool {
        Networks::read(Some(filter)).admit(address.parse().unwrap())
    }

    #[test]
    fn an_address_needs_a_network_that_contains_it() {
        let office = json!(["10.20.0.0/16", { "network": "192.0.2.7", "description": "printer" }]);
        assert!(admits(&office, "10.20.255.1") && admits(&office, "192.0.2.7"));
        assert!(!admits(&office, "10.21.0.1") && !admits(&office, "192.0.2.8") && !admits(&office, "::1"));
        assert!(!admits(&json!([]), "127.0.0.1"));
        assert!(!admits(&json!(["nonsense", "10.0.0.0/33"]), "10.0.0.0"));
    }

    #[test]
    fn each_family_has_networks_of_its_own() {
        assert!(admits(&json!(["0.0.0.0/0"]), "127.0.0.1") && !admits(&json!(["0.0.0.0/0"]), "::1"));
        assert!(admits(&json!(["::/0"]), "::1") && !admits(&json!(["::/0"]), "127.0.0.1"));
        assert!(Networks::read(None).admit("127.0.0.1".parse().unwrap()));
    }
}
