//! Asking servers, and waiting for what they answer.

use crate::world::PATIENCE;
use std::time::{Duration, Instant};

/// Sends a command; none if there is no answer, or an error.
pub(crate) async fn ask(url: &str, command: &[&str]) -> Option<String> {
    let client = redis::Client::open(url).ok()?;
    let all = async {
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut call = redis::cmd(command[0]);
        call.arg(&command[1..]);
        call.query_async::<Option<String>>(&mut connection).await.ok()?
    };
    tokio::time::timeout(Duration::from_secs(2), all).await.ok()?
}

/// Waits until something is there.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
