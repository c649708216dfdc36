//! Which resource is reconciled when: its clock determines when it is due (`clock`), it waits for that time
//! (`scheduler`), and then for one of the permits (`queue`), whose work is measured (`work_time`). What it depends on
//! schedules it by its name (`wakers`).

pub(super) mod clock;
pub(super) mod queue;
pub(super) mod scheduler;
pub(super) mod wakers;
pub(super) mod work_time;
