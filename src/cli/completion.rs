//! `valkeeper completion`: completion scripts, for the program itself and for the plugin of kubectl.

use clap::{Args, Command};
use clap_complete::Shell;
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// What kubectl runs to complete the words of a plugin.
const PLUGIN: &str = "\
#!/bin/sh
# kubectl calls this as kubectl_complete-valkeeper to complete `kubectl valkeeper`.
commands=\"COMMANDS\"
[ $# -gt 1 ] && exit 0
for command in $commands; do
  case $command in \"$1\"*) echo \"$command\" ;; esac
done
echo :4
";

/// The flags of `valkeeper completion`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  valkeeper completion bash > /etc/bash_completion.d/valkeeper
  valkeeper completion zsh > \"${fpath[1]}/_valkeeper\"
  valkeeper completion kubectl > /usr/local/bin/kubectl_complete-valkeeper
  chmod +x /usr/local/bin/kubectl_complete-valkeeper")]
pub(super) struct Completion {
    /// bash, elvish, fish, powershell or zsh; kubectl for `kubectl valkeeper`
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh", "kubectl"])]
    shell: String,
}

impl Completion {
    pub(super) fn run(self, mut program: Command) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        match self.shell.parse::<Shell>() {
            Ok(shell) => clap_complete::generate(shell, &mut program, "valkeeper", &mut script),
            Err(_) => script.extend(plugin(&program).into_bytes()),
        }
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn plugin(program: &Command) -> String {
    let commands: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
    PLUGIN.replace("COMMANDS", &commands.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn each_shell_completes_each_command() {
        let mut program = crate::cli::Arguments::command();
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program, "valkeeper", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(
                ["plan", "backups", "doctor", "status", "import"]
                    .iter()
                    .all(|command| script.contains(command)),
                "{shell}"
            );
        }
        assert!(
            plugin(&program).contains("status backups plan doctor import migrate report"),
            "{}",
            plugin(&program)
        );
    }
}
