//! The recipe for redis-rs, which must be the one of the page, and a program around it: this test program,
//! started again with the folder or the URI in its environment.

use redis::{
    AsyncCommands as _, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult,
    aio::MultiplexedConnection,
};
use std::path::Path;

/// The test that is the program.
pub(super) const NAME: &str = "servers::recipes::rust_recipe::the_program";

async fn connect(folder: &Path) -> RedisResult<MultiplexedConnection> {
    let value = |key: &str| std::fs::read_to_string(folder.join(format!("VALKEY_{key}")));
    let port = value("PORT")?.parse().map_err(std::io::Error::other)?;
    let address = ConnectionAddr::TcpTls { host: value("HOST")?, port, insecure: false, tls_params: None };
    let login = RedisConnectionInfo::default().set_username(value("USER")?).set_password(value("PASSWORD")?);
    let server = address.into_connection_info()?.set_redis_settings(login);
    Client::open(server)?.get_multiplexed_async_connection().await
}

#[test]
fn the_recipe_is_the_one_of_the_page() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file!());
    let source = std::fs::read_to_string(source).unwrap();
    assert!(source.contains(&super::recipe("redis-rs")));
    assert_eq!(super::client_of_the_uri("redis-rs"), "redis::Client::open(uri)");
}

/// Does nothing unless it is started as a program.
#[tokio::test]
async fn the_program() {
    let (folder, uri) = (std::env::var("RECIPE_FOLDER"), std::env::var("VALKEY_URI"));
    if folder.is_err() && uri.is_err() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let answer = async {
            let mut connection = match (&folder, &uri) {
                (Ok(folder), _) => connect(Path::new(folder)).await?,
                (_, uri) => {
                    let uri = uri.as_deref().unwrap();
                    redis::Client::open(uri)?.get_multiplexed_async_connection().await?
                }
            };
            connection.set::<_, _, ()>("redis-rs", &line).await?;
            connection.get::<_, String>("redis-rs").await
        };
        match answer.await {
            Ok(text) => println!("{text}"),
            Err(error) => println!("error {error}"),
        }
    }
}
