//! Where facts come from: the files of /proc, live or saved, the kernel's netlink subsystems, packets and
//! captures.

pub mod ahead;
pub mod files;
pub mod flows;
pub mod homes;
mod mounts;
pub mod multicast;
pub mod netlink;
pub mod netns;
pub mod packets;
pub mod processes;
pub mod sockets;
mod threads;

pub use crate::wire::tcp_info::TcpInfo;
pub use sockets::{Collector, Method, collect, confirmed, from_kernel, sockets, tcp_states};

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::model::Proto;
use crate::sys::{self, Kernel};
use crate::wire::saved::Form;
use crate::wire::saved::command::Command;
use crate::wire::socket_row::ByteOrder;
use files::saved::words::Words;

/// What one run reads: a kernel (the running one, or a tree that looks like one), or saved files.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The kernel; not asked where there are saved files.
    pub kernel: Kernel,
    /// `--from`: files that hold what kernel files held; `-` is standard input.
    pub saved: Vec<PathBuf>,
    /// Files of a folder beside them that are empty, although a kernel's never are.
    pub empty: Vec<PathBuf>,
    /// The applet that reads; empty for all.
    pub applet: &'static str,
    /// The columns of its tables, by which it reads its own rows back.
    pub columns: Vec<files::rows::Column>,
    /// `--from-command`: what the command that made the saved texts says about them.
    pub command: Command,
    /// The same for files whose names say it.
    pub commands: Vec<(PathBuf, Command)>,
    /// What was read of saved text beside numbers.
    pub words: Arc<Words>,
    /// `--byte-order`: that of the machine which wrote the files.
    pub byte_order: ByteOrder,
    /// What named the tree, if the kernel is one: `--root`, or a variable of the environment.
    pub tree_of: &'static str,
    /// `--threads`: how many threads may read at most; 0 is for as many as there are processors.
    pub threads: usize,
    /// Whether this is one of all network namespaces. Most have few sockets or none, so that a look at sockstat
    /// comes first.
    pub is_one_of_all: bool,
}

/// More would only wait for one another, each with descriptors and memory of its own.
const MOST_THREADS: usize = 64;

impl Source {
    /// Whether the running kernel can be asked by netlink.
    pub fn is_live(&self) -> bool {
        self.saved.is_empty() && self.kernel.is_live()
    }

    /// Whether this is a kernel without IPv6: its files are not there then.
    #[cold]
    pub fn has_no_ipv6(&self) -> bool {
        let is_there = |name: &&str| self.kernel.net_path(name).exists();
        self.saved.is_empty() && !["tcp6", "udp6", "snmp6", "if_inet6"].iter().any(is_there)
    }

    /// What is known of the command that made a saved file.
    fn command_of(&self, file: &[u8]) -> Command {
        let is_it = |(path, _): &&(PathBuf, Command)| path.as_os_str().as_bytes() == file;
        self.commands.iter().find(is_it).map_or(self.command, |(_, command)| *command)
    }

    /// The saved files, for messages.
    pub fn saved_names(&self) -> Vec<u8> {
        let name = |path: &PathBuf| match path.as_os_str().as_bytes() {
            b"-" => files::procfs::STDIN.to_vec(),
            name => name.to_vec(),
        };
        self.saved.iter().map(name).collect::<Vec<_>>().join(&b", "[..])
    }

    /// How many threads may read at most: from 1 to [`MOST_THREADS`].
    pub fn threads(&self) -> usize {
        if self.threads == 0 { sys::processors() } else { self.threads.min(MOST_THREADS) }
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

/// Refuses what saved files do not tell: the first of the reasons that apply.
fn refuse_saved<const N: usize>(reasons: [(bool, &str); N]) -> Result<(), Error> {
    match reasons.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, reason)) => Err(Error::usage("--from", reason)),
        None => Ok(()),
    }
}

fn needs_live_kernel() -> Error {
    Error::usage("--source", "netlink asks the running kernel, not saved files")
}

/// The error for saved files without a table of `proto`: it names the files, and those that are wanted.
pub fn no_table(source: &Source, proto: Proto) -> Error {
    let (name, title) = (proto.name(), proto.name().to_uppercase());
    let letter = &name[..1];
    let mut reason = format!(
        "no table of {title} sockets: save ss -{letter}an, or /proc/net/{name} or {name}6 with the header"
    );
    // A text of all protocols looks the same where one of them had no socket.
    if Form::Ss.is_for(source.applet) {
        reason += "; if ss or netstat was asked for them, and there were none, name the command: --from-command \"ss -tuan\"";
    }
    Error::failed(source.saved_names(), reason)
}
