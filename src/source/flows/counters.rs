//! The per-CPU counters of connection tracking, by ctnetlink or from /proc/net/stat.

use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::error::Error;
use crate::source::files::lines::Lines;
use crate::source::netlink::{self, CTNETLINK, Exchange, Failure, UNSENT};
use crate::sys::{self, Kernel, PathError};
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::{attributes, dump_request};

/// The counters of flows: `CTA_STATS_…`, starting at attribute 1.
const OF_FLOWS: [&str; 15] = [
    "searched",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "error",
    "search_restart",
    "clash_resolve",
    "chaintoolong",
];
/// The counters of expectations: `CTA_STATS_EXP_…`, starting at attribute 1.
const OF_EXPECTATIONS: [&str; 3] = ["expect_new", "expect_create", "expect_delete"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The name of a known counter.
    Known(&'static str),
    /// The attribute number of an unknown counter.
    Number(u16),
}

/// A counter of one CPU: a 32-bit number that wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    pub cpu: u16,
    pub name: Name,
    pub value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Flows,
    Expectations,
}

impl About {
    fn names(self) -> &'static [&'static str] {
        match self {
            About::Flows => &OF_FLOWS,
            About::Expectations => &OF_EXPECTATIONS,
        }
    }

    fn kind(self) -> u16 {
        const GET_STATS_CPU_OF_EXPECTATIONS: u16 = 3;
        match self {
            About::Flows => wire::FLOWS | wire::GET_STATS_CPU,
            About::Expectations => wire::EXPECTATIONS | GET_STATS_CPU_OF_EXPECTATIONS,
        }
    }
}

/// The counters of every CPU, in the kernel's order.
///
/// # Errors
/// [`Failure::Refused`]: `PERM` without CAP_NET_ADMIN.
pub fn counters(kernel: &mut impl Exchange, about: About) -> Result<Vec<Counter>, Failure> {
    const HEAD: usize = 4;
    let mut counters = Vec::with_capacity(128);
    let request = dump_request(about.kind(), UNSENT, &wire::head(0, 0));
    netlink::ask(kernel, CTNETLINK, request, |message| {
        let entry = wire::entry(message.payload)?;
        for (kind, value) in attributes(message.payload.get(HEAD..).unwrap_or_default()) {
            let name = usize::from(kind).checked_sub(1).and_then(|place| about.names().get(place));
            let name = name.map_or(Name::Number(kind), |name| Name::Known(name));
            counters.push(Counter { cpu: entry.resource, name, value: wire::word(value)? });
        }
        Some(Ok(()))
    })?;
    Ok(counters)
}

/// The file below /proc/net.
pub const FILE: &str = "stat/nf_conntrack";

/// The same counters from a file that anyone may read, in the same order; `None` without connection tracking.
///
/// # Errors
/// If the shape of the file is unknown.
pub fn counters_of_proc(kernel: &Kernel, about: About) -> Result<Option<Vec<Counter>>, Error> {
    let path = kernel.net_path(FILE);
    let file = sys::open_file(&path);
    let path = path.as_os_str().as_bytes();
    let fd = match file {
        Ok(fd) => fd,
        Err(PathError::System(Errno::NOENT)) => return Ok(None),
        Err(error) => return Err(error.at(path)),
    };
    let mut columns: Vec<Option<usize>> = Vec::new();
    let (mut counters, mut cpu) = (Vec::with_capacity(128), 0u16);
    Lines::new(4096).each(fd, path, |place, line| {
        let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if columns.is_empty() {
            let known: Vec<_> = words().map(name_of_column).collect();
            let of = |name: &&str| known.iter().position(|other| other == &Some(*name));
            // Counters that newer kernels no longer have are columns of zeros in the file.
            let is_new = known.contains(&Some("clash_resolve"));
            let is_gone = |name: &&str| is_new && matches!(*name, "new" | "ignore" | "delete");
            columns =
                about.names().iter().map(|name| of(name).filter(|_| !is_gone(name))).collect();
            return Ok(());
        }
        let numbers: Option<Vec<u32>> = words().map(hexadecimal).collect();
        let numbers = numbers.ok_or_else(|| place.error("is not a row of counters"))?;
        for (name, column) in about.names().iter().zip(&columns) {
            let Some(column) = column else { continue };
            let value = *numbers.get(*column).ok_or_else(|| place.error("is cut short"))?;
            counters.push(Counter { cpu, name: Name::Known(name), value });
        }
        cpu = cpu.saturating_add(1);
        Ok(())
    })?;
    Ok(Some(counters))
}

/// The number of flows, with which every row of that file begins; `None` if nothing tracks connections.
pub(super) fn entries_of_proc(kernel: &Kernel) -> Option<u64> {
    let text = sys::read_all(sys::open_file(&kernel.net_path(FILE)).ok()?, 1 << 20).ok()?;
    let rows = text.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b' '));
    let mut words = rows.map(|mut row| row.next().unwrap_or_default());
    let is_known = words.next()? == b"entries";
    words.next().and_then(hexadecimal).filter(|_| is_known).map(u64::from)
}

/// ctnetlink's name for a column of the file.
fn name_of_column(column: &[u8]) -> Option<&'static str> {
    let column: &[u8] = match column {
        b"icmp_error" => b"error",
        b"clashres" => b"clash_resolve",
        b"chainlength" => b"chaintoolong",
        other => other,
    };
    let known = OF_FLOWS.iter().chain(&OF_EXPECTATIONS);
    known.copied().find(|name| name.as_bytes() == column)
}

fn hexadecimal(word: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(word).ok().filter(|text| !text.starts_with('+'))?;
    u32::from_str_radix(text, 16).ok()
}
