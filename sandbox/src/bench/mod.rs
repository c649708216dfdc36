//! `valkeeper-sandbox bench`: what the operator costs, measured from outside. Counts are exact; times
//! depend on the machine and are given next to what they can be compared with.

mod fairness;
mod operator;
pub(crate) mod options;
mod plot;
mod proxy;
mod report;
mod scene;
mod workload;

use anyhow::Context as _;
use options::{ApiServer, BenchOptions, Part};
use report::{Create, Idle, Report, Restart, each, megabytes, per_minute, round};
use scene::Scene;
use std::{fs, time::Duration};
use tokio::time::Instant;

/// The first batch of resources.
const FIRST: &str = "cache";
/// The operator's permits.
const PERMITS: f64 = 32.0;

/// Runs the measurements and prints them.
pub(crate) async fn run(options: BenchOptions) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("error").init();
    let mut reports = Vec::new();
    for (&resources, &latency) in options
        .resources
        .iter()
        .flat_map(|resources| options.latency.iter().map(move |latency| (resources, latency)))
    {
        let what = format!("{resources} resources, {latency:?} per answer");
        eprintln!("measuring {what} …");
        reports.push(measure(&options, resources, latency).await.context(what)?);
        print!("{}", report::table(&reports[reports.len() - 1..]));
    }
    if reports.len() > 1 {
        print!("\n{}", report::table(&reports));
    }
    let json = serde_json::to_string_pretty(&reports)?;
    match &options.json {
        Some(path) => fs::write(path, json + "\n")?,
        None => println!("{json}"),
    }
    if let Some(path) = &options.plot {
        fs::write(path, plot::draw(&reports))?;
    }
    Ok(())
}

async fn measure(options: &BenchOptions, resources: usize, latency: Duration) -> anyhow::Result<Report> {
    let mut scene = Scene::prepare(options, latency).await?;
    scene.start_operator().await?;
    scene.clear();
    let mut report = Report {
        resources,
        projects: options.projects,
        latency_milliseconds: round(latency.as_secs_f64() * 1000.0),
        redacted_lists: options.redacted_lists,
        apiserver: match options.apiserver {
            ApiServer::Sandbox => "sandbox".to_owned(),
            ApiServer::Envtest => "envtest".to_owned(),
        },
        create: create(&mut scene, options, resources, latency).await?,
        ..Report::default()
    };
    if options.measures(Part::Idle) {
        report.idle = Some(idle(&mut scene, options.idle).await?);
    }
    if options.measures(Part::Restart) {
        report.restart = Some(restart(&mut scene, options, resources).await?);
    }
    if options.measures(Part::Fairness) {
        report.edits = fairness::measure(&mut scene, options, resources).await?;
    }
    scene.kill_operator().await?;
    Ok(report)
}

async fn create(
    scene: &mut Scene,
    options: &BenchOptions,
    resources: usize,
    latency: Duration,
) -> anyhow::Result<Create> {
    let begun = Instant::now();
    workload::apply(&scene.client, FIRST, resources, options.projects).await?;
    let applied = begun.elapsed();
    let patience = options.build_time * 3
        + Duration::from_mins(2)
        + (Duration::from_millis(100) + latency) * u32::try_from(resources)?;
    let wanted = u64::try_from(resources)?;
    scene.until("all Secrets are there", patience, |scene| scene.proxy.secrets_created() >= wanted).await?;
    let elapsed = begun.elapsed();
    let calls = scene.provider.counts();
    scene.until_quiet().await?;
    let (tally, usage) = (scene.proxy.tally(), scene.usage()?);
    let all: u64 = calls.values().sum();
    let writes: u64 = calls.iter().filter(|((method, _), _)| method != "GET").map(|(_, count)| count).sum();
    #[allow(clippy::cast_precision_loss, reason = "far below the limit")]
    let calling = latency.as_secs_f64() * 2.0 * (resources as f64 / PERMITS).max(1.0);
    let floor = options.build_time.as_secs_f64() + calling;
    Ok(Create {
        seconds_to_apply: round(applied.as_secs_f64()),
        seconds_to_all_secrets: round(elapsed.as_secs_f64()),
        physical_floor_seconds: round(floor),
        ratio_to_floor: round(elapsed.as_secs_f64() / floor),
        ratio_to_floor_with_apply: round(
            elapsed.as_secs_f64() / floor.max(options.build_time.as_secs_f64() + applied.as_secs_f64()),
        ),
        provider_writes_per_resource: each(writes, resources),
        provider_calls_per_resource: each(all, resources),
        provider_calls: calls
            .into_iter()
            .map(|((method, route), count)| (format!("{method} {route}"), count))
            .collect(),
        kubernetes_writes_per_resource: each(tally.writes(), resources),
        kubernetes_events_per_resource: each(tally.events(), resources),
        kubernetes_reads_per_resource: each(tally.reads(), resources),
        kubernetes_requests_per_resource: each(tally.all() + wanted, resources),
        internal_errors: tally.internal_errors,
        kubernetes_calls: tally.calls,
        peak_rss_megabytes: megabytes(usage.peak),
        processor_seconds: round(usage.processor.as_secs_f64()),
    })
}

async fn idle(scene: &mut Scene, length: Duration) -> anyhow::Result<Idle> {
    scene.clear();
    let (begun, before) = (Instant::now(), scene.usage()?);
    tokio::time::sleep(length).await;
    let (elapsed, usage, tally) = (begun.elapsed(), scene.usage()?, scene.proxy.tally());
    let calls: u64 = scene.provider.counts().values().sum();
    let processor = usage.processor.saturating_sub(before.processor);
    Ok(Idle {
        seconds: round(elapsed.as_secs_f64()),
        provider_calls_per_minute: per_minute(calls, elapsed),
        kubernetes_writes: tally.writes(),
        kubernetes_reads_per_minute: per_minute(tally.reads(), elapsed),
        rss_megabytes: megabytes(usage.rss),
        processor_seconds_per_minute: round(processor.as_secs_f64() * 60.0 / elapsed.as_secs_f64()),
    })
}

async fn restart(scene: &mut Scene, options: &BenchOptions, resources: usize) -> anyhow::Result<Restart> {
    scene.kill_operator().await?;
    scene.clear();
    let begun = Instant::now();
    scene.start_operator().await?;
    let patience = Duration::from_mins(2) + Duration::from_millis(50) * u32::try_from(resources)?;
    // A resource whose service was observed has its Secret compared, if lists show what that should hold; the
    // token's Secret is one more.
    let wanted = if options.redacted_lists { 0 } else { resources };
    scene.until("all are observed", patience, |scene| scene.proxy.secrets_read() > wanted).await?;
    let elapsed = begun.elapsed();
    scene.until_quiet().await?;
    let calls = scene.provider.counts().values().sum();
    let writes = scene.provider.writes();
    let (tally, usage) = (scene.proxy.tally(), scene.usage()?);
    Ok(Restart {
        seconds_to_all_observed: round(elapsed.as_secs_f64()),
        provider_calls: calls,
        provider_writes: writes,
        allowed_provider_calls: u64::try_from(options.projects + resources / 20)?,
        kubernetes_writes: tally.writes(),
        peak_rss_megabytes: megabytes(usage.peak),
    })
}
