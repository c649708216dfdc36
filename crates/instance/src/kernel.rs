//! What the kernel of the node does with memory, as far as a server cares. It is reported and never changed: that would need
//! a privileged container.

use std::{fs, path::Path};

/// What was read; nothing of it where there are no such files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// `vm.overcommit_memory`: 1 if a save never fails for want of memory that it does not use.
    pub(crate) overcommit: Option<u8>,
    /// Which memory gets transparent huge pages: `always`, `madvise` or `never`.
    pub(crate) huge_pages: Option<String>,
}

impl Kernel {
    /// As it is now.
    pub(crate) fn read() -> Self {
        Self::below(Path::new("/"))
    }

    fn below(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        Self {
            overcommit: text("proc/sys/vm/overcommit_memory").and_then(|text| text.trim().parse().ok()),
            huge_pages: text("sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| {
                let (_, chosen) = text.split_once('[')?;
                chosen.split_once(']').map(|(mode, _)| mode.to_owned())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_is_read_as_it_shows_itself() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Kernel::below(root.path()), Kernel::default());
        let (vm, mm) = ("proc/sys/vm", "sys/kernel/mm/transparent_hugepage");
        for folder in [vm, mm] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join(vm).join("overcommit_memory"), "1\n").unwrap();
        fs::write(root.path().join(mm).join("enabled"), "always [madvise] never\n").unwrap();
        let expected = Kernel { overcommit: Some(1), huge_pages: Some("madvise".to_owned()) };
        assert_eq!(Kernel::below(root.path()), expected);
    }
}
