//! One flow of the kernel's connection tracking table (net/netfilter/nf_conntrack_netlink.c).

use std::net::{IpAddr, Ipv4Addr};

/// What a transport protocol adds to the addresses of a tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ends {
    /// Nothing: a protocol that the kernel does not know.
    #[default]
    None,
    /// The ports of TCP, UDP, UDP-Lite, SCTP and DCCP.
    Ports { source: u16, destination: u16 },
    /// ICMP and ICMPv6.
    Icmp {
        /// The type of the message.
        kind: u8,
        code: u8,
        /// The identifier of an echo.
        id: u16,
    },
    /// The keys of GRE.
    Keys {
        /// The key of this direction.
        source: u16,
        /// The key of the other direction.
        destination: u16,
    },
}

/// One direction of a flow: the source and destination of its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The transport protocol's number.
    pub protocol: u8,
    /// Its ports and the like.
    pub ends: Ends,
    /// The zone of this direction only.
    pub zone: Option<u16>,
}

impl Default for Tuple {
    fn default() -> Tuple {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let ends = Ends::None;
        Tuple { source: nowhere, destination: nowhere, protocol: 0, ends, zone: None }
    }
}

/// The accounting of one direction (net.netfilter.nf_conntrack_acct).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets: u64,
    /// Bytes, headers of the network layer included.
    pub bytes: u64,
}

/// The bits of a flow's status (include/uapi/linux/netfilter/nf_conntrack_common.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStatus(pub u32);

impl FlowStatus {
    /// Another flow announced this one.
    pub const EXPECTED: FlowStatus = FlowStatus(1);
    /// Packets went both ways.
    pub const SEEN_REPLY: FlowStatus = FlowStatus(1 << 1);
    /// It is not dropped early when the table is full.
    pub const ASSURED: FlowStatus = FlowStatus(1 << 2);
    /// Its first packet has left the machine.
    pub const CONFIRMED: FlowStatus = FlowStatus(1 << 3);
    /// Source NAT is decided, possibly for no translation.
    pub const SRC_NAT_DONE: FlowStatus = FlowStatus(1 << 7);
    /// Destination NAT is decided, likewise.
    pub const DST_NAT_DONE: FlowStatus = FlowStatus(1 << 8);
    /// It is being removed.
    pub const DYING: FlowStatus = FlowStatus(1 << 9);
    /// Its timeout does not change.
    pub const FIXED_TIMEOUT: FlowStatus = FlowStatus(1 << 10);
    /// A flow table carries its packets.
    pub const OFFLOAD: FlowStatus = FlowStatus(1 << 14);
    /// The hardware carries its packets.
    pub const HW_OFFLOAD: FlowStatus = FlowStatus(1 << 15);

    /// The names of the bits, from bit 0 on.
    pub const NAMES: [&str; 16] = [
        "EXPECTED",
        "SEEN_REPLY",
        "ASSURED",
        "CONFIRMED",
        "SRC_NAT",
        "DST_NAT",
        "SEQ_ADJUST",
        "SRC_NAT_DONE",
        "DST_NAT_DONE",
        "DYING",
        "FIXED_TIMEOUT",
        "TEMPLATE",
        "UNTRACKED",
        "HELPER",
        "OFFLOAD",
        "HW_OFFLOAD",
    ];

    /// Whether all bits of `other` are set.
    pub fn has(self, other: FlowStatus) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What happened to a flow or an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    New,
    Update,
    Destroy,
}

/// A flow from a dump or an event; what the kernel did not report is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow<'a> {
    /// The number of the address family: 2 AF_INET, 10 AF_INET6.
    pub family: u8,
    /// The direction of the first packet.
    pub orig: Tuple,
    /// The direction of the replies: with NAT not simply the reverse.
    pub reply: Tuple,
    /// The flow that announced this one.
    pub master: Option<Tuple>,
    pub status: Option<FlowStatus>,
    /// The bits of the status that a saved text does not tell; none if the kernel gave it.
    pub untold: FlowStatus,
    /// The time in seconds until it ends, unless another packet comes.
    pub timeout_seconds: Option<u32>,
    /// The number of the state of TCP, SCTP or DCCP: each has its own; see [`Flow::state_name`].
    pub state: Option<u8>,
    /// The verification tags of SCTP, original and reply.
    pub vtags: Option<[u32; 2]>,
    /// The packets and bytes of the original and the reply direction.
    pub traffic: [Option<Traffic>; 2],
    /// The mark of nftables and iptables.
    pub mark: Option<u32>,
    /// The mark of a security module.
    pub secmark: Option<u32>,
    /// The name of the security context.
    pub secctx: Option<&'a [u8]>,
    /// The zone of both directions.
    pub zone: Option<u16>,
    /// A number that identifies it as long as it exists.
    pub id: Option<u32>,
    /// The kernel's reference count.
    pub uses: Option<u32>,
    /// When it began, in nanoseconds since 1970 (net.netfilter.nf_conntrack_timestamp).
    pub start_nanoseconds: Option<u64>,
    /// When it ended, likewise.
    pub stop_nanoseconds: Option<u64>,
    /// How old it was when a text was saved that does not say when it began.
    pub age_seconds: Option<u64>,
    /// When the event happened, likewise; since Linux 6.14.
    pub event_nanoseconds: Option<u64>,
    /// The name of its helper: ftp, sip, ….
    pub helper: Option<&'a [u8]>,
    /// Its labels, bit 0 the lowest bit of the first byte.
    pub labels: Option<&'a [u8]>,
}

