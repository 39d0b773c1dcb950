//! Flows from rows that connbox itself printed: TSV with a header, and JSON Lines.

use crate::model::{Flow, FlowStatus};
use crate::wire::flow_text::{FlowText, Form, Happened, Moment, status as told};
use crate::wire::rows;
use crate::wire::text::unsigned;

/// Reads rows; what is reused from one to the next.
#[derive(Debug, Default)]
pub(super) struct RowReader {
    /// The columns of TSV, once a header has come.
    header: Vec<Vec<u8>>,
    row: Row,
    /// The names of a row's columns.
    names: Vec<Vec<u8>>,
}

/// What a row says.
#[derive(Debug, Default)]
struct Row {
    text: FlowText<'static>,
    is_json: bool,
    /// Text of the columns that are not numbers.
    state: Option<Vec<u8>>,
    secctx: Option<Vec<u8>>,
    helper: Option<Vec<u8>>,
    labels: Option<Vec<u8>>,
    program: Option<Vec<u8>>,
    port: Option<u32>,
    lost: Option<u64>,
    /// The numbers of packets and bytes, by direction.
    traffic: [[Option<u64>; 2]; 2],
}

/// What a line was.
#[expect(clippy::large_enum_variant, reason = "nearly all rows are flows, and none is kept")]
pub(super) enum Is<'a> {
    Flow(FlowText<'a>),
    /// A report of lost events.
    Lost(u64),
    Header,
    /// A column stands there twice.
    Twice(&'a [u8]),
}

impl RowReader {
    /// Reads a line; `None` if it is neither a header nor a row of flows.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<Is<'_>> {
        let Self { header, row, names } = self;
        let mut scratch = Vec::new();
        if line.starts_with(b"{") {
            *row = Row { is_json: true, ..Row::default() };
            names.clear();
            rows::json(line, &mut Default::default(), &mut |name, value| {
                names.push(name.to_vec());
                row.set(name, value)
            })?;
            if let Some(name) = twice(names) {
                return Some(Is::Twice(name));
            }
        } else {
            let mut cells = line.split(|byte| *byte == b'\t');
            if cells.clone().count() > 1
                && cells.all(|name| Row::default().set(name, None).is_some())
            {
                *header = line.split(|byte| *byte == b'\t').map(<[u8]>::to_vec).collect();
                return Some(twice(header).map_or(Is::Header, Is::Twice));
            }
            let cells = line.split(|byte| *byte == b'\t');
            if header.is_empty() || cells.clone().count() != header.len() {
                return None;
            }
            *row = Row::default();
            for (name, cell) in header.iter().zip(cells) {
                row.set(name, rows::cell(cell, &mut scratch))?;
            }
        }
        if let Some(lost) = row.lost {
            return Some(Is::Lost(lost));
        }
        row.flow().map(Is::Flow)
    }
}

/// A name that stands there twice.
fn twice(names: &[Vec<u8>]) -> Option<&[u8]> {
    let is_again =
        |(place, name): &(usize, &Vec<u8>)| names.iter().take(*place).any(|other| other == *name);
    names.iter().enumerate().find(is_again).map(|(_, name)| name.as_slice())
}

/// A number that may be absent; the outer `None` if it is not one.
#[expect(clippy::option_option, reason = "an absent number is one of the answers")]
fn number<T: TryFrom<u64>>(value: Option<&[u8]>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| unsigned(value)?.try_into().ok().map(Some))
}

fn text(value: Option<&[u8]>) -> Option<Vec<u8>> {
    value.map(<[u8]>::to_vec)
}

impl Row {
    /// Takes the value of a column; `None` if there is no such column, or it has no such value.
    fn set(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let Row { text: flow, traffic, .. } = self;
        let [orig, reply] = &mut flow.tuples;
        match name {
            // The family follows from the addresses, and a namespace is not a part of a flow.
            b"family" | b"netns" | b"resident" => {}
            b"time" => flow.when = moment(value, crate::source::files::rows::moment)?,
            b"event" => match value {
                None | Some(b"LOST") => {}
                Some(word) => flow.happened = Some(happened(word)?),
            },
            b"synthetic" => flow.is_synthetic = value == Some(b"true"),
            b"lost" => self.lost = number(value)?,
            b"portid" => self.port = number(value)?,
            b"progname" => self.program = text(value),
            b"proto" => {
                let protocol = value.map_or(Some(0), protocol)?;
                (orig.protocol, reply.protocol) = (protocol, protocol);
            }
            b"state" => self.state = text(value),
            b"src" => orig.source = address(value)?,
            b"dst" => orig.destination = address(value)?,
            b"reply_src" => reply.source = address(value)?,
            b"reply_dst" => reply.destination = address(value)?,
            b"sport" | b"srckey" => orig.ports[0] = number(value)?.or(orig.ports[0]),
            b"dport" | b"dstkey" => orig.ports[1] = number(value)?.or(orig.ports[1]),
            b"reply_sport" | b"reply_srckey" => reply.ports[0] = number(value)?.or(reply.ports[0]),
            b"reply_dport" | b"reply_dstkey" => reply.ports[1] = number(value)?.or(reply.ports[1]),
            b"icmp_type" => orig.icmp[0] = number(value)?,
            b"icmp_code" => orig.icmp[1] = number(value)?,
            b"icmp_id" => orig.icmp_id = number(value)?,
            b"reply_icmp_type" => reply.icmp[0] = number(value)?,
            b"reply_icmp_code" => reply.icmp[1] = number(value)?,
            b"reply_icmp_id" => reply.icmp_id = number(value)?,
            b"orig_zone" => orig.zone = number(value)?,
            b"reply_zone" => reply.zone = number(value)?,
            b"packets" => traffic[0][0] = number(value)?,
            b"bytes" => traffic[0][1] = number(value)?,
            b"reply_packets" => traffic[1][0] = number(value)?,
            b"reply_bytes" => traffic[1][1] = number(value)?,
            _ => return self.set_rest(name, value),
        }
        Some(())
    }

