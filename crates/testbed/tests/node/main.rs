//! Pods as processes, on the embedded API server and, where there is one, on a real one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, helpers included"
)]

mod bench;
mod disruptions;
mod faults;
mod isolated;
mod lives;
mod naive;
mod namespaces;
mod servers;
mod world;
mod worlds;

/// The same scenarios on each API server.
macro_rules! on_both {
    ($($module:ident: [$($scenario:ident),* $(,)?]),* $(,)?) => {
        mod on_the_embedded_server {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    crate::$module::$scenario(crate::world::World::embedded().await).await;
                }
            )*)*
        }

        mod on_a_real_server {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    if let Some(world) = crate::world::World::real().await {
                        crate::$module::$scenario(world).await;
                    }
                }
            )*)*
        }
    };
}

on_both! {
    lives: [
        pod_runs_with_its_environment_and_files,
        crashing_container_restarts_with_back_off,
        probes_decide_on_readiness_and_restarts,
        secret_update_reaches_the_mounted_file,
        volume_survives_its_pod,
        pod_ends_politely_within_its_grace,
        unknown_image_is_not_pulled,
    ],
    disruptions: [
        eviction_respects_the_budget,
        lost_node_leaves_its_process_running,
        frozen_pod_is_not_ready_until_it_thaws,
        readiness_that_another_writer_changed_is_reported_again,
        cordoned_node_takes_no_pods,
    ],
    servers: [
        three_servers_replicate_behind_services,
    ],
    faults: [
        manager_and_server_fail_one_by_one,
        missing_image_stops_the_next_start_only,
        api_outage_stops_pods_and_kubelets_from_reaching_it,
    ],
    naive: [
        naive_failover_is_caught_after_a_freeze,
    ],
}
