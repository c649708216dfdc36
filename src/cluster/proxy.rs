//! The way to the API server through a proxy. The library names a proxy from the environment and cannot use one in
//! this build, so that a kubeconfig together with `HTTPS_PROXY` would end the program at its start; and it compares
//! `NO_PROXY` with the address of the proxy. Here the rules are those of kubectl and of the provider's client:
//! `NO_PROXY` names targets, and this machine is reached directly.

use http::Uri;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::{
        legacy::{
            Builder,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioExecutor,
};
use kube::{Client, Config, client::ConfigExt as _};
use std::net::IpAddr;
use tower::{BoxError, ServiceBuilder};

/// The proxy that `config` names, unless its cluster is reached directly. `no_proxy` is the value of `NO_PROXY`.
pub(super) fn of(config: &Config, no_proxy: &str) -> Option<Intercept> {
    let proxy = config.proxy_url.as_ref()?;
    if is_this_machine(&config.cluster_url) {
        return None;
    }
    let matcher = Matcher::builder().all(proxy.to_string()).no(no_proxy.to_owned()).build();
    matcher.intercept(&config.cluster_url)
}

/// Whether this build supports the proxy: HTTP, with or without TLS.
pub(super) fn is_usable(proxy: &Intercept) -> bool {
    matches!(proxy.uri().scheme_str(), Some("http" | "https"))
}

fn is_this_machine(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A client whose connections go through `proxy`, and which is otherwise as the library builds it.
pub(super) fn client(config: Config, proxy: &Intercept) -> Result<Client, kube::Error> {
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    if proxy.uri().scheme_str() == Some("https") {
        let encrypted = config.rustls_https_connector_with_connector(direct)?;
        build(config, tunnel(proxy, encrypted))
    } else {
        build(config, tunnel(proxy, direct))
    }
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(credentials) => tunnel.with_auth(credentials.clone()),
        None => tunnel,
    }
}

fn build<C>(config: Config, connector: C) -> Result<Client, kube::Error>
where
    C: tower::Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: hyper::rt::Read
        + hyper::rt::Write
        + hyper_util::client::legacy::connect::Connection
        + Send
        + Unpin
        + 'static,
    C::Future: Send + 'static,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Builder::new(TokioExecutor::new()).build(connector));
    Ok(Client::new(service, config.default_namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    fn config(cluster: &str, proxy: Option<&str>) -> Config {
        let mut config = Config::new(cluster.parse().unwrap());
        config.proxy_url = proxy.map(|proxy| proxy.parse().unwrap());
        config
    }

    #[test]
    fn no_proxy_names_targets_and_this_machine_is_reached_directly() {
        let proxy = Some("http://proxy.example.com:3128");
        for (cluster, no_proxy, proxied) in [
            ("https://10.0.0.1:6443", "", true),
            ("https://10.0.0.1:6443", "10.0.0.0/8", false),
            ("https://10.0.0.1:6443", "10.0.0.1", false),
            ("https://10.0.0.1:6443", "proxy.example.com", true),
            ("https://api.example.com", "example.com", false),
            ("https://api.example.com", ".example.com, localhost,", false),
            ("https://api.example.com", "other.example.com,,", true),
            ("https://api.example.com", "*", false),
            ("https://127.0.0.1:6443", "", false),
            ("https://[::1]:6443", "", false),
            ("http://localhost:8001", "", false),
        ] {
            assert_eq!(of(&config(cluster, proxy), no_proxy).is_some(), proxied, "{cluster} {no_proxy:?}");
            assert!(of(&config(cluster, None), no_proxy).is_none());
        }
        let bare = of(&config("https://10.0.0.1", Some("proxy:3128")), "").unwrap();
        assert_eq!(bare.uri(), "http://proxy:3128/");
        let socks = of(&config("https://10.0.0.1", Some("socks5://proxy:1080")), "").unwrap();
        assert!(is_usable(&bare) && !is_usable(&socks));
    }

    #[tokio::test]
    async fn calls_go_through_the_proxy_with_its_credentials() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let length = stream.read(&mut buffer).await.unwrap();
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let body = r#"{"major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            (asked, request)
        });
        let config = config("http://kubernetes.invalid:8080", Some(&format!("http://me:p%40ss@{address}")));
        let proxied = of(&config, "").unwrap();
        let client = client(config, &proxied).unwrap();
        assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.36.0");
        let (asked, request) = proxy.await.unwrap();
        assert!(asked.starts_with("CONNECT kubernetes.invalid:8080 "), "{asked}");
        // me:p@ss
        assert!(
            asked.to_lowercase().contains("proxy-authorization: basic") && asked.contains("bWU6cEBzcw==")
        );
        assert!(request.starts_with("GET /version "), "{request}");
    }
}
