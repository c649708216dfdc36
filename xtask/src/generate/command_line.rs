//! The reference of the command line, from the same definitions that `--help` prints.

use super::File;
use anyhow::Result;
use clap::{Arg, Command, CommandFactory as _};
use std::fmt::Write as _;
use valkeeper::cli::Arguments;

const HEAD: &str = "\
<!-- Written by the generator: change src/cli or src/settings.rs and run `cargo xtask generate`. -->

# Command line

Every flag of every command, as `valkeeper COMMAND --help` prints them. A flag takes precedence over its environment
variable. The chart sets flags from its [values](../../charts/valkeeper/README.md); `extraArgs` takes any other flag. Exit codes: 0
success, 1 findings or failure, 2 wrong usage.
";

/// The page.
pub(crate) fn file() -> Result<File> {
    let mut command = Arguments::command();
    command.build();
    let mut page = HEAD.to_owned();
    let global: Vec<&Arg> = command.get_arguments().filter(|flag| flag.is_global_set()).collect();
    section(&mut page, "All commands", "", &global)?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let own: Vec<&Arg> = command.get_arguments().filter(|flag| !flag.is_global_set()).collect();
        section(&mut page, &format!("`valkeeper {}`", command.get_name()), &about(command), &own)?;
        if let Some(more) = command.get_after_help() {
            write!(page, "\n```text\n{more}\n```\n")?;
        }
    }
    Ok(File::new("docs/reference/command.md", page))
}

fn about(command: &Command) -> String {
    command.get_about().map_or_else(String::new, |text| format!("{text}.\n"))
}

fn section(page: &mut String, title: &str, about: &str, arguments: &[&Arg]) -> Result<()> {
    write!(page, "\n## {title}\n")?;
    if !about.is_empty() {
        write!(page, "\n{about}")?;
    }
    let shown: Vec<&&Arg> = arguments
        .iter()
        .filter(|argument| !argument.is_hide_set())
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    page.push_str("\n| flag | variable | default | meaning |\n|---|---|---|---|\n");
    for argument in shown {
        writeln!(page, "{}", row(argument))?;
    }
    Ok(())
}

fn row(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().filter(|_| takes_value).unwrap_or_default().join(" ");
    let flag = match argument.get_long() {
        Some(long) if value.is_empty() => format!("--{long}"),
        Some(long) => format!("--{long} {value}"),
        None => value,
    };
    let default: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
    // A switch is off unless it is given.
    let default = if takes_value { default.join(",") } else { String::new() };
    let meaning = argument.get_help().map_or_else(String::new, ToString::to_string);
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|choice| code(choice.get_name())).collect();
    let choices =
        if choices.is_empty() || !takes_value { String::new() } else { format!(": {}", choices.join(", ")) };
    let variable = variable.unwrap_or_default();
    format!("| {} | {} | {} | {}{choices} |", code(&flag), code(&variable), code(&default), escape(&meaning))
}

/// As code, which in a table must not hold a bar.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", escape(text)) }
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}
