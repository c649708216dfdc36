//! What is to be said of a cluster: one finding for `Ready`, and whether it takes writes and is protected.

use valkeeper_engine::Ready;

/// State in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Creating,
    Running,
    Degraded,
    FailingOver,
    Updating,
    PoweredOff,
    Unavailable,
    Deleting,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Running => "Running",
            Self::Degraded => "Degraded",
            Self::FailingOver => "FailingOver",
            Self::Updating => "Updating",
            Self::PoweredOff => "PoweredOff",
            Self::Unavailable => "Unavailable",
            Self::Deleting => "Deleting",
        }
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) ready: Ready,
    pub(crate) state: State,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterReport {
    /// Whether the cluster is as its spec says.
    pub ready: Ready,
    /// State in one word.
    pub state: &'static str,
    /// One of the reasons in [`names::reason`](crate::names::reason).
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Whether clients can write.
    pub available: bool,
    /// Whether a replica has caught up; none for an only instance.
    pub protected: Option<bool>,
    /// The resource is paused.
    pub paused: bool,
}

impl Finding {
    /// Of several, the one that a user should read.
    pub(crate) fn weight(&self) -> u8 {
        match self.ready {
            Ready::Stuck => 3,
            Ready::Progressing => 2,
            Ready::Unchanged => 1,
            Ready::Yes => 0,
        }
    }
}
