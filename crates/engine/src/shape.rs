//! The shape of a connection: the endpoint of a route, the keys of presets, and keys with a template of their own. A
//! value that a format cannot express is left out and named; it is never written wrong.

use super::{
    connection::escape,
    observed::{Connection, Replica},
    secret_target::SecretTarget,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{borrow::Cow, collections::BTreeMap};
use valkeeper_api::connection_shape::{Piece, pieces, preset_keys};

/// A way to a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// The address that the provider recommends.
    #[default]
    Dynamic,
    /// An address in the VPC.
    Private,
    /// An address behind a PrivateLink connection.
    PrivateLink,
    /// An address in the internet.
    Public,
}

impl Route {
    /// The route that a spec names; a word without a variant here counts as the default.
    pub fn of(declared: Option<&valkeeper_api::connection_shape::Route>) -> Self {
        match declared.map(|route| route.0.as_str()) {
            Some("Private") => Self::Private,
            Some("PrivateLink") => Self::PrivateLink,
            Some("Public") => Self::Public,
            _ => Self::Dynamic,
        }
    }

    /// The provider's word for it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "dynamic" => Self::Dynamic,
            "private" => Self::Private,
            "privatelink" => Self::PrivateLink,
            "public" => Self::Public,
            _ => return None,
        })
    }

    /// What a spec calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "Dynamic",
            Self::Private => "Private",
            Self::PrivateLink => "PrivateLink",
            Self::Public => "Public",
        }
    }

    /// The setting that opens it.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Dynamic => None,
            Self::Private => Some("private_access"),
            Self::PrivateLink => Some("privatelink_access"),
            Self::Public => Some("public_access"),
        }
    }
}

/// An endpoint on a route other than the default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutedEndpoint {
    /// The route.
    pub route: Route,
    /// Whether it leads to the replica.
    pub is_replica: bool,
    /// Host name.
    pub host: String,
    /// Port, as text.
    pub port: String,
}

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
mod tests {
    use super::*;

    const PASSWORD: &str = "p/a:s@s%";

    fn connection() -> Connection {
        let parameter = |name: &str| {
            Some(match name {
                "host" => "h",
                "port" => "1",
                "user" => "default",
                "password" => PASSWORD,
                _ => "required",
            })
        };
        Connection { replica: Replica::None, ..Connection::from_parameters(parameter).unwrap() }
    }

    fn shaped(target: &SecretTarget, connection: &Connection) -> BTreeMap<String, Option<String>> {
        let text = |shaped| match shaped {
            Shaped::Value(value) => Some(value.expose_secret().to_owned()),
            Shaped::Nothing => None,
            Shaped::Unknown => Some("?".to_owned()),
        };
        keys(target, connection).into_iter().map(|(key, value)| (key, text(value))).collect()
    }

    fn presets(presets: &[&str]) -> SecretTarget {
        let presets = presets.iter().map(|preset| (*preset).to_owned()).collect();
        SecretTarget { prefix: "V_".to_owned(), presets, ..SecretTarget::default() }
    }

    #[test]
    fn presets_hold_what_their_clients_read() {
        let all = presets(&["uri", "jdbc", "stackexchange", "sidekiq", "django", "spring"]);
        let uri = "rediss://default:p%2Fa%3As%40s%25@h:1";
        let expected = [
            ("CACHE_URL", format!("{uri}/1")),
            ("REDIS_URL", format!("{uri}/0")),
            ("SPRING_DATA_REDIS_HOST", "h".to_owned()),
            ("SPRING_DATA_REDIS_PASSWORD", PASSWORD.to_owned()),
            ("SPRING_DATA_REDIS_PORT", "1".to_owned()),
            ("SPRING_DATA_REDIS_SSL_ENABLED", "true".to_owned()),
            ("SPRING_DATA_REDIS_USERNAME", "default".to_owned()),
            ("V_JDBC_URL", "jdbc:redis://default:p%2Fa%3As%40s%25@h:1/0?ssl=true".to_owned()),
            ("V_STACKEXCHANGE", format!("h:1,user=default,password={PASSWORD},ssl=true,abortConnect=false")),
            ("V_URI", uri.to_owned()),
        ];
        let expected = expected
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Some(value)))
            .collect::<BTreeMap<_, _>>();
        assert_eq!(shaped(&all, &connection()), expected);
    }

    #[test]
    fn password_that_a_format_cannot_express_leaves_the_key_out() {
        let target = presets(&["stackexchange"]);
        let connection = Connection { password: "a,ssl=false".into(), ..connection() };
        assert_eq!(shaped(&target, &connection)["V_STACKEXCHANGE"], None);
        assert_eq!(inexpressible(&target, &connection), ["V_STACKEXCHANGE"]);
        assert!(inexpressible(&target, &self::connection()).is_empty());
    }

    #[test]
    fn template_escapes_credentials_only_in_a_uri() {
        let keys = [
            ("A", "{scheme}://{user}:{password}@{host}:{port}/0"),
            ("B", "{password}"),
            ("C", "{host} {port} {ssl} {user}"),
            ("D", "{replicaHost}:{replicaPort}"),
            ("E", "{broken"),
        ];
        let keys = keys.into_iter().map(|(key, template)| (key.to_owned(), template.to_owned())).collect();
        let target = SecretTarget { keys, ..SecretTarget::default() };
        let found = shaped(&target, &connection());
        assert_eq!(found["A"].as_deref(), Some("rediss://default:p%2Fa%3As%40s%25@h:1/0"));
        assert_eq!(found["B"].as_deref(), Some(PASSWORD));
        assert_eq!(found["C"].as_deref(), Some("h 1 required default"));
        assert_eq!((&found["D"], &found["E"]), (&None, &None));
        let at = Replica::At { host: "r".to_owned(), port: "2".to_owned() };
        let with_replica = Connection { replica: at, ..connection() };
        assert_eq!(shaped(&target, &with_replica)["D"].as_deref(), Some("r:2"));
        let unlisted = Connection { replica: Replica::Unlisted, ..connection() };
        assert_eq!(shaped(&target, &unlisted)["D"].as_deref(), Some("?"));
    }

    #[test]
    fn route_replaces_host_port_and_replica() {
        let endpoint = |is_replica, host: &str| RoutedEndpoint {
            route: Route::Private,
            is_replica,
            host: host.to_owned(),
            port: "7".to_owned(),
        };
        let routes = vec![endpoint(true, "private-r"), endpoint(false, "private-h")];
        let connection = Connection { routes, ..connection() };
        let private = connection.over(Route::Private).unwrap();
        assert_eq!((private.host.as_str(), private.port.as_str()), ("private-h", "7"));
        assert_eq!(private.replica, Replica::At { host: "private-r".to_owned(), port: "7".to_owned() });
        assert_eq!(connection.over(Route::Dynamic).unwrap().host, "h");
        assert!(connection.over(Route::Public).is_none());
    }
}
