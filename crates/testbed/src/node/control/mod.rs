//! What a bare API server leaves to controllers, as far as pods depend on it: each a small loop over what
//! the cluster shows. Guarantees nothing about the order in which they act, as upstream.

pub(super) mod accounts;
pub(super) mod binder;
pub(super) mod budgets;
pub(super) mod endpoints;
pub(super) mod lifecycle;
pub(super) mod scheduler;
