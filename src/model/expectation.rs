//! One expectation of the kernel's connection tracking: a flow that another one announced, as FTP's
//! control connection does (net/netfilter/nf_conntrack_expect.c).

use super::Tuple;

/// The bits of an expectation (include/uapi/linux/netfilter/nf_conntrack_common.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectationFlags(pub u32);

impl ExpectationFlags {
    /// The names of the bits, from bit 0 on.
    pub const NAMES: [&str; 3] = ["PERMANENT", "INACTIVE", "USERSPACE"];

    /// The names of the bits that are set; bits without a name are skipped.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let is_set = move |place: usize| self.0 >> place & 1 != 0;
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(place, _)| is_set(*place))
            .map(|(_, name)| name)
    }
}

/// An expectation from a dump or an event; what the kernel did not report is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation<'a> {
    /// The number of the address family: 2 AF_INET, 10 AF_INET6.
    pub family: u8,
    /// The first packet that is expected.
    pub expected: Tuple,
    /// The bits of it that must match.
    pub mask: Tuple,
    /// The flow that announced it.
    pub master: Tuple,
    /// Its remaining lifetime in seconds.
    pub timeout_seconds: Option<u32>,
    /// A number that identifies it as long as it exists.
    pub id: Option<u32>,
    /// The zone of both directions.
    pub zone: Option<u16>,
    pub flags: Option<ExpectationFlags>,
    /// The helper's class of expectation.
    pub class: Option<u32>,
    /// The name of the helper: ftp, sip, ….
    pub helper: Option<&'a [u8]>,
}
