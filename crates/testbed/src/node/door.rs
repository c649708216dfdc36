//! The door to the API server: an address that pods reach in either mode, behind which the real one is. It can be
//! shut, and it can be slow. Guarantees that a shut door ends the connections that went through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde_yaml::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::relay::relay;

/// A door, and the kubeconfig that leads to it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) kubeconfig: String,
    open: watch::Sender<bool>,
    delay: watch::Sender<Duration>,
    _task: JoinSet<()>,
}

impl Door {
    /// Opens a door at an address to the server of a kubeconfig.
    pub(super) async fn open(address: Ipv4Addr, kubeconfig: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await.context("cannot open a door to the API")?;
        let (kubeconfig, server) = lead_to(kubeconfig, listener.local_addr()?)?;
        let (open, delay) = (watch::Sender::new(true), watch::Sender::new(Duration::ZERO));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, server, open.subscribe(), delay.subscribe()));
        Ok(Self { kubeconfig, open, delay, _task: task })
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

async fn serve(
    listener: TcpListener,
    server: String,
    open: watch::Receiver<bool>,
    delay: watch::Receiver<Duration>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, _)) = accepted else { continue };
        let (server, mut open, delay) = (server.clone(), open.clone(), delay.clone());
        connections.spawn(async move {
            let pass = async {
                if let Ok(server) = TcpStream::connect(&server).await {
                    let none = watch::Sender::new(Duration::ZERO);
                    relay(client, server, [delay, none.subscribe()]).await;
                }
            };
            if *open.borrow() {
                // Without its sender there is no door.
                tokio::select! { () = pass => {}, _ = open.wait_for(|open| !open) => {} }
            }
        });
    }
}

/// A kubeconfig whose servers are the door, and the address of the server that they were.
fn lead_to(kubeconfig: &str, door: SocketAddr) -> anyhow::Result<(String, String)> {
    let mut config: Value = serde_yaml::from_str(kubeconfig).context("the kubeconfig of pods")?;
    let cluster = config.get_mut("clusters").and_then(|clusters| clusters.get_mut(0));
    let cluster = cluster.and_then(|cluster| cluster.get_mut("cluster"));
    let cluster =
        cluster.and_then(Value::as_mapping_mut).context("the kubeconfig of pods names no cluster")?;
    let server = cluster.get("server").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (scheme, rest) = server.split_once("://").context("the server of the kubeconfig has no scheme")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
    let port = if scheme == "https" { 443 } else { 80 };
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:{port}") };
    cluster.insert("server".into(), format!("{scheme}://{door}").into());
    if scheme == "https" {
        cluster.insert("tls-server-name".into(), host.into());
    }
    Ok((serde_yaml::to_string(&config)?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfig_leads_to_the_door_with_the_name_of_the_server() {
        let door = SocketAddr::from(([10, 64, 0, 2], 99));
        let text = "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:7/', x: y}}]\nusers: []\n";
        let (found, server) = lead_to(text, door).unwrap();
        assert_eq!(server, "127.0.0.1:7");
        let found: Value = serde_yaml::from_str(&found).unwrap();
        let cluster = &found["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], "https://10.64.0.2:99");
        assert_eq!((&cluster["tls-server-name"], &cluster["x"]), (&"127.0.0.1".into(), &"y".into()));
        let plain = "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:7'}}]";
        assert!(!lead_to(plain, door).unwrap().0.contains("tls-server-name"));
        assert!(lead_to("clusters: []", door).is_err());
    }
}
