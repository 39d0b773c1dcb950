//! Flows from text that conntrack-tools, connbox or the kernel printed: `--from`.

use super::conntrack::tuple;
use super::labels::Labels;
use super::saved_rows::{Is, RowReader};
use super::texts::{Families, Shown, each_line, unescaped};
use crate::error::{self, Error};
use crate::model::{Change, Flow, FlowStatus, Traffic};
use crate::source::Source;
use crate::source::files::lines::{Lines, Place};
use crate::source::files::saved::{not_for, unfit};
use crate::source::files::split_row::SplitRow;
use crate::sys;
use crate::wire::ctnetlink as wire;
use crate::wire::flow_text::{self, FlowText, Form, Happened, Line, Moment, status};
use crate::wire::saved::{self, Known};

/// What a flow of a text does not show, as bits.
pub mod lacking {
    pub const LABELS: u8 = 1;
    pub const MARK: u8 = 1 << 1;
    pub const HELPER: u8 = 1 << 2;
    pub const COUNTERS: u8 = 1 << 3;
    pub const ID: u8 = 1 << 4;
    /// Type, code and identifier of ICMP.
    pub const ICMP: u8 = 1 << 5;
}

/// A flow of a text, or an event of one.
#[derive(Clone, Copy, Debug)]
pub struct SavedFlow<'a> {
    pub flow: Flow<'a>,
    /// What the event reports; [`Change::New`] for `-o save`, whose lists look like new flows.
    pub change: Option<Change>,
    /// Whether the line may be of a list, of events, or both.
    pub is_listed: bool,
    /// The netlink port of the program that caused the event, and its name.
    pub cause: Option<(u32, Option<&'a [u8]>)>,
    pub is_synthetic: bool,
    /// What this form never shows; see [`lacking`].
    pub never: u8,
    /// What is not shown here, although the form could.
    pub absent: u8,
    /// A label whose number is not known here.
    pub strange_label: Option<&'a [u8]>,
}

/// What was read of saved texts.
#[derive(Debug)]
pub enum Seen<'a> {
    Flow(&'a SavedFlow<'a>),
    /// Events were lost here, 0 for an unknown number.
    Lost(u64),
}

/// Takes what is read.
pub type Each<'a> = dyn FnMut(Place<'_>, Seen<'_>) -> Result<(), Error> + 'a;

/// Calls `each` with all flows of the saved texts; gives the reasons why there may be more of them, and the families.
///
/// # Errors
/// If a text cannot be read, a line fits nothing, or `each` fails.
pub fn read(
    source: &Source,
    labels: &Labels,
    each: &mut Each<'_>,
) -> Result<(Vec<Error>, Families), Error> {
    let mut lines = Lines::new(256 * 1024);
    let (mut doubts, mut families) = (Vec::new(), Families::default());
    for path in &source.saved {
        let mut text = Text {
            labels,
            each,
            doubts: &mut doubts,
            shown: Shown::default(),
            is_named: path.file_stem().is_some_and(|name| name == "nf_conntrack"),
            is_open: false,
            split: SplitRow::default(),
            rows: RowReader::default(),
        };
        let (name, cut) = each_line(&mut lines, path, |place, line| text.line(place, line))?;
        text.end(name, cut);
        families.add(&text.shown);
    }
    Ok((doubts, families))
}

/// One text.
struct Text<'a, 'b> {
    labels: &'a Labels,
    each: &'a mut Each<'b>,
    doubts: &'a mut Vec<Error>,
    shown: Shown,
    /// Whether the file has the name of the kernel's: without zones its lines look like those of `-o extended`.
    is_named: bool,
    /// Whether an XML document has begun and not ended.
    is_open: bool,
    split: SplitRow,
    rows: RowReader,
}

/// The reason of an error in a line.
const UNKNOWN: &str = "not a line of conntrack (-L, -G or -E, in any form of -o), of /proc/net/nf_conntrack, or a row of connbox conntrack below its header";

