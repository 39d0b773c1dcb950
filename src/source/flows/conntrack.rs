//! The flows that the kernel tracks, by ctnetlink (net/netfilter/nf_conntrack_netlink.c).

use rustix::io::Errno;

use super::{counters, filter};
use crate::error::Error;
use crate::model::{Ends, Flow, FlowFilter, FlowStatus, Traffic, Tuple};
use crate::source::netlink::{
    self, CTNETLINK, Dumped, Exchange, Failure, Refusal, Subsystem, UNSENT,
};
use crate::sys::{Kernel, Netlink};
use crate::wire::ctnetlink::{self as wire, Entry, attribute};
use crate::wire::netlink::{dump_request, single_request};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowTable {
    #[default]
    Tracked,
    /// Flows that have ended and have not been freed yet.
    Dying,
    /// Flows whose first packet has not left the machine yet.
    Unconfirmed,
}

impl FlowTable {
    fn kind(self) -> u16 {
        let get = match self {
            FlowTable::Tracked => wire::GET,
            FlowTable::Dying => wire::GET_DYING,
            FlowTable::Unconfirmed => wire::GET_UNCONFIRMED,
        };
        wire::FLOWS | get
    }
}

/// Opens a socket to the connection tracking of this thread's network namespace.
///
/// # Errors
/// [`Failure::Refused`]: `PROTONOSUPPORT` if the kernel has no netfilter.
pub fn open() -> Result<Netlink, Failure> {
    // Anyone may open one: if a sandbox or a security module refuses it, no capability would help.
    const OPENING: Subsystem = Subsystem { right: "", ..CTNETLINK };
    Netlink::netfilter().map_err(|errno| OPENING.refused(errno).into())
}

/// Calls `each` with the flows of `table` that pass the kernel's filter: `attributes` of a request for `family`
/// (0 for both). Old kernels ignore attributes that they do not know.
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn flows(
    kernel: &mut impl Exchange,
    table: FlowTable,
    family: u8,
    attributes: &[u8],
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let request = request_for(table, family, attributes);
    netlink::ask(kernel, CTNETLINK, request, |message| Some(each(&flow(message.payload)?)))
}

pub(super) fn request_for(table: FlowTable, family: u8, attributes: &[u8]) -> Vec<u8> {
    let payload = [&wire::head(family, 0), attributes].concat();
    dump_request(table.kind(), UNSENT, &payload)
}

/// Calls `each` with the flows of `table` that match the filter. The kernel filters as far as it can; if it
/// refuses, as old kernels do, it is asked for all flows.
pub fn matching(
    kernel: &mut impl Exchange,
    table: FlowTable,
    filter: &FlowFilter,
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let family = filter.family.unwrap_or(0);
    // The kernel does not filter the other tables.
    let attributes = match table {
        FlowTable::Tracked => filter::attributes(filter),
        FlowTable::Dying | FlowTable::Unconfirmed => Vec::new(),
    };
    let mut matching = |flow: &Flow<'_>| if filter.has(flow) { each(flow) } else { Ok(()) };
    match flows(kernel, table, family, &attributes, &mut matching) {
        Err(Failure::Refused(Refusal {
            errno: Errno::INVAL | Errno::OPNOTSUPP,
            is_partial: false,
            ..
        })) if !attributes.is_empty() => flows(kernel, table, family, &[], matching),
        asked => asked,
    }
}

/// Calls `each` with the one flow whose tuple `attributes` hold.
///
/// # Errors
/// [`Failure`]: `NOENT` if there is no such flow.
pub fn flow_of(
    kernel: &mut impl Exchange,
    family: u8,
    attributes: &[u8],
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<(), Failure> {
    let payload = [&wire::head(family, 0), attributes].concat();
    let request = single_request(wire::FLOWS | wire::GET, UNSENT, &payload);
    netlink::ask(kernel, CTNETLINK, request, |message| Some(each(&flow(message.payload)?)))
        .map(|_| ())
}

/// How full the flow table of a namespace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Flows of both families, including those that have ended and have not been freed yet.
    pub entries: u64,
    /// The maximum; `None` before Linux 5.13, and 0 for no limit.
    pub limit: Option<u64>,
}

/// The number of flows and its limit, both read at the same moment.
///
/// # Errors
/// [`Failure::Refused`]: `PERM` without CAP_NET_ADMIN.
pub fn fill(kernel: &mut impl Exchange) -> Result<Fill, Failure> {
    const ENTRIES: u16 = 1;
    const MOST: u16 = 2;
    let request = single_request(wire::FLOWS | wire::GET_STATS, UNSENT, &wire::head(0, 0));
    let mut fill = None;
    netlink::ask(kernel, CTNETLINK, request, |message| {
        let entry = wire::entry(message.payload)?;
        let entries = entry.word(ENTRIES)?.into();
        fill = Some(Fill { entries, limit: entry.word(MOST).map(Into::into) });
        Some(Ok(()))
    })?;
    fill.ok_or_else(|| CTNETLINK.refused(Errno::BADMSG).into())
}

/// Why a table may hold no flow.
pub const UNTRACKED: &str =
    "no flow is tracked: possibly no rule of this network namespace uses connection tracking";

/// The number of flows and its limit from files that anyone may read; `None` without connection tracking.
pub fn fill_of_proc(kernel: &Kernel) -> Option<Fill> {
    // A user namespace may hide the first file.
    let entries =
        number_of_proc(kernel, COUNT_FILE).or_else(|| counters::entries_of_proc(kernel))?;
    Some(Fill { entries, limit: number_of_proc(kernel, LIMIT_FILE) })
}

