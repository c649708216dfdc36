//! The fields of the messages of kinds that are stored without having an effect.

use super::messages::{Field, METADATA, Type};

const SELECTOR: &[Field] = &[
    Field(1, "matchLabels", Type::TextMap),
    Field(
        2,
        "matchExpressions",
        Type::Messages(&[
            Field(1, "key", Type::Text),
            Field(2, "operator", Type::Text),
            Field(3, "values", Type::Texts),
        ]),
    ),
];
pub(super) const DEPLOYMENT: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "spec", Type::Message(DEPLOYMENT_SPEC)),
    Field(3, "status", Type::Ignored),
];
const DEPLOYMENT_SPEC: &[Field] = &[
    Field(1, "replicas", Type::Number),
    Field(2, "selector", Type::Message(SELECTOR)),
    Field(3, "template", Type::Message(TEMPLATE)),
    Field(4, "strategy", Type::Message(STRATEGY)),
    Field(5, "minReadySeconds", Type::Plain),
    Field(6, "revisionHistoryLimit", Type::Number),
    Field(7, "paused", Type::PlainBool),
    Field(9, "progressDeadlineSeconds", Type::Number),
];
const STRATEGY: &[Field] = &[
    Field(1, "type", Type::Text),
    Field(
        2,
        "rollingUpdate",
        Type::Message(&[
            Field(1, "maxUnavailable", Type::NumberOrText),
            Field(2, "maxSurge", Type::NumberOrText),
        ]),
    ),
];
const TEMPLATE: &[Field] =
    &[Field(1, "metadata", Type::Message(METADATA)), Field(2, "spec", Type::Message(POD))];
const POD: &[Field] = &[
    Field(2, "containers", Type::Messages(CONTAINER)),
    Field(3, "restartPolicy", Type::Text),
    Field(4, "terminationGracePeriodSeconds", Type::Number),
    Field(6, "dnsPolicy", Type::Text),
    Field(7, "nodeSelector", Type::TextMap),
    Field(8, "serviceAccountName", Type::Text),
    Field(9, "serviceAccount", Type::Text),
    // Sent empty at least; its content is not supported.
    Field(14, "securityContext", Type::Message(&[])),
    Field(19, "schedulerName", Type::Text),
    Field(20, "initContainers", Type::Messages(CONTAINER)),
];
const CONTAINER: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "image", Type::Text),
    Field(3, "command", Type::Texts),
    Field(4, "args", Type::Texts),
    Field(5, "workingDir", Type::Text),
    Field(6, "ports", Type::Messages(CONTAINER_PORT)),
    Field(7, "env", Type::Messages(&[Field(1, "name", Type::Text), Field(2, "value", Type::Text)])),
    Field(
        8,
        "resources",
        Type::Message(&[Field(1, "limits", Type::AmountMap), Field(2, "requests", Type::AmountMap)]),
    ),
    Field(13, "terminationMessagePath", Type::Text),
    Field(14, "imagePullPolicy", Type::Text),
    Field(20, "terminationMessagePolicy", Type::Text),
];
const CONTAINER_PORT: &[Field] = &[
    Field(1, "name", Type::Text),
    Field(2, "hostPort", Type::Plain),
    Field(3, "containerPort", Type::Number),
    Field(4, "protocol", Type::Text),
    Field(5, "hostIP", Type::Text),
];
pub(super) const DISRUPTION_BUDGET: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(
        2,
        "spec",
        Type::Message(&[
            Field(1, "minAvailable", Type::NumberOrText),
            Field(2, "selector", Type::Message(SELECTOR)),
            Field(3, "maxUnavailable", Type::NumberOrText),
            Field(4, "unhealthyPodEvictionPolicy", Type::Text),
        ]),
    ),
    Field(3, "status", Type::Ignored),
];
pub(super) const ROLE: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(2, "rules", Type::Messages(RULE)),
    // Of cluster roles only.
    Field(3, "aggregationRule", Type::Message(&[Field(1, "clusterRoleSelectors", Type::Messages(SELECTOR))])),
];
const RULE: &[Field] = &[
    Field(1, "verbs", Type::Texts),
    Field(2, "apiGroups", Type::Texts),
    Field(3, "resources", Type::Texts),
    Field(4, "resourceNames", Type::Texts),
    Field(5, "nonResourceURLs", Type::Texts),
];
pub(super) const BINDING: &[Field] = &[
    Field(1, "metadata", Type::Message(METADATA)),
    Field(
        2,
        "subjects",
        Type::Messages(&[
            Field(1, "kind", Type::Text),
            Field(2, "apiGroup", Type::Text),
            Field(3, "name", Type::Text),
            Field(4, "namespace", Type::Text),
        ]),
    ),
    Field(
        3,
        "roleRef",
        Type::Message(&[
            Field(1, "apiGroup", Type::Text),
            Field(2, "kind", Type::Text),
            Field(3, "name", Type::Text),
        ]),
    ),
];
