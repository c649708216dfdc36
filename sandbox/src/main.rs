//! The `valkeeper-sandbox` command.

fn main() {}
