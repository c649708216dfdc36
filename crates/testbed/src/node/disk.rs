//! Volumes with a size: each is a file system in memory, where mounts are this world's own. Elsewhere volumes are
//! folders without a limit. Needs `mount` and `umount`, and to be root in a mount namespace of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Pages that a file system in memory is counted in.
const PAGE: u64 = 4096;

/// Whether volumes can have a size: mounts here are not those of the machine.
pub(super) fn can_mount(folder: &Path) -> bool {
    let of = |process: &str| std::fs::read_link(Path::new("/proc").join(process).join("ns/mnt")).ok();
    let first = of("1");
    if of("self").is_none() || first == of("self") {
        return false;
    }
    let probe = folder.join("mount-probe");
    let mounted = std::fs::create_dir_all(&probe).is_ok() && mount(&probe, PAGE).is_ok();
    if mounted {
        unmount(&probe);
    }
    mounted
}

/// Mounts a file system of this size, and nothing more if one is mounted already.
pub(super) fn mount(folder: &Path, bytes: u64) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    if is_mounted(folder) {
        return Ok(());
    }
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size(bytes), "tmpfs"]).arg(folder))
}

/// Whether a file system of our own is mounted on a folder.
pub(super) fn is_mounted(folder: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let name = folder.display().to_string();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(&name))
}

/// Gives a mounted file system another size.
pub(super) fn resize(folder: &Path, bytes: u64) -> anyhow::Result<()> {
    let options = format!("remount,{}", size(bytes));
    run(Command::new("mount").args(["-o", &options]).arg(folder))
}

/// Leaves no space beyond what is used; answers the size before.
pub(super) fn fill(folder: &Path) -> anyhow::Result<u64> {
    // What is written meanwhile makes the volume larger than what was to be left of it.
    const ATTEMPTS: usize = 50;
    let (size, _) = space(folder)?;
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        let (_, used) = space(folder)?;
        last = resize(folder, used.max(PAGE));
        if last.is_ok() {
            return Ok(size);
        }
    }
    last.map(|()| size)
}

/// Size, and bytes in use.
fn space(folder: &Path) -> anyhow::Result<(u64, u64)> {
    let output = Command::new("df").args(["--block-size=1", "--output=size,used"]).arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> =
        text.lines().last().unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
    let [size, used] = numbers[..] else {
        anyhow::bail!("df does not tell the size of {}", folder.display())
    };
    Ok((size, used))
}

pub(super) fn unmount(folder: &Path) {
    if let Err(error) = run(Command::new("umount").args(["-l"]).arg(folder)) {
        tracing::debug!(%error, "a volume stays mounted");
    }
}

fn size(bytes: u64) -> String {
    format!("size={}", bytes.div_ceil(PAGE).max(1) * PAGE)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}: {}", text.trim());
    Ok(())
}
