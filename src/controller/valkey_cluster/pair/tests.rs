//! Pairs that clients accept, and each defect of one, judged without a server.

use super::*;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use valkeeper_testbed::certificates::{Authority, Issued};

const HOST: &str = "c-leader.n.svc";

fn authority(name: &str) -> Authority {
    Authority::new(name).unwrap()
}

/// A certificate for this host, and its key.
fn issued(authority: &Authority, host: &str, usages: &[ExtendedKeyUsagePurpose]) -> (String, String) {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2026, 1, 1));
    params.extended_key_usages = usages.to_vec();
    let Issued { certificate, key } = authority.sign(&params).unwrap();
    (certificate, key)
}

fn texts((certificate, key): (String, String), authorities: &str) -> Texts {
    Texts { certificate, key, authorities: authorities.to_owned() }
}

fn judged(texts: &Texts, authenticates_clients: bool, year: i32) -> Result<Pair, String> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let hosts = [HOST.to_owned()];
    let now = chrono::NaiveDate::from_ymd_opt(year, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    texts.judge(&Needed { hosts: &hosts, authenticates_clients }, now)
}

#[test]
fn pair_that_clients_accept_is_found_with_its_end() {
    let authority = authority("one");
    let both = authority.pem.clone() + "\n" + &self::authority("two").pem;
    let pair = judged(&texts(issued(&authority, HOST, &[]), &both), true, 2025).unwrap();
    assert_eq!(pair.not_after.to_rfc3339(), "2026-01-01T00:00:00+00:00");
    assert_eq!(pair.authorities.len(), 2);
}

#[test]
fn each_defect_of_a_pair_is_named_without_its_key() {
    let (one, two) = (authority("one"), authority("two"));
    let good = issued(&one, HOST, &[ExtendedKeyUsagePurpose::ServerAuth]);
    let other = issued(&one, HOST, &[]);
    let table = [
        (texts((good.0.clone(), other.1), &one.pem), false, 2025, "tls.key does not belong to tls.crt"),
        (texts(good.clone(), &two.pem), false, 2025, "no authority in ca.crt has signed tls.crt"),
        (texts(good.clone(), &one.pem), false, 2026, "tls.crt has expired"),
        (texts(good.clone(), &one.pem), false, 2024, "tls.crt is not valid yet"),
        (texts(issued(&one, "other", &[]), &one.pem), false, 2025, "tls.crt is not for c-leader.n.svc"),
        (texts(good.clone(), &one.pem), true, 2025, "tls.crt is not for client authentication"),
        (texts((String::from("x"), good.1.clone()), &one.pem), false, 2025, "tls.crt is no certificate"),
        (texts((good.0.clone(), String::from("x")), &one.pem), false, 2025, "tls.key is no private key"),
        (texts(good.clone(), "x"), false, 2025, "ca.crt is no certificate"),
    ];
    for (texts, authenticates_clients, year, why) in table {
        let said = judged(&texts, authenticates_clients, year).unwrap_err();
        assert!(said.starts_with(why), "{why}: {said}");
        assert!(!said.contains("-----") && said.len() < 200, "{said}");
    }
    let secret = serde_json::json!({"data": {"tls.crt": "eA==", "tls.key": "eA=="}});
    let secret = serde_json::from_value(secret).unwrap();
    assert_eq!(Texts::of(&secret).err().unwrap(), "it has no ca.crt. Add it, as cert-manager does.");
}
