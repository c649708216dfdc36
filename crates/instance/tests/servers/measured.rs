//! What a backup costs: time, memory of the manager, and what clients notice. Run by hand; prints a table.

use crate::backups::{ended, request};
use crate::world::{LeaseKind, Node, Setup, World, all_programs};
use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use valkeeper_backup::{Credentials, Destination, S3};
use valkeeper_failover::protocol::Role;
use valkeeper_instance::backups::{BackupRequest, BackupState};
use valkeeper_testbed::{
    s3::{KEY, S3Server},
    tools,
};

const BUCKET: &str = "backups";
/// Bytes of a value.
const VALUE: usize = 1 << 10;
/// Values that are written by one command.
const BATCH: usize = 500;
/// Between two questions of the client.
const PACE: Duration = Duration::from_millis(1);

/// Megabytes of data; `VALKEEPER_MEGABYTES` says how many.
fn megabytes() -> usize {
    std::env::var("VALKEEPER_MEGABYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// Text that compresses as much as hexadecimal digits do.
async fn fill(node: &Node) {
    let mut server = node.server().await.unwrap();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut value = || {
        let mut text = String::with_capacity(VALUE);
        while text.len() < VALUE {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            write!(text, "{random:016x}").unwrap();
        }
        text
    };
    for batch in 0..megabytes() * 1_000_000 / VALUE / BATCH {
        let mut command = vec!["MSET".to_owned()];
        command.extend((0..BATCH).flat_map(|number| [format!("key:{}", batch * BATCH + number), value()]));
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        server.call(&words).await.unwrap();
    }
}

/// A line of `/proc/PID/status`, in megabytes.
fn megabytes_of(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_000
}

/// Half and the slowest hundredth of the answers to a client, in milliseconds, while something is under way.
async fn answers<T>(node: &Node, something: impl Future<Output = T>) -> (T, f64, f64) {
    let mut server = node.server().await.unwrap();
    let (end, mut ended) = tokio::sync::oneshot::channel();
    let client = tokio::spawn(async move {
        let mut times = Vec::new();
        while ended.try_recv().is_err() {
            let begun = Instant::now();
            server.call(&["SET", "asked", "1"]).await.unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            tokio::time::sleep(PACE).await;
        }
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() * 99 / 100])
    });
    let outcome = something.await;
    end.send(()).unwrap();
    let (half, slowest) = client.await.unwrap();
    (outcome, half, slowest)
}

/// What people do without an operator: the command line's dump, piped into the same bucket.
fn pipe(node: &Node, cli: &Path, python: &Path, endpoint: &str) -> Duration {
    let script = format!(
        "import boto3, sys; boto3.client('s3', endpoint_url='{endpoint}', region_name='us-east-1', aws_access_key_id='{}', \
         aws_secret_access_key='{}').upload_fileobj(sys.stdin.buffer, '{BUCKET}', 'dump.rdb')",
        KEY.0, KEY.1
    );
    let begun = Instant::now();
    let mut dump = Command::new(cli);
    let mut dump = dump
        .args(["-h", &node.host, "--rdb", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let upload =
        Command::new(python).args(["-c", &script]).stdin(dump.stdout.take().unwrap()).status().unwrap();
    assert!(upload.success() && dump.wait().unwrap().success());
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes: cargo test --release --workspace --test servers measured -- --ignored --nocapture"]
async fn backup_of_a_gigabyte() {
    let (Some(moto), Some(cli)) = (tools::S3_SERVER.or_skip(), tools::VALKEY_CLI.or_skip()) else { return };
    let Some(program) = all_programs().into_iter().next() else { return };
    let setup = Setup { lease: LeaseKind::Alone, ..Setup::default() };
    let mut world = World::new(&program, 1, &setup);
    world.nodes[0].start();
    let node = &world.nodes[0];
    node.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    fill(node).await;
    let store = S3Server::start(&moto, BUCKET).await.unwrap();
    let endpoint = format!("http://{}", store.address());
    let s3 =
        S3 { bucket: BUCKET.to_owned(), endpoint: Some(endpoint.clone()), path_style: true, ..S3::default() };
    let request = BackupRequest {
        destination: Destination::S3(s3),
        credentials: Some(Credentials::of_s3(KEY.0, KEY.1)),
        ..request("one", world.folder.path(), false)
    };

    let ((), half, slowest) = answers(node, tokio::time::sleep(Duration::from_secs(10))).await;
    println!("| | seconds | clients p50, ms | p99, ms | memory of the manager, MB |\n|---|---|---|---|---|");
    let manager = node.child.as_ref().unwrap().id();
    println!("| nothing | | {half:.2} | {slowest:.2} | {} |", megabytes_of(manager, "VmRSS"));
    std::fs::write(format!("/proc/{manager}/clear_refs"), "5").unwrap();
    let begun = Instant::now();
    node.client.back_up(&request).await.unwrap();
    let (answer, half, slowest) = answers(node, ended(node, "one")).await;
    let took = begun.elapsed();
    assert_eq!(answer.state, BackupState::Done, "{answer:?}");
    let (seconds, peak) = (took.as_secs_f64(), megabytes_of(manager, "VmHWM"));
    println!("| backup | {seconds:.1} | {half:.2} | {slowest:.2} | {peak} |");

    let python = moto.with_file_name("python");
    let piped = tokio::task::block_in_place(|| pipe(node, &cli, &python, &endpoint));
    println!("| valkey-cli --rdb, piped | {:.1} | | | |", piped.as_secs_f64());
    let manifest = answer.manifest.unwrap();
    println!(
        "\n{} MB of data, {} MB stored; {:.0} % of the throughput of the pipe",
        manifest.bytes / 1_000_000,
        manifest.stored_bytes / 1_000_000,
        100.0 * piped.as_secs_f64() / seconds
    );
}
