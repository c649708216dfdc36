//! The kind of a manifest: ours, foreign, or ours with a typing error.

use valkeeper_api::{
    Custom as _, GROUP, Kind, ProjectVpc, ServiceUser, VERSION, ValkeyBackup, ValkeyCluster,
    ValkeyScheduledBackup, ValkeyUser, validate::spelling, valkey_cluster,
};

/// Our kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    Service(Kind),
    Vpc,
    ServiceUser,
    Cluster,
    Backup,
    Schedule,
    User,
}

impl Ours {
    const ALL: [Self; 8] = [
        Self::Service(Kind::Valkey),
        Self::Service(Kind::Redis),
        Self::Vpc,
        Self::ServiceUser,
        Self::Cluster,
        Self::Backup,
        Self::Schedule,
        Self::User,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Service(kind) => kind.name(),
            Self::Vpc => ProjectVpc::NAME,
            Self::ServiceUser => ServiceUser::NAME,
            Self::Cluster => ValkeyCluster::NAME,
            Self::Backup => ValkeyBackup::NAME,
            Self::Schedule => ValkeyScheduledBackup::NAME,
            Self::User => ValkeyUser::NAME,
        }
    }

    const fn group(self) -> &'static str {
        match self {
            Self::Service(_) | Self::Vpc | Self::ServiceUser => GROUP,
            Self::Cluster | Self::Backup | Self::Schedule | Self::User => valkey_cluster::GROUP,
        }
    }
}

/// What a manifest is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A resource of ours.
    Resource(Ours),
    /// A list of resources; of this kind where the items name none.
    List(Option<Ours>),
    /// Something that other controllers serve, or no manifest at all.
    Foreign,
    /// The field that keeps it from being ours, and what is wrong with it.
    Mistake(&'static str, String),
}

/// Our groups.
const GROUPS: [&str; 2] = [GROUP, valkey_cluster::GROUP];

/// The other kinds of the first group, which aiven-operator serves.
#[rustfmt::skip]
const AIVEN_OPERATOR: [&str; 30] = [
    "AlloyDBOmni", "Cassandra", "Clickhouse", "ClickhouseDatabase", "ClickhouseGrant", "ClickhouseRole",
    "ClickhouseUser", "ConnectionPool", "Database", "Flink", "Grafana", "Kafka", "KafkaACL", "KafkaConnect",
    "KafkaConnector", "KafkaNativeACL", "KafkaQuota", "KafkaSchema", "KafkaSchemaRegistryACL", "KafkaTopic",
    "MySQL", "OpenSearch", "OpenSearchACLConfig", "OrganizationProject", "PostgreSQL", "Project",
    "ServiceIntegration", "ServiceIntegrationEndpoint", "ServiceUserRotation",
    "UpgradePipelineStep",
];

/// What a manifest with this `apiVersion` and `kind` is. `inherited` is the kind of the list that it stands in.
pub(super) fn meaning(api_version: Option<&str>, kind: Option<&str>, inherited: Option<Ours>) -> Meaning {
    if let (None, None, Some(kind)) = (api_version, kind, inherited) {
        return Meaning::Resource(kind);
    }
    let (group, version) = api_version.unwrap_or_default().split_once('/').unwrap_or_default();
    let kind = kind.unwrap_or_default();
    if api_version == Some("v1") && kind == "List" {
        return Meaning::List(None);
    }
    let ours = Ours::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(kind));
    let wanted = |known: Ours| format!("{}/{VERSION}", known.group());
    if let Some(group) = GROUPS.into_iter().find(|known| *known == group) {
        return match ours.filter(|known| known.name() == kind && known.group() != group) {
            Some(known) => Meaning::Mistake("apiVersion", format!("must be `{}`", wanted(known))),
            None => in_our_group(group, version, kind),
        };
    }
    match (api_version, ours) {
        (None, Some(known)) => {
            Meaning::Mistake("apiVersion", format!("is required: must be `{}`", wanted(known)))
        }
        (Some(given), Some(known)) if is_misspelt(given, group, known.group()) => {
            Meaning::Mistake("apiVersion", format!("must be `{}`", wanted(known)))
        }
        _ => Meaning::Foreign,
    }
}

