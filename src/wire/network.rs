//! What stands between the first header of a frame and an IP header: links, tags, labels, sessions, tunnels.

/// The link-layer header of a captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header, VLAN tags and all.
    Ethernet,
    /// `struct sll_header`: Linux "cooked", as tcpdump writes it for `-i any`.
    CookedV1,
    /// `struct sll2_header`: the form of newer tcpdumps, with the interface's index.
    CookedV2,
    /// An IP header; its version says which.
    Raw,
    /// Four bytes of address family in the byte order of the machine that captured.
    Null,
    /// Four bytes of address family, big-endian.
    Loop,
    /// From an AF_PACKET socket of type SOCK_DGRAM: the header of this ethertype.
    Network(u16),
}

impl LinkType {
    /// The link type of a number in a pcap file (https://www.tcpdump.org/linktypes.html).
    pub fn from_number(number: u32) -> Option<LinkType> {
        Some(match number {
            0 => LinkType::Null,
            1 => LinkType::Ethernet,
            // 12 and 14 were DLT_RAW on some systems; 228 and 229 are IPv4 and IPv6 only.
            12 | 14 | 101 | 228 | 229 => LinkType::Raw,
            108 => LinkType::Loop,
            113 => LinkType::CookedV1,
            276 => LinkType::CookedV2,
            _ => return None,
        })
    }
}

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const MPLS: u16 = 0x8847;
const PPPOE: u16 = 0x8864;
const PPP: u16 = 0x880b;
const BRIDGED: u16 = 0x6558;

/// The data behind the headers of links.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network<'a> {
    /// `None` if the link does not say.
    pub ethertype: Option<u16>,
    pub vlan_tags: u8,
    pub lan: u32,
    pub interface: u32,
    pub bytes: &'a [u8],
}

pub(super) fn network(link: LinkType, bytes: &[u8], original: Option<u32>) -> Option<Network<'_>> {
    let plain = |bytes| Network { ethertype: None, vlan_tags: 0, lan: 0, interface: 0, bytes };
    match link {
        LinkType::Ethernet => ethernet(bytes),
        LinkType::CookedV1 => behind(be16(bytes, 14)?, bytes.get(16..)?),
        LinkType::CookedV2 => {
            let interface = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
            Some(Network { interface, ..behind(be16(bytes, 0)?, bytes.get(20..)?)? })
        }
        LinkType::Network(ethertype) => behind_socket(ethertype, bytes, original),
        LinkType::Raw => Some(plain(bytes)),
        LinkType::Null | LinkType::Loop => {
            let (family, rest) = bytes.split_first_chunk::<4>()?;
            let is_null = link == LinkType::Null;
            let is_ip = is_ip_family(u32::from_be_bytes(*family))
                || is_null && is_ip_family(u32::from_le_bytes(*family));
            is_ip.then_some(plain(rest))
        }
    }
}

/// Whether a number is AF_INET or AF_INET6 on any system: Linux 10, NetBSD and OpenBSD 24, FreeBSD 28,
/// macOS 30.
fn is_ip_family(number: u32) -> bool {
    matches!(number, 2 | 10 | 24 | 28 | 30)
}

/// The data of an AF_PACKET socket. For an incoming frame, the kernel removes one tag and gives the
/// ethertype after the next tag, which it keeps (seen with Linux 6.18); for an outgoing frame it may give
/// that of the tag, whether or not the tag is present. So the bytes decide.
fn behind_socket(ethertype: u16, bytes: &[u8], original: Option<u32>) -> Option<Network<'_>> {
    let [first, second] = *bytes.first_chunk()?;
    let is_session = first == 0x11 && second == 0;
    let inner = be16(bytes, 2)?;
    if !is_tag(ethertype) && !matches!(ethertype, IPV4 | IPV6) {
        let is_tagged = inner == ethertype && !is_session;
        return behind(if is_tagged { VLAN } else { ethertype }, bytes);
    }
    let length = match (ethertype, first >> 4) {
        (IPV4, 4) => Some(u32::from(inner)),
        (IPV6, 6) => be16(bytes, 4).map(|payload| u32::from(payload).saturating_add(40)),
        _ => None,
    };
    let is_ip = length.is_some_and(|length| original.is_none_or(|original| length <= original));
    let is_known = is_tag(inner) || matches!(inner, IPV4 | IPV6 | PPPOE | MPLS | 0x8848 | 0x88e7);
    if !is_ip && (is_known || inner <= MOST_LENGTH && bytes.get(4) == Some(&0xaa)) {
        return behind(VLAN, bytes);
    }
    if is_tag(ethertype) && is_session {
        return behind(PPPOE, bytes);
    }
    Some(Network { ethertype: None, vlan_tags: 0, lan: 0, interface: 0, bytes })
}

