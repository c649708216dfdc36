//! Tasks of the repository, run as `cargo xtask TASK`.

mod dependencies;
mod generate;
mod tidy;

use clap::Parser;
use std::process::ExitCode;

/// Tasks of the repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Check the libraries that the workspace depends on.
    Dependencies(dependencies::Arguments),
    /// Write the generated files of the repository.
    Generate(generate::Arguments),
    /// Check the layout of the repository.
    Tidy(tidy::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Dependencies(arguments) => dependencies::run(&arguments),
        Task::Generate(arguments) => generate::run(&arguments),
        Task::Tidy(arguments) => tidy::run(&arguments),
    }
}
