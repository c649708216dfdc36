//! Which resource is reconciled when: its clock determines when it is due (`clock`), it waits for that time
//! (`scheduler`), and then for one of the permits (`queue`), whose work is measured (`work_time`).

pub(super) mod clock;
pub(super) mod queue;
pub(super) mod scheduler;
pub(super) mod work_time;
