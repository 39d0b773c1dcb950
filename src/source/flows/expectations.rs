//! The flows that the kernel expects because another flow announced them, by ctnetlink.

use super::conntrack::{text, tuple};
use crate::error::Error;
use crate::model::{Expectation, ExpectationFlags};
use crate::source::netlink::{self, CTNETLINK, Dumped, Exchange, Failure, UNSENT};
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::dump_request;

/// Calls `each` with the expectations of `family` (0 for both).
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn expectations(
    kernel: &mut impl Exchange,
    family: u8,
    mut each: impl FnMut(&Expectation<'_>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let request = dump_request(wire::EXPECTATIONS | wire::GET, UNSENT, &wire::head(family, 0));
    netlink::ask(kernel, CTNETLINK, request, |message| Some(each(&expectation(message.payload)?)))
}

/// Reads the expectation in a payload; `None` for an unknown shape.
pub fn expectation(payload: &[u8]) -> Option<Expectation<'_>> {
    // CTA_EXPECT_… of include/uapi/linux/netfilter/nfnetlink_conntrack.h.
    const MASTER: u16 = 1;
    const EXPECTED: u16 = 2;
    const MASK: u16 = 3;
    const TIMEOUT: u16 = 4;
    const ID: u16 = 5;
    const HELPER: u16 = 6;
    const ZONE: u16 = 7;
    const FLAGS: u16 = 8;
    const CLASS: u16 = 9;
    let entry = wire::entry(payload)?;
    let tuple_of = |kind| entry.bytes(kind).and_then(|bytes| tuple(&wire::tuple(bytes)));
    Some(Expectation {
        family: entry.family,
        expected: tuple_of(EXPECTED)?,
        mask: tuple_of(MASK)?,
        master: tuple_of(MASTER)?,
        timeout_seconds: entry.word(TIMEOUT),
        id: entry.word(ID),
        zone: entry.half(ZONE),
        flags: entry.word(FLAGS).map(ExpectationFlags),
        class: entry.word(CLASS),
        helper: entry.bytes(HELPER).map(text),
    })
}
