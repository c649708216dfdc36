//! The table of endpoints: method, path template, who may call, and what runs. Guarantees that a
//! path is matched segment by segment after decoding each of them, and that the template in the
//! request log is the one in this table.

mod acl;
mod body;
mod create;
mod integrations;
mod listings;
mod projects;
mod services;
mod update;
mod users;
mod vpcs;

use super::call::Call;
use super::outcome::Outcome;
pub(super) use integrations::store as store_integration;

/// An endpoint.
pub(super) struct Route {
    method: &'static str,
    pub(super) template: &'static str,
    pub(super) access: Access,
    pub(super) run: fn(&Call<'_>) -> Outcome,
}

/// Who may call an endpoint.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Every caller.
    Public,
    /// Every token.
    Token,
    /// Tokens of the project in the path with any of the permissions.
    Project(&'static [&'static str]),
}

const READ: Access = Access::Project(&["project:services:read"]);
const WRITE: Access = Access::Project(&["project:services:write", "role:services:recover"]);
const UPDATE: Access = Access::Project(&[
    "project:services:write",
    "service:configuration:write",
    "role:services:maintenance",
    "role:services:recover",
]);
const DELETE: Access = Access::Project(&["project:services:write"]);
const CONFIGURE: Access = Access::Project(&["service:configuration:write"]);
const MAINTAIN: Access = Access::Project(&["role:services:maintenance"]);
const USERS: Access = Access::Project(&["service:users:write"]);
const USERS_READ: Access = Access::Project(&["service:users:write", "service:configuration:write"]);
const INTEGRATIONS: Access = Access::Project(&["project:integrations:read", "role:services:recover"]);
const INTEGRATIONS_WRITE: Access = Access::Project(&["project:integrations:write", "role:services:recover"]);
const NETWORK: Access = Access::Project(&["project:networking:read"]);
const NETWORK_WRITE: Access = Access::Project(&["project:networking:write"]);
const EVENTS: Access = Access::Project(&["project:audit_logs:read", "project:event_logs:read"]);

