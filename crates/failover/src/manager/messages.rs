//! What a manager takes in and what it wants done: the words between the pure state machine and its shell.

use crate::protocol::{Identity, Name, Peers, Term};

/// What one write of the lease led to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeaseAnswer {
    /// It took effect; the lease now has this version.
    Written {
        /// The new version.
        version: u64,
    },
    /// The lease has another version than the one named.
    Conflict,
    /// It is not known whether it took effect.
    Unknown,
    /// What a read has shown.
    Read {
        /// Who holds it.
        holder: Option<Identity>,
        /// Its term.
        term: Term,
        /// Its version.
        version: u64,
    },
}

/// What the peers say to a primary that cannot renew its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsentAnswer {
    /// None of them has seen a later term.
    Given,
    /// One of them has.
    Refused,
    /// One of them does not answer.
    Unknown,
}

/// What happens to a manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The operator asks it to take the lease of this version, with this term, and to accept writes.
    Promote {
        /// The term to take.
        term: Term,
        /// The version of the lease that the operator has judged.
        version: u64,
    },
    /// The operator asks it to stop whatever it does, for the sake of this coming term.
    Hold {
        /// The coming term.
        term: Term,
    },
    /// The operator asks it to follow the primary of this term.
    Follow {
        /// The term.
        term: Term,
        /// Its primary.
        primary: Name,
    },
    /// The answer to request number `request`.
    Lease {
        /// The number that came with the effect.
        request: u64,
        /// The answer.
        answer: LeaseAnswer,
    },
    /// These replicas can be asked for their consent from now on; none where a primary is to stop without the lease.
    Peers(Peers),
    /// The answer to request number `request` for consent.
    Consent {
        /// The number that came with the effect.
        request: u64,
        /// The answer.
        answer: ConsentAnswer,
    },
    /// The server has confirmed the command of this number.
    Confirmed(u64),
    /// The server has ended.
    Exited,
    /// The server has been started again, held.
    Started,
    /// The server runs and has not answered for longer than it may.
    Unresponsive,
    /// The operator asks it to disconnect the clients of a server that refuses writes, in this term.
    Kick {
        /// The term.
        term: Term,
    },
    /// A person asks the primary of this term to hand over.
    HandOver {
        /// The term.
        term: Term,
    },
    /// This instance is about to stop, and asks for a successor.
    Leave,
    /// There is no time left for a successor: accept no writes any more, and never again.
    Stop,
    /// It is the only instance of its cluster, and its server is ready: accept writes without a lease, or go on to
    /// without the one that it holds.
    ReignAlone,
}

/// What a manager wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write the lease, on condition of its version.
    WriteLease {
        /// Number to answer with.
        request: u64,
        /// The version that it must have.
        version: u64,
        /// Its new term.
        term: Term,
        /// Its new holder; none to release it.
        holder: Option<Identity>,
        /// Those whose consent the holder may go on with.
        peers: Peers,
    },
    /// Read the lease.
    ReadLease {
        /// Number to answer with.
        request: u64,
    },
    /// Ask each of these which term it has seen.
    AskPeers {
        /// Number to answer with.
        request: u64,
        /// The term in which the primary wants to go on.
        term: Term,
        /// All of them have to answer.
        peers: Peers,
    },
    /// Send the server a command; its confirmation carries the same number.
    Server {
        /// Number to confirm with.
        number: u64,
        /// The command.
        command: Command,
    },
    /// End the server with SIGKILL.
    KillServer,
    /// Start the server, held.
    StartServer,
    /// Disconnect the clients of the server.
    KickClients,
    /// Store this term beside the data, before anything that follows it.
    StoreTerm(Term),
}

/// A command for the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Become read-only, detached from everybody.
    Hold,
    /// Accept writes.
    Promote,
    /// Follow this instance.
    Follow(Name),
}

/// What an input leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// What to do, in this order.
    pub effects: Vec<Effect>,
    /// Why the verb was refused, if it was one and was.
    pub refused: Option<Refusal>,
}

/// Why a verb was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The verb belongs to an older term than this instance knows of.
    Stale,
    /// The instance is not held, or its server was started since.
    NotHeld,
    /// The verb asks the primary of a term for what only others do in that term.
    IsPrimary,
    /// The verb is for the primary, and this instance is none.
    NotPrimary,
    /// The instance is about to end.
    Stopping,
}
