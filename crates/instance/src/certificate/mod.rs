//! TLS of the server: what the settings say about it, and the certificate that it presents.
//!
//! ```text
//!   kubelet ──files──▶ watch ──CONFIG SET──▶ server
//!                        └──handshake──────▶ server ──▶ the revision that is presented
//! ```
//!
//! Guarantees: a renewed certificate is presented without a restart, and reported only after a handshake has shown it. The
//! manager itself reaches its server by a Unix socket, so that a certificate that is expired, wrong or not there takes
//! nothing of the manager's rule: it holds, promotes and ends the server as ever. A program that was built without TLS is
//! not started, and reported.
//!
//! Left to others: which certificate the files have. The operator writes only pairs that it has checked.

mod settings;
mod shown;
mod support;
mod watch;

pub use settings::{ClientAuth, ServerTls};
pub(crate) use support::until_supported;
pub(crate) use watch::{Certificate, directives, read_again, watch};