/// Whether a VLAN tag follows: 802.1Q, 802.1ad (QinQ), or the earlier ethertypes for the latter.
fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, VLAN | 0x88a8 | 0x9100 | 0x9200)
}

/// The highest number in a type field that is a length (IEEE 802.3).
const MOST_LENGTH: u16 = 1500;

fn ethernet(bytes: &[u8]) -> Option<Network<'_>> {
    behind(be16(bytes, 12)?, bytes.get(14..)?)
}

#[inline]
fn behind(ethertype: u16, bytes: &[u8]) -> Option<Network<'_>> {
    match ethertype {
        IPV4 | IPV6 => {
            Some(Network { ethertype: Some(ethertype), vlan_tags: 0, lan: 0, interface: 0, bytes })
        }
        _ => step_over(ethertype, bytes),
    }
}

/// Steps over what may stand before an IP header. Each step takes some bytes, so this ends.
#[inline(never)]
fn step_over(mut ethertype: u16, mut bytes: &[u8]) -> Option<Network<'_>> {
    let (mut vlan_tags, mut lan) = (0u8, 0);
    while !matches!(ethertype, IPV4 | IPV6) {
        (ethertype, bytes) = match ethertype {
            tag if is_tag(tag) => {
                vlan_tags = vlan_tags.saturating_add(1);
                lan = lan_within(lan, u32::from(be16(bytes, 0)? & 0xfff));
                (be16(bytes, 2)?, bytes.get(4..)?)
            }
            PPPOE if bytes.starts_with(&[0x11, 0]) => (PPP, bytes.get(6..)?),
            PPP => point_to_point(bytes)?,
            MPLS | 0x8848 => labels(bytes)?,
            // 802.1ah: a number of the service, and the frame of the customer.
            0x88e7 => (BRIDGED, bytes.get(4..)?),
            BRIDGED => (be16(bytes, 12)?, bytes.get(14..)?),
            // LLC with SNAP (RFC 1042, 802.1H), or with IP itself. AF_PACKET sockets and cooked captures give the type 4.
            ..=MOST_LENGTH => match bytes {
                [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, ..] => (be16(bytes, 6)?, bytes.get(8..)?),
                [6, 6, 3, ..] => (IPV4, bytes.get(3..)?),
                _ => return None,
            },
            _ => break,
        };
    }
    Some(Network { ethertype: Some(ethertype), vlan_tags, lan, interface: 0, bytes })
}

/// Steps over the header of PPP (RFC 1661): the number of the protocol takes one byte if it is odd.
fn point_to_point(bytes: &[u8]) -> Option<(u16, &[u8])> {
    // The address and control fields of HDLC, where there are any.
    let bytes = bytes.strip_prefix(&[0xff, 3]).unwrap_or(bytes);
    let (first, rest) = bytes.split_first()?;
    let (number, rest) = match first & 1 {
        1 => (u16::from(*first), rest),
        _ => (be16(bytes, 0)?, bytes.get(2..)?),
    };
    let ethertype = match number {
        0x21 => IPV4,
        0x57 => IPV6,
        0x281 | 0x283 => MPLS,
        _ => return None,
    };
    Some((ethertype, rest))
}

