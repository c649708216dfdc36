//! The life of a pod on its node: volumes, init containers in order, containers, and the end. The API receives the
//! end only when no process of the pod runs any more.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::container::{self, Policy};
use super::pod::{Order, PodContext};
use super::status::State;

/// How soon files follow their secrets and config maps, and how soon missing objects are read again.
const REFRESH: Duration = Duration::from_millis(100);

/// What a kubelet holds of a pod: dropping it kills the processes of the pod.
pub(super) struct Worker {
    pub(super) pod: watch::Sender<Arc<Pod>>,
    pub(super) context: Arc<PodContext>,
    orders: watch::Sender<Order>,
    task: JoinSet<()>,
}

impl Worker {
    pub(super) fn start(context: Arc<PodContext>, pod: watch::Sender<Arc<Pod>>) -> Self {
        let (orders, receiver) = watch::channel(Order::Run);
        let mut task = JoinSet::new();
        task.spawn(live(Arc::clone(&context), receiver));
        Self { pod, context, orders, task }
    }

    /// Ends the pod after at most this time; a longer one than before changes nothing.
    pub(super) fn stop(&self, grace: Duration) {
        let wanted = Instant::now() + grace;
        self.orders.send_if_modified(|order| match *order {
            Order::Stop(deadline) if deadline <= wanted => false,
            _ => {
                *order = Order::Stop(wanted);
                true
            }
        });
    }

    /// Whether nothing of the pod runs any more.
    pub(super) fn has_ended(&mut self) -> bool {
        while self.task.try_join_next().is_some() {}
        self.task.is_empty()
    }
}

/// The whole life of a pod.
async fn live(context: Arc<PodContext>, orders: watch::Receiver<Order>) {
    let mut helpers = JoinSet::new();
    helpers.spawn(report_status(Arc::clone(&context)));
    if mount(&context, &orders).await {
        helpers.spawn(refresh(Arc::clone(&context)));
        run(&context, &orders).await;
    }
    helpers.shutdown().await;
    context.disconnect();
    if *orders.borrow() != Order::Run {
        context.note_over();
    }
    context.publish().await;
    if *orders.borrow() != Order::Run {
        context.confirm_end().await;
    }
    context.machine.return_address(context.address);
}

/// Reports changes to the API, and what another writer changed there.
async fn report_status(context: Arc<PodContext>) {
    let mut pod = context.pod.clone();
    // The initial state is a change, too.
    context.changed.notify_one();
    loop {
        tokio::select! {
            () = context.changed.notified() => {}
            Ok(()) = pod.changed() => {
                if context.is_shown_as_it_is() {
                    continue;
                }
            }
        }
        context.publish().await;
    }
}

/// Keeps the files of volumes up to date.
async fn refresh(context: Arc<PodContext>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        if let Err(message) = context.publish_volumes() {
            tracing::debug!(message, "volumes are not up to date");
        }
    }
}

/// Waits for the volumes; false if the pod is to end before.
async fn mount(context: &PodContext, orders: &watch::Receiver<Order>) -> bool {
    while *orders.borrow() == Order::Run {
        let token = context.fetch_token().await.map_err(|error| error.to_string());
        let connected = context.connect().await.map_err(|error| format!("{error:#}"));
        let clock = context.set_up_clock().map_err(|error| error.to_string());
        match token.and(connected).and(clock).and_then(|()| context.publish_volumes()) {
            Ok(()) => {
                context.note_mounted();
                return true;
            }
            Err(message) => note_all_waiting(context, &message),
        }
        tokio::time::sleep(REFRESH).await;
    }
    false
}

fn spec(context: &PodContext) -> PodSpec {
    context.present().spec.clone().unwrap_or_default()
}

fn note_all_waiting(context: &PodContext, message: &str) {
    for container in &spec(context).containers {
        context.note(&container.name, |record| record.state = State::waiting("ContainerCreating", message));
    }
}

async fn run(context: &Arc<PodContext>, orders: &watch::Receiver<Order>) {
    let spec = spec(context);
    let always = spec.restart_policy.as_deref().unwrap_or("Always");
    let mut sidecars = JoinSet::new();
    // Sidecars end after all other containers.
    let (later, sidecar_orders) = watch::channel(Order::Run);
    for init in spec.init_containers.iter().flatten() {
        let container = Arc::new(init.clone());
        if init.restart_policy.as_deref() == Some("Always") {
            sidecars.spawn(container::run(
                Arc::clone(context),
                container,
                Policy::Always,
                sidecar_orders.clone(),
            ));
            until_started(context, init, orders).await;
        } else {
            let policy = if always == "Never" { Policy::Never } else { Policy::OnFailure };
            container::run(Arc::clone(context), container, policy, orders.clone()).await;
        }
        let done = context.record(&init.name).is_some_and(|record| record.is_done());
        if !done || *orders.borrow() != Order::Run {
            return stop_sidecars(&later, sidecars, orders).await;
        }
    }
    let policy = match always {
        "Never" => Policy::Never,
        "OnFailure" => Policy::OnFailure,
        _ => Policy::Always,
    };
    let mut running = JoinSet::new();
    for container in &spec.containers {
        context.note(&container.name, |record| record.state = State::waiting("ContainerCreating", ""));
        running.spawn(container::run(
            Arc::clone(context),
            Arc::new(container.clone()),
            policy,
            orders.clone(),
        ));
    }
    while running.join_next().await.is_some() {}
    stop_sidecars(&later, sidecars, orders).await;
}

async fn until_started(context: &PodContext, container: &Container, orders: &watch::Receiver<Order>) {
    const LOOK: Duration = Duration::from_millis(5);
    let started = || context.record(&container.name).is_none_or(|record| record.is_done());
    while !started() && *orders.borrow() == Order::Run {
        tokio::time::sleep(LOOK).await;
    }
}

async fn stop_sidecars(
    later: &watch::Sender<Order>,
    mut sidecars: JoinSet<()>,
    orders: &watch::Receiver<Order>,
) {
    const GRACE: Duration = Duration::from_secs(30);
    let order = match *orders.borrow() {
        Order::Run => Order::Stop(Instant::now() + GRACE),
        stop @ Order::Stop(_) => stop,
    };
    later.send_replace(order);
    while sidecars.join_next().await.is_some() {}
}
