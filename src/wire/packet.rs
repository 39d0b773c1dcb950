//! Captured frames: from the link's header to the ports (RFC 791, RFC 8200, RFC 9293).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use super::network::LinkType;
pub(crate) use super::network::lan_within;
use super::network::{IPV4, IPV6, Network, be16, may_be_tunnel, network, tunnelled};

/// The headers of an IP packet, as far as they were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How many VLAN tags (802.1Q, 802.1ad) preceded the IP header.
    pub vlan_tags: u8,
    /// A number made of those of its VLANs and its tunnels (VNI): the same addresses may be of other hosts in others. 0 if it
    /// has none.
    pub lan: u32,
    /// The index of the interface if the link's header has it (cooked v2), else 0.
    pub interface: u32,
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The number of the protocol (6 TCP, 17 UDP, 132 SCTP), after the IPv6 extension headers.
    pub protocol: u8,
    /// The identification of an IPv4 packet; 0 for IPv6.
    pub id: u16,
    /// Which part of a packet it is, if it is a fragment.
    pub fragment: Option<Fragment>,
    /// Source and destination port of TCP, UDP, UDP-Lite, DCCP or SCTP; also `None` for any but the first
    /// fragment, and if they were not captured.
    pub ports: Option<(u16, u16)>,
    /// The TCP header; also `None` if its flags were not captured.
    pub tcp: Option<Tcp>,
    /// How many bytes were captured from the IP header on.
    pub captured_bytes: u32,
    /// How many from the transport header on; 0 if that was not captured.
    pub transport_bytes: u32,
    /// Whether fewer bytes were captured than its header announces.
    pub is_cut: bool,
}

/// A part of a packet that was too long for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The number that all parts of a packet have.
    pub id: u32,
    /// Where it begins, in bytes behind the headers of IP.
    pub offset: u32,
    /// How many bytes it has there.
    pub bytes: u32,
    pub is_last: bool,
}

impl Packet {
    /// Whether it is a fragment other than the first.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset > 0)
    }

    /// Whether it may be TCP whose numbers were not captured, or stand in a later fragment.
    ///
    /// `decapsulates` says whether TCP in tunnels is meant, too.
    pub fn hides_tcp(&self, decapsulates: bool) -> bool {
        /// The bytes up to the flags.
        const NUMBERS: u32 = 14;
        let is_part = self.is_cut || self.fragment.is_some();
        self.tcp.is_none()
            && is_part
            && !self.is_later_fragment()
            && match self.protocol {
                TCP => self.transport_bytes < NUMBERS,
                protocol => {
                    let is_tunnel = decapsulates && may_be_tunnel(protocol, self.ports);
                    self.is_cut && (is_extension(protocol) || is_tunnel)
                }
            }
    }
}

/// The fields of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    /// The checksum; 0 if it was not captured.
    pub checksum: u16,
    /// The header's length in bytes, options included.
    pub header_bytes: u8,
    /// The bytes after it, computed from the headers: bytes that were not captured are included.
    pub payload_bytes: u32,
}

/// Reads a captured frame; `None` if it is not an IP packet. Lengths come from the IP header.
#[inline]
pub fn packet(link: LinkType, bytes: &[u8]) -> Option<Packet> {
    read(link, bytes, None)
}

/// The same if the length of the whole frame is known: no packet is then longer than its frame, and a
/// packet without a length field (segmentation offload, also beyond 64 KiB) has the length of the frame.
#[inline]
pub fn packet_of(link: LinkType, bytes: &[u8], original_bytes: u32) -> Option<Packet> {
    read(link, bytes, Some(original_bytes))
}

/// A TCP segment of IPv4 without detours: source and destination address, both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    pub addresses: [Ipv4Addr; 2],
    pub ports: [u16; 2],
    pub id: u16,
    pub tcp: Tcp,
}

