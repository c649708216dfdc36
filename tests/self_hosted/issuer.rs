//! Secrets of an issuer that has nothing to do with the operator, as cert-manager is one; and what a client without our code
//! sees in a handshake.

use crate::world::World;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::process::Stdio;
use valkeeper_testbed::{certificates::Issued, tools};

impl World {
    /// The names and addresses of the Services of a cluster whose addresses are these from now on.
    pub(crate) async fn hosts(&self, cluster: &str) -> Vec<String> {
        let mut hosts = Vec::new();
        for service in ["leader", "replica"] {
            let service = format!("{cluster}-{service}");
            hosts.push(format!("{service}.{}.svc", self.namespace));
            let found = crate::asking::until("a Service", async || {
                self.api::<Service>().get_opt(&service).await.unwrap()
            });
            hosts.extend(found.await.spec.unwrap().cluster_ip);
        }
        hosts
    }

    /// Writes a Secret as cert-manager does.
    pub(crate) async fn write_certificate(&self, name: &str, issued: &Issued, authority: &str) {
        let text = |text: &str| ByteString(text.as_bytes().to_vec());
        let data = json!({
            "tls.crt": text(&issued.certificate), "tls.key": text(&issued.key), "ca.crt": text(authority),
        });
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name}, "data": data,
        });
        let apply = PatchParams::apply("cert-manager").force();
        self.api::<Secret>().patch(name, &apply, &Patch::Apply(&secret)).await.unwrap();
    }

    /// Makes the last write of the servers' Secret so old that nothing waits for clients any more.
    pub(crate) async fn age_certificate(&self, cluster: &str) {
        let annotations = json!({"valkeeper.io/written-at": "2020-01-01T00:00:00Z"});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let name = format!("{cluster}-client-tls");
        self.api::<Secret>().patch(&name, &PatchParams::default(), &patch).await.unwrap();
    }
}

/// What `openssl s_client` sees of a server: its first certificate, and whether that is verified by this authority.
pub(crate) async fn seen_by_openssl(host: &str, port: u16, authority: &str) -> Option<(String, bool)> {
    let openssl = tools::OPENSSL.or_skip()?;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    let output = tokio::process::Command::new(openssl)
        .args(["s_client", "-connect", &format!("{host}:{port}"), "-verify_ip", host, "-CAfile"])
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let end = "-----END CERTIFICATE-----";
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let certificate = text[begin..].split_inclusive(end).next().unwrap().to_owned();
    Some((certificate, text.contains("Verify return code: 0 (ok)")))
}