const fn route(
    method: &'static str,
    template: &'static str,
    access: Access,
    run: fn(&Call<'_>) -> Outcome,
) -> Route {
    Route { method, template, access, run }
}

/// Every endpoint.
static ROUTES: &[Route] = &[
    route("GET", "/v1/me", Access::Token, projects::me),
    route("GET", "/v1/clouds", Access::Public, listings::clouds),
    route("GET", "/v1/service_versions", Access::Public, listings::versions),
    route("GET", "/v1/service_types", Access::Public, listings::catalogue),
    route("GET", "/v1/account/{account}/service_versions", Access::Token, listings::versions),
    route("GET", "/v1/project", Access::Token, projects::list),
    route("GET", "/v1/project/{project}", READ, projects::get),
    route("GET", "/v1/project/{project}/clouds", READ, listings::clouds),
    route("GET", "/v1/project/{project}/kms/ca", READ, projects::certificate),
    route("GET", "/v1/project/{project}/events", EVENTS, projects::events),
    route("GET", "/v1/project/{project}/alerts", READ, projects::alerts),
    route("GET", "/v1/project/{project}/tags", READ, projects::tags),
    route("PUT", "/v1/project/{project}/tags", DELETE, projects::replace_tags),
    route("PATCH", "/v1/project/{project}/tags", DELETE, projects::merge_tags),
    route("GET", "/v1/project/{project}/users", READ, projects::users),
    route("GET", "/v1/project/{project}/service_types", READ, listings::catalogue),
    route("GET", "/v1/project/{project}/service-types", READ, listings::service_types),
    route("GET", "/v1/project/{project}/service-types/{type}", READ, listings::service_type),
    route("GET", "/v1/project/{project}/service-types/{type}/plans", READ, listings::plans),
    route("GET", "/v1/project/{project}/service-types/{type}/plans/{plan}", READ, listings::plan),
    route(
        "GET",
        "/v1/project/{project}/pricing/service-types/{type}/plans/{plan}/clouds/{cloud}",
        READ,
        listings::price,
    ),
    route("GET", "/v1/project/{project}/vpcs", NETWORK, vpcs::list),
    route("POST", "/v1/project/{project}/vpcs", NETWORK_WRITE, vpcs::create),
    route("GET", "/v1/project/{project}/vpcs/{vpc}", NETWORK, vpcs::get),
    route("DELETE", "/v1/project/{project}/vpcs/{vpc}", NETWORK_WRITE, vpcs::delete),
    route("POST", "/v1/project/{project}/integration", INTEGRATIONS_WRITE, integrations::create),
    route("GET", "/v1/project/{project}/integration/{id}", INTEGRATIONS, integrations::get),
    route("DELETE", "/v1/project/{project}/integration/{id}", INTEGRATIONS_WRITE, integrations::delete),
    route("GET", "/v1/project/{project}/service", READ, services::list),
    route("POST", "/v1/project/{project}/service", WRITE, create::create),
    route("GET", "/v1/project/{project}/service/{service}", READ, services::get),
    route("PUT", "/v1/project/{project}/service/{service}", UPDATE, update::update),
    route("DELETE", "/v1/project/{project}/service/{service}", DELETE, services::delete),
    route("PATCH", "/v1/project/{project}/service/{service}/service_type", UPDATE, services::change_type),
    route("PUT", "/v1/project/{project}/service/{service}/maintenance/start", MAINTAIN, services::maintain),
    route("GET", "/v1/project/{project}/service/{service}/migration", READ, services::migration),
    route("GET", "/v1/project/{project}/service/{service}/alerts", READ, services::alerts),
    route("GET", "/v1/project/{project}/service/{service}/backups", CONFIGURE, services::backups),
    route("GET", "/v1/project/{project}/service/{service}/integration", INTEGRATIONS, integrations::list),
    route("GET", "/v1/project/{project}/service/{service}/tags", CONFIGURE, services::tags),
    route("PUT", "/v1/project/{project}/service/{service}/tags", CONFIGURE, services::replace_tags),
    route("PATCH", "/v1/project/{project}/service/{service}/tags", CONFIGURE, services::merge_tags),
    route("POST", "/v1/project/{project}/service/{service}/user", USERS, users::create),
    route("GET", "/v1/project/{project}/service/{service}/user/{user}", USERS_READ, users::get),
    route("PUT", "/v1/project/{project}/service/{service}/user/{user}", USERS, users::modify),
    route("DELETE", "/v1/project/{project}/service/{service}/user/{user}", USERS, users::delete),
    route(
        "PUT",
        "/v1/project/{project}/service/{service}/user/{user}/credentials/reset",
        USERS,
        users::reset,
    ),
    route("PUT", "/v1/project/{project}/service/{service}/credentials/reset", USERS, users::reset_all),
];

/// Result of finding a request in the table.
pub(super) enum Match {
    /// The endpoint and the decoded parameters of its path.
    Found(&'static Route, Vec<String>),
    /// The path exists, with other methods.
    WrongMethod(&'static str),
    /// No such path.
    None,
}

impl Match {
    /// Template for the request log.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Found(route, _) => route.template,
            Self::WrongMethod(template) => template,
            Self::None => "unmatched",
        }
    }
}

/// Finds the route of a request.
pub(super) fn find(method: &str, path: &str) -> Match {
    let mut wrong_method = None;
    for route in ROUTES {
        if let Some(parameters) = parameters(route.template, path) {
            if route.method == method {
                return Match::Found(route, parameters);
            }
            wrong_method = Some(route.template);
        }
    }
    wrong_method.map_or(Match::None, Match::WrongMethod)
}

/// The values of the template's parameters, if the path has its shape.
fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    let mut parameters = Vec::new();
    let (mut expected, mut actual) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return Some(parameters),
            (Some(pattern), Some(segment)) if pattern.starts_with('{') => parameters.push(decode(segment)),
            (Some(pattern), Some(segment)) if pattern == segment => {}
            _ => return None,
        }
    }
}

/// Resolves `%XX`; what is not valid stays as it is.
fn decode(segment: &str) -> String {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(byte);
            rest = &rest[3..];
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_segment_is_decoded_on_its_own() {
        let Match::Found(route, parameters) = find("GET", "/v1/project/a%2Fb/service/c%20d%zz") else {
            panic!("not found");
        };
        assert_eq!(route.template, "/v1/project/{project}/service/{service}");
        assert_eq!(parameters, ["a/b", "c d%zz"]);
    }

    #[test]
    fn wrong_method_is_distinguished_from_an_unknown_path() {
        assert!(matches!(find("DELETE", "/v1/me"), Match::WrongMethod("/v1/me")));
        assert!(matches!(find("GET", "/v1/nothing"), Match::None));
        assert!(matches!(find("GET", "/v1/me/"), Match::None));
    }
}
