//! The self-description that the chart passes to the operator's process, for programs that measure it under the same
//! conditions.

/// Environment of the operator: two workers, one heap, and large pieces of memory given back to the system.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("TOKIO_WORKER_THREADS", "2"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];
