//! The log of a container: read from the kubelet of the pod's node, as an API server does it. Its
//! certificate is not checked, as upstream's default is.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Request, header};
use serde_json::Value;

use crate::api::Api;
use crate::failure::{Answer, Failure, GroupResource};
use crate::protocol::request::{Query, Target};
use crate::storage::store::Key;

/// Parameters of the request that the kubelet receives.
const PASSED: [&str; 7] =
    ["follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps"];

/// Answers with what the kubelet answers.
pub(crate) async fn read(api: &Api, target: &Target, query: &Query) -> Answer<Response> {
    let pod = api.find(target)?;
    let container = container(target.name(), &pod.value, query.get("container"))?;
    let node = pod.value["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        // Upstream answers with an empty log.
        return Ok(plain(Body::empty()));
    }
    let found = api.store.get(&GroupResource::new("", "nodes"), &Key::new("", node));
    let missing = || Failure::not_found(&GroupResource::new("", "nodes"), node);
    let url = kubelet(&found.ok_or_else(missing)?.value, node)?;
    let mut parameters = Vec::new();
    for name in PASSED.into_iter().filter(|name| !query.get(name).is_empty()) {
        parameters.push(format!("{name}={}", query.get(name)));
    }
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let path = format!("/containerLogs/{namespace}/{}/{container}?{}", target.name(), parameters.join("&"));
    let failed = |error: &dyn std::fmt::Display| {
        Failure::unclassified(format!("Get \"{url}{path}\": {error}")).with_reason("InternalError")
    };
    let mut config = kube::Config::new(url.parse().map_err(|error| failed(&error))?);
    config.accept_invalid_certs = true;
    config.read_timeout = None;
    let client = kube::Client::try_from(config).map_err(|error| failed(&error))?;
    let request = Request::get(&path).body(kube::client::Body::empty()).map_err(|error| failed(&error))?;
    let answer = client.send(request).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let mut response = plain(Body::new(answer.into_body()));
    *response.status_mut() = status;
    if status.is_success() {
        return Ok(response);
    }
    let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    Err(Failure::bad_request(String::from_utf8_lossy(&text).trim()))
}

fn plain(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The requested container, or the only one.
fn container(pod: &str, value: &Value, wanted: &str) -> Answer<String> {
    let names = |key: &str| {
        let list = value["spec"][key].as_array().into_iter().flatten();
        list.filter_map(|container| container["name"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (regular, init) = (names("containers"), names("initContainers"));
    match (wanted, regular.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", _) => {
            let choice = regular.join(" ");
            let others = match init.as_slice() {
                [] => String::new(),
                init => format!(" or one of the init containers: [{}]", init.join(" ")),
            };
            Err(Failure::bad_request(format!(
                "a container name must be specified for pod {pod}, choose one of: [{choice}]{others}"
            )))
        }
        (wanted, _) if regular.iter().chain(&init).any(|name| name == wanted) => Ok(wanted.to_owned()),
        _ => Err(Failure::bad_request(format!("container {wanted} is not valid for pod {pod}"))),
    }
}

fn kubelet(node: &Value, name: &str) -> Answer<String> {
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    let address = addresses.into_iter().find(|address| address["type"] == "InternalIP");
    let address = address.and_then(|address| address["address"].as_str());
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().unwrap_or(10250);
    match address {
        Some(address) => Ok(format!("https://{address}:{port}")),
        None => Err(Failure::unclassified(format!(
            "no preferred addresses found; known addresses: [] of node {name}"
        ))),
    }
}
