//! The abstract world: two custom resources of one name in two namespaces, one service of that name, and
//! an operator for each resource. Small on purpose: two plans, two passwords.

/// How the world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Setup {
    /// The first resource alone, which adopts an existing service.
    pub(crate) adoption: bool,
    /// Once, the provider reports that a service does not exist although it does.
    pub(crate) lie: bool,
    /// Drift is only reported, so that an edit which is taken for drift is lost.
    pub(crate) reports: bool,
}

impl Setup {
    /// Two resources that both want to create the service.
    #[allow(non_upper_case_globals, reason = "reads like the variant of an enumeration")]
    pub(crate) const Rivals: Self = Self { adoption: false, lie: false, reports: false };
    /// One resource that adopts a service.
    #[allow(non_upper_case_globals, reason = "reads like the variant of an enumeration")]
    pub(crate) const Adoption: Self = Self { adoption: true, lie: false, reports: false };

    pub(crate) fn reporting(self) -> Self {
        Self { reports: true, ..self }
    }

    pub(crate) fn with_lie(self) -> Self {
        Self { lie: true, ..self }
    }
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) objects: [Option<Object>; 2],
    pub(crate) secrets: [Option<u8>; 2],
    pub(crate) operators: [Operator; 2],
    pub(crate) service: Option<Service>,
    /// Requests whose sender is gone, and which may still arrive.
    pub(crate) on_the_way: [Option<Request>; 2],
    /// Creations that the provider accepted, by resource.
    pub(crate) created: [u8; 2],
    /// The user wanted the service to stay when the resource went.
    pub(crate) orphaned: [bool; 2],
    /// This is a world with a lie in it.
    pub(crate) lies: bool,
    /// The false report was not used yet.
    pub(crate) may_lie: bool,
    pub(crate) adoption: bool,
    pub(crate) reports: bool,
}

/// A custom resource, as far as decisions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) finalizer: bool,
    pub(crate) deleting: bool,
    pub(crate) orphan: bool,
    pub(crate) plan: u8,
    pub(crate) initialized: bool,
    /// The plan whose generation the bookkeeping annotation names.
    pub(crate) processed: Option<u8>,
    pub(crate) record: Record,
}

/// The record of the resource about its declarations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    #[default]
    Nothing,
    /// In the annotation that came with the finalizer.
    Noted,
    /// In the status: the plan that was last in force, and whether the power was.
    Written { plan: Option<u8>, powered: bool },
}

/// The service at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    /// Which resource's mark it carries.
    pub(crate) owner: Option<usize>,
    pub(crate) plan: u8,
    pub(crate) running: bool,
    pub(crate) password: u8,
}

/// One operator: what the watch has delivered, its in-memory state, and its current reconciliation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Operator {
    pub(crate) cache: Option<Object>,
    /// The cache is older than what this operator has written or read since.
    pub(crate) behind: bool,
    pub(crate) absent: Absent,
    pub(crate) deletion_requested: bool,
    pub(crate) sent: Option<u8>,
    pub(crate) requests: Requests,
    pub(crate) reconciliation: Option<Reconciliation>,
}

/// The requests that may still take effect, as far as this operator tracks them: its own, and those of an earlier
/// process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Requests {
    /// It has not seen the resource.
    #[default]
    Unseen,
    Possible,
    /// The period after which none can take effect any more has elapsed.
    Over,
}

/// For how long answers have reported that the service does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Absent {
    #[default]
    No,
    Since,
    ForAWhile,
}

/// A reconciliation in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reconciliation {
    pub(crate) object: Object,
    pub(crate) live: bool,
    pub(crate) remote: Remote,
    /// At the time of the read, requests could still take effect.
    pub(crate) late: bool,
    pub(crate) secret: SecretSeen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Remote {
    Unknown,
    Absent,
    Present(Service),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SecretSeen {
    Unknown,
    Absent,
    /// Creating it was refused.
    Exists,
    Holds(u8),
}

/// A request to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Create { plan: u8 },
    Update { plan: u8 },
    Mark,
    Delete,
}

impl Requests {
    /// The operator sees the resource; one that has a finalizer then belonged to an earlier process.
    pub(crate) fn seen(self, object: Object) -> Self {
        match self {
            Self::Unseen if object.finalizer => Self::Possible,
            Self::Unseen => Self::Over,
            known => known,
        }
    }
}

impl Reconciliation {
    pub(crate) fn begins(object: Object) -> Self {
        Self { object, live: false, remote: Remote::Unknown, late: false, secret: SecretSeen::Unknown }
    }
}

impl Operator {
    pub(crate) fn saw_nothing(&mut self) {
        if self.absent == Absent::No {
            self.absent = Absent::Since;
        }
    }
}

impl State {
    pub(crate) fn start(setup: Setup) -> Self {
        let fresh = Object {
            finalizer: false,
            deleting: false,
            orphan: false,
            plan: 0,
            initialized: false,
            processed: None,
            record: Record::Nothing,
        };
        let operator = Operator { cache: Some(fresh), ..Operator::default() };
        let foreign = Service { owner: None, plan: 1, running: true, password: 0 };
        Self {
            objects: [Some(fresh), Some(fresh).filter(|_| !setup.adoption)],
            secrets: [None, None],
            operators: [operator, if setup.adoption { Operator::default() } else { operator }],
            service: setup.adoption.then_some(foreign),
            on_the_way: [None, None],
            created: [0, 0],
            orphaned: [false, false],
            lies: setup.lie,
            may_lie: setup.lie,
            adoption: setup.adoption,
            reports: setup.reports,
        }
    }
}
