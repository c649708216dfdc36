//! From a container's specification to a program of this machine: image, command, arguments, environment.
//! Guarantees the reasons and messages of a kubelet for what cannot be started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt as _;

use super::clocks;
use super::environment::{expand, rewrite, variables};
use super::images::Image;
use super::pod::PodContext;
use super::probe::Surroundings;
use super::process::Program;

/// How long upstream waits at first before it pulls an image again.
const PULL: Duration = Duration::from_secs(10);

/// Where a container says why it ended, unless its specification names another file.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// A program that can be started.
pub(super) struct Launch {
    pub(super) program: Program,
    pub(super) surroundings: Surroundings,
    /// Where the container says why it ended.
    pub(super) termination_log: PathBuf,
}

/// Why there is none.
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// When to try again, if not soon; in the time of upstream.
    pub(super) pause: Option<Duration>,
}

impl Refusal {
    fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message, pause: None }
    }
}

/// What to start for a container.
pub(super) fn prepare(pod: &PodContext, container: &Arc<Container>) -> Result<Launch, Refusal> {
    let machine = &pod.machine;
    let name = container.image.as_deref().unwrap_or_default();
    let Some(image) = machine.images.find(name) else {
        let message =
            format!("Back-off pulling image \"{name}\": no program of this machine stands in for it");
        return Err(Refusal { pause: Some(PULL), ..Refusal::new("ImagePullBackOff", message) });
    };
    let termination_log = pod.folder().join("termination").join(&container.name);
    let mut mounts = pod.mounts(container);
    let shown = container.termination_message_path.as_deref().unwrap_or(TERMINATION_LOG);
    mounts.insert(shown.to_owned(), termination_log.display().to_string());
    let found = pod.with_sources(|sources| variables(container, sources, base(pod)));
    let unset = found.map_err(|message| Refusal::new("CreateContainerConfigError", message))?;
    let mut environment: BTreeMap<String, String> =
        unset.iter().map(|(key, value)| (key.clone(), rewrite(value, &mounts))).collect();
    let words = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|word| rewrite(&expand(word, &unset), &mounts)).collect()
    };
    let (path, mut arguments) = command(image, &words(&container.command), words(&container.args))?;
    if image.is_program(&path) {
        let address = BTreeMap::from([("POD_IP".to_owned(), pod.address.to_string())]);
        arguments.extend(image.arguments.iter().map(|argument| expand(argument, &address)));
    }
    if clocks::is_server(&path) {
        environment.remove("LD_PRELOAD");
    }
    let folder = working_folder(pod, container, image, &mounts);
    let namespace = pod.own_namespace();
    let surroundings = Surroundings {
        guard: Arc::clone(&machine.guard),
        http: machine.http.clone(),
        address: pod.address.to_string(),
        container: Arc::clone(container),
        image: image.clone(),
        environment: environment.clone(),
        mounts,
        folder: folder.clone(),
        namespace,
    };
    let program = Program { path, arguments, environment, folder, namespace };
    Ok(Launch { program, surroundings, termination_log })
}

fn command(
    image: &Image,
    command: &[String],
    arguments: Vec<String>,
) -> Result<(PathBuf, Vec<String>), Refusal> {
    let (first, rest) = match (command.split_first(), &image.program) {
        (Some((first, rest)), _) => (first.clone(), [rest, &arguments].concat()),
        // What the entry points of official images do: options are the server's, all else is a command.
        (None, Some(program)) if arguments.first().is_none_or(|first| first.starts_with('-')) => {
            return Ok((program.clone(), arguments));
        }
        (None, _) => match arguments.split_first() {
            Some((first, rest)) => (first.clone(), rest.to_vec()),
            None => return Err(Refusal::new("CreateContainerError", "no command specified".to_owned())),
        },
    };
    let missing = || {
        let message = format!("exec: \"{first}\": executable file not found on this machine");
        Refusal::new("RunContainerError", message)
    };
    Ok((image.resolve(&first).ok_or_else(missing)?, rest))
}

/// Variables that every container has.
fn base(pod: &PodContext) -> BTreeMap<String, String> {
    let machine = &pod.machine;
    let mut found = machine.environment.clone();
    if let Ok(path) = std::env::var("PATH") {
        found.insert("PATH".to_owned(), path);
    }
    if let Some(clocks) = &machine.clocks {
        clocks.set(&mut found, &machine.clock_file(&pod.uid));
    }
    let present = pod.present();
    let hostname = present.spec.as_ref().and_then(|spec| spec.hostname.clone());
    found.insert("HOSTNAME".to_owned(), hostname.unwrap_or_else(|| present.name_any()));
    found.insert("HOME".to_owned(), pod.folder().display().to_string());
    if present.spec.as_ref().and_then(|spec| spec.enable_service_links) != Some(false) {
        found.extend(service_links(pod));
    }
    found
}

/// Where the services of the namespace are, as of now.
fn service_links(pod: &PodContext) -> BTreeMap<String, String> {
    let namespace = pod.namespace();
    let mut found = BTreeMap::new();
    for service in pod.machine.view.services.state() {
        let spec = service.spec.clone().unwrap_or_default();
        let address = spec.cluster_ip.filter(|address| !address.is_empty() && address != "None");
        let (Some(address), true) = (address, service.namespace().as_ref() == Some(&namespace)) else {
            continue;
        };
        let name = service.name_any().to_uppercase().replace('-', "_");
        found.insert(format!("{name}_SERVICE_HOST"), address);
        if let Some(port) = spec.ports.iter().flatten().next() {
            found.insert(format!("{name}_SERVICE_PORT"), port.port.to_string());
        }
    }
    found
}

/// The folder the process starts in: that of the container, or the image's if it is mounted.
fn working_folder(
    pod: &PodContext,
    container: &Container,
    image: &Image,
    mounts: &BTreeMap<String, String>,
) -> PathBuf {
    let root = pod.folder().join("roots").join(&container.name);
    let wanted = container.working_dir.as_ref().or(image.working_dir.as_ref());
    let rewritten = wanted.map(|wanted| (wanted, rewrite(wanted, mounts)));
    match rewritten {
        Some((wanted, folder)) if *wanted != folder => PathBuf::from(folder),
        _ => root,
    }
}