fn in_our_group(group: &'static str, version: &str, kind: &str) -> Meaning {
    if let Some(known) = Ours::ALL.into_iter().find(|known| known.name() == kind) {
        return if version == VERSION {
            Meaning::Resource(known)
        } else {
            Meaning::Mistake("apiVersion", format!("must be `{group}/{VERSION}`"))
        };
    }
    let item = kind.strip_suffix("List").unwrap_or(kind);
    if let Some(listed) = Ours::ALL.into_iter().find(|known| known.name() == item) {
        return Meaning::List(Some(listed));
    }
    if group == GROUP && AIVEN_OPERATOR.contains(&item) {
        return Meaning::Foreign;
    }
    if kind.is_empty() {
        return Meaning::Mistake("kind", "is required".to_owned());
    }
    let others = AIVEN_OPERATOR.into_iter().filter(|_| group == GROUP);
    let known = Ours::ALL.into_iter().filter(|known| known.group() == group).map(Ours::name).chain(others);
    let singular = kind.strip_suffix(['s', 'S']).unwrap_or(kind);
    let hint = spelling::closest(kind, known.clone()).or_else(|| spelling::closest(singular, known));
    let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
    Meaning::Mistake("kind", format!("unknown kind of {group}{hint}"))
}

/// Whether this was meant to be this group of ours and its version.
fn is_misspelt(api_version: &str, given: &str, group: &str) -> bool {
    [VERSION, group].contains(&api_version)
        || spelling::closest(given, [group].into_iter()).is_some()
        || spelling::closest(api_version, [format!("{group}/{VERSION}").as_str()].into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(api_version: &str, kind: &str) -> Meaning {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let (api_version, kind) = (api_version.to_owned().leak(), kind.to_owned().leak());
        meaning(given(api_version), given(kind), None)
    }

    #[test]
    fn our_kinds_are_resources_and_their_lists_are_lists() {
        let valkey = Ours::Service(Kind::Valkey);
        assert_eq!(of("aiven.io/v1alpha1", "Valkey"), Meaning::Resource(valkey));
        assert_eq!(of("aiven.io/v1alpha1", "ProjectVPC"), Meaning::Resource(Ours::Vpc));
        assert_eq!(of("aiven.io/v1alpha1", "ValkeyList"), Meaning::List(Some(valkey)));
        assert_eq!(of("valkeeper.io/v1alpha1", "ValkeyCluster"), Meaning::Resource(Ours::Cluster));
        assert_eq!(of("v1", "List"), Meaning::List(None));
        assert_eq!(meaning(None, None, Some(valkey)), Meaning::Resource(valkey));
    }

    #[test]
    fn kinds_of_other_groups_are_foreign() {
        let foreign = [
            ("v1", "Secret"),
            ("", ""),
            ("", "ConfigMap"),
            ("aiven.io/v1alpha1", "KafkaTopic"),
            ("aiven.io/v1alpha1", "KafkaTopicList"),
            ("hyperspike.io/v1", "Valkey"),
            ("databases.spotahome.com/v1", "Redis"),
        ];
        for (api_version, kind) in foreign {
            assert_eq!(of(api_version, kind), Meaning::Foreign, "{api_version} {kind}");
        }
    }

    #[test]
    fn typing_errors_are_mistakes_with_a_hint() {
        let mistakes = [
            ("aiven.io/v1alpha1", "valkey", "kind", "did you mean `Valkey`?"),
            ("aiven.io/v1alpha1", "Valky", "kind", "did you mean `Valkey`?"),
            ("aiven.io/v1alpha1", "valkeys", "kind", "did you mean `Valkey`?"),
            ("aiven.io/v1alpha1", "ProjectVpc", "kind", "did you mean `ProjectVPC`?"),
            ("aiven.io/v1alpha1", "Postgres", "kind", "did you mean `PostgreSQL`?"),
            ("aiven.io/v1alpha1", "Widget", "kind", "unknown kind of aiven.io"),
            ("aiven.io/v1alpha1", "", "kind", "is required"),
            ("aiven.io/v1", "Valky", "kind", "did you mean `Valkey`?"),
            ("aiven.io/v1", "Valkey", "apiVersion", "must be `aiven.io/v1alpha1`"),
            ("Aiven.io/v1alpha1", "Valkey", "apiVersion", "must be"),
            ("aivenio/v1alpha1", "redis", "apiVersion", "must be"),
            ("v1alpha1", "Valkey", "apiVersion", "must be"),
            ("", "Valkey", "apiVersion", "is required"),
            ("aiven.io/v1alpha1", "ValkeyCluster", "apiVersion", "must be `valkeeper.io/v1alpha1`"),
            ("valkeeper.io/v1alpha1", "Valkey", "apiVersion", "must be `aiven.io/v1alpha1`"),
            ("valkeeper.io/v1", "ValkeyCluster", "apiVersion", "must be `valkeeper.io/v1alpha1`"),
            ("valkeeper.io/v1alpha1", "ValkeyClusters", "kind", "did you mean `ValkeyCluster`?"),
            ("valkeper.io/v1alpha1", "ValkeyCluster", "apiVersion", "must be"),
        ];
        for (api_version, kind, field, rule) in mistakes {
            let Meaning::Mistake(at, found) = of(api_version, kind) else { panic!("{api_version} {kind}") };
            assert!(at == field && found.contains(rule), "{api_version} {kind}: {at} {found}");
        }
    }
}
