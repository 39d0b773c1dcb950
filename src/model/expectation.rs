//! One expectation of the kernel's connection tracking: a flow that another one announced, as FTP's
//! control connection does (net/netfilter/nf_conntrack_expect.c).

use super::Tuple;

/// The bits of an expectation (include/uapi/linux/netfilter/nf_conntrack_common.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectationFlags(pub u32);

impl ExpectationFlags {
    /// The names of the bits, from bit 0 on.
    pub const NAMES: [&str; 3] = ["PERMANENT", "INACTIVE", "USERSPACE"];

    /// The names of the bits that are set; those without a name are passed over.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let is_set = move |place: usize| self.0 >> place & 1 != 0;
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(place, _)| is_set(*place))
            .map(|(_, name)| name)
    }
}

/// An expectation, as a dump or an event shows it: what the kernel did not say is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation<'a> {
    /// The number of the address family: 2 AF_INET, 10 AF_INET6.
    pub family: u8,
    /// The first packet that is expected.
    pub expected: Tuple,
    /// Which bits of it count.
    pub mask: Tuple,
    /// The flow that announced it.
    pub master: Tuple,
    /// How long it stays, in seconds.
    pub timeout_seconds: Option<u32>,
    /// A number that tells it from the others, as long as it lives.
    pub id: Option<u32>,
    /// The zone of both directions.
    pub zone: Option<u16>,
    /// What is peculiar about it.
    pub flags: Option<ExpectationFlags>,
    /// Which of the helper's kinds of expectation it is.
    pub class: Option<u32>,
    /// The name of the helper: ftp, sip, ….
    pub helper: Option<&'a [u8]>,
}