    /// The same for columns that are not of one direction.
    fn set_rest(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let flow = &mut self.text;
        match name {
            b"timeout_seconds" => flow.timeout_seconds = number(value)?,
            b"ct_status" => {
                flow.status = value.map_or(Some(0), status)?;
                // The kernel confirms every flow of its table; without that, the rows were made from other text.
                let is_whole = FlowStatus(flow.status).has(FlowStatus::CONFIRMED);
                flow.told = match (value, is_whole) {
                    // In TSV an empty list is absent, too.
                    (None, _) if self.is_json => 0,
                    (_, true) => u32::MAX,
                    _ => told::OF_TEXT,
                };
            }
            b"ct_mark" => flow.mark = number(value)?,
            b"secmark" => flow.secmark = number(value)?,
            b"secctx" => self.secctx = text(value),
            b"zone" => flow.zone = number(value)?,
            b"helper" => self.helper = text(value),
            b"uses" => flow.uses = number(value)?,
            b"id" => flow.id = number(value)?,
            b"start_seconds" => flow.start = moment(value, millis)?,
            b"stop_seconds" => flow.stop = moment(value, millis)?,
            b"labels" => self.labels = text(value),
            _ => return None,
        }
        Some(())
    }

    /// The flow of the row; `None` if the row lacks an address or contradicts itself.
    fn flow(&self) -> Option<FlowText<'_>> {
        let [orig, reply] = self.text.tuples;
        let is_v4 = orig.source?.is_ipv4();
        let all = [orig.destination?, reply.source?, reply.destination?];
        let pair = |[packets, bytes]: [Option<u64>; 2]| Some([packets?, bytes?]);
        all.iter().all(|address| address.is_ipv4() == is_v4).then(|| FlowText {
            form: Form::Row,
            family: if is_v4 { 2 } else { 10 },
            traffic: self.traffic.map(pair),
            state: self.state.as_deref(),
            secctx: self.secctx.as_deref(),
            helper: self.helper.as_deref(),
            labels: self.labels.as_deref(),
            cause: self.port.map(|port| (port, self.program.as_deref())),
            ..self.text
        })
    }
}

fn happened(word: &[u8]) -> Option<Happened> {
    match word {
        b"NEW" => Some(Happened::New),
        b"UPDATE" => Some(Happened::Update),
        b"DESTROY" => Some(Happened::Destroy),
        _ => None,
    }
}

fn protocol(word: &[u8]) -> Option<u8> {
    Flow::protocol_number(word).or_else(|| unsigned(word)?.try_into().ok())
}

#[expect(clippy::option_option, reason = "an absent address is one of the answers")]
fn address(value: Option<&[u8]>) -> Option<Option<std::net::IpAddr>> {
    value.map_or(Some(None), |value| std::str::from_utf8(value).ok()?.parse().ok().map(Some))
}

/// The bits of a list of names, or of numbers of bits without a name.
fn status(list: &[u8]) -> Option<u32> {
    let words = list.split(|byte| *byte == b',').filter(|word| !word.is_empty());
    words.map(bit).try_fold(0, |bits, bit| Some(bits | 1u32.checked_shl(bit?)?))
}

fn bit(word: &[u8]) -> Option<u32> {
    let named = FlowStatus::NAMES.iter().position(|name| name.as_bytes() == word);
    named.and_then(|place| place.try_into().ok()).or_else(|| unsigned(word)?.try_into().ok())
}

#[expect(clippy::option_option, reason = "an absent moment is one of the answers")]
fn moment(value: Option<&[u8]>, read: fn(&[u8]) -> Option<u64>) -> Option<Option<Moment>> {
    let of = |milliseconds: u64| Moment::Nanoseconds(milliseconds.saturating_mul(1_000_000));
    value.map_or(Some(None), |value| read(value).map(|milliseconds| Some(of(milliseconds))))
}

/// The milliseconds of `1700000000.123`.
fn millis(text: &[u8]) -> Option<u64> {
    let (seconds, fraction) = text.split_at_checked(text.len().checked_sub(4)?)?;
    let fraction = unsigned(fraction.strip_prefix(b".")?)?;
    unsigned(seconds)?.checked_mul(1000)?.checked_add(fraction)
}
