//! How long one edit takes to reach the provider, in an idle operator and while other resources cause trouble.

use super::{
    FIRST,
    options::BenchOptions,
    report::{Edits, round},
    scene::Scene,
    workload::{self, TimedEdit, quantile},
};
use std::{collections::BTreeMap, time::Duration};
use valkeeper_testbed::provider::{Fault, Matcher};

/// How many services do not answer.
const HANGING: usize = 50;
/// How long an outage lasts before the edits begin, so that it is in full effect.
const OUTAGE: Duration = Duration::from_secs(5);

/// All figures, by what happens meanwhile.
pub(crate) async fn measure(
    scene: &mut Scene,
    options: &BenchOptions,
    resources: usize,
) -> anyhow::Result<BTreeMap<&'static str, Edits>> {
    let names: Vec<String> =
        (0..options.edits.min(resources)).map(|index| workload::name(FIRST, index)).collect();
    let mut all = BTreeMap::new();
    let idle = edits(scene, &names, "idle").await?;
    let mut note = |when, times: &[TimedEdit]| all.insert(when, figures(times, &idle));
    note("idle", &idle);
    note("mass create", &during_mass_create(scene, options, &names, resources).await?);
    if resources >= names.len() + HANGING {
        note("50 services hang", &while_services_hang(scene, &names).await?);
    }
    note("right after a restart", &after_a_restart(scene, &names).await?);
    note("outage of the provider", &during_an_outage(scene, &names).await?);
    Ok(all)
}

async fn edits(scene: &mut Scene, names: &[String], round: &str) -> anyhow::Result<Vec<TimedEdit>> {
    let times = workload::timed_edits(&scene.client, &scene.provider, names, round).await?;
    scene.until_quiet().await?;
    Ok(times)
}

async fn during_mass_create(
    scene: &mut Scene,
    options: &BenchOptions,
    names: &[String],
    resources: usize,
) -> anyhow::Result<Vec<TimedEdit>> {
    let client = scene.client.clone();
    let (count, projects) = (resources.min(1_000), options.projects);
    let applying = tokio::spawn(async move { workload::apply(&client, "more", count, projects).await });
    let times = workload::timed_edits(&scene.client, &scene.provider, names, "mass-create").await?;
    applying.await??;
    scene.until_quiet().await?;
    Ok(times)
}

async fn while_services_hang(scene: &mut Scene, names: &[String]) -> anyhow::Result<Vec<TimedEdit>> {
    for index in names.len()..names.len() + HANGING {
        let name = workload::name(FIRST, index);
        let matcher = Matcher::new(None, &format!("/service/{name}(/|$)"))?;
        scene.provider.fail_next(matcher, 1_000, Fault::Hang { executed: false });
        workload::edit(&scene.client, &name, "hang").await?;
    }
    let times = workload::timed_edits(&scene.client, &scene.provider, names, "hang").await?;
    scene.provider.clear_faults();
    // Hanging calls end with the operator, so that the next figure begins idle.
    scene.kill_operator().await?;
    scene.start_operator().await?;
    scene.until_quiet().await?;
    Ok(times)
}

async fn after_a_restart(scene: &mut Scene, names: &[String]) -> anyhow::Result<Vec<TimedEdit>> {
    scene.kill_operator().await?;
    scene.clear();
    scene.start_operator().await?;
    edits(scene, names, "restart").await
}

async fn during_an_outage(scene: &mut Scene, names: &[String]) -> anyhow::Result<Vec<TimedEdit>> {
    scene.provider.fail_next(Matcher::new(None, ".")?, u32::MAX, Fault::status(503, "outage"));
    tokio::time::sleep(OUTAGE).await;
    let times = workload::timed_edits(&scene.client, &scene.provider, names, "outage").await?;
    scene.provider.clear_faults();
    Ok(times)
}

fn figures(times: &[TimedEdit], idle: &[TimedEdit]) -> Edits {
    let reacted = |times: &[TimedEdit]| times.iter().map(|edit| edit.reacted).collect::<Vec<_>>();
    let accepted: Vec<_> = times.iter().map(|edit| edit.accepted).collect();
    let (times, idle) = (reacted(times), reacted(idle));
    let ratio =
        |part| round(quantile(&times, part).as_secs_f64() / quantile(&idle, part).as_secs_f64().max(0.001));
    let milliseconds = |part| round(quantile(&times, part).as_secs_f64() * 1000.0);
    Edits {
        p50_milliseconds: milliseconds(0.5),
        p99_milliseconds: milliseconds(0.99),
        p50_ratio: ratio(0.5),
        p99_ratio: ratio(0.99),
        p50_milliseconds_to_answer: round(quantile(&accepted, 0.5).as_secs_f64() * 1000.0),
    }
}
