//! The `valkeeper` command.

fn main() {}
