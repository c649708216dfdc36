//! Forwards bytes from one connection to another, with a delay in each direction. They keep their order, and a delay
//! does not reduce throughput: chunks in progress do not wait for earlier ones.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const CHUNK: usize = 16 * 1024;
/// Chunks that may be in progress.
const WINDOW: usize = 1024;

/// Relays until either side ends. What the client sends is delayed by the first delay, what it gets back by the second,
/// as they are when it is sent.
pub(super) async fn relay(
    client: TcpStream,
    server: TcpStream,
    [forth, back]: [watch::Receiver<Duration>; 2],
) {
    for stream in [&client, &server] {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "cannot set TCP_NODELAY");
        }
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(from_client, to_server, forth) => {}
        () = one_way(from_server, to_client, back) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: watch::Receiver<Duration>) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(WINDOW);
    let read = async {
        let mut chunk = vec![0; CHUNK];
        while let Ok(length) = from.read(&mut chunk).await
            && length > 0
        {
            let due = Instant::now() + *delay.borrow();
            if sender.send((due, chunk[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    let write = async {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}
