//! The nodes of a run, on request: pods run as processes of this machine. Pods find the sandbox's own kubeconfig, and
//! the run reports how they are isolated.

use super::files::Files;
use super::options::Options;
use anyhow::Context as _;
use kube::Client;
use std::collections::BTreeMap;
use std::path::PathBuf;
use valkeeper_testbed::node::{Image, Images, Mode, NodeOptions, Nodes};

/// The image of the instance manager, which this program stands in for.
pub(crate) const MANAGER: &str = "valkeeper-sandbox/valkeeper";

/// Starts the requested nodes; volumes go to `data` if they are to be kept.
pub(crate) async fn start(
    options: &Options,
    client: Client,
    files: &Files,
    certificate: Option<String>,
    data: Option<PathBuf>,
) -> anyhow::Result<Option<Nodes>> {
    if options.nodes == 0 {
        return Ok(None);
    }
    let kubeconfig = files.kubeconfig.display().to_string();
    let mut images = Images::default();
    images.add(Image {
        repository: MANAGER.to_owned(),
        program: Some(files.manager.clone()),
        working_dir: None,
        arguments: Vec::new(),
    });
    let options = NodeOptions {
        count: options.nodes,
        images,
        environment: BTreeMap::from([
            ("KUBECONFIG".to_owned(), kubeconfig),
            // Pods share the network of this machine.
            ("LISTEN_ON_POD_IP".to_owned(), "true".to_owned()),
        ]),
        folder: data,
        certificate_authority: certificate,
        ..NodeOptions::default()
    };
    Nodes::start(client, options).await.context("cannot start the nodes").map(Some)
}

/// The nodes in a few words.
pub(crate) fn describe(nodes: &Nodes) -> String {
    let count = nodes.names().len();
    let apart = match nodes.mode() {
        Mode::Plain => "plain mode",
        Mode::Isolated => "isolated mode",
    };
    let [first, second] = nodes.network();
    format!("{count}; pods are processes at {first}.{second}.NODE.POD, {apart}")
}

/// The network of services: one that nodes can serve, if there are any.
pub(crate) fn service_network(options: &Options) -> Option<[u8; 2]> {
    const FIRST: u8 = 200;
    const COUNT: u32 = 50;
    let own = u8::try_from(std::process::id() % COUNT).unwrap_or_default();
    (options.nodes > 0).then_some([127, FIRST + own])
}