const PRETTY: &str =
    "JSON over several lines: rows are read one on each line, as jq -c . writes them";
const ARRAY: &str =
    "an array of JSON: rows are read one on each line, as --json and jq -c '.[]' write them";

impl Text<'_, '_> {
    #[inline]
    fn line(&mut self, place: Place<'_>, line: &[u8]) -> Result<(), Error> {
        if self.split.is_open() {
            let row = self.split.whole(line);
            return self.line(place, &row);
        }
        let mut text = FlowText::default();
        if flow_text::plain(line, &mut text).is_some() {
            let is_of_kernel = text.form == Form::Proc || self.is_named;
            self.shown.is_of_kernel |= is_of_kernel && line.starts_with(b"ipv");
            return self.flow(place, &text);
        }
        self.other_line(place, line)
    }

    /// Takes a line that does not begin with the name of a protocol.
    #[cold]
    fn other_line(&mut self, place: Place<'_>, line: &[u8]) -> Result<(), Error> {
        match flow_text::other(line) {
            Some(Line::Flow(text)) => self.flow(place, &text),
            Some(other) => self.other(place, other),
            None => self.row(place, line),
        }
    }

    /// Takes a row of connbox, or its header.
    #[cold]
    fn row(&mut self, place: Place<'_>, line: &[u8]) -> Result<(), Error> {
        let mut rows = std::mem::take(&mut self.rows);
        let taken = match rows.line(line) {
            Some(Is::Flow(text)) => self.flow(place, &text),
            Some(Is::Lost(lost)) => (self.each)(place, Seen::Lost(lost)),
            Some(Is::Header) => {
                self.shown.begin();
                Ok(())
            }
            Some(Is::Twice(name)) => {
                let name = error::visible(name);
                Err(place.error(format_args!("{name} stands there twice")))
            }
            None => match self.split.begin(line).and_then(flow_text::other) {
                Some(message) => self.other(place, message),
                None => Err(self.stranger(place, line)),
            },
        };
        self.rows = rows;
        taken
    }

    /// The error for a line that is not one of flows.
    #[cold]
    fn stranger(&self, place: Place<'_>, line: &[u8]) -> Error {
        match line.trim_ascii() {
            b"{" => return place.error(PRETTY),
            [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [] | [b'{' | b']', ..]) => {
                return place.error(ARRAY);
            }
            _ => {}
        }
        // Rows are tried here, too.
        match Known::of(line).filter(|known| known.form != saved::Form::Rows) {
            Some(known) => not_for(place, known, "conntrack"),
            None if flow_text::expectation(line).is_some() => {
                place.error("an expectation, and not a flow; conntrack -L expect reads it")
            }
            None => place.error(unfit(line).unwrap_or_else(|| UNKNOWN.to_owned())),
        }
    }

    #[cold]
    fn other(&mut self, place: Place<'_>, line: Line<'_>) -> Result<(), Error> {
        match line {
            Line::Count(number) => self.shown.say(number),
            Line::Expectations(_) => {
                return Err(place
                    .error("counts expectations, and not flows; -L expect and -C expect read it"));
            }
            Line::Lost(lost) => return (self.each)(place, Seen::Lost(lost)),
            Line::Message(text) => {
                let text = String::from_utf8_lossy(text);
                self.doubts.push(place.error(format_args!("the tool said: {text}")));
            }
            Line::Head => self.is_open = true,
            Line::Tail => self.is_open = false,
            Line::Flow(_) | Line::Nothing => {}
        }
        Ok(())
    }

    #[inline]
    fn flow(&mut self, place: Place<'_>, text: &FlowText<'_>) -> Result<(), Error> {
        self.shown.see(text.family);
        let (each, shown) = (&mut self.each, &mut self.shown);
        let taken = with_flow(text, self.labels, |flow| {
            shown.see_protocol(flow.flow.orig.protocol);
            each(place, Seen::Flow(flow))
        });
        taken.unwrap_or_else(|| Err(strange(place, text)))
    }

