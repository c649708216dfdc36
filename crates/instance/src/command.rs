//! The command line of the instance manager, for whichever program carries it.

use crate::{
    backups::{self, AUTHORITIES},
    guard,
    run::{self, InstanceError},
};
use clap::{Args, Subcommand};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Where the image of the operator has the certificates of authorities.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The flags of `valkeeper instance`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  valkeeper instance --settings /etc/valkeeper/instance.yaml\n  \
                  POD_NAME=cache-0 POD_UID=1 valkeeper instance --settings instance.yaml"
)]
pub struct InstanceCommand {
    /// File with the settings of the instance
    #[arg(long, value_name = "PATH", default_value = "/etc/valkeeper/instance.yaml")]
    settings: PathBuf,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand, Debug)]
enum Part {
    /// Run the server and end it at its deadline
    #[command(hide = true)]
    Guard {
        /// The server's program
        program: PathBuf,
        /// Its configuration
        config: PathBuf,
    },
    /// Copy this program, for the container of a server that has no such program
    #[command(hide = true)]
    Install {
        /// Where to
        path: PathBuf,
    },
    /// Verify the backup that the environment names, in a pod of its own
    #[command(hide = true)]
    VerifyBackup,
}

impl InstanceCommand {
    /// Runs; `words` are what comes before these flags on the command line of the program.
    pub async fn run(self, words: &[&str]) -> Result<ExitCode, InstanceError> {
        let executable =
            std::env::current_exe().map_err(|error| InstanceError::Io("cannot find this program", error))?;
        let (program, config) = match self.part {
            Some(Part::Guard { program, config }) => (program, config),
            Some(Part::Install { path }) => {
                install(&executable, &path).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Part::VerifyBackup) => {
                backups::verify_in_own_pod(&|name| std::env::var(name).ok()).await?;
                return Ok(ExitCode::SUCCESS);
            }
            None => {
                let mut command: Vec<OsString> = vec![executable.into()];
                command.extend(words.iter().chain(&["guard"]).map(OsString::from));
                run::run(&self.settings, command).await?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let watching = tokio::task::spawn_blocking(move || guard::run(&program, &config)).await;
        let code = watching.map_err(std::io::Error::other).flatten();
        code.map(ExitCode::from).map_err(|error| InstanceError::Io("cannot run the server", error))
    }
}

/// Copies this program with its permissions, and the certificates of its image, which that of a server lacks.
async fn install(executable: &Path, path: &Path) -> Result<(), InstanceError> {
    let copied = tokio::fs::copy(executable, path).await;
    copied.map_err(|error| InstanceError::Io("cannot copy this program", error))?;
    match tokio::fs::copy(SYSTEM_AUTHORITIES, path.with_file_name(AUTHORITIES)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(InstanceError::Io("cannot copy the certificates of authorities", error))
        }
        _ => Ok(()),
    }
}
