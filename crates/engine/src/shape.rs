//! The shape of a connection: the endpoint of a route, the keys of presets, and keys with a template of their own. A
//! value that a format cannot express is left out and named; it is never written wrong.

use super::{
    escape::escape,
    observed::{Connection, Replica},
    route::Route,
    secret_target::SecretTarget,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{borrow::Cow, collections::BTreeMap};
use valkeeper_api::connection_shape::{Piece, pieces, preset_keys};

impl Connection {
    /// The same connection over `route`; none where the service has no endpoint on it.
    pub fn over(&self, route: Route) -> Option<Cow<'_, Self>> {
        if route == Route::Dynamic {
            return Some(Cow::Borrowed(self));
        }
        let endpoint =
            |is_replica| self.routes.iter().find(|one| one.route == route && one.is_replica == is_replica);
        let primary = endpoint(false)?;
        let replica = endpoint(true).map_or(Replica::None, |replica| Replica::At {
            host: replica.host.clone(),
            port: replica.port.clone(),
        });
        let (host, port) = (primary.host.clone(), primary.port.clone());
        Some(Cow::Owned(Self { host, port, replica, ..self.clone() }))
    }

    fn scheme(&self) -> &'static str {
        if self.uses_tls() { "rediss" } else { "redis" }
    }

    fn credentials(&self) -> (String, SecretString) {
        (escape(&self.user), escape(self.password.expose_secret()).into())
    }

    /// The connection to a database of the server as one text, in the form every client library reads.
    fn database_uri(&self, database: u8) -> SecretString {
        let (scheme, (user, password)) = (self.scheme(), self.credentials());
        let password = password.expose_secret();
        format!("{scheme}://{user}:{password}@{}:{}/{database}", self.host, self.port).into()
    }

    fn jdbc(&self) -> SecretString {
        let (user, password) = self.credentials();
        let (password, tls) = (password.expose_secret(), self.uses_tls());
        format!("jdbc:redis://{user}:{password}@{}:{}/0?ssl={tls}", self.host, self.port).into()
    }

    /// The format has no way to write a comma or an equals sign at the wrong place in a value.
    fn stackexchange(&self) -> Option<SecretString> {
        let password = self.password.expose_secret();
        let plain = |text: &str| !text.contains(',') && text.trim() == text;
        (plain(&self.user) && plain(password)).then(|| {
            let (host, port, user, tls) = (&self.host, &self.port, &self.user, self.uses_tls());
            format!("{host}:{port},user={user},password={password},ssl={tls},abortConnect=false").into()
        })
    }

    fn spring(&self) -> [SecretString; 5] {
        [
            self.host.as_str().into(),
            self.port.as_str().into(),
            self.user.as_str().into(),
            self.password.clone(),
            self.uses_tls().to_string().into(),
        ]
    }
}

/// A key whose value is known, known not to exist, or unknown this time.
pub(super) enum Shaped {
    /// This value.
    Value(SecretString),
    /// There is nothing to write.
    Nothing,
    /// It may have a value.
    Unknown,
}

/// The keys of the presets and templates of a target.
pub(super) fn keys(target: &SecretTarget, connection: &Connection) -> BTreeMap<String, Shaped> {
    let presets = target.presets.iter().flat_map(|preset| {
        let names = preset_keys(preset, &target.prefix);
        names.into_iter().zip(values(preset, connection))
    });
    let templates = target.keys.iter().map(|(key, template)| (key.clone(), render(template, connection)));
    presets.chain(templates).collect()
}

/// The keys of presets whose format cannot express the connection.
pub(super) fn inexpressible(target: &SecretTarget, connection: &Connection) -> Vec<String> {
    let fails = target.presets.iter().any(|preset| preset == "stackexchange");
    if fails && connection.stackexchange().is_none() {
        preset_keys("stackexchange", &target.prefix)
    } else {
        Vec::new()
    }
}

fn values(preset: &str, connection: &Connection) -> Vec<Shaped> {
    match preset {
        "uri" => vec![Shaped::Value(connection.uri())],
        "jdbc" => vec![Shaped::Value(connection.jdbc())],
        "stackexchange" => vec![connection.stackexchange().map_or(Shaped::Nothing, Shaped::Value)],
        "sidekiq" => vec![Shaped::Value(connection.database_uri(0))],
        // Django's own examples use database 1, so that other users of database 0 are not affected by `clear()`.
        "django" => vec![Shaped::Value(connection.database_uri(1))],
        "spring" => connection.spring().into_iter().map(Shaped::Value).collect(),
        _ => Vec::new(),
    }
}

fn render(template: &str, connection: &Connection) -> Shaped {
    let Some(pieces) = pieces(template) else { return Shaped::Nothing };
    let is_uri = template.contains("://");
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Placeholder(name) => match (name, &connection.replica) {
                ("replicaHost" | "replicaPort", Replica::Unlisted) => return Shaped::Unknown,
                ("replicaHost" | "replicaPort", Replica::None) => return Shaped::Nothing,
                ("replicaHost", Replica::At { host, .. }) => text.push_str(host),
                ("replicaPort", Replica::At { port, .. }) => text.push_str(port),
                (name, _) => text.push_str(&value(name, connection, is_uri)),
            },
        }
    }
    Shaped::Value(text.into())
}

fn value<'c>(placeholder: &str, connection: &'c Connection, is_uri: bool) -> Cow<'c, str> {
    let quoted = |text: &'c str| if is_uri { escape(text).into() } else { Cow::Borrowed(text) };
    match placeholder {
        "scheme" => connection.scheme().into(),
        "host" => connection.host.as_str().into(),
        "port" => connection.port.as_str().into(),
        "user" => quoted(&connection.user),
        "password" => quoted(connection.password.expose_secret()),
        "ssl" => connection.ssl.as_str().into(),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests;
