//! Which resource is worked on when: its clock says when it is due (`clock`), it waits for that time (`scheduler`), and
//! then for one of the permits (`queue`), whose work is measured (`work_time`).

pub(super) mod clock;
pub(super) mod queue;
pub(super) mod scheduler;
pub(super) mod work_time;