/// The same as [`packet_of`] for nearly all frames, in half the time: TCP in IPv4 in Ethernet, without tags, options of IP and
/// fragments. `None` says nothing.
#[inline(always)]
pub fn plain_of(link: LinkType, bytes: &[u8], original_bytes: u32) -> Option<Plain> {
    let head: &[u8; 48] = bytes.first_chunk()?;
    let total = u16::from_be_bytes([head[16], head[17]]);
    let is_plain = link == LinkType::Ethernet
        && head[12..15] == [8, 0, 0x45]
        && (head[20] & 0x3f) | head[21] == 0
        && head[23] == 6;
    if !is_plain || total == 0 {
        return None;
    }
    let length = u32::from(total).min(original_bytes.saturating_sub(14));
    let tcp = tcp(bytes.get(34..)?, length.checked_sub(20)?)?;
    let [_, a, b, c, d, e, f, g, h] = *head[25..].first_chunk()?;
    let addresses = [Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h)];
    let ports = [[head[34], head[35]], [head[36], head[37]]].map(u16::from_be_bytes);
    let id = u16::from_be_bytes([head[18], head[19]]);
    Some(Plain { addresses, ports, id, tcp })
}

/// The same for the packet inside, if the packet is a tunnel (IP in IP, GRE, VXLAN, GENEVE).
#[inline(never)]
pub fn innermost_of(link: LinkType, bytes: &[u8], original_bytes: u32) -> Option<Packet> {
    let mut layer = network(link, bytes, Some(original_bytes))?;
    // Each tunnel takes some bytes, so this ends.
    loop {
        let (packet, transport) = inside(&layer, bytes, Some(original_bytes))?;
        let Some(inner) = tunnelled(packet.protocol, packet.ports, transport) else {
            return Some(packet);
        };
        let lan = if layer.lan == 0 { inner.lan } else { lan_within(layer.lan, inner.lan) };
        layer = Network { lan, interface: layer.interface, ..inner };
    }
}

/// Whether a frame that gives no packet ([`packet_of`], or [`innermost_of`] if `decapsulates`) may be one of TCP whose header
/// of IP was not captured as a whole.
#[cold]
pub fn is_cut_in_ip(link: LinkType, bytes: &[u8], original_bytes: u32, decapsulates: bool) -> bool {
    if count(bytes) >= original_bytes {
        return false;
    }
    let Some(mut layer) = network(link, bytes, Some(original_bytes)) else {
        // No header of IP has room in so few.
        return bytes.len() < 20;
    };
    while let Some((packet, transport)) = inside(&layer, bytes, Some(original_bytes)) {
        match tunnelled(packet.protocol, packet.ports, transport) {
            Some(inner) if decapsulates => layer = inner,
            _ => return false,
        }
    }
    let is_ipv4 = layer.ethertype.map(|ethertype| ethertype == IPV4);
    let is_ipv4 = is_ipv4.or(layer.bytes.first().map(|first| first >> 4 == 4));
    let (whole, protocol) = if is_ipv4 == Some(true) { (20, 9) } else { (40, 6) };
    layer.ethertype.is_none_or(|ethertype| matches!(ethertype, IPV4 | IPV6))
        && layer.bytes.len() < whole
        && layer.bytes.get(protocol).is_none_or(|protocol| {
            let is_tunnel = decapsulates && may_be_tunnel(*protocol, None);
            *protocol == TCP || is_extension(*protocol) || is_tunnel
        })
}

fn read(link: LinkType, bytes: &[u8], original_bytes: Option<u32>) -> Option<Packet> {
    let layer = network(link, bytes, original_bytes)?;
    inside(&layer, bytes, original_bytes).map(|(packet, _)| packet)
}

/// The packet behind the headers of links, and what follows its headers of IP.
fn inside<'a>(
    layer: &Network<'a>,
    bytes: &[u8],
    original_bytes: Option<u32>,
) -> Option<(Packet, &'a [u8])> {
    let link_bytes = bytes.len().saturating_sub(layer.bytes.len());
    let link_bytes = u32::try_from(link_bytes).ok()?;
    let original = original_bytes.map(|original| original.saturating_sub(link_bytes));
    let frame = Frame { bytes: layer.bytes, original };
    let (packet, transport) = match (layer.ethertype, layer.bytes.first()? >> 4) {
        (Some(IPV4) | None, 4) => ipv4(frame),
        (Some(IPV6) | None, 6) => ipv6(frame),
        _ => None,
    }?;
    let Network { vlan_tags, lan, interface, .. } = *layer;
    let captured_bytes = count(layer.bytes);
    Some((Packet { vlan_tags, lan, interface, captured_bytes, ..packet }, transport))
}

/// A frame from its IP header on.
#[derive(Clone, Copy)]
struct Frame<'a> {
    bytes: &'a [u8],
    /// Its length before truncation, if known.
    original: Option<u32>,
}