/// Transport protocols that connection tracking knows, by number.
const PROTOCOLS: [(u8, &str); 8] = [
    (6, "tcp"),
    (17, "udp"),
    (1, "icmp"),
    (58, "icmpv6"),
    (132, "sctp"),
    (33, "dccp"),
    (47, "gre"),
    (136, "udplite"),
];

/// The names of these.
pub const PROTOCOL_NAMES: [&str; PROTOCOLS.len()] = {
    let mut names = [""; PROTOCOLS.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = PROTOCOLS[place].1;
        place += 1;
    }
    names
};

/// More transport protocols, as /etc/protocols names them.
const MORE_PROTOCOLS: [(u8, &str); 14] = [
    (0, "ip"),
    (2, "igmp"),
    (4, "ipencap"),
    (8, "egp"),
    (27, "rdp"),
    (41, "ipv6"),
    (46, "rsvp"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (115, "l2tp"),
];

/// The states of TCP (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
pub const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// The states of SCTP (nf_conntrack_sctp.h).
pub const SCTP_STATES: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

/// The states of DCCP (include/linux/dccp.h of old kernels).
pub const DCCP_STATES: [&str; 10] = [
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
    "INVALID",
];

impl Flow<'_> {
    /// The name of a transport protocol; `None` if connection tracking does not know it.
    pub fn protocol_name(protocol: u8) -> Option<&'static str> {
        PROTOCOLS.iter().find(|(number, _)| *number == protocol).map(|(_, name)| *name)
    }

    /// The number of the transport protocol with this name, which may come from /etc/protocols.
    pub fn protocol_number(name: &[u8]) -> Option<u8> {
        let mut all = PROTOCOLS.iter().chain(&MORE_PROTOCOLS);
        all.find(|(_, known)| known.as_bytes() == name).map(|(number, _)| *number)
    }

    /// The number of a transport protocol's state, by name.
    pub fn state_number(protocol: u8, name: &[u8]) -> Option<u8> {
        // Linux before 2.6.31 called SYN_SENT2 LISTEN.
        let name = if protocol == 6 && name == b"LISTEN" { b"SYN_SENT2" } else { name };
        let mut states = (0..).zip(Self::states_of(protocol));
        states.find(|(_, known)| known.as_bytes() == name).map(|(number, _)| number)
    }

    /// The names of the states of a transport protocol, by number; empty if it has none.
    pub fn states_of(protocol: u8) -> &'static [&'static str] {
        match protocol {
            6 => &TCP_STATES,
            132 => &SCTP_STATES,
            33 => &DCCP_STATES,
            _ => &[],
        }
    }

    /// The name of its state, `NONE` for a number that has none; `None` without a state.
    pub fn state_name(&self) -> Option<&'static str> {
        let state = self.state?;
        let names = Flow::states_of(self.orig.protocol);
        names.get(usize::from(state)).or(names.first()).copied()
    }

    /// Whether the status has all bits of `bits`.
    pub fn has(&self, bits: FlowStatus) -> bool {
        self.status.is_some_and(|status| status.has(bits))
    }

    /// Whether the status, as far as it is told, says that this NAT is decided.
    pub fn is_done(&self, bit: FlowStatus) -> bool {
        self.status.is_none_or(|status| status.has(bit)) || self.untold.has(bit)
    }

    /// Whether the source address was translated. The status decides: conntrack can insert flows whose
    /// reply goes elsewhere without a translation.
    pub fn is_source_translated(&self) -> bool {
        self.is_done(FlowStatus::SRC_NAT_DONE) && self.reply.destination != self.orig.source
    }

    /// Whether the destination address was translated.
    pub fn is_destination_translated(&self) -> bool {
        self.is_done(FlowStatus::DST_NAT_DONE) && self.reply.source != self.orig.destination
    }
}
