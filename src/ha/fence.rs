//! A limit on writes: each term of leadership has a fence, and no write begins after its deadline. The deadline moves
//! only while the lease is renewed. It is measured on this process's own monotonic clock, so that neither a paused
//! process nor a clock set back can write in the term of another replica. A call that began in time is outside its
//! scope: that call has its own time limit.

use kube::{Client, client::Body};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Permission to write, until a deadline that may be moved.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

/// A write was refused, because this replica is no longer the leader or cannot prove that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sent: this replica is not the leader any more")]
pub struct Fenced;

impl Fence {
    /// A fence that is always open, for a single replica without leader election.
    pub fn open() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// A fence that is open until `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self(Arc::new(Mutex::new(Some(deadline))))
    }

    /// When this fence closes, if it does.
    pub fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    /// Moves the deadline of a fence that has one.
    pub fn move_to(&self, deadline: Instant) {
        let mut current = self.lock();
        if current.is_some() {
            *current = Some(deadline);
        }
    }

    /// Closes the fence for good, unless it is one without a deadline.
    pub fn close(&self) {
        self.move_to(Instant::now());
    }

    /// Whether a write may begin now.
    pub fn check(&self) -> Result<(), Fenced> {
        let open = self.lock().is_none_or(|deadline| Instant::now() < deadline);
        if open { Ok(()) } else { Err(Fenced) }
    }

    /// The same client, except that it sends nothing but reads once this fence is closed.
    pub fn guard(&self, client: Client) -> Client {
        let (fence, namespace) = (self.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (fence, client) = (fence.clone(), client.clone());
            async move {
                if request.method() != http::Method::GET {
                    fence.check().map_err(|fenced| kube::Error::Service(Box::new(fenced)))?;
                }
                client.send(request).await
            }
        });
        Client::new(service, namespace)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // An instant is whole whatever happened to the thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
