//! The I/O of one client: commands in, answers and messages out, in order.
//!
//! Guarantees: what a client sends takes bounded memory, and one that does not authenticate or does not read bounded
//! time; a subscriber that missed a message is disconnected, so that it asks again.

use super::{
    events::Message,
    listener::Facade,
    session::{Host as _, Reaction, Reply, Session},
};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::broadcast,
    time::{Instant, timeout},
};
use valkeeper_server::{Protocol, answer};

/// Most bytes of a command, of which all clients together may have sent parts.
const LONGEST: usize = 8 << 10;
/// The same before the client has authenticated.
const LONGEST_OF_STRANGERS: usize = 4 << 10;
/// How long a client may take to authenticate.
const UNTIL_AUTHENTICATED: Duration = Duration::from_secs(30);
/// How long a client may take to read.
const UNTIL_READ: Duration = Duration::from_secs(10);

/// The connection has ended, or is to end.
struct Ended;

struct Client<'facade, S> {
    facade: &'facade Facade,
    stream: S,
    session: Session,
    /// Whether it has TLS.
    secured: bool,
    /// Only while it subscribes.
    messages: Option<broadcast::Receiver<Message>>,
    /// When it began to subscribe.
    subscribed: Instant,
    /// When it has to have authenticated.
    deadline: Instant,
    received: Vec<u8>,
}

/// Serves a client until one of the two sides ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(facade: &Facade, stream: S, secured: bool) {
    let session = Session::new(facade.number(), facade.host().is_open());
    let (messages, subscribed, received) = (None, Instant::now(), Vec::new());
    let deadline = subscribed + UNTIL_AUTHENTICATED;
    let mut client = Client { facade, stream, session, secured, messages, subscribed, deadline, received };
    while client.turn().await.is_ok() {}
    let _ = timeout(UNTIL_READ, client.stream.shutdown()).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<'_, S> {
    /// Waits for one thing, after everything that has arrived is answered.
    async fn turn(&mut self) -> Result<(), Ended> {
        self.answer_what_has_arrived().await?;
        let (authenticated, subscribes) = (self.session.authenticated, self.session.subscribes());
        let (deadline, longest) = (self.deadline, self.longest());
        let mut reader = (&mut self.stream).take(longest as u64 + 1);
        let message = tokio::select! {
            read = reader.read_buf(&mut self.received) => {
                return if matches!(read, Ok(count) if count > 0) { Ok(()) } else { Err(Ended) };
            }
            () = tokio::time::sleep_until(deadline), if !authenticated => return Err(Ended),
            message = next(&mut self.messages), if subscribes => message?,
        };
        if message.since < self.subscribed || message.secured != self.secured {
            return Ok(());
        }
        let replies = self.session.receives(message.channel, &message.payload);
        self.send(&replies).await
    }

    async fn answer_what_has_arrived(&mut self) -> Result<(), Ended> {
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        loop {
            match answer::decode_command(rest) {
                Ok(Some((words, length))) => {
                    rest = rest.get(length..).unwrap_or_default();
                    self.carry_out(&words).await?;
                }
                Ok(None) if rest.len() <= self.longest() => break,
                Ok(None) => return self.refuse("ERR Protocol error: too long").await,
                Err(malformed) => return self.refuse(&format!("ERR Protocol error: {malformed}")).await,
            }
        }
        self.received = rest.to_vec();
        Ok(())
    }

    fn longest(&self) -> usize {
        if self.session.authenticated { LONGEST } else { LONGEST_OF_STRANGERS }
    }

    async fn refuse(&mut self, text: &str) -> Result<(), Ended> {
        self.send(&[Reply::error(text)]).await?;
        Err(Ended)
    }

    async fn carry_out(&mut self, words: &[Vec<u8>]) -> Result<(), Ended> {
        // From before its confirmation on, a subscriber misses nothing.
        let messages = self.messages.take().unwrap_or_else(|| {
            self.subscribed = Instant::now();
            self.facade.subscribe()
        });
        let authenticated = self.session.authenticated;
        let reaction = self.session.take(&self.facade.host(), words);
        if authenticated && !self.session.authenticated {
            self.deadline = Instant::now() + UNTIL_AUTHENTICATED;
        }
        self.messages = self.session.subscribes().then_some(messages);
        match reaction {
            Reaction::Say(replies) => self.send(&replies).await,
            Reaction::Ask(question) => {
                let reply = self.facade.answer(&question, self.secured).await;
                self.send(&[reply]).await
            }
            Reaction::End(reply) => {
                self.send(&[reply]).await?;
                Err(Ended)
            }
        }
    }

    async fn send(&mut self, replies: &[Reply]) -> Result<(), Ended> {
        let protocol: Protocol = self.session.protocol;
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| reply.encode(protocol)).collect();
        let writing = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        match timeout(UNTIL_READ, writing).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended),
        }
    }
}

/// The next message; never without a subscription.
async fn next(messages: &mut Option<broadcast::Receiver<Message>>) -> Result<Message, Ended> {
    match messages {
        Some(messages) => messages.recv().await.map_err(|_| Ended),
        None => std::future::pending().await,
    }
}
