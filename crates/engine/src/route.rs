//! The ways to a service: the words for them, and the endpoints on them.

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
