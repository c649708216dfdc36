//! Secrets that must never show: every token and every password of these runs is recognisable, and every
//! line that is logged, at the most talkative level, and the text of every panic are searched for them.

use std::{
    io::{self, Write},
    panic,
    sync::{Mutex, Once, PoisonError},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// What every token begins with.
pub(crate) const TOKEN: &str = "canary-token-";
/// What every generated password begins with.
pub(crate) const PASSWORD: &str = "AVNS_";

static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether `text` shows a secret.
pub(crate) fn shows(text: &str) -> bool {
    text.contains(TOKEN) || text.contains(PASSWORD)
}

/// Begins to search the log of the whole process, and the message of a panic.
pub(crate) fn watch_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            note(&panic.to_string());
            before(panic);
        }));
    });
    let filter = EnvFilter::new("valkeeper=trace,kube=debug,reqwest=debug");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Searched);
    // Another test of this process may have been first.
    let _ = subscriber.try_init();
}

/// The lines of the log so far that show a secret.
pub(crate) fn leaks() -> Vec<String> {
    LEAKS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn note(text: &str) {
    if shows(text) {
        LEAKS.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }
}

#[derive(Clone, Copy)]
struct Searched;

impl Write for Searched {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if std::env::var_os("E2E_LOG").is_some() {
            eprint!("{text}");
        }
        note(&text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Searched {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
