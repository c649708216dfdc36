//! Observes a cluster: pods from the watch, the Lease and the statuses each time, and everything else when something
//! of it may have changed.

use super::{
    Reconciliation, certificates, clock,
    instances::Door,
    known::{LeaseLook, ObservedObjects, PodStore},
    password_text::password_in,
};
use crate::{
    cluster::{data_objects, metadata::is_controlled_by, objects, secrets},
    controller::error::ReconcileError,
};
use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::core::v1::{Pod, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt as _;
use secrecy::SecretString;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use valkeeper_cluster::{
    Certificates, Desired, ObjectSeen, Observed, OwnedKind, Password, PodSeen, ServingSeen, SourceSeen,
    contains, has_tls, is_growing, names, owned, policy, reading, resize,
};
use valkeeper_engine::{ConnectionSecret, existing_secret};
use valkeeper_failover::protocol::Timing;

/// How often a claim is read whose volume is being enlarged.
const GROWING: Duration = Duration::from_secs(10);

impl Reconciliation {
    /// Everything that can be seen now. The Lease comes first: statuses older than the Lease could take an instance for
    /// held that was promoted since.
    pub(super) async fn observe(
        &mut self,
        desired: &Desired,
        lease: LeaseLook,
    ) -> Result<Observed, ReconcileError> {
        let addresses = self.addresses(self.known.objects.as_deref());
        let mut observed = Observed { now: clock::now(), addresses, ..Observed::default() };
        (observed.pods, observed.reloaded) = (self.pods(desired), self.reloaded.clone());
        observed.gone = self.context.clusters.terminated_pods(&desired.uid);
        let LeaseLook { seen, is_optional, began } = lease;
        (observed.lease, observed.lease_is_optional) = (seen, is_optional);
        observed.instances = self.instances(desired, &observed.pods).await;
        let is_first = self.known.door.is_none();
        self.observe_objects_if_needed(desired, &mut observed).await?;
        observed.restore_source = self.restore_source(desired).await?;
        (observed.restore_backs_off, observed.backups) =
            (self.known.restoration.backs_off(), self.backups(desired));
        observed.final_backup = self.final_backup(desired).await?;
        observed.growth_refused = self.growth_refused();
        if is_first {
            observed.instances = self.instances(desired, &observed.pods).await;
        }
        let ended = self.known.started.elapsed();
        if let Some(reading) = reading(desired, &observed, began, ended) {
            let view = self.known.observer.view(&policy(desired), &Timing::default(), reading);
            observed.view = Some(view);
        }
        // Whether it needs a lease depends on what instances say, and the settings on that.
        if owned(desired, &observed)
            != self.known.objects.as_ref().map(|objects| objects.owned.clone()).unwrap_or_default()
        {
            self.stale = true;
            self.observe_objects_if_needed(desired, &mut observed).await?;
        }
        Ok(observed)
    }

    pub(super) fn pods(&mut self, desired: &Desired) -> BTreeMap<u32, PodSeen> {
        let ours = |pod: &Arc<Pod>| {
            pod.namespace().as_deref() == Some(&self.namespace)
                && pod.labels().get(names::CLUSTER) == Some(&desired.name)
        };
        let watched: Vec<_> = self.shared.pods.iter().flat_map(PodStore::state).filter(ours).collect();
        let (pods, wanted) = (self.known.merged(watched), resize::declared(desired));
        let seen = pods.iter().filter_map(|pod| {
            let ordinal = names::ordinal(&desired.name, &pod.name_any())?;
            let mut seen = PodSeen::of(pod, !is_ours(desired, &pod.metadata));
            seen.resize.refusal = self.known.refused_resize(&seen.uid, wanted);
            Some((ordinal, seen))
        });
        let seen: BTreeMap<_, _> = seen.collect();
        self.known.refused_resizes.retain(|uid, _| seen.values().any(|pod| pod.uid == *uid));
        seen
    }

    /// Reads what changes rarely, if it may have changed.
    async fn observe_objects_if_needed(
        &mut self,
        desired: &Desired,
        observed: &mut Observed,
    ) -> Result<(), ReconcileError> {
        let growing = self.known.objects.as_ref().is_some_and(|objects| {
            objects.claims.range(..desired.instances()).any(|(_, claim)| is_growing(claim))
        });
        let resync = self.context.settings.resync_interval;
        // No watch shows claims.
        let resync = if growing { resync.min(GROWING) } else { resync };
        let fresh = self.known.objects.as_ref().filter(|objects| {
            let recent = objects.at.elapsed() < resync || self.is_switching;
            let same = objects.edit == self.edit() && objects.secured == has_tls(desired);
            !self.stale && same && recent
        });
        let objects = match fresh {
            Some(objects) => Arc::clone(objects),
            None => Arc::new(self.observe_objects(desired, observed).await?),
        };
        observed.password = objects.passwords.wanted.clone();
        observed.password_is_due = objects.passwords.is_due;
        observed.access = objects.passwords.access.clone();
        observed.authority = objects.authority;
        observed.certificate = objects.certificate;
        observed.source = objects.source.clone();
        observed.serving = objects.serving.clone();
        observed.objects.clone_from(&objects.objects);
        observed.unwanted.clone_from(&objects.unwanted);
        observed.addresses = self.addresses(Some(&objects));
        observed.claims.clone_from(&objects.claims);
        observed.secret = objects.secret.clone();
        self.known.objects = Some(objects);
        self.stale = false;
        Ok(())
    }

    async fn observe_objects(
        &mut self,
        desired: &Desired,
        observed: &Observed,
    ) -> Result<ObservedObjects, ReconcileError> {
        let client = self.context.client.clone();
        let (passwords, current) = self.passwords_seen(desired).await?;
        let authority =
            data_objects::get::<Secret>(&client, &self.namespace, &names::authority(&desired.name)).await?;
        let certificate =
            data_objects::get::<Secret>(&client, &self.namespace, &names::certificate(&desired.name)).await?;
        self.renew_door(desired, authority.as_ref());
        let mut objects = ObservedObjects {
            at: Instant::now(),
            edit: self.edit(),
            owned: Vec::new(),
            objects: BTreeMap::new(),
            unwanted: self.unwanted(desired).await?,
            passwords,
            authority: certificate_seen(desired, authority.as_ref()),
            certificate: servers_certificate_seen(desired, certificate.as_ref(), authority.as_ref()),
            source: SourceSeen::Unknown,
            serving: ServingSeen::Unknown,
            secured: has_tls(desired),
            claims: self.claims(desired).await?,
            secret: ConnectionSecret::Unknown,
            addresses: BTreeMap::new(),
        };
        objects.owned = owned(desired, observed);
        let interval = self.context.settings.resync_interval;
        for object in &objects.owned {
            let found = objects::get(&client, &self.namespace, object.kind.names(), &object.name).await?;
            let (seen, address) = match found {
                None => (ObjectSeen::Missing, None),
                Some(found) => {
                    let live = serde_json::to_value(&found).unwrap_or_default();
                    let address = live["spec"]["clusterIP"].as_str().map(str::to_owned);
                    let seen = if !is_ours(desired, &found.metadata) {
                        ObjectSeen::Foreign
                    } else if contains(&live, &object.body) || self.known.was_just_applied(object, interval) {
                        ObjectSeen::Current
                    } else {
                        ObjectSeen::Different
                    };
                    (seen, address)
                }
            };
            if let (OwnedKind::Service, Some(address)) = (object.kind, address) {
                objects.addresses.insert(object.name.clone(), address);
            }
            objects.objects.insert((object.kind, object.name.clone()), seen);
        }
        (objects.source, objects.serving) = self.certificates_seen(desired, &objects).await?;
        objects.secret = self.connection_secret(desired, &objects, current).await?;
        Ok(objects)
    }

    fn renew_door(&mut self, desired: &Desired, authority: Option<&Secret>) {
        let Some(authority) = authority.filter(|secret| is_ours(desired, &secret.metadata)) else { return };
        let version = authority.metadata.resource_version.clone().unwrap_or_default();
        if self.known.door.as_ref().is_none_or(|door| door.version != version) {
            self.known.door = Door::of(authority);
        }
    }

    async fn connection_secret(
        &self,
        desired: &Desired,
        objects: &ObservedObjects,
        password: Option<SecretString>,
    ) -> Result<ConnectionSecret, ReconcileError> {
        let Some(target) = self.secret_target(desired, objects) else { return Ok(ConnectionSecret::Unknown) };
        let connection = self.connection(desired, objects, password);
        let Some(found) =
            data_objects::get::<Secret>(&self.context.client, &self.namespace, &target.name).await?
        else {
            // Without a connection, there is nothing to write.
            return Ok(connection.map_or(ConnectionSecret::Unknown, |_| ConnectionSecret::Absent));
        };
        Ok(existing_secret::judge(&found, &desired.owner(), &target, connection.as_ref()).secret)
    }
}

pub(super) fn is_ours(desired: &Desired, metadata: &ObjectMeta) -> bool {
    is_controlled_by(metadata, &desired.uid)
}

/// Whether the Secret holds a password that servers can use.
pub(super) fn has_password(desired: &Desired, secret: &Secret) -> bool {
    let (name, key) = desired.password();
    password_seen(desired, Some(secret), &name, &key).1.is_some()
}

pub(super) fn password_seen(
    desired: &Desired,
    secret: Option<&Secret>,
    name: &str,
    key: &str,
) -> (Password, Option<SecretString>) {
    let foreign = secret.filter(|secret| !is_ours(desired, &secret.metadata));
    if foreign.is_some() && desired.generates_password() {
        // It would be overwritten otherwise.
        let message = format!("Secret {name} belongs to another owner. Delete it or rename the cluster.");
        return (Password::Foreign(message), None);
    }
    match password_in(secret, (name, key), "spec.access.passwordSecretRef") {
        Ok(password) => (Password::Present, Some(password)),
        Err(message) => (Password::Missing(message), None),
    }
}

/// One that another authority has signed than that of now is no good: the servers and the operator would refuse each other.
fn servers_certificate_seen(
    desired: &Desired,
    certificate: Option<&Secret>,
    authority: Option<&Secret>,
) -> Certificates {
    let trusted = |secret: Option<&Secret>| secrets::text(secret?, "ca.crt");
    let seen = certificate_seen(desired, certificate);
    match (seen, trusted(authority)) {
        (Certificates::Present(_), Some(current)) if trusted(certificate) != Some(current.clone()) => {
            Certificates::Present(DateTime::<Utc>::UNIX_EPOCH)
        }
        _ => seen,
    }
}

fn certificate_seen(desired: &Desired, secret: Option<&Secret>) -> Certificates {
    match secret {
        None => Certificates::Missing,
        Some(secret) if !is_ours(desired, &secret.metadata) => Certificates::Foreign,
        Some(secret) => Certificates::Present(certificates::renew_at(secret)),
    }
}
