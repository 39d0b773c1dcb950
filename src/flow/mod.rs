//! The text of conntrack-tools 1.4.7, byte for byte but for [`DIFFERENCES`]: lines, XML and options of
//! flows and expectations, as conntrack and conntrackd write them.
//!
//! Everything here appends to a buffer, without a line end. `tests/cli/flow_text.rs` compares it with the
//! output of Debian's conntrack, and with its library for any flow; `tests/live/conntrack_text.rs` with
//! conntrack on the flows of a router.

mod expect;
pub mod ipfix;
mod line;
mod push;
pub(crate) mod row;
mod save;
mod xml;

pub use expect::{expectation_line, expectation_xml};
pub use line::line;
pub use save::save;
pub use xml::xml;

use crate::model::Change;
use crate::source::flows::labels::Labels;
use crate::sys;

/// The beginning of an XML document of flows.
pub const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n";
pub const XML_TAIL: &str = "</conntrack>\n";
/// The beginning of an XML document of expectations.
pub const XML_EXPECT_HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n";
pub const XML_EXPECT_TAIL: &str = "</expect>\n";

/// The differences from conntrack-tools 1.4.7, which is wrong there: one sentence each.
pub const DIFFERENCES: &[&str] = &[
    "In XML, states of SCTP and DCCP have the names of SCTP's and DCCP's states, not those of the states \
     of TCP with the same numbers.",
    "With -o save, a mark other than 0 is written as -m, between -u and -c.",
    "With -o save, a state without a name is NONE, and HEARTBEAT_SENT and HEARTBEAT_ACKED of SCTP have \
     their names, instead of \"(null)\".",
    "Where the kernel gives no ports (Linux 6.18 for DCCP), none are shown, instead of 0.",
    "With -o labels, a flow whose labels have no names ends with \"labels=\", not with \"labels\".",
    "Where a clock was set back, delta-time and deltatime are 0, not a number near 2 to the 64th.",
    "-G -o xml ends its document, as -L -o xml does.",
    "The keys of GRE select flows; conntrack ignores them.",
    "The types of an echo and its answer are no ports that were translated: -n, -g and -j leave ICMP out \
     unless an address was.",
    "-L expect without -f, and -C expect, are of both families; those of conntrack are of IPv4 only.",
    "The total of a list is its last line where both outputs go to one file; there conntrack writes it \
     first, or within a row.",
    "An expectation whose flags have no names has no second space in their place.",
    "Names that come from outside (helpers, security contexts, programs) have control characters and \
     invalid UTF-8 as \\xNN, and in XML & < > and \" as entities.",
];

/// The fields that `-o` requests, and what a flow alone does not tell.
///
/// To omit a field, as conntrackd omits the timeout, remove it from the flow: `&Flow { timeout_seconds:
/// None, ..*flow }`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// `-o extended`: the address family first.
    pub extended: bool,
    /// `-o id`. XML always has it.
    pub id: bool,
    /// `-o ktimestamp`: when the flow began and ended.
    pub ktimestamp: bool,
    /// `-o labels`, and the names that labels have.
    pub labels: Option<&'a Labels>,
    /// `-o timestamp` of XML: what `<when>` of events and expectations says, in seconds since 1970.
    pub when_seconds: Option<u64>,
    /// The moment up to which `delta-time` counts, in seconds since 1970.
    pub now_seconds: u64,
}

/// Appends the time that `-o timestamp` puts before events, and before listed expectations.
pub fn time_prefix(buffer: &mut Vec<u8>, unix_microseconds: u64) {
    buffer.push(b'[');
    push::number(buffer, unix_microseconds / 1_000_000);
    buffer.push(b'.');
    let micros = unix_microseconds % 1_000_000;
    let mut unit = 100_000;
    while unit > 0 {
        buffer.push(b'0'.wrapping_add((micros / unit % 10) as u8));
        unit /= 10;
    }
    buffer.extend_from_slice(b"]\t");
}

/// Appends the prefix of an event's line.
pub fn event_prefix(buffer: &mut Vec<u8>, change: Change) {
    let words = match change {
        Change::New => "    [NEW] ",
        Change::Update => " [UPDATE] ",
        Change::Destroy => "[DESTROY] ",
    };
    buffer.extend_from_slice(words.as_bytes());
}

/// Appends the end of an event that a program's request caused, in every form: the port of the program's
/// netlink socket, and the program's name if it is known.
pub fn cause(buffer: &mut Vec<u8>, port: u32, program: Option<&[u8]>) {
    buffer.extend_from_slice(b" [USERSPACE] portid=");
    push::number(buffer, port.into());
    if let Some(program) = program {
        buffer.extend_from_slice(b" progname=");
        push::outside(buffer, program, push::Into::Line);
    }
}

/// Appends a time as ctime(3) writes it, `Tue Nov 14 22:13:20 2023`.
pub fn date(buffer: &mut Vec<u8>, unix_seconds: u64) {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = sys::local_time(unix_seconds);
    let word = |words: &[&'static str], place: usize| words.get(place).copied().unwrap_or("???");
    buffer.extend_from_slice(word(&DAYS, time.weekday.into()).as_bytes());
    buffer.push(b' ');
    buffer.extend_from_slice(word(&MONTHS, usize::from(time.month).wrapping_sub(1)).as_bytes());
    buffer.extend_from_slice(if time.day < 10 { b"  " } else { b" " });
    push::number(buffer, time.day.into());
    for (separator, part) in [(b' ', time.hour), (b':', time.minute), (b':', time.second)] {
        buffer.push(separator);
        push::two(buffer, part);
    }
    buffer.push(b' ');
    push::number(buffer, time.year);
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// The name of an address family.
fn family_name(family: u8) -> &'static str {
    match family {
        2 => "ipv4",
        10 => "ipv6",
        _ => "unknown",
    }
}
