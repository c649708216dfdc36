//! Looks at a user: its cluster, its Secrets, and what the servers say.

use super::entry_seen::entry_seen;
use crate::{
    cluster::{bounded, data_objects, metadata::is_controlled_by, secrets as values},
    controller::{
        context::Context,
        error::ReconcileError,
        valkey_cluster::{instances, is_due, now, password_in, reach},
    },
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinSet;
use valkeeper_api::{Custom as _, ValkeyCluster, ValkeyUser, valkey_user};
use valkeeper_cluster::{
    Defaults, Desired, names,
    user::{
        EntrySeen, ObservedUser, RulesSeen, ServerAnswer, UserClusterSeen, UserPassword, owner,
        password_source, rotation_request, secret_target, username,
    },
};
use valkeeper_engine::{Connection, ConnectionSecret, SecretTarget, existing_secret};
use valkeeper_instance::{access::hash, client::InstanceClient, users::UserAnswer};

/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is seen of the surroundings of a user.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) user: ObservedUser,
    pub(super) cluster: Option<Desired>,
    /// The Secret with the users of the cluster.
    pub(super) users: Option<Secret>,
    /// The Secret with the password.
    pub(super) password: Option<Secret>,
    pub(super) connection_secret: Option<Secret>,
    /// What that is to have.
    pub(super) connection: Option<(SecretTarget, Connection)>,
}

/// Whether a Secret belongs to the user.
pub(super) fn is_ours(object: &ValkeyUser, secret: &Secret) -> bool {
    object.metadata.uid.as_ref().is_some_and(|uid| is_controlled_by(&secret.metadata, uid))
}

/// The clients of the servers that clients may reach, by name; none for one that cannot be asked.
type Servers = BTreeMap<String, Option<InstanceClient>>;

/// Looks at the surroundings of a user.
pub(super) async fn observe(context: &Context, object: &ValkeyUser) -> Result<Seen, ReconcileError> {
    let is_deleted = object.metadata.deletion_timestamp.is_some();
    if !is_deleted && !valkey_user::violations(object).is_empty() {
        // Names that break a rule may name nothing that can be read.
        return Ok(Seen { user: ObservedUser::new(now(), EntrySeen::Missing), ..Seen::default() });
    }
    let namespace = object.namespace().unwrap_or_default();
    let client = &context.client;
    let get = async |name: &str| data_objects::get::<Secret>(client, &namespace, name).await;
    let cluster = cluster(context, &namespace, object).await?;
    let users = get(&names::users(&object.spec.cluster_name)).await?;
    let entry = entry_seen(client, object, users.as_ref(), cluster.as_ref()).await?;
    let mut seen = Seen { user: ObservedUser::new(now(), entry), users, ..Seen::default() };
    let Some(cluster) = cluster else { return Ok(seen) };
    let user = &mut seen.user;
    let servers = instances(&context.clusters, &context.fence, &cluster);
    user.servers_are_unknown = servers.is_none();
    user.servers = answers(&username(object), &user.entry, servers.clone().unwrap_or_default()).await;
    user.cluster = cluster_seen(&cluster);
    if is_deleted {
        return Ok(Seen { cluster: Some(cluster), ..seen });
    }
    user.rules = rules(object, &user.entry, servers.unwrap_or_default()).await;
    let (source, key) = password_source(object);
    let password = get(&source).await?;
    let wanted = wanted(object, password.as_ref(), (&source, &key));
    user.password_is_due = is_due(rotation_request(object), password.as_ref());
    user.password = match &wanted {
        Ok(wanted) => UserPassword::Present(hash_of(wanted)),
        Err(refused) => refused.clone(),
    };
    let target = secret_target(object, &cluster, BTreeMap::new());
    let connection_secret = get(&target.name).await?;
    let given = connection_secret.as_ref().filter(|secret| is_ours(object, secret));
    let given = given.and_then(|secret| values::text(secret, &format!("{}PASSWORD", target.prefix)));
    user.given = given.as_deref().map(|given| hash(given.as_bytes()));
    let connection = password_of_clients(user, wanted.ok(), given.map(SecretString::from))
        .and_then(|password| reach(&context.clusters, context.settings.service_addresses, &cluster, password))
        .map(|(connection, more)| {
            (secret_target(object, &cluster, more), Connection { user: username(object), ..connection })
        });
    user.secret = compared(object, &target, connection_secret.as_ref(), connection.as_ref());
    Ok(Seen { cluster: Some(cluster), password, connection_secret, connection, ..seen })
}

