//! Backups of Valkey and Redis servers: a full synchronization into an object store, and the way back.
//!
//! ```text
//!   server ──take──▶ <key>/dump-<attempt>.rdb.zst[.enc], then <key>/manifest.json ──fetch──▶ file of a server
//! ```
//!
//! Guarantees: what has a manifest is whole, and was dated by the server itself; nothing else is ever listed or read as a
//! backup. Memory is bounded for data of any size. No error and no `Debug` holds a credential.
//!
//! Left to others: which instance sends its data, when, and what is kept.

pub mod destination;
pub mod error;
pub mod fetch;
pub mod manifest;
pub mod place;
pub mod rdb;
pub mod secrets;
pub mod store;
pub mod take;

mod check;
mod clients;
mod downgrade;
mod frame;
mod pace;
mod pipe;
mod pod;
mod replica;
mod seal;
mod staged;
mod uploads;

pub use destination::{Azure, Credentials, Destination, Gcs, S3, Volume};
pub use downgrade::downgrade;
pub use error::{BackupError, ErrorClass};
pub use fetch::Listed;
pub use manifest::{Manifest, Origin};
pub use replica::{Copied, Since, copy, since};
pub use seal::{Encryption, EncryptionKey};
pub use secrets::SecretData;
pub use store::Store;
pub use take::{Order, take};
