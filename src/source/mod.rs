//! Where facts come from: the files of /proc, live or saved, and the kernel's sock_diag.

pub mod lines;
pub mod netns;
pub mod procfs;
pub mod sock_diag;
mod tcp_states;

pub use tcp_states::{Method, tcp_states};

use std::path::PathBuf;

use crate::sys::Kernel;

/// What one run reads: a kernel (the running one, or a tree that looks like one), or saved files.
#[derive(Debug, Default)]
pub struct Source {
    /// The kernel; not asked where there are saved files.
    pub kernel: Kernel,
    /// `--from`: files that hold what kernel files held; `-` is standard input.
    pub saved: Vec<PathBuf>,
}

impl Source {
    /// Whether the running kernel can be asked by netlink.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.saved.is_empty() && self.kernel.is_live()
    }
}
