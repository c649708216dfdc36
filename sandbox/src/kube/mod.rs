//! A Kubernetes API server, small and in memory, for development and tests.
