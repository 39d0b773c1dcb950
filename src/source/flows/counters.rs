//! What connection tracking counts on each CPU: by ctnetlink, or from /proc/net/stat.

use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::error::Error;
use crate::source::files::lines::Lines;
use crate::source::netlink::{self, CTNETLINK, Exchange, Failure, ONE};
use crate::sys::{self, Kernel};
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::{attributes, dump_request};

/// The counters of flows: `CTA_STATS_…`, from attribute 1 on.
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
/// The counters of expectations: `CTA_STATS_EXP_…`, likewise.
const OF_EXPECTATIONS: [&str; 3] = ["expect_new", "expect_create", "expect_delete"];

/// A counter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// One that is known.
    Known(&'static str),
    /// The number of an attribute that is not.
    Number(u16),
}

/// A counter of one CPU: 32 bits that wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The CPU's number.
    pub cpu: u16,
    /// What is counted.
    pub name: Name,
    /// How often.
    pub value: u32,
}

/// What the counters are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Flows.
    Flows,
    /// Expectations.
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
        /// `IPCTNL_MSG_EXP_GET_STATS_CPU`.
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
/// [`Failure::Refused`], `PERM` without the right.
pub fn counters(kernel: &mut impl Exchange, about: About) -> Result<Vec<Counter>, Failure> {
    const HEAD: usize = 4;
    let mut counters = Vec::with_capacity(128);
    let request = dump_request(about.kind(), ONE, &wire::head(0, 0));
    netlink::ask(kernel, CTNETLINK, &request, |message| {
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

/// The same as everybody may read them, in the same order; `None` where nothing tracks connections.
///
/// # Errors
/// If the file is of no known shape.
pub fn counters_of_proc(kernel: &Kernel, about: About) -> Result<Option<Vec<Counter>>, Error> {
    let path = kernel.net_path(FILE);
    let path = path.as_os_str().as_bytes();
    let fd = match sys::open(path) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::system(path, error)),
    };
    let mut columns: Vec<Option<usize>> = Vec::new();
    let (mut counters, mut cpu) = (Vec::with_capacity(128), 0u16);
    Lines::new(4096).each(fd, path, |place, line| {
        let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if columns.is_empty() {
            let known: Vec<_> = words().map(name_of_column).collect();
            let of = |name: &&str| known.iter().position(|other| other == &Some(*name));
            // What newer kernels have no more is a column of zeros in the file.
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

/// The name by which ctnetlink calls what a column of the file holds.
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
