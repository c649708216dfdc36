//! The way to the instances of a cluster: mutual TLS with the certificate that only the operator has, by names that no
//! name server knows. An answer counts only if it comes from the pod that was asked.

use crate::{
    cluster::secrets,
    ha::{Fence, Fenced},
};
use k8s_openapi::api::core::v1::Secret;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
use valkeeper_cluster::{Desired, InstanceSeen, PodSeen, RestoreSeen, TlsSeen, names};
use valkeeper_failover::Name;
use valkeeper_instance::{
    client::{Addresses, ClientIdentity, InstanceClient, http_at},
    import::ImportProgress,
    restore::RestoreStatus,
    status::{StatusAnswer, TlsStatus},
};

/// How long a status is waited for. The others are not kept waiting for a pod that stands still.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for one that did not answer before.
const PATIENCE_WITH_SILENCE: Duration = Duration::from_millis(150);
/// The same where who does not answer is asked again.
const BRIEF_PATIENCE: Duration = Duration::from_millis(250);
/// Letters of a pod's identity in the name by which it is called: no connection of an earlier pod is used.
const IDENTITY: usize = 8;

/// The way to the instances of one cluster.
#[derive(Clone)]
pub(super) struct Door {
    /// The version of the Secret that it is made from.
    pub(super) version: String,
    http: reqwest::Client,
    addresses: Addresses,
    /// Pods that did not answer when they were last asked.
    silent: Arc<Mutex<BTreeSet<String>>>,
}

impl Door {
    /// From the Secret with the operator's certificate; none if that holds none.
    pub(super) fn of(secret: &Secret) -> Option<Self> {
        let text = |key: &str| secrets::text(secret, key);
        let (authority, certificate, key) = (text("ca.crt")?, text("tls.crt")?, text("tls.key")?);
        let addresses = Addresses::default();
        let identity = format!("{certificate}\n{key}");
        let identity = ClientIdentity { authority: &authority, identity: &identity };
        let http = http_at(addresses.clone(), identity)
            .inspect_err(|error| tracing::warn!(%error, "cannot use the certificate of the operator"))
            .ok()?;
        let version = secret.metadata.resource_version.clone().unwrap_or_default();
        Some(Self { version, http, addresses, silent: Arc::default() })
    }

    /// These pods can be reached.
    pub(super) fn open(&self, desired: &Desired, pods: &BTreeMap<u32, PodSeen>) {
        let address = |(ordinal, pod): (&u32, &PodSeen)| {
            let address: IpAddr = pod.address.as_ref()?.parse().ok()?;
            Some((host(desired, *ordinal, pod), address))
        };
        self.addresses.replace(pods.iter().filter_map(address).collect());
    }

    /// A client for a verb to the instance in a pod, while this process leads. Instances refuse verbs of an older
    /// term; this keeps a process that stood still from beginning one at all.
    pub(super) fn commander(
        &self,
        fence: &Fence,
        desired: &Desired,
        ordinal: u32,
        pod: &PodSeen,
    ) -> Result<InstanceClient, Fenced> {
        fence.check()?;
        Ok(self.client(desired, ordinal, pod))
    }

    fn client(&self, desired: &Desired, ordinal: u32, pod: &PodSeen) -> InstanceClient {
        let host = host(desired, ordinal, pod);
        InstanceClient::new(self.http.clone(), format!("https://{host}:{}", names::CONTROL_PORT))
    }

