//! A client that writes one value after another through a Service, and remembers what was acknowledged.

use crate::world::PATIENCE;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A client that writes.
pub(crate) struct Writer {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    acknowledged: Vec<u64>,
    last: Option<Instant>,
    longest: Duration,
}

impl Writer {
    /// Writes to this URL until it is stopped, and connects again when it has to.
    pub(crate) fn start(url: &str) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (written, url) = (Arc::clone(&state), url.to_owned());
        let task = tokio::spawn(async move {
            let mut number = 0;
            loop {
                let _ = write(&url, &written, &mut number).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self { state, task }
    }

    /// How many writes were acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().acknowledged.len()
    }

    /// Stops; answers what was acknowledged, and the longest time without an acknowledgment.
    pub(crate) async fn stop(self) -> (Vec<u64>, Duration) {
        self.task.abort();
        let _ = self.task.await;
        let state = self.state.lock().unwrap();
        (state.acknowledged.clone(), state.longest)
    }
}

async fn write(url: &str, state: &Mutex<State>, number: &mut u64) -> redis::RedisResult<()> {
    let client = redis::Client::open(url)?;
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(1)));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    loop {
        *number += 1;
        let () =
            redis::cmd("SET").arg(format!("key-{number}")).arg(*number).query_async(&mut connection).await?;
        let now = Instant::now();
        let mut state = state.lock().unwrap();
        state.acknowledged.push(*number);
        state.longest = state.longest.max(state.last.map_or(Duration::ZERO, |last| now - last));
        state.last = Some(now);
    }
}

/// The acknowledged writes that are not there.
pub(crate) async fn missing(acknowledged: &[u64], url: &str) -> Vec<u64> {
    let client = redis::Client::open(url).unwrap();
    // Nothing here depends on how soon it is answered.
    let patient = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
    let mut missing = Vec::new();
    for numbers in acknowledged.chunks(500) {
        let mut call = redis::cmd("MGET");
        for number in numbers {
            call.arg(format!("key-{number}"));
        }
        let found: Vec<Option<u64>> = call.query_async(&mut connection).await.unwrap();
        let lost = numbers.iter().zip(found).filter(|(number, found)| *found != Some(**number));
        missing.extend(lost.map(|(number, _)| *number));
    }
    missing
}
