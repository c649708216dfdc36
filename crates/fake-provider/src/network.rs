//! IP networks: checks of VPC blocks and normalization of filters.

use std::net::IpAddr;
use std::ops::RangeInclusive;

fn parse(network: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = match network.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (network, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(text) => text.parse().ok().filter(|prefix| *prefix <= bits)?,
        None => bits,
    };
    Some((address, prefix))
}

fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// Reports whether a text is a network or an address.
pub(crate) fn is_network(network: &str) -> bool {
    parse(network).is_some()
}

/// Clears the host bits and adds a missing prefix length.
pub(crate) fn normalized(network: &str) -> String {
    match parse(network) {
        Some((address, prefix)) => format!("{}/{prefix}", masked(address, prefix)),
        None => network.to_owned(),
    }
}

/// Reports whether a text is an aligned private IPv4 network of a permitted size.
pub(crate) fn private_block(network: &str, sizes: RangeInclusive<u32>) -> bool {
    match parse(network) {
        Some((IpAddr::V4(address), prefix)) => {
            network.len() <= 18
                && sizes.contains(&prefix)
                && address.is_private()
                && masked(IpAddr::V4(address), prefix) == IpAddr::V4(address)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_normalized_and_checked() {
        assert_eq!(normalized("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(normalized("10.1.2.3/0"), "0.0.0.0/0");
        assert_eq!(normalized("2001:db8::1/32"), "2001:db8::/32");
        assert!(private_block("10.1.16.0/20", 20..=24));
        for bad in ["10.1.17.0/20", "8.8.8.0/24", "10.0.0.0/25", "x", "fd00::/24"] {
            assert!(!private_block(bad, 20..=24), "{bad}");
        }
    }
}
