//! What may be around an IP packet: links, tags, labels, sessions, tunnels.

use super::made::{TALK, ethernet, ipv4, ipv6, packet};

/// What is put around an IP packet; the number is its ethertype.
pub type Around = Box<dyn Fn(u16, &[u8]) -> Vec<u8>>;

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ppp(ethertype: u16) -> [u8; 2] {
    [0, if ethertype == 0x0800 { 0x21 } else { 0x57 }]
}

fn session(ethertype: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    bytes(&[&[0x11, 0, 0, 9], &length, &ppp(ethertype), data])
}

fn snap(ethertype: u16, data: &[u8]) -> Vec<u8> {
    bytes(&[&[0xaa, 0xaa, 3, 0, 0, 0], &ethertype.to_be_bytes(), data])
}

fn tagged(ethertype: u16, data: &[u8]) -> Vec<u8> {
    bytes(&[&[0, 5], &ethertype.to_be_bytes(), data])
}

const BOTH: &[&str] = &["tshark", "tcpdump"];
const TSHARK: &[&str] = &["tshark"];
const TCPDUMP: &[&str] = &["tcpdump"];

fn of(around: impl Fn(u16, &[u8]) -> Vec<u8> + 'static) -> Around {
    Box::new(around)
}

/// Frames of Ethernet: what it is, what is put around an IP packet, and who else finds its segments.
pub fn steps() -> Vec<(&'static str, Around, &'static [&'static str])> {
    vec![
        ("session", of(|kind, ip| ethernet(0x8864, &session(kind, ip))), BOTH),
        (
            "session in a VLAN",
            of(|kind, ip| ethernet(0x8100, &tagged(0x8864, &session(kind, ip)))),
            BOTH,
        ),
        ("label", of(|_, ip| ethernet(0x8847, &bytes(&[&[0, 1, 1, 64], ip]))), BOTH),
        (
            "labels",
            of(|_, ip| ethernet(0x8847, &bytes(&[&[0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64], ip]))),
            BOTH,
        ),
        ("multicast label", of(|_, ip| ethernet(0x8848, &bytes(&[&[0, 1, 1, 64], ip]))), BOTH),
        (
            "labels in a session",
            of(|_, ip| {
                let length = (ip.len() as u16 + 6).to_be_bytes();
                let session = [&[0x11, 0, 0, 9][..], &length, &[2, 0x81, 0, 1, 1, 64]].concat();
                ethernet(0x8864, &bytes(&[&session, ip]))
            }),
            TSHARK,
        ),
        (
            "pseudowire",
            of(|kind, ip| {
                let inner = ethernet(kind, ip);
                ethernet(0x8847, &bytes(&[&[0, 1, 1, 64, 0, 0, 0, 0], &inner]))
            }),
            // tshark enters pseudowires only if it is told what they carry.
            &[],
        ),
        ("SNAP", of(|kind, ip| ethernet(ip.len() as u16 + 8, &snap(kind, ip))), BOTH),
        (
            "SNAP in a VLAN",
            of(|kind, ip| ethernet(0x8100, &tagged(ip.len() as u16 + 8, &snap(kind, ip)))),
            BOTH,
        ),
    ]
    .into_iter()
    .chain(tagged_steps())
    .collect()
}

fn tagged_steps() -> Vec<(&'static str, Around, &'static [&'static str])> {
    vec![
        (
            "backbone",
            of(|kind, ip| ethernet(0x88e7, &bytes(&[&[0, 0, 0, 7], &ethernet(kind, ip)]))),
            TSHARK,
        ),
        (
            "backbone in a VLAN",
            of(|kind, ip| {
                let inner = ethernet(0x8100, &tagged(kind, ip));
                ethernet(0x88a8, &tagged(0x88e7, &bytes(&[&[0, 0, 0, 7], &inner])))
            }),
            TSHARK,
        ),
        ("0x9200", of(|kind, ip| ethernet(0x9200, &tagged(kind, ip))), TCPDUMP),
        ("0x9100", of(|kind, ip| ethernet(0x9100, &tagged(kind, ip))), BOTH),
        (
            "three tags",
            of(|kind, ip| {
                let inner = tagged(0x8100, &tagged(kind, ip));
                ethernet(0x9200, &tagged(0x88a8, &inner))
            }),
            TCPDUMP,
        ),
    ]
}

/// An IP packet of a protocol around a tunnel.
fn outer(is_ipv4: bool, protocol: u8, body: &[u8]) -> Vec<u8> {
    let packet = if is_ipv4 {
        ipv4(protocol, [203, 0, 113, 1], [203, 0, 113, 2], body)
    } else {
        ipv6(protocol, 1, 2, body)
    };
    ethernet(if is_ipv4 { 0x0800 } else { 0x86dd }, &packet)
}

/// A UDP datagram to a port.
fn udp(port: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 8).to_be_bytes();
    bytes(&[&[0xc0, 1], &port.to_be_bytes(), &length, &[0, 0], data])
}

fn gre(flags: [u8; 2], kind: u16, more: &[u8]) -> Vec<u8> {
    bytes(&[&flags, &kind.to_be_bytes(), more])
}

/// The tunnels: what it is, and what is put around an IP packet.
pub fn tunnels(is_ipv4: bool) -> Vec<(&'static str, Around)> {
    let of = |protocol: u8, body: fn(u16, &[u8]) -> Vec<u8>| -> Around {
        Box::new(move |kind, ip| outer(is_ipv4, protocol, &body(kind, ip)))
    };
    let ip_in_ip: Around =
        Box::new(move |kind, ip| outer(is_ipv4, if kind == 0x0800 { 4 } else { 41 }, ip));
    vec![
        ("IP in IP", ip_in_ip),
        ("GRE", of(47, |kind, ip| gre([0, 0], kind, ip))),
        (
            "GRE with a key and a number",
            of(47, |kind, ip| gre([0x30, 0], kind, &bytes(&[&[0, 0, 0, 7, 0, 0, 0, 1], ip]))),
        ),
        (
            "bridged GRE",
            of(47, |kind, ip| {
                gre([0x20, 0], 0x6558, &bytes(&[&[0, 0, 1, 7], &ethernet(kind, ip)]))
            }),
        ),
        (
            "PPTP",
            of(47, |kind, ip| {
                let length = (ip.len() as u16 + 4).to_be_bytes();
                let head = bytes(&[&length, &[0, 7, 0, 0, 0, 1], &[0xff, 3], &ppp(kind)]);
                gre([0x30, 1], 0x880b, &bytes(&[&head, ip]))
            }),
        ),
        (
            "ERSPAN",
            of(47, |kind, ip| {
                let head = [0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0];
                gre([0x10, 0], 0x88be, &bytes(&[&head, &ethernet(kind, ip)]))
            }),
        ),
        (
            "VXLAN",
            of(17, |kind, ip| udp(4789, &bytes(&[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(kind, ip)]))),
        ),
        (
            "VXLAN in Linux' own port, with a tag",
            of(17, |kind, ip| {
                let inner = ethernet(0x8100, &tagged(kind, ip));
                udp(8472, &bytes(&[&[8, 0, 0, 0, 0, 0, 7, 0], &inner]))
            }),
        ),
        (
            "GENEVE",
            of(17, |kind, ip| {
                let head = [1, 0, 0x65, 0x58, 0, 0, 7, 0, 0, 0, 0, 0];
                udp(6081, &bytes(&[&head, &ethernet(kind, ip)]))
            }),
        ),
        (
            "GENEVE without Ethernet",
            of(17, |kind, ip| {
                udp(6081, &bytes(&[&[0, 0], &kind.to_be_bytes(), &[0, 0, 7, 0], ip]))
            }),
        ),
    ]
}

/// The frames of the conversation in IPv4 or IPv6, in what is put around its packets.
pub fn talk(is_ipv4: bool, around: &Around) -> Vec<Vec<u8>> {
    let ethertype = if is_ipv4 { 0x0800 } else { 0x86dd };
    TALK.iter().map(|row| around(ethertype, &packet(is_ipv4, *row))).collect()
}
