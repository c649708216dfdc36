//! The last proof: connects to a service with only the content of its Secret and the provider's certificate
//! authority. TLS is verified, and no secret value is printed.

use super::manifests::{Example, NAMESPACE};
use super::screen::Screen;
use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo,
    TlsCertificates,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was written and read again.
const KEY: &str = "valkeeper-sandbox";

/// Connects, writes a key, reads it, and prints the result.
pub(crate) async fn prove(
    screen: &Screen,
    client: &Client,
    example: &Example,
    authority: &str,
) -> anyhow::Result<()> {
    let secret = read(client, example).await?;
    let value = |name: &str| secret.get(name).with_context(|| format!("the Secret has no key for {name}"));
    let (host, port): (_, u16) = (value("HOST")?, value("PORT")?.parse()?);
    let server = open(host, port, value("USER")?, value("PASSWORD")?, value("SSL")? == "required", authority)
        .with_context(|| format!("cannot connect to {}", example.name))?;
    let mut connection = server
        .get_multiplexed_async_connection_with_config(&patient())
        .await
        .with_context(|| format!("{} does not let the user of its Secret in", example.name))?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let started = Instant::now();
    let mut pair = redis::pipe();
    pair.cmd("SET").arg(KEY).arg(&example.name).ignore().cmd("GET").arg(KEY);
    let (read,): (String,) = pair.query_async(&mut connection).await?;
    let took = started.elapsed();
    ensure!(read == example.name, "{} did not return what was written", example.name);
    screen.line(&format!("  {}", example.secret));
    screen.line(&format!("    {} at {host}:{port}, its certificate is valid", version(&info)));
    screen.line(&format!("    SET/GET round trip: {:.1} ms", took.as_secs_f64() * 1000.0));
    Ok(())
}

/// The default timeout of the library is a second, which a handshake takes on a busy machine.
fn patient() -> AsyncConnectionConfig {
    let patience = Some(Duration::from_secs(30));
    AsyncConnectionConfig::new().set_connection_timeout(patience).set_response_timeout(patience)
}

/// The values of the Secret by the part of the key after the prefix.
async fn read(client: &Client, example: &Example) -> anyhow::Result<BTreeMap<String, String>> {
    let api: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let data = api.get(&example.secret).await?.data.unwrap_or_default();
    let decoded = data.into_iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(&example.prefix)?.to_owned(), String::from_utf8(value.0).ok()?))
    });
    Ok(decoded.collect())
}

fn open(
    host: &str,
    port: u16,
    user: &str,
    password: &str,
    tls: bool,
    authority: &str,
) -> anyhow::Result<redis::Client> {
    let login = RedisConnectionInfo::default().set_username(user).set_password(password);
    let host = host.to_owned();
    if !tls {
        let info: ConnectionInfo = ConnectionAddr::Tcp(host, port).into_connection_info()?;
        return Ok(redis::Client::open(info.set_redis_settings(login))?);
    }
    let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
    let info: ConnectionInfo = address.into_connection_info()?;
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(authority.as_bytes().to_vec()) };
    Ok(redis::Client::build_with_tls(info.set_redis_settings(login), certificates)?)
}

/// What the server calls itself.
fn version(info: &str) -> String {
    let line = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    match (line("valkey_version:"), line("redis_version:")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "A server".to_owned(),
    }
}
