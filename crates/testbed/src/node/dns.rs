//! The name server of isolated pods. It answers from the current services and endpoints, or from an older state while
//! a fault stops its updates. Pods find it by a `resolv.conf` of their own, which needs mounts of their own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::cluster::{Cluster, Controller};
use super::names::{DOMAIN, Zone, answer, zone};

const PORT: u16 = 53;
/// Questions are short.
const LONGEST: usize = 512;

/// What names lead to.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    zone: Zone,
    stale: bool,
}

impl Names {
    /// Whether names stay as they are.
    pub(super) fn set_stale(&self, stale: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stale = stale;
    }

    /// Answers at an address until the tasks end.
    pub(super) async fn serve(&self, address: Ipv4Addr, tasks: &mut JoinSet<()>) -> std::io::Result<()> {
        let socket = UdpSocket::bind(SocketAddrV4::new(address, PORT)).await?;
        let state = Arc::clone(&self.0);
        tasks.spawn(async move {
            let mut query = [0; LONGEST];
            loop {
                let Ok((length, from)) = socket.recv_from(&mut query).await else { continue };
                let found = {
                    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    answer(&query[..length], &state.zone)
                };
                if let Some(found) = found
                    && let Err(error) = socket.send_to(&found, from).await
                {
                    tracing::debug!(%error, "cannot answer a question for a name");
                }
            }
        });
        Ok(())
    }
}

impl Controller for Names {
    const NAME: &'static str = "names";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let (services, slices) = (cluster.services.state(), cluster.slices.state());
        let fresh = zone(services.iter().map(AsRef::as_ref), &slices);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.stale {
            state.zone = fresh;
        }
        Ok(())
    }
}

/// Writes the file by which pods of a namespace find the name server.
pub(super) fn resolver(folder: &Path, namespace: &str, server: Ipv4Addr) -> std::io::Result<PathBuf> {
    let file = folder.join("resolv.conf");
    let search = format!("{namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}");
    std::fs::create_dir_all(folder)?;
    std::fs::write(&file, format!("nameserver {server}\nsearch {search}\noptions ndots:5\n"))?;
    Ok(file)
}