/// Steps over a stack of MPLS labels (RFC 3032), which does not say what follows: its first bits do. A zero begins the control
/// word of a pseudowire (RFC 4385), which carries Ethernet.
fn labels(mut bytes: &[u8]) -> Option<(u16, &[u8])> {
    loop {
        let (label, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        if label[2] & 1 == 1 {
            break;
        }
    }
    match bytes.first()? >> 4 {
        4 => Some((IPV4, bytes)),
        6 => Some((IPV6, bytes)),
        0 => Some((BRIDGED, bytes.get(4..)?)),
        _ => None,
    }
}

/// What an IP packet of this protocol carries if it is a tunnel, with what follows its header: IP in IP, GRE, MPLS in IP and, in UDP
/// to their ports, VXLAN and GENEVE.
pub(super) fn tunnelled(
    protocol: u8,
    ports: Option<(u16, u16)>,
    bytes: &[u8],
) -> Option<Network<'_>> {
    match (protocol, ports) {
        (4, _) => behind(IPV4, bytes),
        (41, _) => behind(IPV6, bytes),
        (47, _) => generic(bytes),
        (137, _) => behind(MPLS, bytes),
        // The second is the port of Linux if none was named.
        (17, Some((_, 4789 | 8472))) => {
            let is_valid = bytes.get(8)? & 8 != 0;
            if is_valid { within(bytes, ethernet(bytes.get(16..)?)) } else { None }
        }
        (17, Some((_, 6081))) => {
            let (first, kind) = (*bytes.get(8)?, be16(bytes, 10)?);
            let options = usize::from(first & 0x3f).saturating_mul(4);
            let rest = bytes.get(16..)?.get(options..)?;
            if first >> 6 == 0 { within(bytes, behind(kind, rest)) } else { None }
        }
        _ => None,
    }
}

/// Whether [`tunnelled`] reads packets of this protocol, or may read them where the ports are not known.
pub(super) fn may_be_tunnel(protocol: u8, ports: Option<(u16, u16)>) -> bool {
    let is_port = ports.is_none_or(|(_, port)| matches!(port, 4789 | 8472 | 6081));
    matches!(protocol, 4 | 41 | 47 | 137) || protocol == 17 && is_port
}

/// What VXLAN or GENEVE carries, with the number of its network (VNI).
fn within<'a>(bytes: &[u8], inner: Option<Network<'a>>) -> Option<Network<'a>> {
    let [high, middle, low, _] = *bytes.get(12..)?.first_chunk()?;
    let inner = inner?;
    let lan = lan_within(u32::from_be_bytes([1, high, middle, low]), inner.lan);
    Some(Network { lan, ..inner })
}

/// A number for the network of this number within another one; 0 is the one without tags.
pub(crate) fn lan_within(outer: u32, number: u32) -> u32 {
    outer.wrapping_mul(0x9e37_79b1) ^ number.wrapping_add(1)
}

/// Steps over a GRE header (RFC 2784, RFC 2890), also that of PPTP (RFC 2637) and of mirrored traffic (ERSPAN).
fn generic(bytes: &[u8]) -> Option<Network<'_>> {
    const SEQUENCE: u16 = 0x1000;
    let (flags, kind) = (be16(bytes, 0)?, be16(bytes, 2)?);
    // Checksum, key, sequence; and in version 1 an acknowledgment.
    let fields = match flags & 0x4007 {
        0 => flags & (0xa000 | SEQUENCE),
        1 => flags & (0x2080 | SEQUENCE),
        _ => return None,
    };
    let length = fields.count_ones().saturating_add(1).saturating_mul(4);
    let rest = bytes.get(usize::try_from(length).ok()?..)?;
    match kind {
        // Without a sequence number, the first form has no header of its own.
        0x88be if flags & SEQUENCE == 0 => ethernet(rest),
        0x88be => ethernet(rest.get(8..)?),
        kind => behind(kind, rest),
    }
}

pub(super) fn be16(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}