impl Frame<'_> {
    /// The length of a packet whose IP length is `length`, or 0 if IP does not give one.
    fn length(self, length: u32) -> u32 {
        match (length, self.original) {
            (0, Some(original)) => original,
            (0, None) => u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            (length, original) => length.min(original.unwrap_or(u32::MAX)),
        }
    }

    /// Whether fewer bytes were captured than IP's length.
    fn is_cut(self, length: u32) -> bool {
        let length = if length == 0 { self.original.unwrap_or_default() } else { length };
        length > count(self.bytes)
    }
}

/// The packet, and what follows its headers of IP: nothing in any but the first fragment.
fn ipv4(frame: Frame<'_>) -> Option<(Packet, &[u8])> {
    let header: &[u8; 20] = frame.bytes.first_chunk()?;
    let &[version, _, ab, cd, id, low_id, fragment, offset, _, protocol, _, _, addresses @ ..] =
        header;
    let [a, b, c, d, e, f, g, h] = addresses;
    let header_bytes = u32::from(version & 15).saturating_mul(4);
    let announced = u16::from_be_bytes([ab, cd]).into();
    let total = frame.length(announced);
    let length = total.checked_sub(header_bytes).filter(|_| header_bytes >= 20)?;
    let fragment = u16::from_be_bytes([fragment, offset]);
    let (offset, is_last) =
        (u32::from(fragment & 0x1fff).saturating_mul(8), fragment & 0x2000 == 0);
    let id = u16::from_be_bytes([id, low_id]);
    let part = Fragment { id: id.into(), offset, bytes: length, is_last };
    let packet = Packet {
        vlan_tags: 0,
        lan: 0,
        interface: 0,
        source: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        destination: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
        protocol,
        id,
        fragment: (offset > 0 || !is_last).then_some(part),
        ports: None,
        tcp: None,
        captured_bytes: 0,
        transport_bytes: 0,
        is_cut: frame.is_cut(announced),
    };
    let place = usize::try_from(header_bytes).ok()?;
    let transport = frame.bytes.get(place..).filter(|_| offset == 0).unwrap_or_default();
    Some((with_transport(packet, transport, length), transport))
}

#[inline(never)]
fn ipv6(frame: Frame<'_>) -> Option<(Packet, &[u8])> {
    let (header, rest) = frame.bytes.split_first_chunk::<40>()?;
    let announced = match be16(header, 4)? {
        0 => 0,
        payload => u32::from(payload).saturating_add(40),
    };
    let payload = frame.length(announced).checked_sub(40)?;
    let address = |place| {
        let octets = header.get(place..).and_then(<[u8]>::first_chunk::<16>);
        octets.map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)))
    };
    let packet = Packet {
        vlan_tags: 0,
        lan: 0,
        interface: 0,
        source: address(8)?,
        destination: address(24)?,
        protocol: *header.get(6)?,
        id: 0,
        fragment: None,
        ports: None,
        tcp: None,
        captured_bytes: 0,
        transport_bytes: 0,
        is_cut: frame.is_cut(announced),
    };
    Some(behind_extensions(packet, rest, payload))
}

/// Walks the extension headers (RFC 8200, 4; RFC 4302 for AH): each is at least eight bytes long, so
/// the walk ends.
fn behind_extensions(mut packet: Packet, mut bytes: &[u8], mut length: u32) -> (Packet, &[u8]) {
    while is_extension(packet.protocol) {
        let Some(&[next, units, high, low]) = bytes.first_chunk::<4>() else {
            return (packet, &[]);
        };
        let units = u32::from(units);
        let header_bytes = match packet.protocol {
            FRAGMENT => 8,
            AUTHENTICATION => units.saturating_add(2).saturating_mul(4),
            _ => units.saturating_add(1).saturating_mul(8),
        };
        let place = usize::try_from(header_bytes).unwrap_or(usize::MAX);
        let (Some(rest), Some(left)) = (bytes.get(place..), length.checked_sub(header_bytes))
        else {
            return (packet, &[]);
        };
        let offset_and_more = u16::from_be_bytes([high, low]) & 0xfff9;
        let is_fragment_header = packet.protocol == FRAGMENT;
        packet.protocol = next;
        if is_fragment_header && offset_and_more != 0 {
            let id = bytes.get(4..).and_then(<[u8]>::first_chunk).copied();
            packet.fragment = Some(Fragment {
                id: id.map_or(0, u32::from_be_bytes),
                offset: u32::from(offset_and_more & !1),
                bytes: left,
                is_last: offset_and_more & 1 == 0,
            });
            if packet.is_later_fragment() {
                return (packet, &[]);
            }
        }
        (bytes, length) = (rest, left);
    }
    (with_transport(packet, bytes, length), bytes)
}

