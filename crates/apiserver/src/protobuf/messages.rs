//! The fields of the protobuf messages of built-in kinds, as far as `kubectl create` and controllers send them; a
//! message with further fields is refused as a whole.

use super::inert;

/// A field of a message: its number, its name in JSON and what it holds.
pub(super) struct Field(pub(super) u64, pub(super) &'static str, pub(super) Type);

#[derive(Clone, Copy)]
pub(super) enum Type {
    /// A text; an empty one means nothing.
    Text,
    /// A number or truth that is sent only if it is set.
    Number,
    Bool,
    /// A number or truth that is sent always and means nothing when zero.
    Plain,
    PlainBool,
    Bytes,
    Message(&'static [Field]),
    Texts,
    Messages(&'static [Field]),
    TextMap,
    BytesMap,
    /// Amounts by name.
    AmountMap,
    /// An amount such as `100m`.
    Amount,
    Time,
    MicroTime,
    /// A number or a text that is sent only if it is set.
    NumberOrText,
    /// A number or a text that is sent always and means nothing when zero.
    PlainNumberOrText,
    /// What the server writes and does not take from clients.
    Ignored,
}

pub(super) const METADATA: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "generateName", Type::Text),
    Field(3, "namespace", Type::Text),
    Field(5, "uid", Type::Text),
    Field(6, "resourceVersion", Type::Text),
    Field(7, "generation", Type::Plain),
    Field(8, "creationTimestamp", Type::Time),
    Field(9, "deletionTimestamp", Type::Time),
    Field(10, "deletionGracePeriodSeconds", Type::Number),
    Field(11, "labels", Type::TextMap),
    Field(12, "annotations", Type::TextMap),
    Field(13, "ownerReferences", Type::Messages(OWNER)),
    Field(14, "finalizers", Type::Texts),
    Field(17, "managedFields", Type::Ignored),
];
const OWNER: &[Field] = &[
    Field(1, "kind", Type::Text),
    Field(3, "name", Type::Text),
    Field(4, "uid", Type::Text),
    Field(5, "apiVersion", Type::Text),
    Field(6, "controller", Type::Bool),
    Field(7, "blockOwnerDeletion", Type::Bool),
];
const REFERENCE: &[Field] = &[
    Field(1, "kind", Type::Text),
    Field(2, "namespace", Type::Text),
    Field(3, "name", Type::Text),
    Field(4, "uid", Type::Text),
    Field(5, "apiVersion", Type::Text),
    Field(6, "resourceVersion", Type::Text),
    Field(7, "fieldPath", Type::Text),
];
const CONFIG_MAP: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "data", Type::TextMap),
    Field(3, "binaryData", Type::BytesMap),
    Field(4, "immutable", Type::Bool),
];
const SECRET: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "data", Type::BytesMap),
    Field(3, "type", Type::Text),
    Field(4, "stringData", Type::TextMap),
    Field(5, "immutable", Type::Bool),
];
const NAMESPACE: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "spec", Type::Message(&[Field(1, "finalizers", Type::Texts)])),
    Field(
        3,
        "status",
        Type::Message(&[Field(1, "phase", Type::Text), Field(2, "conditions", Type::Ignored)]),
    ),
];
const SERVICE_ACCOUNT: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "secrets", Type::Messages(REFERENCE)),
    Field(3, "imagePullSecrets", Type::Messages(&[Field(1, "name", Type::Text)])),
    Field(4, "automountServiceAccountToken", Type::Bool),
];
const SERVICE: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "spec", Type::Message(SERVICE_SPEC)),
    Field(3, "status", Type::Ignored),
];
const SERVICE_SPEC: &[Field] = &[
    Field(1, "ports", Type::Messages(PORT)),
    Field(2, "selector", Type::TextMap),
    Field(3, "clusterIP", Type::Text),
    Field(4, "type", Type::Text),
    Field(5, "externalIPs", Type::Texts),
    Field(7, "sessionAffinity", Type::Text),
    Field(8, "loadBalancerIP", Type::Text),
    Field(9, "loadBalancerSourceRanges", Type::Texts),
    Field(10, "externalName", Type::Text),
    Field(11, "externalTrafficPolicy", Type::Text),
    Field(12, "healthCheckNodePort", Type::Plain),
    Field(13, "publishNotReadyAddresses", Type::PlainBool),
    Field(14, "sessionAffinityConfig", Type::Message(AFFINITY)),
    Field(17, "ipFamilyPolicy", Type::Text),
    Field(18, "clusterIPs", Type::Texts),
    Field(19, "ipFamilies", Type::Texts),
    Field(20, "allocateLoadBalancerNodePorts", Type::Bool),
    Field(21, "loadBalancerClass", Type::Text),
    Field(22, "internalTrafficPolicy", Type::Text),
];
const AFFINITY: &[Field] =
    &[Field(1, "clientIP", Type::Message(&[Field(1, "timeoutSeconds", Type::Number)]))];