async fn cluster(
    context: &Context,
    namespace: &str,
    object: &ValkeyUser,
) -> Result<Option<Desired>, ReconcileError> {
    let api: Api<ValkeyCluster> = Api::namespaced(context.client.clone(), namespace);
    let name = &object.spec.cluster_name;
    let doing = || format!("read {} {name}", ValkeyCluster::NAME);
    let found = bounded(doing, api.get_opt(name)).await?;
    Ok(found.map(|cluster| Desired::of(&cluster, Defaults::default())))
}

fn cluster_seen(cluster: &Desired) -> UserClusterSeen {
    if cluster.deleting {
        return UserClusterSeen::Missing;
    }
    UserClusterSeen::Present(cluster.password_grace())
}

fn wanted(
    object: &ValkeyUser,
    secret: Option<&Secret>,
    (name, key): (&str, &str),
) -> Result<SecretString, UserPassword> {
    let is_generated = object.spec.password_secret_ref.is_none();
    if is_generated && secret.is_some_and(|secret| !is_ours(object, secret)) {
        // It would be overwritten otherwise.
        let message = format!("Secret {name} belongs to another owner. Delete it or rename the user.");
        return Err(UserPassword::Foreign(message));
    }
    password_in(secret, (name, key), "spec.passwordSecretRef").map_err(UserPassword::Missing)
}

fn hash_of(password: &SecretString) -> String {
    hash(password.expose_secret().as_bytes())
}

/// The password that clients should have now, if it is known in clear text.
fn password_of_clients(
    user: &ObservedUser,
    wanted: Option<SecretString>,
    given: Option<SecretString>,
) -> Option<SecretString> {
    let EntrySeen::Present(entry) = &user.entry else { return None };
    if user.keeps_password(entry) {
        return given;
    }
    let mut known = [wanted, given].into_iter().flatten();
    known.find(|password| entry.passwords.first() == Some(&hash_of(password)))
}

/// The connection Secret, as it was found.
fn compared(
    object: &ValkeyUser,
    target: &SecretTarget,
    secret: Option<&Secret>,
    connection: Option<&(SecretTarget, Connection)>,
) -> ConnectionSecret {
    let Some(secret) = secret else {
        // Without a connection, there is nothing to write.
        return connection.map_or(ConnectionSecret::Unknown, |_| ConnectionSecret::Absent);
    };
    let (target, connection) =
        connection.map_or((target, None), |(target, connection)| (target, Some(connection)));
    match existing_secret::judge(secret, &owner(object), target, connection).secret {
        ConnectionSecret::Ours { .. } if connection.is_none() => ConnectionSecret::Unknown,
        found => found,
    }
}

/// What a server says of rules that servers were not given so far.
async fn rules(object: &ValkeyUser, entry: &EntrySeen, servers: Servers) -> RulesSeen {
    let declared = object.spec.rules();
    if matches!(entry, EntrySeen::Present(entry) if entry.rules == declared && !entry.passwords.is_empty()) {
        return RulesSeen::Unknown;
    }
    for (name, client) in servers {
        let Some(client) = client else { continue };
        match tokio::time::timeout(PATIENCE, client.check_rules(declared.clone())).await {
            Ok(Ok(None)) => return RulesSeen::Accepted,
            Ok(Ok(Some(why))) => return RulesSeen::Refused(why),
            Ok(Err(error)) => tracing::debug!(instance = name, %error, "rules were not checked"),
            Err(_) => tracing::debug!(instance = name, "rules were not checked in time"),
        }
    }
    RulesSeen::Unknown
}

/// What each server has taken of an entry.
async fn answers(username: &str, entry: &EntrySeen, servers: Servers) -> BTreeMap<String, ServerAnswer> {
    let mut asked = JoinSet::new();
    for (name, client) in servers.into_iter().filter(|_| matches!(entry, EntrySeen::Present(_))) {
        let username = username.to_owned();
        asked.spawn(async move {
            let Some(client) = client else { return (name, ServerAnswer::Silent) };
            let answer = match tokio::time::timeout(PATIENCE, client.users()).await {
                Ok(Ok(mut users)) => answer(users.remove(&username)),
                Ok(Err(error)) => {
                    tracing::debug!(instance = name, %error, "no answer about users");
                    ServerAnswer::Silent
                }
                Err(_) => ServerAnswer::Silent,
            };
            (name, answer)
        });
    }
    asked.join_all().await.into_iter().collect()
}

fn answer(found: Option<UserAnswer>) -> ServerAnswer {
    let UserAnswer { revision, refused } = found.unwrap_or_default();
    match refused {
        Some(why) => ServerAnswer::Refused(revision, why),
        None => ServerAnswer::Taken(revision),
    }
}