const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Whether this is the number of an extension header, behind which TCP may follow.
fn is_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | FRAGMENT | AUTHENTICATION | 60 | 135 | 139 | 140)
}

/// Adds the transport header: `length` bytes according to IP, of which `bytes` were captured, perhaps with
/// foreign bytes after them.
fn with_transport(mut packet: Packet, bytes: &[u8], length: u32) -> Packet {
    packet.transport_bytes = count(bytes);
    // UDP has the shortest header of all.
    let is_whole = length >= 8 && bytes.len() >= 4;
    if !matches!(packet.protocol, TCP | 17 | 33 | 132 | 136) || !is_whole {
        return packet;
    }
    let ports = be16(bytes, 0).zip(be16(bytes, 2));
    let tcp = if packet.protocol == TCP { tcp(bytes, length) } else { None };
    Packet { ports, tcp, ..packet }
}

fn tcp(bytes: &[u8], length: u32) -> Option<Tcp> {
    let &[_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags] = bytes.first_chunk()?;
    let header_bytes = (offset >> 4).saturating_mul(4);
    let payload_bytes = length.checked_sub(header_bytes.into())?;
    (header_bytes >= 20).then_some(Tcp {
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        acknowledgment: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        checksum: be16(bytes, 16).unwrap_or_default(),
        header_bytes,
        payload_bytes,
    })
}

