//! The simulated provider on its own, for pointing any client or operator at it. Prints the address
//! and a token, then serves until it is interrupted.
//!
//! `cargo run -p valkeeper-testbed --example provider_server -- [PORT]`

use valkeeper_testbed::provider::{ProviderOptions, ProviderServer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).map(|argument| argument.parse()).transpose()?.unwrap_or(0);
    let options = ProviderOptions { port, ..ProviderOptions::default() };
    let token = options.tokens.first().map(|token| token.value.clone()).unwrap_or_default();
    let project = options.projects.first().cloned().unwrap_or_default();
    let server = ProviderServer::start(options).await?;
    println!("AIVEN_WEB_URL={}", server.url());
    println!("AIVEN_TOKEN={token}");
    println!("AIVEN_PROJECT={project}");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
