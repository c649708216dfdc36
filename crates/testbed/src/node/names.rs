//! Names of services and pods, and the answers of a name server for them. Pure; supports only IPv4 addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;

/// What every name here ends with.
pub(super) const DOMAIN: &str = "cluster.local";
const HEADER: usize = 12;
/// How long an answer may be kept: not at all.
const TTL: u32 = 0;
const ADDRESS: u16 = 1;
const INTERNET: u16 = 1;

/// Addresses by name, without a dot at the end.
pub(super) type Zone = BTreeMap<String, Vec<Ipv4Addr>>;

/// The names of services, and of the pods behind those without an address of their own.
pub(super) fn zone<'a>(
    services: impl Iterator<Item = &'a Service>,
    slices: &[impl AsRef<EndpointSlice>],
) -> Zone {
    let mut zone = Zone::new();
    for service in services {
        let (name, namespace) = (service.name_any(), service.namespace().unwrap_or_default());
        let full = format!("{name}.{namespace}.svc.{DOMAIN}");
        let address = service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone()).unwrap_or_default();
        if address != "None" {
            zone.entry(full).or_default().extend(address.parse::<Ipv4Addr>());
            continue;
        }
        let own = slices.iter().map(AsRef::as_ref).filter(|slice| {
            slice.namespace().as_deref() == Some(&namespace)
                && slice.labels().get("kubernetes.io/service-name") == Some(&name)
        });
        zone.entry(full.clone()).or_default();
        for endpoint in own.flat_map(|slice| slice.endpoints.iter().flatten()) {
            let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready);
            let addresses = endpoint.addresses.iter().filter_map(|address| address.parse().ok());
            let addresses: Vec<Ipv4Addr> = addresses.filter(|_: &Ipv4Addr| ready.unwrap_or(true)).collect();
            if let Some(host) = &endpoint.hostname {
                zone.entry(format!("{host}.{full}")).or_default().extend(&addresses);
            }
            zone.entry(full.clone()).or_default().extend(addresses);
        }
    }
    zone
}

/// The answer to a question; none to what is no question.
pub(super) fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    const NAME_ERROR: u8 = 3;
    let (name, end) = question(query)?;
    let number = |at: usize| Some(u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]));
    let (kind, class) = (number(end)?, number(end + 2)?);
    let found = zone.get(&name);
    let asked = kind == ADDRESS && class == INTERNET;
    let addresses: &[Ipv4Addr] = found.filter(|_| asked).map_or(&[], Vec::as_slice);
    let code = if found.is_some() { 0 } else { NAME_ERROR };
    let mut out = query.get(..2)?.to_vec();
    // An authoritative answer, with recursion available.
    out.extend([0x85, 0x80 | code, 0, 1]);
    out.extend(u16::try_from(addresses.len()).ok()?.to_be_bytes());
    out.extend([0; 4]);
    out.extend(query.get(HEADER..end + 4)?);
    for address in addresses {
        // The name is the one at the beginning of the question.
        out.extend([0xc0, 0x0c]);
        out.extend(ADDRESS.to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        out.extend([0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

/// The requested name, and where its type begins.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let is_query = query.get(2)? & 0xf8 == 0 && query.get(4..6)? == [0, 1];
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // No question is compressed.
        let label = query.get(at..at + length).filter(|_| length < 64)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
    is_query.then(|| (labels.join("."), at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut query = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.bytes());
        }
        query.push(0);
        query.extend(kind.to_be_bytes());
        query.extend([0, 1]);
        query
    }

    #[test]
    fn names_lead_to_services_and_to_the_pods_of_headless_ones() {
        let service = |name: &str, address: &str| -> Service {
            serde_json::from_value(json!({
                "metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": address},
            }))
            .unwrap()
        };
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {
                "name": "all-slice", "namespace": "shop", "labels": {"kubernetes.io/service-name": "all"},
            },
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.64.1.2"], "hostname": "cache-0", "conditions": {"ready": true}},
                {"addresses": ["10.64.2.2"], "hostname": "cache-1", "conditions": {"ready": false}},
            ],
        }))
        .unwrap();
        let services = [service("leader", "10.0.0.9"), service("all", "None")];
        let zone = zone(services.iter(), &[Arc::new(slice)]);
        let of = |name: &str| zone.get(name).map(|found| found.iter().map(ToString::to_string).collect());
        let one = |address: &str| Some(vec![address.to_owned()]);
        assert_eq!(of("leader.shop.svc.cluster.local"), one("10.0.0.9"));
        assert_eq!(of("all.shop.svc.cluster.local"), one("10.64.1.2"));
        assert_eq!(of("cache-0.all.shop.svc.cluster.local"), one("10.64.1.2"));
        assert_eq!(of("cache-1.all.shop.svc.cluster.local"), Some(Vec::new()));
        assert_eq!(of("other.shop.svc.cluster.local"), None);
    }

    #[test]
    fn answers_carry_the_question_and_the_recorded_facts() {
        let zone = Zone::from([("a.b".to_owned(), vec![Ipv4Addr::new(1, 2, 3, 4)])]);
        let asked = query("A.b", ADDRESS);
        let found = answer(&asked, &zone).unwrap();
        assert_eq!(found[..4], [7, 9, 0x85, 0x80]);
        assert_eq!(found[6..8], [0, 1]);
        assert_eq!(found[HEADER..asked.len()], asked[HEADER..]);
        assert!(found.ends_with(&[0, 4, 1, 2, 3, 4]));
        // Another type of an existing name, and a missing name.
        let (other, unknown) =
            (answer(&query("a.b", 28), &zone).unwrap(), answer(&query("x", 1), &zone).unwrap());
        assert_eq!((other[3], other[7]), (0x80, 0));
        assert_eq!((unknown[3], unknown[7]), (0x83, 0));
        for length in 0..asked.len() {
            assert_eq!(answer(&asked[..length], &zone), None);
        }
        let mut reply = asked;
        reply[2] |= 0x80;
        assert_eq!(answer(&reply, &zone), None);
    }
}
