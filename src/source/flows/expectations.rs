//! The flows that the kernel expects because another flow announced them, by ctnetlink, and from saved text.

use super::conntrack::{text, tuple};
use super::texts::{Families, Shown, each_line};
use crate::error::Error;
use crate::model::{Expectation, ExpectationFlags};
use crate::source::Source;
use crate::source::files::again::Again;
use crate::source::files::lines::Lines;
use crate::source::files::split_row::SplitRow;
use crate::source::netlink::{self, CTNETLINK, Dumped, Exchange, Failure, UNSENT};
use crate::wire::ctnetlink as wire;
use crate::wire::flow_text::{self, ExpectText, Line};
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

/// Calls `each` with the expectations of the saved texts; gives the reasons why there may be more of them, whether the
/// same came twice, and the families.
///
/// # Errors
/// If a text cannot be read, a line fits nothing, or `each` fails.
pub fn saved(
    source: &Source,
    each: &mut dyn FnMut(&Expectation<'_>) -> Result<(), Error>,
) -> Result<(Vec<Error>, bool, Families), Error> {
    const UNKNOWN: &str =
        "not a line of conntrack -L expect; its XML and /proc/net/nf_conntrack_expect are not read";
    const FLOWS: &str = "of flows, and not of expectations; -L, -C and -E without expect read it";
    const NONE: &str = "holds no expectation: there was none, or the command failed; save with 2>&1, and the text says which";
    let (mut lines, mut doubts) = (Lines::new(64 * 1024), Vec::new());
    let (mut again, mut families) = (Again::default(), Families::default());
    for path in &source.saved {
        let (mut shown, mut split) = (Shown::default(), SplitRow::default());
        let (name, cut) = each_line(&mut lines, path, |place, line| {
            let line = &*split.whole(line);
            if let Some(one) = flow_text::expectation(line).as_ref().and_then(of_text) {
                shown.see(one.family);
                again.add(line);
                return each(&one);
            }
            match flow_text::other(line).or_else(|| flow_text::other(split.begin(line)?)) {
                Some(Line::Expectations(count)) => shown.say(count),
                Some(Line::Message(text)) => {
                    let text = String::from_utf8_lossy(text);
                    doubts.push(place.error(format_args!("the tool said: {text}")));
                }
                Some(Line::Nothing) => {}
                Some(Line::Flow(_) | Line::Count(_)) => return Err(place.error(FLOWS)),
                _ => return Err(place.error(UNKNOWN)),
            }
            Ok(())
        })?;
        let is_split = split.is_open() && cut.is_none();
        doubts.extend(is_split.then(|| Error::failed(name, SplitRow::CUT)));
        doubts.extend(cut);
        doubts.extend(shown.doubt(name, "expectations", NONE));
        families.add(&shown);
    }
    Ok((doubts, again.is_twice(), families))
}

/// The expectation of a line; `None` if its flags are not known.
fn of_text<'a>(text: &ExpectText<'a>) -> Option<Expectation<'a>> {
    let bit = |name: &[u8]| {
        let place = ExpectationFlags::NAMES.iter().position(|known| known.as_bytes() == name);
        place.map(|place| 1u32 << place)
    };
    let mut names = text.flags.into_iter().flat_map(|names| names.split(|byte| *byte == b','));
    let flags = names.try_fold(0, |flags, name| Some(flags | bit(name)?))?;
    let [expected, mask, master] = &text.tuples;
    Some(Expectation {
        family: text.family,
        expected: tuple(expected)?,
        mask: tuple(mask)?,
        master: tuple(master)?,
        timeout_seconds: text.timeout_seconds,
        id: None,
        zone: text.zone,
        flags: Some(ExpectationFlags(flags)),
        class: text.class,
        helper: text.helper,
    })
}
