//! What the chart tells the operator's process about itself, for programs that measure it as it is run there.

/// Environment of the operator: two workers, one heap, and large pieces of memory given back to the system.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("TOKIO_WORKER_THREADS", "2"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];