    /// Says why there may be more flows than were read.
    fn end(&mut self, name: &[u8], cut: Option<Error>) {
        const NONE: &str = "holds no flow: none was tracked, or the command failed; save with 2>&1, and the text says which";
        const OPEN: &str = "the XML is cut: </conntrack> is missing";
        let is_open = self.is_open && cut.is_none();
        let is_split = self.split.is_open() && cut.is_none();
        self.doubts.extend(is_split.then(|| Error::failed(name, SplitRow::CUT)));
        self.doubts.extend(cut);
        let doubt = self.shown.doubt(name, "flows", if is_open { OPEN } else { NONE });
        self.doubts.extend(doubt.or_else(|| is_open.then(|| Error::failed(name, OPEN))));
    }
}

/// The error for a flow whose state or protocol is not known.
#[cold]
fn strange(place: Place<'_>, text: &FlowText<'_>) -> Error {
    match text.state {
        None => place.error(UNKNOWN),
        Some(name) => {
            let name = String::from_utf8_lossy(name);
            place.error(format_args!("'{name}' is not a state of this protocol"))
        }
    }
}

/// Calls `take` with the flow of a line; `None` if its state is not one of its protocol.
#[inline]
pub(super) fn with_flow<R>(
    text: &FlowText<'_>,
    labels: &Labels,
    take: impl FnOnce(&SavedFlow<'_>) -> R,
) -> Option<R> {
    let is_escaped = text.form == Form::Xml;
    let secctx = unescaped(text.secctx, is_escaped);
    let helper = unescaped(text.helper, is_escaped);
    let (set, strange_label) = labels_of(text, labels);
    let [orig, reply] = &text.tuples;
    let (orig, reply) = (tuple(orig)?, tuple(reply)?);
    let state = match text.state {
        None => None,
        Some(name) => Some(state(text, orig.protocol, name)?),
    };
    let (never, absent) = not_shown(text);
    Some(take(&SavedFlow {
        flow: Flow {
            family: text.family,
            orig,
            reply,
            master: None,
            status: Some(FlowStatus(text.status)),
            untold: FlowStatus(!told(text)),
            timeout_seconds: text.timeout_seconds,
            state,
            vtags: text.vtags,
            traffic: [traffic(text.traffic[0]), traffic(text.traffic[1])],
            mark: text.mark,
            secmark: text.secmark,
            secctx: secctx.as_deref(),
            // The kernel's own file shows zone 0, too.
            zone: text.zone.filter(|zone| *zone != 0),
            id: text.id,
            uses: text.uses,
            start_nanoseconds: text.start.map(nanoseconds),
            stop_nanoseconds: text.stop.map(nanoseconds),
            age_seconds: text.age_seconds,
            event_nanoseconds: text.when.map(nanoseconds),
            helper: helper.as_deref(),
            labels: text.labels.map(|_| &set[..]),
        },
        change: text.happened.map(|happened| match happened {
            Happened::New => Change::New,
            Happened::Update => Change::Update,
            Happened::Destroy => Change::Destroy,
        }),
        is_listed: text.happened.is_none()
            || text.form == Form::Save && text.happened == Some(Happened::New),
        cause: text.cause,
        is_synthetic: text.is_synthetic,
        never,
        absent,
        strange_label,
    }))
}

/// The number of a state. In XML, conntrack-tools writes states of SCTP and DCCP by the names of the states of TCP with
/// the same numbers.
#[inline]
fn state(text: &FlowText<'_>, protocol: u8, name: &[u8]) -> Option<u8> {
    const TCP: u8 = 6;
    let is_xml = text.form == Form::Xml && protocol != TCP;
    let of_tcp = || Flow::state_number(TCP, name).filter(|_| is_xml);
    // ESTABLISHED is a name of SCTP, too; such a flow is assured, and one in COOKIE_ECHOED is not yet.
    let is_assured = text.status & status::ASSURED != 0;
    match is_xml && name == b"ESTABLISHED" && !is_assured {
        true => of_tcp(),
        false => Flow::state_number(protocol, name).or_else(of_tcp),
    }
}

/// The status bits that a text tells. A list gives no timeout of flows that a flow table carries.
fn told(text: &FlowText<'_>) -> u32 {
    let is_list = text.happened.is_none() || text.form == Form::Save;
    let is_known = matches!(text.form, Form::Save | Form::Xml) && is_list;
    match is_known && text.timeout_seconds.is_some() {
        true => text.told | status::OFFLOAD | status::HW_OFFLOAD,
        false => text.told,
    }
}

/// What the form never shows, and what is not shown here.
#[inline]
fn not_shown(text: &FlowText<'_>) -> (u8, u8) {
    use lacking::{COUNTERS, HELPER, ICMP, ID, LABELS, MARK};
    // What is null in rows of the kernel's own flows is none; in those of other text it was not told.
    let is_of_kernel = text.form == Form::Row && text.status & FlowStatus::CONFIRMED.0 != 0;
    let is_unmarked = text.form == Form::Row && text.mark.is_none() && !is_of_kernel;
    let unmarked = if is_unmarked { MARK } else { 0 };
    let lacks_type =
        |tuple: &wire::Tuple| matches!(tuple.protocol, 1 | 58) && tuple.icmp[0].is_none();
    let typeless = if text.tuples.iter().any(lacks_type) { ICMP } else { 0 };
    let of_form = match text.form {
        Form::Plain | Form::Xml => 0,
        Form::Proc => LABELS | HELPER | ID,
        Form::Save => LABELS | HELPER | ID | COUNTERS | if text.mark.is_none() { MARK } else { 0 },
        Form::Row => unmarked,
    };
    let mut absent = if text.labels.is_some() || is_of_kernel { 0 } else { LABELS };
    absent |=
        if text.form != Form::Row || text.helper.is_some() || is_of_kernel { 0 } else { HELPER };
    absent |= if text.id.is_some() { 0 } else { ID };
    absent |= if text.traffic == [None; 2] { COUNTERS } else { 0 };
    (typeless | of_form, absent)
}

#[inline]
fn traffic(both: Option<[u64; 2]>) -> Option<Traffic> {
    both.map(|[packets, bytes]| Traffic { packets, bytes })
}

/// A moment in nanoseconds since 1970.
#[cold]
fn nanoseconds(moment: Moment) -> u64 {
    match moment {
        Moment::Nanoseconds(nanoseconds) => nanoseconds,
        Moment::Local(parts) => sys::unix_of_local(parts).saturating_mul(1_000_000_000),
    }
}

/// The set of labels whose names a text has, and a name without a number.
#[inline]
fn labels_of<'a>(text: &FlowText<'a>, labels: &Labels) -> ([u8; 16], Option<&'a [u8]>) {
    let mut set = [0; 16];
    let strange = text.labels.and_then(|names| match text.form {
        Form::Xml => {
            add_labels(&mut set, labels, names.split(|byte| *byte == b'>').filter_map(element))
        }
        _ => add_labels(&mut set, labels, names.split(|byte| *byte == b',')),
    });
    (set, strange)
}

/// The text before the end of an element: `name</label`.
fn element(part: &[u8]) -> Option<&[u8]> {
    part.strip_suffix(b"</label")
}

#[cold]
fn add_labels<'a>(
    set: &mut [u8; 16],
    labels: &Labels,
    names: impl Iterator<Item = &'a [u8]>,
) -> Option<&'a [u8]> {
    let mut strange = None;
    for name in names.filter(|name| !name.is_empty()) {
        let bit = labels.bit(name).or_else(|| crate::wire::text::unsigned(name)?.try_into().ok());
        match bit.and_then(|bit| Some((set.get_mut(bit / 8)?, bit % 8))) {
            Some((byte, bit)) => *byte |= 1 << bit,
            None => strange = Some(name),
        }
    }
    strange
}
