//! A resource, its Secret, and a client that uses only the Secret.

use crate::world::{PROJECT, World, texts, until};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsCertificates, aio::MultiplexedConnection,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use valkeeper_api::Kind;

/// Longest wait for an answer of a server.
const PATIENCE: Duration = Duration::from_secs(20);

/// A resource of either kind.
#[derive(Clone)]
pub(crate) struct Cache<'a> {
    pub(crate) world: &'a World,
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
}

impl<'a> Cache<'a> {
    /// Creates a resource and waits until it is ready.
    pub(crate) async fn ready(world: &'a World, kind: Kind, name: &'a str, spec: Value) -> Self {
        let cache = Self { world, kind, name };
        let mut all = json!({
            "project": PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1",
            "authSecretRef": {"name": "aiven-token", "key": "token"},
        });
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        let object = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": kind.name(), "metadata": {"name": name}, "spec": all,
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        cache.api().create(&PostParams::default(), &object).await.unwrap();
        cache.until_ready("Running").await;
        cache
    }

    fn api(&self) -> Api<DynamicObject> {
        let resource = GroupVersionKind::gvk("aiven.io", "v1alpha1", self.kind.name());
        let resource = ApiResource::from_gvk_with_plural(&resource, self.kind.plural());
        Api::namespaced_with(self.world.client.clone(), &self.world.namespace, &resource)
    }

    /// Changes the spec and waits until the change is made.
    pub(crate) async fn edit(&self, spec: Value) {
        self.patch(spec).await;
        self.until_ready("Running").await;
    }

    pub(crate) async fn patch(&self, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api().patch(self.name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn delete(&self) {
        self.api().delete(self.name, &DeleteParams::default()).await.unwrap();
        let api = self.api();
        until(|| async { api.get_opt(self.name).await.unwrap() }, Option::is_none).await;
    }

    pub(crate) async fn until_ready(&self, reason: &str) {
        let api = self.api();
        until(
            || async { api.get(self.name).await.unwrap() },
            |object| {
                let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let ready = conditions.into_iter().find(|each| each["type"] == "Ready").unwrap_or_default();
                ready["status"] == "True"
                    && ready["reason"] == reason
                    && ready["observedGeneration"].as_i64() == object.metadata.generation
            },
        )
        .await;
    }

    /// The values of the Secret, by the part of the key after the prefix.
    pub(crate) async fn secret(&self) -> BTreeMap<String, String> {
        let secret = self.world.secrets().get(self.name).await.unwrap();
        let prefix = self.kind.secret_prefix();
        texts(&secret)
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value)))
            .collect()
    }

    /// Connects with the content of the Secret.
    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        connect(&self.secret().await, &self.world.provider.certificate_authority().unwrap()).await
    }

    /// Runs a command with the content of the Secret, as soon as that is possible.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = match self.connect().await {
                Ok(mut connection) => command(words).query_async(&mut connection).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return answer,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{words:?}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The value of a directive on the server: users lack the permission, so the platform reads it.
    pub(crate) async fn directive(&self, name: &str) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.command_of_platform(&["CONFIG", "GET", name]).await {
                Ok(values) => return values.get(1).cloned().unwrap_or_default(),
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{name}: {error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Runs a command as the platform does, which may run those that no user may.
    pub(crate) async fn command_of_platform(&self, words: &[&str]) -> anyhow::Result<Vec<String>> {
        self.world.provider.server_command(PROJECT, self.name, words).await
    }

    pub(crate) async fn set(&self, key: &str, value: &str) {
        self.ask::<()>(&["SET", key, value]).await;
    }

    pub(crate) async fn get(&self, key: &str) -> Option<String> {
        self.ask(&["GET", key]).await
    }

    /// The identifier of the server process' present run.
    pub(crate) async fn run_id(&self) -> String {
        let info: String = self.ask(&["INFO", "server"]).await;
        info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap().to_owned()
    }

    /// Takes a backup; returns its name.
    pub(crate) fn back_up(&self) -> String {
        assert!(self.world.provider.take_backup(PROJECT, self.name));
        let service = self.world.service(self.name).unwrap();
        service["backups"].as_array().unwrap().last().unwrap()["backup_name"].as_str().unwrap().to_owned()
    }
}

fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// Connects with the values of a Secret, trusting `authority` only.
pub(crate) async fn connect(
    secret: &BTreeMap<String, String>,
    authority: &str,
) -> RedisResult<MultiplexedConnection> {
    let (host, port) = (secret["HOST"].clone(), secret["PORT"].parse().unwrap());
    let login =
        RedisConnectionInfo::default().set_username(&secret["USER"]).set_password(&secret["PASSWORD"]);
    let client = if secret["SSL"] == "required" {
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let info: ConnectionInfo = address.into_connection_info()?;
        let certificates =
            TlsCertificates { client_tls: None, root_cert: Some(authority.as_bytes().to_vec()) };
        Client::build_with_tls(info.set_redis_settings(login), certificates)?
    } else {
        let info: ConnectionInfo = ConnectionAddr::Tcp(host, port).into_connection_info()?;
        Client::open(info.set_redis_settings(login))?
    };
    client.get_multiplexed_async_connection().await
}
