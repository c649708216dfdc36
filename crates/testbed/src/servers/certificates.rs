//! The sandbox's own certificate authority and the certificates it issues. Guarantees that private keys
//! are readable by the user alone and that an authority which was kept is used again.

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Longest label of a DNS name.
const LONGEST_LABEL: usize = 63;

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// The authority whose files are in `folder`, or a new one that is written there.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        if let (Ok(certificate), Ok(key)) =
            (std::fs::read_to_string(&certificate_path), std::fs::read_to_string(&key_path))
        {
            let key = KeyPair::from_pem(&key).context("the key of the certificate authority")?;
            return Ok(Self { issuer: Issuer::new(parameters()?, key), certificate });
        }
        let key = KeyPair::generate()?;
        write_private(&key_path, &key.serialize_pem())?;
        let parameters = parameters()?;
        let certificate = parameters.self_signed(&key)?.pem();
        write_private(&certificate_path, &certificate)?;
        Ok(Self { issuer: Issuer::new(parameters, key), certificate })
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Writes `server.pem` and `server.key` for a service, valid for `host` and for loopback.
    pub(super) fn issue(&self, host: &str, folder: &Path) -> anyhow::Result<()> {
        let mut names = vec![super::HOST.to_owned()];
        if host.split('.').all(|label| label.len() <= LONGEST_LABEL) {
            names.push(host.to_owned());
        }
        let mut parameters = CertificateParams::new(names)?;
        let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        parameters.subject_alt_names.extend(addresses.map(SanType::IpAddress));
        parameters.distinguished_name.push(DnType::CommonName, super::HOST);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        write_private(&folder.join("server.key"), &key.serialize_pem())?;
        write_private(&folder.join("server.pem"), &certificate.pem())?;
        write_private(&folder.join("ca.pem"), &self.certificate)
    }
}

fn parameters() -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.distinguished_name.push(DnType::CommonName, "valkeeper sandbox");
    Ok(parameters)
}

/// Replaces a file with one that only the user can read.
pub(super) fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
