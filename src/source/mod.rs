//! Where facts come from: the files of /proc, live or saved, the kernel's netlink subsystems, packets and
//! captures.

pub mod ahead;
pub mod files;
pub mod flows;
pub mod netlink;
pub mod netns;
pub mod packets;
pub mod processes;
pub mod sockets;

pub use crate::wire::tcp_info::TcpInfo;
pub use sockets::{Collector, Method, collect, confirmed, from_kernel, sockets, tcp_states};

use std::path::PathBuf;

use crate::error::Error;
use crate::model::Proto;
use crate::sys::{self, Kernel};

/// What one run reads: a kernel (the running one, or a tree that looks like one), or saved files.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The kernel; not asked where there are saved files.
    pub kernel: Kernel,
    /// `--from`: files that hold what kernel files held; `-` is standard input.
    pub saved: Vec<PathBuf>,
    /// What named the tree, if the kernel is one: `--root`, or a variable of the environment.
    pub tree_of: &'static str,
    /// `--threads`: how many threads may read at most; 0 is for as many as there are processors.
    pub threads: usize,
    /// Whether this is one of all network namespaces, of which most have next to no sockets.
    pub is_one_of_all: bool,
}

impl Source {
    /// Whether the running kernel can be asked by netlink.
    pub fn is_live(&self) -> bool {
        self.saved.is_empty() && self.kernel.is_live()
    }

    /// How many threads may read at most: at least one.
    pub fn threads(&self) -> usize {
        if self.threads == 0 { sys::processors() } else { self.threads }
    }

    /// Refuses what has another source, for the `reason` that only the running kernel knows it.
    ///
    /// # Errors
    /// A usage error that blames what named the other source.
    pub fn must_be_live(&self, reason: &str) -> Result<(), Error> {
        let named_by = if self.saved.is_empty() { self.tree_of } else { "--from" };
        if self.is_live() { Ok(()) } else { Err(Error::usage(named_by, reason)) }
    }
}

fn needs_live_kernel() -> Error {
    Error::usage("--source", "netlink asks the running kernel, not saved files")
}

fn no_table(protos: &[Proto]) -> Error {
    let names: Vec<_> = protos.iter().map(|proto| proto.name().to_uppercase()).collect();
    Error::failed("--from", format_args!("holds no table of {} sockets", names.join(" or ")))
}
