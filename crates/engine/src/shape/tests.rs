//! Shapes of a connection, key by key.

use super::*;
use crate::route::RoutedEndpoint;

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
    let expected =
        expected.into_iter().map(|(key, value)| (key.to_owned(), Some(value))).collect::<BTreeMap<_, _>>();
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
