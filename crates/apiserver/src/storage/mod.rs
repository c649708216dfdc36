//! Objects, and the store that holds them with their history.

pub(crate) mod listing;
pub(crate) mod object;
pub(crate) mod store;
