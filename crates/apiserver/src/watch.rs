//! Watches: the changes of a resource as they happen, as one line of JSON each. Guarantees every change
//! after the requested state in order, without gaps; a watch that cannot keep this ends with an error.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream::{self, Stream};
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::api::{Api, read_revision, selector, view};
use crate::failure::{Answer, Failure};
use crate::field_error::FieldError;
use crate::protocol::render;
use crate::protocol::request::{Accept, Form, Query, Target};
use crate::selector::{Selector, transition};
use crate::storage::object::{Object, Shape};

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(40);

struct Watch {
    api: Arc<Api>,
    target: Target,
    accept: Accept,
    query: Query,
    selector: Selector,
    /// Changes up to this revision are sent.
    sent: u64,
    /// What to send next.
    pending: Vec<u8>,
    signal: Receiver<u64>,
    bookmarks: Option<Interval>,
    deadline: Instant,
    ended: bool,
}

/// Starts a watch.
pub(crate) fn watch(api: &Arc<Api>, target: Target, query: Query, accept: Accept) -> Answer<Body> {
    let selector = selector(&target, &query)?;
    let start = Start::parse(&query)?;
    api.check_known(start.revision)?;
    let timeout = query.positive("timeoutSeconds")?;
    let wants_bookmarks = query.is_true("allowWatchBookmarks");
    let mut watch = Watch {
        // Subscribed before the state is read: a change in between is signalled.
        signal: api.store.subscribe(&target.resource.storage, target.namespace.as_deref()),
        api: Arc::clone(api),
        sent: start.revision.unwrap_or_default(),
        pending: Vec::new(),
        bookmarks: wants_bookmarks.then(|| {
            let period = api.bookmark_interval;
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }),
        deadline: Instant::now() + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        ended: false,
        target,
        accept,
        query,
        selector,
    };
    watch.begin(&start, wants_bookmarks);
    Ok(Body::from_stream(watch.into_stream()))
}

/// Where a watch begins.
struct Start {
    revision: Option<u64>,
    initial_events: bool,
    initial_bookmark: bool,
}

impl Start {
    fn parse(query: &Query) -> Answer<Self> {
        let revision = read_revision(query)?;
        let given = query.get("sendInitialEvents");
        let streaming = query.is_true("sendInitialEvents");
        let newer = query.get("resourceVersionMatch") == "NotOlderThan";
        if !given.is_empty() && !newer {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Failure::invalid_options(
                "ListOptions",
                FieldError::forbidden("resourceVersionMatch", why),
            ));
        }
        if given.is_empty() && !query.get("resourceVersionMatch").is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(Failure::invalid_options(
                "ListOptions",
                FieldError::forbidden("resourceVersionMatch", why),
            ));
        }
        let any = matches!(revision, None | Some(0));
        Ok(Self {
            revision,
            initial_events: streaming || (any && given.is_empty()),
            initial_bookmark: streaming,
        })
    }
}

impl Watch {
    /// Queues the present state, or nothing if the watch continues from a revision in the history.
    fn begin(&mut self, start: &Start, wants_bookmarks: bool) {
        if start.initial_events || start.revision.is_none_or(|revision| revision == 0) {
            let namespace = self.target.namespace.as_deref();
            let (objects, revision) = self.api.store.list(&self.target.resource.storage, namespace);
            self.sent = revision;
            for object in objects.iter().filter(|_| start.initial_events) {
                if self.selector.matches(&object.value) {
                    self.queue("ADDED", object);
                }
            }
        }
        if start.initial_bookmark && wants_bookmarks {
            self.queue_bookmark(true);
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        stream::unfold(self, |mut watch| async move {
            loop {
                if !watch.pending.is_empty() {
                    let chunk = Bytes::from(std::mem::take(&mut watch.pending));
                    return Some((Ok(chunk), watch));
                }
                if watch.ended {
                    return None;
                }
                watch.advance().await;
            }
        })
    }

    /// Queues the changes in the history, or waits for the next one.
    async fn advance(&mut self) {
        let signalled = *self.signal.borrow_and_update();
        if signalled > self.sent {
            self.queue_changes();
            if !self.pending.is_empty() || self.ended {
                return;
            }
        }
        let api = Arc::clone(&self.api);
        let bookmarks = self.bookmarks.as_mut();
        tokio::select! {
            changed = self.signal.changed() => self.ended = changed.is_err(),
            () = sleep_until(self.deadline) => self.ended = true,
            () = api.stop.cancelled() => self.ended = true,
            () = tick(bookmarks) => {
                // Up to date with the other resources too, whose writes do not signal.
                self.queue_changes();
                if !self.ended {
                    self.queue_bookmark(false);
                }
            }
        }
    }

    fn queue_changes(&mut self) {
        let namespace = self.target.namespace.as_deref();
        let (changes, revision) =
            match self.api.store.changes_after(&self.target.resource.storage, namespace, self.sent) {
                Ok(found) => found,
                Err(expired) => {
                    let failure = Failure::expired(self.sent, expired.oldest);
                    self.queue_line("ERROR", failure.status().to_string().as_bytes());
                    self.ended = true;
                    return;
                }
            };
        for change in changes {
            let previous = change.previous.as_ref();
            let kind = transition(
                &self.selector,
                previous.map(|found| &found.value),
                &change.object.value,
                change.deleted,
            );
            match (kind, previous) {
                (Some("DELETED"), Some(previous)) if !change.deleted => {
                    // An object that leaves the selection is shown as it was while in it.
                    let mut value = previous.value.clone();
                    value["metadata"]["resourceVersion"] = change.object.revision.to_string().into();
                    let last = Object::new(value, change.object.revision, previous.shape);
                    self.queue("DELETED", &Arc::new(last));
                }
                (Some(kind), _) => self.queue(kind, &change.object),
                (None, _) => {}
            }
        }
        self.sent = revision;
    }

    fn queue(&mut self, kind: &str, object: &Arc<Object>) {
        let object = view(&self.target.resource, self.target.version, object);
        if self.accept.form == Form::Object {
            self.queue_line(kind, object.json());
        } else {
            let shown = render::shown(&self.target, &self.query, self.accept.form, &object);
            self.queue_line(kind, shown.to_string().as_bytes());
        }
    }

    fn queue_bookmark(&mut self, initial: bool) {
        let mut object = json!({
            "kind": self.target.resource.kind,
            "apiVersion": self.target.api_version(),
            "metadata": {"resourceVersion": self.sent.to_string()},
        });
        if initial {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        if self.accept.form != Form::Object {
            let bookmark = Arc::new(Object::new(object, self.sent, Shape::default()));
            object = render::shown(&self.target, &self.query, self.accept.form, &bookmark);
        }
        self.queue_line("BOOKMARK", object.to_string().as_bytes());
    }

    fn queue_line(&mut self, kind: &str, object: &[u8]) {
        self.pending.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":").as_bytes());
        self.pending.extend_from_slice(object);
        self.pending.extend_from_slice(b"}\n");
    }
}

async fn tick(bookmarks: Option<&mut Interval>) {
    match bookmarks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}
