//! Tracked flows as connections: `--conntrack`.

use crate::error::Error;
use crate::model::{Endpoint, Ends, Flow, FlowFilter};
use crate::source::flows::conntrack::{self, FlowTable};
use crate::sys::{Kernel, Netlink};
use crate::track::tcp::{Counters, State};

/// Reads the TCP flows, one family after the other, since the kernel's filter (Linux 5.8) needs a family.
pub(super) fn read(
    kernel: &mut Netlink,
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    for family in [2, 10] {
        let of_tcp =
            FlowFilter { protocol: Some(TCP), family: Some(family), ..FlowFilter::default() };
        conntrack::matching(kernel, FlowTable::Tracked, &of_tcp, &mut each)?;
    }
    Ok(())
}

const TCP: u8 = 6;

/// The counters of a flow; `None` for another protocol. Bytes are those of whole IP packets.
pub(super) fn counters_of(flow: &Flow<'_>) -> Option<Counters> {
    let Ends::Ports { source, destination } = flow.orig.ends else { return None };
    let end = |address, port| Endpoint { address, port };
    // enum tcp_conntrack (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
    let state = match flow.state? {
        1 | 9 => State::SynSent,
        2 => State::SynAck,
        3 => State::Established,
        4..=6 => State::Closing,
        7 => State::Closed,
        _ => State::Reset,
    };
    let [sent, received] = flow.traffic.map(|traffic| traffic.map(|traffic| traffic.bytes));
    (flow.orig.protocol == TCP).then_some(Counters {
        local: end(flow.orig.source, source),
        remote: end(flow.orig.destination, destination),
        zone: flow.zone.or(flow.orig.zone).unwrap_or_default(),
        flow: Some(flow.id.unwrap_or_default()),
        is_client: Some(true),
        bound: None,
        state,
        sent_bytes_total: sent,
        received_bytes_total: received,
        retransmits_total: None,
        rtt: None,
        idle: None,
        cookie: 0,
        cgroup: 0,
    })
}

/// What is said of flows without counters.
pub(super) const UNCOUNTED: &str = "flows that began while net.netfilter.nf_conntrack_acct was 0 have no counters: their bytes are \
    not known";

/// Whether connection tracking counts bytes in the running kernel.
pub(super) fn has_accounting() -> bool {
    Kernel::default().sysctl("net/netfilter/nf_conntrack_acct").is_none_or(|text| text != b"0")
}