    /// Asks all instances at once. A brief silence is no silence yet.
    pub(super) async fn ask(
        &self,
        desired: &Desired,
        pods: &BTreeMap<u32, PodSeen>,
        is_brief: bool,
    ) -> BTreeMap<u32, InstanceSeen> {
        let mut asked = JoinSet::new();
        let silent = self.silent().clone();
        for (ordinal, pod) in
            pods.iter().filter(|(_, pod)| pod.address.is_some() && !pod.foreign && !pod.ended)
        {
            let client = self.client(desired, *ordinal, pod);
            let (ordinal, name, uid) = (*ordinal, desired.instance(*ordinal), pod.uid.clone());
            let patience = match silent.contains(&uid) {
                true => PATIENCE_WITH_SILENCE,
                false if is_brief => BRIEF_PATIENCE,
                false => PATIENCE,
            };
            asked.spawn(async move {
                let answer = tokio::time::timeout(patience, client.status()).await;
                let answer = match answer {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(error)) => {
                        tracing::debug!(instance = name, %error, "no status");
                        return None;
                    }
                    Err(_) => return None,
                };
                let identity = &answer.status.identity;
                let expected = identity.name == Name::from(name.as_str()) && *identity.pod == *uid;
                expected.then(|| (ordinal, seen(answer)))
            });
        }
        let seen: BTreeMap<u32, InstanceSeen> = asked.join_all().await.into_iter().flatten().collect();
        if !is_brief {
            let silent = pods.iter().filter(|(ordinal, _)| !seen.contains_key(*ordinal));
            *self.silent() = silent.map(|(_, pod)| pod.uid.clone()).collect();
        }
        seen
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host(desired: &Desired, ordinal: u32, pod: &PodSeen) -> String {
    let identity: String = pod.uid.chars().take(IDENTITY).collect();
    let instance = format!("{}-{identity}", desired.instance(ordinal));
    names::host(&instance, &desired.name, &desired.namespace)
}

fn seen(answer: StatusAnswer) -> InstanceSeen {
    let StatusAnswer { status, server, settings, access, restore, tls } = answer;
    InstanceSeen {
        status,
        settings: settings.revision,
        access,
        need_restart: settings.need_restart,
        refused: settings.refused,
        used_memory: server.as_ref().map(|server| server.used_memory),
        max_memory: server.as_ref().map(|server| server.max_memory).filter(|limit| *limit > 0),
        alone: settings.alone,
        port: server.as_ref().map_or(names::SERVER_PORT, |server| server.port),
        writes_succeed: server.as_ref().is_none_or(|server| server.writes_succeed),
        host: server.map(|server| server.host),
        restore: restore.map(restored),
        tls: tls.map(|TlsStatus { port, supported, certificate }| TlsSeen { port, supported, certificate }),
    }
}

fn restored(status: RestoreStatus) -> RestoreSeen {
    match status {
        RestoreStatus::Waiting => RestoreSeen::Waiting,
        RestoreStatus::Running => RestoreSeen::Running,
        RestoreStatus::Following(ImportProgress { cutting_over, waits_for, copies }) => {
            RestoreSeen::Following { cutting_over, waits_for, copies }
        }
        RestoreStatus::Done => RestoreSeen::Done,
        RestoreStatus::HadData => RestoreSeen::HadData,
        RestoreStatus::Failed(failure) => {
            RestoreSeen::Failed { passing: failure.passing, message: failure.message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::valkey_cluster::certificates;
    use serde_json::json;
    use tokio::time::Instant;
    use valkeeper_cluster::Defaults;

    #[tokio::test]
    async fn verbs_are_not_sent_once_the_fence_is_closed() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let object = json!({
            "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster",
            "metadata": {"name": "trio", "namespace": "default", "uid": "1"},
            "spec": {"version": "8.1", "instances": 3, "resources": {"memory": "64Mi"}},
        });
        let defaults = Defaults { manager_image: "valkeeper.test/valkeeper:1".to_owned() };
        let desired = Desired::of(&serde_json::from_value(object).unwrap(), defaults);
        let door = Door::of(&certificates::authority(&desired, None).unwrap()).unwrap();
        let fence = Fence::until(Instant::now() + Duration::from_mins(1));
        let pod = PodSeen::default();
        assert!(door.commander(&fence, &desired, 0, &pod).is_ok());
        fence.close();
        assert!(door.commander(&fence, &desired, 0, &pod).is_err());
    }
}
