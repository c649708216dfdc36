//! The endpoints of services: one slice for each service with a selector, in line with the pods it selects.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::node::cluster::{Cluster, Controller, ignore_races};

/// Who writes the slices.
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// The controller, and what it wrote last.
#[derive(Default)]
pub(crate) struct Endpoints {
    written: std::collections::BTreeMap<String, Value>,
}

impl Controller for Endpoints {
    const NAME: &'static str = "endpoints";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let pods = cluster.pods.state();
        for service in cluster.services.state() {
            let spec = service.spec.clone().unwrap_or_default();
            if spec.selector.as_ref().is_none_or(std::collections::BTreeMap::is_empty) {
                continue;
            }
            let wanted = slice(cluster, &service, &pods);
            let (name, namespace) = (name(&service), service.namespace().unwrap_or_default());
            let exists = cluster.slices.get(&ObjectRef::new(&name).within(&namespace)).is_some();
            let uid = service.uid().unwrap_or_default();
            if exists && self.written.get(&uid) == Some(&wanted) {
                continue;
            }
            // An answer that does not arrive leaves it open what is there.
            self.written.remove(&uid);
            let api: Api<EndpointSlice> = Api::namespaced(cluster.client.clone(), &namespace);
            let options = PatchParams::apply(MANAGER).force();
            if ignore_races(api.patch(&name, &options, &Patch::Apply(&wanted)).await)?.is_some() {
                self.written.insert(uid, wanted);
            }
        }
        Ok(())
    }
}

fn name(service: &Service) -> String {
    format!("{}-slice", service.name_any())
}

fn slice(cluster: &Cluster, service: &Service, pods: &[Arc<Pod>]) -> Value {
    let spec = service.spec.clone().unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    let mut selected: Vec<&Arc<Pod>> = pods
        .iter()
        .filter(|pod| pod.namespace() == service.namespace())
        .filter(|pod| selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value)))
        .filter(|pod| is_placed(pod))
        .collect();
    selected.sort_by_key(|pod| pod.name_any());
    let published = spec.publish_not_ready_addresses == Some(true);
    let endpoints: Vec<Value> =
        selected.iter().map(|pod| endpoint(cluster, service, pod, published)).collect();
    let first = selected.first().map(AsRef::as_ref);
    let ports = spec.ports.unwrap_or_default();
    let ports: Vec<Value> = ports.iter().filter_map(|port| numbered(port, first)).collect();
    let owner = service.controller_owner_ref(&());
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name(service), "namespace": service.namespace(), "ownerReferences": [owner],
            "labels": {
                "kubernetes.io/service-name": service.name_any(), "endpointslice.kubernetes.io/managed-by": MANAGER,
            },
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    })
}

/// Whether a pod has an address and may still need it.
fn is_placed(pod: &Pod) -> bool {
    let status = pod.status.clone().unwrap_or_default();
    status.pod_ip.is_some_and(|address| !address.is_empty())
        && !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn endpoint(cluster: &Cluster, service: &Service, pod: &Pod, published: bool) -> Value {
    let (ready, terminating) = (is_ready(pod), pod.metadata.deletion_timestamp.is_some());
    let status = pod.status.clone().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let zone = cluster.nodes.get(&ObjectRef::new(&node));
    let zone = zone.and_then(|node| node.labels().get("topology.kubernetes.io/zone").cloned());
    let spec = pod.spec.clone().unwrap_or_default();
    let hostname = spec.hostname.filter(|_| spec.subdomain == Some(service.name_any()));
    let mut endpoint = json!({
        "addresses": [status.pod_ip], "nodeName": node, "zone": zone,
        "conditions": {
            "ready": published || (ready && !terminating), "serving": published || ready, "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod", "namespace": pod.namespace(), "name": pod.name_any(), "uid": pod.uid(),
        },
    });
    if let Some(hostname) = hostname {
        endpoint["hostname"] = hostname.into();
    }
    endpoint
}

/// The port with its number in the pods, if it has one.
fn numbered(port: &ServicePort, pod: Option<&Pod>) -> Option<Value> {
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let containers = pod.and_then(|pod| pod.spec.as_ref()).map(|spec| &spec.containers);
            let mut ports =
                containers.into_iter().flatten().flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    Some(json!({"name": port.name.as_deref().unwrap_or_default(), "port": number, "protocol": protocol}))
}
