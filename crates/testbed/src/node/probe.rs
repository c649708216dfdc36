//! Probes and hooks: one check of a container, and when checks are due. What follows from their outcome is
//! left to the container.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;

use super::environment::rewrite;
use super::images::Image;
use super::options::Pace;
use super::process::{Guard, Namespace, Program};

/// What checks run in: the surroundings of one container.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) guard: Arc<Guard>,
    pub(super) http: reqwest::Client,
    pub(super) address: String,
    pub(super) container: Arc<Container>,
    pub(super) image: Image,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) mounts: BTreeMap<String, String>,
    pub(super) folder: PathBuf,
    pub(super) namespace: Option<Namespace>,
}

/// When checks are due, and how many count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) successes: u32,
    pub(super) failures: u32,
}

impl Timing {
    pub(super) fn of(probe: &Probe, pace: Pace) -> Self {
        let seconds = |value: Option<i32>, default: i32| i64::from(value.unwrap_or(default));
        let count = |value: Option<i32>, default: u32| {
            value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default).max(1)
        };
        Self {
            delay: pace.seconds(seconds(probe.initial_delay_seconds, 0)),
            period: pace.seconds(seconds(probe.period_seconds, 10).max(1)),
            timeout: Duration::from_secs(seconds(probe.timeout_seconds, 1).max(1).unsigned_abs()),
            successes: count(probe.success_threshold, 1),
            failures: count(probe.failure_threshold, 3),
        }
    }
}

impl Surroundings {
    /// Whether the probe succeeds.
    pub(super) async fn succeeds(&self, probe: &Probe, timeout: Duration) -> bool {
        let check = async {
            if let Some(exec) = &probe.exec {
                return self.exec(exec).await;
            }
            if let Some(request) = &probe.http_get {
                return self.get(request).await;
            }
            match &probe.tcp_socket {
                Some(socket) => self.connect(socket.host.as_deref(), &socket.port).await,
                // Nothing here speaks gRPC.
                None => false,
            }
        };
        tokio::time::timeout(timeout, check).await.unwrap_or(false)
    }

    /// Runs a hook to its end.
    pub(super) async fn run_hook(&self, hook: &LifecycleHandler) -> bool {
        if let Some(exec) = &hook.exec {
            return self.exec(exec).await;
        }
        if let Some(request) = &hook.http_get {
            return self.get(request).await;
        }
        if let Some(sleep) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        }
        true
    }

    async fn exec(&self, exec: &ExecAction) -> bool {
        let words: Vec<String> =
            exec.command.iter().flatten().map(|word| rewrite(word, &self.mounts)).collect();
        let Some((first, rest)) = words.split_first() else { return false };
        let Some(path) = self.image.resolve(first) else { return false };
        let program = Program {
            path,
            arguments: rest.to_vec(),
            environment: self.environment.clone(),
            folder: self.folder.clone(),
            namespace: self.namespace,
        };
        match program.run(&self.guard).await {
            Ok((succeeded, output)) => {
                tracing::trace!(container = %self.container.name, succeeded, output, "command in a container");
                succeeded
            }
            Err(error) => {
                tracing::debug!(container = %self.container.name, %error, "cannot run a command");
                false
            }
        }
    }

    async fn get(&self, request: &HTTPGetAction) -> bool {
        let Some(port) = self.port(&request.port) else { return false };
        let scheme = request.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let host = request.host.as_deref().unwrap_or(&self.address);
        let path = request.path.as_deref().unwrap_or("/").trim_start_matches('/');
        let mut call = self.http.get(format!("{scheme}://{host}:{port}/{path}"));
        for header in request.http_headers.iter().flatten() {
            call = call.header(&header.name, &header.value);
        }
        call.send().await.is_ok_and(|answer| answer.status().as_u16() < 400)
    }

    async fn connect(&self, host: Option<&str>, port: &IntOrString) -> bool {
        let Some(port) = self.port(port) else { return false };
        TcpStream::connect((host.unwrap_or(&self.address), port)).await.is_ok()
    }

    fn port(&self, port: &IntOrString) -> Option<u16> {
        let number = match port {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => {
                let mut ports = self.container.ports.iter().flatten();
                ports.find(|port| port.name.as_deref() == Some(name))?.container_port
            }
        };
        u16::try_from(number).ok()
    }
}
