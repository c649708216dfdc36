//! Who owns which field: server-side apply and the tracking of every other write. Guarantees the results
//! of the API server's own merge for objects of one schema; storing `metadata.managedFields` is left to the
//! callers. Objects whose fields change between atomic and granular are not reconciled.

mod compare;
mod entry;
mod managers;
mod merge;
mod set;
mod shape;
mod typecheck;

pub(crate) use entry::Writer;
pub(crate) use managers::Managers;
pub(crate) use set::FieldSet;
pub(crate) use typecheck::typecheck;
