//! The provider's HTTP API, simulated.
