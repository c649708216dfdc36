//! Which resource is worked on when: its clock says when it is due (`clock`), it waits for that time (`turns`), and
//! then for one of the permits (`queue`), whose work is measured (`work_time`).

pub(super) mod clock;
pub(super) mod queue;
pub(super) mod turns;
pub(super) mod work_time;
