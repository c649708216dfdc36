//! History checker: clients that write unique values while servers fail over, and a judge that determines afterwards
//! which promises of a self-hosted cluster were broken.
//!
//! ```text
//! clients ──writes, WAIT──▶ leader address        faults, claims of terms
//!    └──────────── recorder ◀───────────────────────────┘
//!                     │ heal, read everything back
//!                     ▼
//!                  history ──▶ judge ──▶ verdict: each broken promise with its shortest counterexample
//! ```
//!
//! ```ignore
//! let recorder = Recorder::new();
//! let clients = Clients::start(&recorder, &load, leader);       // leader: how clients find it
//! let cut = recorder.fault("cut default/a to outside");          // as it is injected
//! recorder.claim("a/uid/1", 3);                                  // whatever says that it holds a term
//! recorder.healed(cut);
//! clients.stop().await;
//! let history = recorder.history(read_back(&leader, &load).await?);
//! let verdict = judge(&history, &Promises::default());
//! assert!(verdict.is_kept(), "{verdict}");
//! ```
//!
//! The promises are G1 to G5 of self-hosted clusters ([`Promise`]). The judge is pure. It uses only the protocol of
//! the servers. A *reign* is a server's run id together with its replication id, which changes with each promotion
//! and is read in the same transaction as the write. It shares no code with the failover that it judges. Reads by
//! clients are not judged: replicas may serve stale data.

mod clients;
mod counterexample;
mod judge;
mod promises;
mod record;
mod recorder;
mod reigns;
#[cfg(test)]
mod tests;

pub use clients::{Clients, Leader, Load, Sentinel, address, read_back};
pub use counterexample::Counterexample;
pub use judge::judge;
pub use promises::{Broken, Promise, Promises, Verdict};
pub use record::{Claim, Content, Disturbance, History, Moment, Outcome, Reign, Structure, Write};
pub use recorder::{Fault, Recorder};
