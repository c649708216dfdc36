//! The `valkeeper` command.

use std::process::ExitCode;
use valkeeper::cli::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::from_command_line();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("valkeeper: another TLS provider is installed in this process");
        return ExitCode::FAILURE;
    }
    Box::pin(arguments.run()).await
}