const PORT: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "protocol", Type::Text),
    Field(3, "port", Type::Number),
    Field(4, "targetPort", Type::PlainNumberOrText),
    Field(5, "nodePort", Type::Plain),
    Field(6, "appProtocol", Type::Text),
];
const LEASE: &[Field] =
    &[Field(1, "metadata", Type::Message(METADATA)), Field(2, "spec", Type::Message(LEASE_SPEC))];
const LEASE_SPEC: &[Field] = &[
    Field(1, "holderIdentity", Type::Text),
    Field(2, "leaseDurationSeconds", Type::Number),
    Field(3, "acquireTime", Type::MicroTime),
    Field(4, "renewTime", Type::MicroTime),
    Field(5, "leaseTransitions", Type::Number),
    Field(6, "strategy", Type::Text),
    Field(7, "preferredHolder", Type::Text),
];
const EVENT: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "involvedObject", Type::Message(REFERENCE)),
    Field(3, "reason", Type::Text),
    Field(4, "message", Type::Text),
    Field(5, "source", Type::Message(&[Field(1, "component", Type::Text), Field(2, "host", Type::Text)])),
    Field(6, "firstTimestamp", Type::Time),
    Field(7, "lastTimestamp", Type::Time),
    Field(8, "count", Type::Plain),
    Field(9, "type", Type::Text),
    Field(10, "eventTime", Type::MicroTime),
    Field(
        11,
        "series",
        Type::Message(&[Field(1, "count", Type::Plain), Field(2, "lastObservedTime", Type::MicroTime)]),
    ),
    Field(12, "action", Type::Text),
    Field(13, "related", Type::Message(REFERENCE)),
    Field(14, "reportingComponent", Type::Text),
    Field(15, "reportingInstance", Type::Text),
];
const DELETE_OPTIONS: &[Field] = &[
    Field(1, "gracePeriodSeconds", Type::Number),
    Field(
        2,
        "preconditions",
        Type::Message(&[Field(1, "uid", Type::Text), Field(2, "resourceVersion", Type::Text)]),
    ),
    Field(3, "orphanDependents", Type::Bool),
    Field(4, "propagationPolicy", Type::Text),
    Field(5, "dryRun", Type::Texts),
];

const EVICTION: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "deleteOptions", Type::Message(DELETE_OPTIONS)),
];
const BINDING: &[Field] =
    &[Field(1, "metadata", Type::Message(METADATA)), Field(2, "target", Type::Message(REFERENCE))];
const TOKEN_REQUEST: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(
        2,
        "spec",
        Type::Message(&[
            Field(1, "audiences", Type::Texts),
            Field(
                3,
                "boundObjectRef",
                Type::Message(&[
                    Field(1, "kind", Type::Text),
                    Field(2, "apiVersion", Type::Text),
                    Field(3, "name", Type::Text),
                    Field(4, "uid", Type::Text),
                ]),
            ),
            Field(4, "expirationSeconds", Type::Number),
        ]),
    ),
    Field(3, "status", Type::Ignored),
];

/// The fields of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    Some(match (api_version, kind) {
        ("authentication.k8s.io/v1", "TokenRequest") => TOKEN_REQUEST,
        ("v1", "Binding") => BINDING,
        ("policy/v1", "Eviction") => EVICTION,
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Event") => EVENT,
        ("v1", "Namespace") => NAMESPACE,
        ("v1", "Secret") => SECRET,
        ("v1", "Service") => SERVICE,
        ("v1", "ServiceAccount") => SERVICE_ACCOUNT,
        ("apps/v1", "Deployment") => inert::DEPLOYMENT,
        ("coordination.k8s.io/v1", "Lease") => LEASE,
        ("policy/v1", "PodDisruptionBudget") => inert::DISRUPTION_BUDGET,
        ("rbac.authorization.k8s.io/v1", "ClusterRole" | "Role") => inert::ROLE,
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding" | "RoleBinding") => inert::BINDING,
        (_, "DeleteOptions") => DELETE_OPTIONS,
        _ => return None,
    })
}
