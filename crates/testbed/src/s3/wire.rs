//! A wire to a server of HTTP, with faults that are counted down.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinHandle,
};

/// Bytes that are passed on at once.
const PIECE: usize = 16 * 1024;

/// What Amazon S3 answers to a request that is signed for another time.
const WRONG_CLOCK: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>RequestTimeTooSkewed</Code>\
    <Message>The difference between the request time and the current time is too large.</Message></Error>";

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with 503, whatever it asks.
    Unavailable,
    /// It is refused because of the time in it, as by a store whose clock is another one.
    WrongClock,
    /// It is cut when so many bytes of requests have passed.
    CutRequest(usize),
    /// It is cut when so many bytes of answers have passed.
    CutAnswer(usize),
    /// Every piece takes so long.
    Slow(Duration),
}

/// A fault, and how many more connections suffer it.
type Plan = Mutex<Option<(Fault, usize)>>;

/// A wire, until it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    plan: Arc<Plan>,
    struck: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Wire {
    /// A wire to this server.
    ///
    /// # Errors
    /// When nothing can listen.
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (plan, struck) = (Arc::<Plan>::default(), Arc::<AtomicUsize>::default());
        let (planned, count) = (Arc::clone(&plan), Arc::clone(&struck));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = next(&planned);
                if fault.is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                tokio::spawn(pass(client, server, fault));
            }
        });
        Ok(Self { address, plan, struck, task })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the next so many connections suffer this.
    pub fn strike(&self, fault: Fault, connections: usize) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((fault, connections));
    }

    /// Connections that have suffered.
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn next(plan: &Plan) -> Option<Fault> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let (fault, left) = plan.as_mut().filter(|(_, left)| *left > 0)?;
    *left -= 1;
    Some(*fault)
}

async fn pass(mut client: TcpStream, server: SocketAddr, fault: Option<Fault>) {
    let answer = match fault {
        Some(Fault::Unavailable) => Some(("503 Service Unavailable", "")),
        Some(Fault::WrongClock) => Some(("403 Forbidden", WRONG_CLOCK)),
        _ => None,
    };
    if let Some((status, body)) = answer {
        let mut piece = vec![0; PIECE];
        let _ = client.read(&mut piece).await;
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (mut requests, mut answers, mut delay) = (usize::MAX, usize::MAX, Duration::ZERO);
    match fault {
        Some(Fault::CutRequest(bytes)) => requests = bytes,
        Some(Fault::CutAnswer(bytes)) => answers = bytes,
        Some(Fault::Slow(each)) => delay = each,
        Some(Fault::Unavailable | Fault::WrongClock) | None => {}
    }
    // Whichever ends first cuts both.
    tokio::select! {
        () = one_way(from_client, to_server, requests, delay) => {}
        () = one_way(from_server, to_client, answers, delay) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut left: usize, delay: Duration) {
    let mut piece = vec![0; PIECE];
    while let Ok(read) = from.read(&mut piece).await {
        if read == 0 {
            return;
        }
        let passed = read.min(left);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&piece[..passed]).await.is_err() || passed < read {
            return;
        }
        left -= passed;
    }
}
