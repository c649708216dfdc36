//! What discovery says about the built-in resources.

/// A built-in resource.
#[derive(Debug)]
pub struct BuiltinResource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version in the group.
    pub version: &'static str,
    /// Plural, the segment in URLs.
    pub plural: &'static str,
    /// Singular, in lower case.
    pub singular: &'static str,
    /// Kind of an object.
    pub kind: &'static str,
    /// Kind of a list of objects.
    pub list_kind: &'static str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Short names for `kubectl`.
    pub short_names: &'static [&'static str],
    /// Groups of resources, such as `all`.
    pub categories: &'static [&'static str],
    /// Verbs in the order discovery lists them.
    pub verbs: &'static [&'static str],
    /// Subresources that read and write a part of the object, such as `status`.
    pub subresources: &'static [&'static str],
    /// Whether `metadata.generation` counts the changes of `spec`.
    pub has_generation: bool,
    /// Whether an update without a `resourceVersion` replaces whatever there is.
    pub unconditional_update: bool,
    /// Whether an update creates an object that does not exist.
    pub create_on_update: bool,
}

impl BuiltinResource {
    /// `v1` or `coordination.k8s.io/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether status is written on its own.
    pub fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const PLAIN: BuiltinResource = BuiltinResource {
    group: "",
    version: "v1",
    plural: "",
    singular: "",
    kind: "",
    list_kind: "",
    namespaced: true,
    short_names: &[],
    categories: &[],
    verbs: VERBS,
    subresources: &[],
    has_generation: false,
    unconditional_update: true,
    create_on_update: false,
};

/// The built-in resources, in the order of their groups.
pub fn resources() -> &'static [BuiltinResource] {
    RESOURCES
}

const RESOURCES: &[BuiltinResource] = &[
    BuiltinResource {
        plural: "configmaps",
        singular: "configmap",
        kind: "ConfigMap",
        list_kind: "ConfigMapList",
        short_names: &["cm"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "events",
        singular: "event",
        kind: "Event",
        list_kind: "EventList",
        create_on_update: true,
        short_names: &["ev"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        list_kind: "NamespaceList",
        namespaced: false,
        short_names: &["ns"],
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &["finalize", "status"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "secrets",
        singular: "secret",
        kind: "Secret",
        list_kind: "SecretList",
        ..PLAIN
    },
    BuiltinResource {
        plural: "serviceaccounts",
        singular: "serviceaccount",
        kind: "ServiceAccount",
        list_kind: "ServiceAccountList",
        short_names: &["sa"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "services",
        singular: "service",
        kind: "Service",
        list_kind: "ServiceList",
        short_names: &["svc"],
        categories: &["all"],
        create_on_update: true,
        subresources: &["status"],
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "mutatingadmissionpolicies",
        singular: "mutatingadmissionpolicy",
        kind: "MutatingAdmissionPolicy",
        list_kind: "MutatingAdmissionPolicyList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "mutatingadmissionpolicybindings",
        singular: "mutatingadmissionpolicybinding",
        kind: "MutatingAdmissionPolicyBinding",
        list_kind: "MutatingAdmissionPolicyBindingList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        kind: "MutatingWebhookConfiguration",
        list_kind: "MutatingWebhookConfigurationList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        kind: "ValidatingAdmissionPolicy",
        list_kind: "ValidatingAdmissionPolicyList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        subresources: &["status"],
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        kind: "ValidatingAdmissionPolicyBinding",
        list_kind: "ValidatingAdmissionPolicyBindingList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "admissionregistration.k8s.io",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        kind: "ValidatingWebhookConfiguration",
        list_kind: "ValidatingWebhookConfigurationList",
        namespaced: false,
        categories: &["api-extensions"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "apiextensions.k8s.io",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        kind: "CustomResourceDefinition",
        list_kind: "CustomResourceDefinitionList",
        namespaced: false,
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        unconditional_update: false,
        subresources: &["status"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "apps",
        plural: "deployments",
        singular: "deployment",
        kind: "Deployment",
        list_kind: "DeploymentList",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &["status"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "coordination.k8s.io",
        plural: "leases",
        singular: "lease",
        kind: "Lease",
        list_kind: "LeaseList",
        unconditional_update: false,
        create_on_update: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "events.k8s.io",
        plural: "events",
        singular: "event",
        kind: "Event",
        list_kind: "EventList",
        create_on_update: true,
        short_names: &["ev"],
        ..PLAIN
    },
    BuiltinResource {
        group: "networking.k8s.io",
        plural: "networkpolicies",
        singular: "networkpolicy",
        kind: "NetworkPolicy",
        list_kind: "NetworkPolicyList",
        short_names: &["netpol"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "policy",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        kind: "PodDisruptionBudget",
        list_kind: "PodDisruptionBudgetList",
        short_names: &["pdb"],
        subresources: &["status"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource {
        group: "rbac.authorization.k8s.io",
        plural: "clusterroles",
        singular: "clusterrole",
        kind: "ClusterRole",
        list_kind: "ClusterRoleList",
        namespaced: false,
        create_on_update: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "rbac.authorization.k8s.io",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        kind: "ClusterRoleBinding",
        list_kind: "ClusterRoleBindingList",
        namespaced: false,
        create_on_update: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "rbac.authorization.k8s.io",
        plural: "roles",
        singular: "role",
        kind: "Role",
        list_kind: "RoleList",
        create_on_update: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "rbac.authorization.k8s.io",
        plural: "rolebindings",
        singular: "rolebinding",
        kind: "RoleBinding",
        list_kind: "RoleBindingList",
        create_on_update: true,
        ..PLAIN
    },
];
