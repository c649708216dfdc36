//! One container: its process from start to end, restarted by its policy. At most one process of it runs, and none
//! after [`run`] has returned.

use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::launch::{Launch, prepare};
use super::pod::{Order, PodContext};
use super::probe::{Surroundings, Timing};
use super::process::Running;
use super::restarts::{Backoff, ended, failed_start};
use super::status::{Ended, State};

/// Pause before something that could not be started is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// The time that is left for the polite end after a hook.
const AFTER_HOOK: Duration = Duration::from_secs(2);

/// When a container is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Always,
    OnFailure,
    Never,
}

/// Runs a container until it is done or stopped.
pub(super) async fn run(
    pod: Arc<PodContext>,
    container: Arc<Container>,
    policy: Policy,
    orders: watch::Receiver<Order>,
) {
    Runner { pod, container, policy, orders, waits: Backoff::default() }.run().await;
}

struct Runner {
    pod: Arc<PodContext>,
    container: Arc<Container>,
    policy: Policy,
    orders: watch::Receiver<Order>,
    waits: Backoff,
}

/// Why a process is to end.
enum Cause {
    Ended(std::io::Result<ExitStatus>),
    Unhealthy,
    Ordered,
}

/// What the container left, as far as a kubelet reads it.
fn termination_message(log: &Path) -> String {
    const LONGEST: usize = 4096;
    let mut bytes = std::fs::read(log).unwrap_or_default();
    bytes.truncate(LONGEST);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Runner {
    async fn run(mut self) {
        let mut count = 0;
        while !self.is_stopped() {
            let launch = match prepare(&self.pod, &self.container) {
                Ok(launch) => launch,
                Err(refusal) => {
                    self.note_waiting(refusal.reason, &refusal.message);
                    self.pause(refusal.pause.map_or(RETRY, |pause| self.pod.machine.pace.scale(pause))).await;
                    continue;
                }
            };
            let begun = Instant::now();
            let ended = self.once(launch, count).await;
            self.pod.note(&self.container.name, |record| {
                record.state = State::Terminated(ended.clone());
                (record.ready, record.started) = (false, false);
            });
            if self.is_stopped() || !self.restarts(&ended) {
                return;
            }
            let wait = self.waits.next(begun.elapsed(), |seconds| self.pod.machine.pace.seconds(seconds));
            if !wait.is_zero() {
                let text = format!("back-off restarting failed container={}", self.container.name);
                self.pod.note(&self.container.name, |record| record.last = Some(ended.clone()));
                self.note_waiting("CrashLoopBackOff", &text);
                self.pause(wait).await;
            }
            count += 1;
            self.pod.note(&self.container.name, |record| record.last = Some(ended));
        }
    }

    fn is_stopped(&self) -> bool {
        *self.orders.borrow() != Order::Run
    }

    fn restarts(&self, ended: &Ended) -> bool {
        match self.policy {
            Policy::Always => true,
            Policy::OnFailure => ended.code != 0,
            Policy::Never => false,
        }
    }

    fn note_waiting(&self, reason: &str, message: &str) {
        self.pod.note(&self.container.name, |record| record.state = State::waiting(reason, message));
    }

    /// Waits, but not beyond an order to stop.
    async fn pause(&mut self, time: Duration) {
        let stopped = self.orders.wait_for(|order| *order != Order::Run);
        // Without the sender, no task waits for this container.
        let _ = tokio::time::timeout(time, stopped).await;
    }

    /// One run of the process.
    async fn once(&mut self, launch: Launch, count: u32) -> Ended {
        let started = Utc::now();
        let mut running = match self.start(&launch, count) {
            Ok(running) => running,
            Err(error) => return failed_start(started, &error),
        };
        let place = self.pod.place(&self.container.name);
        self.pod.machine.note_running(&place, Some(running.group()));
        self.pod.note(&self.container.name, |record| {
            record.state = State::Running { since: started };
            record.restarts = count;
        });
        let cause = {
            let stopped = async {
                // See `pause`.
                let _ = self.orders.clone().wait_for(|order| *order != Order::Run).await;
            };
            tokio::select! {
                status = running.wait() => Cause::Ended(status),
                () = self.watch(&launch.surroundings) => Cause::Unhealthy,
                () = stopped => Cause::Ordered,
            }
        };
        let status = match cause {
            Cause::Ended(status) => status,
            Cause::Unhealthy | Cause::Ordered => self.stop(&mut running, &launch.surroundings).await,
        };
        running.clear();
        self.pod.machine.note_running(&place, None);
        Ended { message: termination_message(&launch.termination_log), ..ended(started, &status) }
    }

    fn start(&self, launch: &Launch, count: u32) -> std::io::Result<Running> {
        let log = self.pod.log(&self.container.name, count);
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::create_dir_all(&launch.program.folder)?;
        if let Some(folder) = launch.termination_log.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(&launch.termination_log)?;
        launch.program.start(&self.pod.machine.guard, &File::create(log)?)
    }

    /// Watches the running container; ends when it is to be killed.
    async fn watch(&self, around: &Surroundings) {
        if let Some(hook) = self.container.lifecycle.as_ref().and_then(|found| found.post_start.as_ref())
            && !around.run_hook(hook).await
        {
            return;
        }
        if let Some(probe) = &self.container.startup_probe
            && !self.outcome(probe, around).await
        {
            return;
        }
        let gated = self.container.readiness_probe.is_some();
        self.pod.note(&self.container.name, |record| (record.started, record.ready) = (true, !gated));
        let readiness = async {
            if let Some(probe) = &self.container.readiness_probe {
                self.follow_readiness(probe, around).await;
            }
            std::future::pending::<()>().await;
        };
        let liveness = async {
            match &self.container.liveness_probe {
                Some(probe) => self.until_failed(probe, around).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = readiness => {}, () = liveness => {} }
    }

    /// Whether a probe succeeds before it failed as often as it may.
    async fn outcome(&self, probe: &Probe, around: &Surroundings) -> bool {
        let timing = Timing::of(probe, self.pod.machine.pace);
        tokio::time::sleep(timing.delay).await;
        let mut failures = 0;
        while failures < timing.failures {
            if around.succeeds(probe, timing.timeout).await {
                return true;
            }
            failures += 1;
            tokio::time::sleep(timing.period).await;
        }
        false
    }

    async fn until_failed(&self, probe: &Probe, around: &Surroundings) {
        let timing = Timing::of(probe, self.pod.machine.pace);
        tokio::time::sleep(timing.delay).await;
        let mut failures = 0;
        while failures < timing.failures {
            let succeeded = around.succeeds(probe, timing.timeout).await;
            failures = if succeeded { 0 } else { failures + 1 };
            tokio::time::sleep(timing.period).await;
        }
    }

    async fn follow_readiness(&self, probe: &Probe, around: &Surroundings) {
        let timing = Timing::of(probe, self.pod.machine.pace);
        tokio::time::sleep(timing.delay).await;
        let (mut successes, mut failures) = (0, 0);
        loop {
            if around.succeeds(probe, timing.timeout).await {
                (successes, failures) = (successes + 1, 0);
            } else {
                (successes, failures) = (0, failures + 1);
            }
            if successes >= timing.successes {
                self.pod.note(&self.container.name, |record| record.ready = true);
            } else if failures >= timing.failures {
                self.pod.note(&self.container.name, |record| record.ready = false);
            }
            tokio::time::sleep(timing.period).await;
        }
    }

    /// Ends the process: hook, polite signal, and the other one when its time is up.
    async fn stop(&mut self, running: &mut Running, around: &Surroundings) -> std::io::Result<ExitStatus> {
        let own = self.pod.present().spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        let own = Instant::now() + Duration::from_secs(own.unwrap_or(30).unsigned_abs());
        let deadline = |order: Order| match order {
            Order::Run => own,
            Order::Stop(deadline) => deadline,
        };
        let hook = self.container.lifecycle.as_ref().and_then(|found| found.pre_stop.as_ref());
        let mut polite = false;
        if let Some(hook) = hook {
            let now = deadline(*self.orders.borrow_and_update());
            tokio::select! {
                _ = around.run_hook(hook) => {}
                () = sleep_until(now) => {}
                status = running.wait() => return status,
            }
        }
        // What a kubelet leaves after a hook, however long that took.
        let least = hook.map(|_| Instant::now() + AFTER_HOOK);
        loop {
            let now = deadline(*self.orders.borrow_and_update());
            let now = least.map_or(now, |least| now.max(least));
            if !polite && Instant::now() < now {
                running.terminate();
                polite = true;
            }
            tokio::select! {
                status = running.wait() => return status,
                () = sleep_until(now) => {
                    running.clear();
                    return running.wait().await;
                }
                // The time may have been shortened.
                changed = self.orders.changed() => if changed.is_err() {
                    running.clear();
                },
            }
        }
    }
}
