//! The mutations: which promise each breaks, how, and the scenario in which a test must detect it.

/// One promise, broken.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// For the command line.
    pub(crate) name: &'static str,
    /// What no longer holds, as a phrase.
    pub(crate) promise: &'static str,
    /// The test that must detect it.
    pub(crate) judge: &'static str,
    /// The scenario of the faults tests in which it must be detected.
    pub(crate) scenario: &'static str,
    /// The file that changes.
    pub(crate) file: &'static str,
    /// A part of it, there exactly once.
    pub(crate) from: &'static str,
    /// What replaces that part.
    pub(crate) to: &'static str,
}

/// Lets one call of a run go wrong.
const AT_ANY_CALL: &str = "one_fault_at_any_call_on_the_sandbox";
/// Freezes the whole process after one call.
const STANDS_STILL: &str = "leader_frozen_after_any_call";

/// All of them.
pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "finalizer-after-create",
        promise: "the finalizer comes before the service",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "crates/engine/src/existence.rs",
        from: "let step = if !desired.has_finalizer {",
        to: "let step = if !desired.has_finalizer && desired.initialized {",
    },
    Mutation {
        name: "blind-update",
        promise: "only differences are sent",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "crates/engine/src/difference.rs",
        from: "if let Some(wanted) = wanted.filter(|wanted| *wanted != current) {",
        to: "if let Some(wanted) = wanted {",
    },
    Mutation {
        name: "empty-password",
        promise: "no empty password is published",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "crates/engine/src/connection.rs",
        from: "password: SecretString::from(real(\"password\")?),",
        to: "password: SecretString::from(real(\"password\").map(|_| String::new())?),",
    },
    Mutation {
        name: "adopts-unasked",
        promise: "nothing is adopted without being asked to",
        judge: AT_ANY_CALL,
        scenario: "create, name taken",
        file: "crates/engine/src/claim.rs",
        from: "if desired.policies.adopts && !desired.initialized_in_status && desired.violations.is_empty() {",
        to: "if !desired.initialized_in_status {",
    },
    Mutation {
        name: "token-in-condition",
        promise: "no error text carries the token",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "src/provider/answer.rs",
        from: "|text| redaction.clean(text)",
        to: "|text| text.to_owned()",
    },
    Mutation {
        name: "one-answer-is-enough",
        promise: "one wrong 404 releases nothing",
        judge: AT_ANY_CALL,
        scenario: "delete",
        file: "crates/engine/src/deletion.rs",
        from: "Remote::Absent if observed.absence_is_certain =>",
        to: "Remote::Absent if observed.absence_is_certain || !observed.unsettled =>",
    },
    Mutation {
        name: "ready-without-secret",
        promise: "`Ready` waits for the Secret",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "src/controller/connection_secret.rs",
        from: "Self::Unknown => ConnectionSecret::Unknown,",
        to: "Self::Unknown => ConnectionSecret::Ours { current: true, immutable: false },",
    },
    Mutation {
        name: "user-of-a-lost-answer",
        promise: "a user whose creation was not answered is the resource's own",
        judge: AT_ANY_CALL,
        scenario: "create a user",
        file: "src/controller/attempt.rs",
        from: "Class::Transient | Class::Bug => matches!(error, ProviderError::Fenced { .. }),",
        to: "Class::Transient | Class::Bug => true,",
    },
    Mutation {
        name: "user-left-behind",
        promise: "a resource stays until its user is certainly gone",
        judge: AT_ANY_CALL,
        scenario: "delete a user",
        file: "crates/engine/src/service_user/deletion.rs",
        from: "    (ServiceUserStep::Delete, report)",
        to: "    release(desired, observed, report)",
    },
    Mutation {
        name: "never-at-rest",
        promise: "a reconciliation with nothing to do writes nothing",
        judge: AT_ANY_CALL,
        scenario: "create",
        file: "crates/engine/src/bookkeeping.rs",
        from: "stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());",
        to: "stale.retain(|key, _| *key == names::INSTANCE_RUNNING || !desired.annotations.contains_key(*key));",
    },
    Mutation {
        name: "forgets-removals",
        promise: "a setting that leaves the spec is reset",
        judge: AT_ANY_CALL,
        scenario: "remove from userConfig",
        file: "crates/engine/src/difference.rs",
        from: "(!normal::same(fact.name, &target, current)).then_some(target)",
        to: "(fact.name.is_empty() && !normal::same(fact.name, &target, current)).then_some(target)",
    },
    Mutation {
        name: "orphan-is-deleted",
        promise: "an orphaned service stays",
        judge: AT_ANY_CALL,
        scenario: "orphan",
        file: "crates/engine/src/deletion.rs",
        from: "            return match handover::before_orphaning(desired, observed) {
                Some(first) => for_successor(first),
                None => release(desired, observed, report),
            };",
        to: "            if let Some(first) = handover::before_orphaning(desired, observed) {
                return for_successor(first);
            }",
    },
    Mutation {
        name: "fence-stays-open",
        promise: "no write begins after the term of a leader",
        judge: STANDS_STILL,
        scenario: "edit plan, userConfig and tags",
        file: "src/ha/fence.rs",
        from: "let open = self.lock().is_none_or(|deadline| Instant::now() < deadline);",
        to: "let open = self.lock().is_none_or(|deadline| deadline.elapsed().as_secs() < 3600);",
    },
    Mutation {
        name: "kubernetes-unfenced",
        promise: "none to Kubernetes",
        judge: STANDS_STILL,
        scenario: "create",
        file: "src/operator.rs",
        from: "let client = fence.guard(self.client.clone());",
        to: "let client = self.client.clone();",
    },
    Mutation {
        name: "provider-unfenced",
        promise: "none to the provider",
        judge: STANDS_STILL,
        scenario: "edit plan, userConfig and tags",
        file: "src/provider/client.rs",
        from: "if call.method != Method::GET && self.fence.check().is_err() {",
        to: "if call.method == Method::GET && self.fence.deadline().is_some_and(|_| false) {",
    },
];