/// Whether nothing tracks connections: a kernel that does has these files.
pub fn is_off(kernel: &Kernel) -> bool {
    let files = [kernel.sysctl_path(COUNT_FILE), kernel.net_path(counters::FILE)];
    kernel.sysctl_path("net").exists() && !files.iter().any(|file| file.exists())
}

/// The file with the number of flows, below /proc/sys.
pub const COUNT_FILE: &str = "net/netfilter/nf_conntrack_count";
/// The file with the limit.
pub const LIMIT_FILE: &str = "net/netfilter/nf_conntrack_max";
const BUCKETS_FILE: &str = "net/netfilter/nf_conntrack_buckets";

/// The number of buckets of the machine's table.
pub fn buckets(kernel: &Kernel) -> Option<u64> {
    number_of_proc(kernel, BUCKETS_FILE)
}

fn number_of_proc(kernel: &Kernel, file: &str) -> Option<u64> {
    crate::wire::text::unsigned(&kernel.sysctl(file)?)
}

/// Reads the flow in a payload; `None` for an unknown shape.
#[inline]
pub fn flow(payload: &[u8]) -> Option<Flow<'_>> {
    let entry = wire::entry(payload)?;
    let tuple_of = |kind| entry.bytes(kind).and_then(|bytes| tuple(&wire::tuple(bytes)));
    let orig = tuple_of(attribute::TUPLE_ORIG)?;
    let reply = tuple_of(attribute::TUPLE_REPLY)?;
    let (state, vtags) = entry.bytes(attribute::PROTOINFO).map_or((None, None), protocol_state);
    Some(Flow {
        family: entry.family,
        orig,
        reply,
        master: tuple_of(attribute::TUPLE_MASTER),
        status: entry.word(attribute::STATUS).map(FlowStatus),
        untold: FlowStatus(0),
        timeout_seconds: entry.word(attribute::TIMEOUT),
        state,
        vtags,
        traffic: [attribute::COUNTERS_ORIG, attribute::COUNTERS_REPLY]
            .map(|kind| traffic(&entry, kind)),
        mark: entry.word(attribute::MARK),
        secmark: entry.word(attribute::SECMARK),
        secctx: entry.nested(attribute::SECCTX, 1).map(text),
        zone: entry.half(attribute::ZONE),
        id: entry.word(attribute::ID),
        uses: entry.word(attribute::USE),
        start_nanoseconds: entry.nested(attribute::TIMESTAMP, 1).and_then(wire::long),
        stop_nanoseconds: entry.nested(attribute::TIMESTAMP, 2).and_then(wire::long),
        age_seconds: None,
        event_nanoseconds: entry.bytes(attribute::TIMESTAMP_EVENT).and_then(wire::long),
        helper: entry.nested(attribute::HELP, 1).map(text),
        labels: entry.bytes(attribute::LABELS),
    })
}

/// The tuple of a view; `None` without addresses.
#[inline]
pub fn tuple(view: &wire::Tuple) -> Option<Tuple> {
    const ICMP: u8 = 1;
    const ICMPV6: u8 = 58;
    const GRE: u8 = 47;
    let is_typeless = view.icmp == [None; 2] && view.icmp_id.is_none();
    let ends = match (view.protocol, view.ports) {
        // The kernel always tells it; XML of conntrack-tools never does.
        (ICMP | ICMPV6, _) if is_typeless => Ends::None,
        (ICMP | ICMPV6, _) => Ends::Icmp {
            kind: view.icmp[0].unwrap_or_default(),
            code: view.icmp[1].unwrap_or_default(),
            id: view.icmp_id.unwrap_or_default(),
        },
        (_, [None, None]) => Ends::None,
        (protocol, [source, destination]) => {
            let (source, destination) = (source.unwrap_or(0), destination.unwrap_or(0));
            match protocol {
                GRE => Ends::Keys { source, destination },
                _ => Ends::Ports { source, destination },
            }
        }
    };
    let (source, destination) = (view.source?, view.destination?);
    Some(Tuple { source, destination, protocol: view.protocol, ends, zone: view.zone })
}

/// The state of TCP, DCCP or SCTP, and the verification tags of SCTP.
#[inline]
fn protocol_state(bytes: &[u8]) -> (Option<u8>, Option<[u32; 2]>) {
    // CTA_PROTOINFO_TCP, _DCCP and _SCTP; in each, attribute 1 is the state.
    let Some((kind, inner)) =
        [1, 2, 3].into_iter().find_map(|kind| Some((kind, wire::find(bytes, kind)?)))
    else {
        return (None, None);
    };
    let state = wire::find(inner, 1).and_then(|value| value.first().copied());
    let vtag = |number| wire::find(inner, number).and_then(wire::word);
    let vtags =
        if kind == 3 { vtag(2).zip(vtag(3)).map(|(orig, reply)| [orig, reply]) } else { None };
    (state, vtags)
}

#[inline]
fn traffic(entry: &Entry<'_>, kind: u16) -> Option<Traffic> {
    let bytes = entry.bytes(kind)?;
    // CTA_COUNTERS_PACKETS and _BYTES, then their older 32-bit forms.
    let number =
        |kind, old| wire::find(bytes, kind).or_else(|| wire::find(bytes, old)).and_then(wire::long);
    Some(Traffic { packets: number(1, 3)?, bytes: number(2, 4)? })
}

/// The text without its terminating NUL.
#[inline]
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}
