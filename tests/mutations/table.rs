//! The mutations: which promise each breaks, how, and the scenario in which that must be noticed.

/// One promise, broken.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// For the command line.
    pub(crate) name: &'static str,
    /// What no longer holds, as a phrase.
    pub(crate) promise: &'static str,
    /// The scenario of the faults tests in which it must be noticed.
    pub(crate) scenario: &'static str,
    /// The file that changes.
    pub(crate) file: &'static str,
    /// A part of it, there exactly once.
    pub(crate) from: &'static str,
    /// What replaces that part.
    pub(crate) to: &'static str,
}

/// All of them.
pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "finalizer-after-create",
        promise: "the finalizer comes before the service",
        scenario: "create",
        file: "src/engine/decide.rs",
        from: "let step = if !desired.has_finalizer {",
        to: "let step = if !desired.has_finalizer && desired.initialized {",
    },
    Mutation {
        name: "blind-update",
        promise: "only differences are sent",
        scenario: "create",
        file: "src/engine/diff.rs",
        from: "plan: differs(&Some(desired.plan.clone()), Some(&service.plan)),",
        to: "plan: Some(desired.plan.clone()),",
    },
    Mutation {
        name: "empty-password",
        promise: "no empty password is published",
        scenario: "create",
        file: "src/engine/connection.rs",
        from: "password: SecretString::from(real(\"password\")?),",
        to: "password: SecretString::from(real(\"password\").map(|_| String::new())?),",
    },
    Mutation {
        name: "adopts-unasked",
        promise: "nothing is adopted without being asked to",
        scenario: "create, name taken",
        file: "src/engine/ownership.rs",
        from: "if desired.policies.adopts && !desired.initialized {",
        to: "if !desired.initialized {",
    },
    Mutation {
        name: "token-in-condition",
        promise: "no error text carries the token",
        scenario: "create",
        file: "src/provider/answer.rs",
        from: "redaction.clean(&error_message(&text, status))",
        to: "error_message(&text, status)",
    },
    Mutation {
        name: "one-answer-is-enough",
        promise: "one wrong 404 releases nothing",
        scenario: "delete",
        file: "src/engine/deletion.rs",
        from: "Remote::Absent if observed.absence_is_certain =>",
        to: "Remote::Absent if observed.absence_is_certain || !observed.unsettled =>",
    },
    Mutation {
        name: "ready-without-secret",
        promise: "`Ready` waits for the Secret",
        scenario: "create",
        file: "src/controller/pass.rs",
        from: "self.observed.secret = self.secret_seen.finding.clone();",
        to: "self.observed.secret = engine::ConnectionSecret::Ours { current: true, immutable: false };",
    },
    Mutation {
        name: "never-at-rest",
        promise: "a pass with nothing to do writes nothing",
        scenario: "create",
        file: "src/engine/decide.rs",
        from: "stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());",
        to: "stale.retain(|key, _| *key == names::INSTANCE_RUNNING || !desired.annotations.contains_key(*key));",
    },
    Mutation {
        name: "forgets-removals",
        promise: "a setting that leaves the spec is reset",
        scenario: "remove from userConfig",
        file: "src/engine/user_config.rs",
        from: "(!same(fact.name, &target, current)).then_some(target)",
        to: "(fact.name.is_empty() && !same(fact.name, &target, current)).then_some(target)",
    },
    Mutation {
        name: "orphan-is-deleted",
        promise: "an orphaned service stays",
        scenario: "orphan",
        file: "src/engine/deletion.rs",
        from: "DeletionPolicy::Orphan => return Decision { step: Step::ReleaseFinalizer, report },",
        to: "DeletionPolicy::Orphan => {}",
    },
];
