//! Discovery documents of the built-in resources.

/// A built-in resource.
#[derive(Debug)]
pub struct BuiltinResource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version in the group.
    pub version: &'static str,
    /// Plural, the segment in URLs.
    pub plural: &'static str,
    /// Kind of an object.
    pub kind: &'static str,
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

    /// The verbs of a subresource, if the resource has it.
    pub fn subresource_verbs(&self, subresource: &str) -> Option<&'static [&'static str]> {
        self.subresources.contains(&subresource).then(|| subresource_verbs(subresource))
    }

    /// Whether status is written on its own.
    pub fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

/// The verbs of a subresource.
pub fn subresource_verbs(subresource: &str) -> &'static [&'static str] {
    match subresource {
        "binding" | "eviction" | "token" => &["create"],
        "finalize" => &["update"],
        "log" => &["get"],
        _ => &["get", "patch", "update"],
    }
}

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const PLAIN: BuiltinResource = BuiltinResource {
    group: "",
    version: "v1",
    plural: "",
    kind: "",
    namespaced: true,
    short_names: &[],
    categories: &[],
    verbs: VERBS,
    subresources: &[],
    has_generation: false,
    unconditional_update: true,
    create_on_update: false,
};

const ADMISSION: BuiltinResource = BuiltinResource {
    group: "admissionregistration.k8s.io",
    namespaced: false,
    categories: &["api-extensions"],
    has_generation: true,
    unconditional_update: false,
    ..PLAIN
};

const ACCESS: BuiltinResource =
    BuiltinResource { group: "rbac.authorization.k8s.io", create_on_update: true, ..PLAIN };

/// The built-in resources, in the order of their groups.
pub fn resources() -> &'static [BuiltinResource] {
    RESOURCES
}

const RESOURCES: &[BuiltinResource] = &[
    BuiltinResource { plural: "configmaps", kind: "ConfigMap", short_names: &["cm"], ..PLAIN },
    BuiltinResource {
        plural: "events",
        kind: "Event",
        create_on_update: true,
        short_names: &["ev"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "namespaces",
        kind: "Namespace",
        namespaced: false,
        short_names: &["ns"],
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &["finalize", "status"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "nodes",
        kind: "Node",
        namespaced: false,
        short_names: &["no"],
        subresources: &["status"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "persistentvolumeclaims",
        kind: "PersistentVolumeClaim",
        short_names: &["pvc"],
        subresources: &["status"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "persistentvolumes",
        kind: "PersistentVolume",
        namespaced: false,
        short_names: &["pv"],
        subresources: &["status"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "pods",
        kind: "Pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: &["binding", "eviction", "log", "resize", "status"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource { plural: "secrets", kind: "Secret", ..PLAIN },
    BuiltinResource {
        plural: "serviceaccounts",
        kind: "ServiceAccount",
        short_names: &["sa"],
        subresources: &["token"],
        ..PLAIN
    },
    BuiltinResource {
        plural: "services",
        kind: "Service",
        short_names: &["svc"],
        categories: &["all"],
        create_on_update: true,
        subresources: &["status"],
        ..PLAIN
    },
    BuiltinResource { plural: "mutatingadmissionpolicies", kind: "MutatingAdmissionPolicy", ..ADMISSION },
    BuiltinResource {
        plural: "mutatingadmissionpolicybindings",
        kind: "MutatingAdmissionPolicyBinding",
        ..ADMISSION
    },
    BuiltinResource {
        plural: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        ..ADMISSION
    },
    BuiltinResource {
        plural: "validatingadmissionpolicies",
        kind: "ValidatingAdmissionPolicy",
        subresources: &["status"],
        ..ADMISSION
    },
    BuiltinResource {
        plural: "validatingadmissionpolicybindings",
        kind: "ValidatingAdmissionPolicyBinding",
        ..ADMISSION
    },
    BuiltinResource {
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        ..ADMISSION
    },
    BuiltinResource {
        group: "apiextensions.k8s.io",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
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
        kind: "Deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &["status"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "coordination.k8s.io",
        plural: "leases",
        kind: "Lease",
        unconditional_update: false,
        create_on_update: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "discovery.k8s.io",
        plural: "endpointslices",
        kind: "EndpointSlice",
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "events.k8s.io",
        plural: "events",
        kind: "Event",
        create_on_update: true,
        short_names: &["ev"],
        ..PLAIN
    },
    BuiltinResource {
        group: "networking.k8s.io",
        plural: "networkpolicies",
        kind: "NetworkPolicy",
        short_names: &["netpol"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "policy",
        plural: "poddisruptionbudgets",
        kind: "PodDisruptionBudget",
        short_names: &["pdb"],
        subresources: &["status"],
        has_generation: true,
        unconditional_update: false,
        ..PLAIN
    },
    BuiltinResource { plural: "clusterroles", kind: "ClusterRole", namespaced: false, ..ACCESS },
    BuiltinResource {
        plural: "clusterrolebindings",
        kind: "ClusterRoleBinding",
        namespaced: false,
        ..ACCESS
    },
    BuiltinResource { plural: "roles", kind: "Role", ..ACCESS },
    BuiltinResource { plural: "rolebindings", kind: "RoleBinding", ..ACCESS },
    BuiltinResource {
        group: "scheduling.k8s.io",
        plural: "priorityclasses",
        kind: "PriorityClass",
        namespaced: false,
        short_names: &["pc"],
        has_generation: true,
        ..PLAIN
    },
    BuiltinResource {
        group: "storage.k8s.io",
        plural: "storageclasses",
        kind: "StorageClass",
        namespaced: false,
        short_names: &["sc"],
        ..PLAIN
    },
];