fn count(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP header with four bytes of options, and `payload` bytes.
    fn segment(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x90, 0xc0, 0x01, 0, 0, 1, 2, 0, 0, 3, 4, 0x60, 0x12, 0, 0];
        bytes.resize(24 + payload, 0);
        bytes
    }

    /// An IPv4 packet with `options` (of a length that four divides).
    fn v4(protocol: u8, fragment: u16, options: &[u8], transport: &[u8]) -> Vec<u8> {
        let header_bytes = 20 + options.len();
        let total = (header_bytes + transport.len()) as u16;
        let mut bytes = vec![0x40 | (header_bytes / 4) as u8, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend(options);
        bytes.extend(transport);
        bytes
    }

    /// An IPv6 packet whose extension headers, the last one's next header set, stand in `rest`.
    fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend([next, 64]);
        for last in [1, 2] {
            bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes.extend(rest);
        bytes
    }

    fn tcp_of(link: LinkType, bytes: &[u8]) -> Tcp {
        let packet = packet(link, bytes).unwrap();
        assert_eq!((packet.protocol, packet.ports), (6, Some((8080, 49153))));
        packet.tcp.unwrap()
    }

    const WHOLE: Tcp = Tcp {
        sequence: 0x102,
        acknowledgment: 0x304,
        flags: 0x12,
        checksum: 0,
        header_bytes: 24,
        payload_bytes: 5,
    };

    /// Frames of every link type, each with the same segment.
    fn frames() -> Vec<(LinkType, Vec<u8>)> {
        let four = v4(6, 0x4000, &[], &segment(5));
        let six = v6(6, &segment(5));
        let mut frames = vec![(LinkType::Raw, four.clone()), (LinkType::Raw, six.clone())];
        let link = |header: &[u8], packet: &[u8]| [header, packet].concat();
        for (packet, ethertype, family) in [(&four, [8, 0], 2), (&six, [0x86, 0xdd], 10)] {
            let mac = [2; 12];
            frames.push((LinkType::Ethernet, link(&[&mac[..], &ethertype].concat(), packet)));
            let vlan = [&mac[..], &[0x81, 0, 0, 7], &ethertype].concat();
            frames.push((LinkType::Ethernet, link(&vlan, packet)));
            let qinq = [&mac[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], &ethertype].concat();
            frames.push((LinkType::Ethernet, link(&qinq, packet)));
            let cooked = [&[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], &ethertype].concat();
            frames.push((LinkType::CookedV1, link(&cooked, packet)));
            let cooked = [&ethertype[..], &[0, 0, 0, 0, 0, 9, 3, 4, 0, 6], &[0; 8]].concat();
            frames.push((LinkType::CookedV2, link(&cooked, packet)));
            frames.push((LinkType::Null, link(&[family, 0, 0, 0], packet)));
            frames.push((LinkType::Null, link(&[0, 0, 0, family], packet)));
            frames.push((LinkType::Loop, link(&[0, 0, 0, family], packet)));
            let number = u16::from_be_bytes(ethertype);
            frames.push((LinkType::Network(number), packet.clone()));
            let inner = [&[0, 7][..], &ethertype].concat();
            frames.push((LinkType::Network(0x8100), link(&inner, packet)));
            // As the kernel gives frames with two tags: the inner one is left but not named.
            frames.push((LinkType::Network(number), link(&inner, packet)));
            frames.push((LinkType::Network(0x88a8), packet.clone()));
        }
        frames
    }

    /// What may stand before an IP header of this ethertype: the ethertype that names it, and its bytes.
    fn stepped(ethertype: u16) -> Vec<(u16, Vec<u8>)> {
        let next = ethertype.to_be_bytes();
        let is_ipv4 = ethertype == IPV4;
        let ppp = if is_ipv4 { 0x21 } else { 0x57 };
        let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &next].concat();
        let bridged = [&[2; 12][..], &next].concat();
        let mut all = vec![
            (0x8864, vec![0x11, 0, 0, 9, 0, 90, 0, ppp]),
            (0x8864, vec![0x11, 0, 0x88, 0x64, 0, 90, ppp]),
            (0x8864, vec![0x11, 0, 0, 9, 0, 90, 2, 0x81, 0, 1, 1, 64]),
            (0x8847, vec![0, 1, 1, 64]),
            (0x8848, vec![0, 1, 0, 64, 0xff, 0xff, 0xfe, 64, 0, 0, 1, 1]),
            (0x8847, [&[0, 1, 1, 64, 0, 0, 0, 7][..], &bridged].concat()),
            (0x88e7, [&[0, 0, 0, 7][..], &bridged].concat()),
            (100, snap.clone()),
            (4, snap.clone()),
            (1500, [&[0xaa, 0xaa, 3, 0, 0, 0xf8][..], &next].concat()),
        ];
        if is_ipv4 {
            all.push((100, vec![6, 6, 3]));
        }
        for tag in [0x8100, 0x88a8, 0x9100, 0x9200] {
            all.push((tag, [&[0, 7][..], &next].concat()));
            all.push((tag, [&[0, 7, 0, 100][..], &snap].concat()));
            all.push((tag, [&[0, 7, 0x88, 0x64, 0x11, 0, 0, 9, 0, 90, 0][..], &[ppp]].concat()));
            all.push((tag, vec![0, 7, 0x88, 0x47, 0, 1, 1, 64]));
            all.push((tag, [&[0, 7, 0x88, 0xe7, 0, 0, 0, 7][..], &bridged].concat()));
        }
        all
    }

    /// Frames with something before the IP header, each with the same segment.
    fn stepped_frames() -> Vec<(LinkType, Vec<u8>)> {
        let mut frames = Vec::new();
        for (ethertype, packet) in
            [(IPV4, v4(6, 0x4000, &[], &segment(5))), (IPV6, v6(6, &segment(5)))]
        {
            for (outer, before) in stepped(ethertype) {
                let rest = [&before[..], &packet].concat();
                let number = outer.to_be_bytes();
                let cooked = [&[0; 14][..], &number, &rest].concat();
                let cooked2 = [&number[..], &[0; 18], &rest].concat();
                let ethernet = [&[2; 12][..], &number, &rest].concat();
                frames.push((LinkType::Ethernet, ethernet));
                frames.push((LinkType::CookedV1, cooked));
                frames.push((LinkType::CookedV2, cooked2));
                frames.push((LinkType::Network(outer), rest.clone()));
                if outer > 1500 && !outer.to_be_bytes().starts_with(&[0x91]) {
                    // As the kernel gives frames with two tags.
                    let tagged = [&[0, 7][..], &number, &rest].concat();
                    frames.push((LinkType::Network(outer), tagged));
                }
            }
            // Tagging is left to the kernel.
            let session =
                [&[0x11, 0, 0, 9, 0, 90, if ethertype == IPV4 { 0x21 } else { 0x57 }], &packet[..]];
            frames.push((LinkType::Network(0x8100), session.concat()));
        }
        frames
    }

    /// Tunnels, each with the same segment inside.
    fn tunnels() -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for is_ipv4 in [true, false] {
            let inner = if is_ipv4 { v4(6, 0x4000, &[], &segment(5)) } else { v6(6, &segment(5)) };
            let kind = if is_ipv4 { [8, 0] } else { [0x86, 0xdd] };
            let with = |header: &[u8], more: &[u8]| [header, more, &inner].concat();
            let ethernet = [&[2; 12][..], &kind].concat();
            let tagged = [&[2; 12][..], &[0x81, 0, 0, 5], &kind].concat();
            let udp = |port: u16| [&[1, 1], &port.to_be_bytes()[..], &[0, 99, 0, 0]].concat();
            let gre = |flags: [u8; 2], kind: [u8; 2], rest: usize| {
                [&flags[..], &kind, &vec![9; rest]].concat()
            };
            let ppp = [0xff, 3, 0, if is_ipv4 { 0x21 } else { 0x57 }];
            let vxlan = [8, 0, 0, 0, 0, 0, 7, 0];
            let bodies: Vec<(u8, Vec<u8>)> = vec![
                (if is_ipv4 { 4 } else { 41 }, inner.clone()),
                (137, with(&[0, 1, 1, 64], &[])),
                (47, with(&gre([0, 0], kind, 0), &[])),
                (47, with(&gre([0xb0, 0], kind, 12), &[])),
                (47, with(&gre([0x20, 0], [0x65, 0x58], 4), &ethernet)),
                (47, with(&gre([0x30, 0x81], [0x88, 0x0b], 12), &ppp)),
                (47, with(&gre([0, 0], [0x88, 0xbe], 0), &ethernet)),
                (47, with(&gre([0x10, 0], [0x88, 0xbe], 12), &tagged)),
                (17, with(&[&udp(4789)[..], &vxlan].concat(), &ethernet)),
                (17, with(&[&udp(8472)[..], &vxlan].concat(), &tagged)),
                (17, with(&[&udp(6081)[..], &[0, 0, 0x65, 0x58, 0, 0, 7, 0]].concat(), &ethernet)),
                (17, with(&[&udp(6081)[..], &[2, 0], &kind, &[0, 0, 7, 0]].concat(), &[9; 8])),
            ];
            for (protocol, body) in bodies {
                all.push(v4(protocol, 0x4000, &[], &body));
                all.push(v6(protocol, &body));
                all.push(v6(60, &[&[protocol, 0, 0, 0, 0, 0, 0, 0][..], &body].concat()));
                // A tunnel in a tunnel.
                all.push(v4(47, 0, &[], &[&[0, 0, 0x86, 0xdd][..], &v6(protocol, &body)].concat()));
            }
        }
        all
    }

    #[test]
    fn tunnels_are_entered_where_that_is_wanted() {
        for (place, bytes) in tunnels().into_iter().enumerate() {
            let original = u32::try_from(bytes.len()).unwrap();
            let inner = innermost_of(LinkType::Raw, &bytes, original).unwrap();
            assert_eq!((inner.tcp, inner.ports), (Some(WHOLE), Some((8080, 49153))), "{place}");
            let outer = packet_of(LinkType::Raw, &bytes, original).unwrap();
            assert_eq!((outer.tcp, outer.protocol == 6), (None, false), "{place}");
            let plain = [v4(6, 0, &[], &segment(5)), v6(6, &segment(5))];
            for bytes in plain {
                let whole = packet(LinkType::Raw, &bytes);
                assert_eq!(innermost_of(LinkType::Raw, &bytes, 99), whole);
            }
            for end in 0..bytes.len() {
                let cut = innermost_of(LinkType::Raw, &bytes[..end], original);
                assert!(
                    cut.and_then(|cut| cut.tcp).is_none_or(|tcp| tcp == WHOLE),
                    "{place} {end}"
                );
            }
            for place in 0..bytes.len() {
                for byte in (0..=255).step_by(15) {
                    let mut bad = bytes.clone();
                    bad[place] = byte;
                    let read = innermost_of(LinkType::Raw, &bad, original);
                    let payload = read.and_then(|packet| packet.tcp).map(|tcp| tcp.payload_bytes);
                    assert!(payload.is_none_or(|payload| payload < original));
                }
            }
        }
    }

    #[test]
    fn every_link_type_leads_to_the_same_segment() {
        for (link, bytes) in frames().into_iter().chain(stepped_frames()) {
            assert_eq!(tcp_of(link, &bytes), WHOLE, "{link:?}");
            // Ethernet pads short frames; that is not payload.
            let padded = [&bytes[..], &[0; 9]].concat();
            assert_eq!(tcp_of(link, &padded), WHOLE, "{link:?} padded");
            let original = u32::try_from(padded.len()).unwrap();
            assert_eq!(packet_of(link, &padded, original).unwrap().tcp, Some(WHOLE), "{link:?}");
        }
        let tags = |link| -> Vec<u8> {
            let of = frames().into_iter().filter(|(one, _)| *one == link);
            of.map(|(link, bytes)| packet(link, &bytes).unwrap().vlan_tags).collect()
        };
        assert_eq!(tags(LinkType::Ethernet), [0, 1, 2, 0, 1, 2]);
        assert_eq!(tags(LinkType::Network(0x8100)), [1, 1]);
        // A tag of priority 2 or 3 looks like the version of IP.
        for first in [0x40, 0x45, 0x60] {
            let tagged = [&[first, 7, 8, 0][..], &v4(6, 0, &[], &segment(5))].concat();
            let original = u32::try_from(tagged.len()).unwrap();
            let packet = packet_of(LinkType::Network(IPV4), &tagged, original).unwrap();
            assert_eq!((packet.vlan_tags, packet.tcp), (1, Some(WHOLE)), "{first:x}");
        }
        let (link, bytes) = frames().swap_remove(6);
        assert_eq!((link, packet(link, &bytes).unwrap().interface), (LinkType::CookedV2, 9));
    }

    #[test]
    fn plain_segments_are_those_of_packets() {
        let mut count = 0;
        let check = |link, bytes: &[u8], original| {
            let plain = plain_of(link, bytes, original)?;
            let packet = packet_of(link, bytes, original).unwrap();
            let [source, destination] = plain.addresses.map(IpAddr::V4);
            assert_eq!((source, destination), (packet.source, packet.destination));
            assert_eq!(Some((plain.ports[0], plain.ports[1])), packet.ports);
            assert_eq!((Some(plain.tcp), packet.fragment.is_some()), (packet.tcp, false));
            assert_eq!(packet.vlan_tags, 0);
            Some(())
        };
        for (link, bytes) in frames().into_iter().chain(stepped_frames()) {
            let original = u32::try_from(bytes.len()).unwrap();
            for original in [original, original + 9, original - 1, 60, 54, 53, 14, 0] {
                count += i32::from(check(link, &bytes, original).is_some());
            }
            for end in 0..bytes.len() {
                check(link, &bytes[..end], original);
            }
            for place in 0..bytes.len() {
                for byte in (0..=255).step_by(5) {
                    let mut bad = bytes.clone();
                    bad[place] = byte;
                    check(link, &bad, original);
                }
            }
        }
        assert!(count > 3, "{count}");
    }

    #[test]
    fn the_wrong_family_version_or_ethertype_is_no_packet() {
        for (link, bytes) in [
            (LinkType::Loop, [&[2, 0, 0, 0][..], &v4(6, 0, &[], &segment(0))].concat()),
            (LinkType::Null, [&[0, 0, 0, 7][..], &v4(6, 0, &[], &segment(0))].concat()),
            (LinkType::Network(0x0806), v4(6, 0, &[], &segment(0))),
            // ARP has an ethertype where the tag of another frame has it.
            (LinkType::Network(0x0806), [&[0, 1, 8, 0][..], &v4(6, 0, &[], &[])].concat()),
            (LinkType::Raw, vec![0x50; 60]),
            (LinkType::Raw, vec![0x44; 60]),
        ] {
            assert_eq!(packet(link, &bytes), None, "{link:?}");
        }
    }

    #[test]
    fn options_and_extension_headers_are_walked() {
        assert_eq!(tcp_of(LinkType::Raw, &v4(6, 0, &[1; 40], &segment(5))), WHOLE);
        let hop_by_hop = [43, 0, 5, 2, 0, 0, 0, 0];
        let routing = [51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let authentication = [60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let destination = [44, 0, 1, 4, 0, 0, 0, 0];
        let atomic = [6, 0, 0, 0, 0, 0, 0, 9];
        let all: [&[u8]; 6] =
            [&hop_by_hop, &routing, &authentication, &destination, &atomic, &segment(5)];
        assert_eq!(tcp_of(LinkType::Raw, &v6(0, &all.concat())), WHOLE);
    }

    #[test]
    fn only_first_fragments_have_ports() {
        let of = |bytes: &[u8]| {
            let packet = packet(LinkType::Raw, bytes).unwrap();
            assert_eq!(packet.protocol, 6);
            (packet.fragment.is_some(), packet.ports.is_some(), packet.tcp.is_some())
        };
        assert_eq!(of(&v4(6, 0x4000, &[], &segment(8))), (false, true, true));
        assert_eq!(of(&v4(6, 0x2000, &[], &segment(8))), (true, true, true));
        assert_eq!(of(&v4(6, 0x2001, &[], &segment(8))), (true, false, false));
        assert_eq!(of(&v4(6, 0x0001, &[], &segment(8))), (true, false, false));
        let fragment = |low| [&[6, 0, 0, low, 0, 0, 0, 9][..], &segment(8)].concat();
        assert_eq!(of(&v6(44, &fragment(0))), (false, true, true));
        assert_eq!(of(&v6(44, &fragment(1))), (true, true, true));
        assert_eq!(of(&v6(44, &fragment(9))), (true, false, false));
        assert_eq!(of(&v6(44, &fragment(8))), (true, false, false));
    }

    #[test]
    fn lengths_are_those_of_the_headers_but_no_longer_than_the_frame() {
        let payload = |bytes: &[u8], original| {
            packet_of(LinkType::Raw, bytes, original).unwrap().tcp.unwrap().payload_bytes
        };
        let whole = v4(6, 0, &[], &segment(1000));
        assert_eq!(tcp_of(LinkType::Raw, &whole[..54]).payload_bytes, 1000);
        assert_eq!(payload(&whole[..54], 1044), 1000);
        assert_eq!(payload(&whole[..54], 544), 500);
        let mut offloaded = whole;
        offloaded[2..4].fill(0);
        assert_eq!(payload(&offloaded[..54], 100_044), 100_000);
        assert_eq!(tcp_of(LinkType::Raw, &offloaded).payload_bytes, 1000);
        let jumbo = [&[6, 0, 0xc2, 4, 0, 1, 0, 0][..], &segment(100)].concat();
        let mut jumbo = v6(0, &jumbo);
        jumbo[4..6].fill(0);
        assert_eq!(payload(&jumbo[..100], 72 + 100_000), 100_000);
    }

    #[test]
    fn other_protocols_have_ports_too() {
        for (protocol, ports) in [(17, true), (132, true), (33, true), (136, true), (1, false)] {
            let udp = [0, 53, 1, 0, 0, 8, 0, 0];
            let packet = packet(LinkType::Raw, &v4(protocol, 0, &[], &udp)).unwrap();
            assert_eq!(packet.ports, ports.then_some((53, 256)), "{protocol}");
            assert_eq!((packet.tcp, packet.protocol), (None, protocol));
        }
    }

    #[test]
    fn every_truncation_gives_less_and_never_other() {
        for (link, bytes) in frames().into_iter().chain(stepped_frames()) {
            let whole = packet(link, &bytes).unwrap();
            for end in 0..bytes.len() {
                let Some(cut) = packet(link, &bytes[..end]) else { continue };
                assert_eq!((cut.source, cut.destination), (whole.source, whole.destination));
                assert!(cut.ports.is_none_or(|ports| Some(ports) == whole.ports));
                assert!(cut.tcp.is_none_or(|tcp| tcp == WHOLE), "{link:?} {end}");
            }
        }
    }

    #[test]
    fn no_corruption_panics_or_outgrows_the_frame() {
        let every = frames().into_iter().map(|frame| (frame, 1));
        for ((link, bytes), step) in
            every.chain(stepped_frames().into_iter().map(|frame| (frame, 15)))
        {
            let original = u32::try_from(bytes.len()).unwrap();
            for place in 0..bytes.len() {
                for byte in (0..=255).step_by(step) {
                    let mut bad = bytes.clone();
                    bad[place] = byte;
                    let read = packet_of(link, &bad, original);
                    let payload = read.and_then(|packet| packet.tcp).map(|tcp| tcp.payload_bytes);
                    assert!(payload.is_none_or(|payload| payload < original));
                    let _ = packet(link, &bad);
                }
            }
        }
    }
}
