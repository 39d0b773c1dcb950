//! Flows as text: what conntrack-tools, connbox and /proc/net/nf_conntrack print, one line per flow or event.
//!
//! Each line says by itself which form it has, so that saved texts may stand behind one another in one file.

mod cursor;
mod expect;
mod plain;
mod save;
mod xml;

use cursor::{Cursor, hex};
pub use expect::{ExpectText, expectation};

use super::ctnetlink::Tuple;
use super::text;

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `tcp      6 431981 ESTABLISHED src=`, with or without `-o extended` and the like.
    #[default]
    Plain,
    /// A line of /proc/net/nf_conntrack that shows itself as one.
    Proc,
    /// `-o save`.
    Save,
    /// `-o xml`.
    Xml,
    /// A row of connbox.
    Row,
}

/// What happened to the flow of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    New,
    Update,
    Destroy,
}

/// A moment, as the text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nanoseconds since 1970.
    Nanoseconds(u64),
    /// Local time of an unknown zone: year, month from 1, day, hour, minute, second.
    Local([u16; 6]),
}

/// The bits of a flow's status that texts have words for.
pub mod status {
    pub const EXPECTED: u32 = 1;
    pub const SEEN_REPLY: u32 = 1 << 1;
    pub const ASSURED: u32 = 1 << 2;
    pub const SRC_NAT_DONE: u32 = 1 << 7;
    pub const DST_NAT_DONE: u32 = 1 << 8;
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
    pub const OFFLOAD: u32 = 1 << 14;
    pub const HW_OFFLOAD: u32 = 1 << 15;

    /// What a plain line tells.
    pub const OF_TEXT: u32 = SEEN_REPLY | ASSURED | OFFLOAD | HW_OFFLOAD;
}

/// A flow, or an event of one, as a line of text has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowText<'a> {
    pub form: Form,
    /// What the event reports; of `-o save`, whose lists look like new flows, [`Happened::New`].
    pub happened: Option<Happened>,
    /// When the event happened.
    pub when: Option<Moment>,
    /// 2 for IPv4, 10 for IPv6.
    pub family: u8,
    /// The original and the reply direction.
    pub tuples: [Tuple; 2],
    /// Packets and bytes of both directions.
    pub traffic: [Option<[u64; 2]>; 2],
    pub timeout_seconds: Option<u32>,
    pub state: Option<&'a [u8]>,
    pub vtags: Option<[u32; 2]>,
    /// The bits of the status that are set; see [`status`].
    pub status: u32,
    /// The bits of the status that the text tells, set or not.
    pub told: u32,
    pub mark: Option<u32>,
    pub secmark: Option<u32>,
    pub secctx: Option<&'a [u8]>,
    pub zone: Option<u16>,
    pub age_seconds: Option<u64>,
    pub start: Option<Moment>,
    pub stop: Option<Moment>,
    pub helper: Option<&'a [u8]>,
    pub uses: Option<u32>,
    pub id: Option<u32>,
    /// The names of its labels, between commas; in XML with their tags.
    pub labels: Option<&'a [u8]>,
    /// The netlink port of the program whose request caused the event, and the program's name.
    pub cause: Option<(u32, Option<&'a [u8]>)>,
    /// Whether connbox derived the event from a dump.
    pub is_synthetic: bool,
}

/// A line of such a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all lines are flows, and none is kept")]
pub enum Line<'a> {
    Flow(FlowText<'a>),
    /// How many flows, or events of flows, the tool says that it has printed.
    Count(u64),
    /// How many expectations.
    Expectations(u64),
    /// What the tool said of events that were lost: how many, 0 if it did not say.
    Lost(u64),
    /// Another message of the tool.
    Message(&'a [u8]),
    /// The beginning of an XML document.
    Head,
    /// The end of one.
    Tail,
    /// A blank line, or one that only explains another.
    Nothing,
}

/// Reads a line of a flow into `flow`, whose fields must be absent; `None` if it is of another form.
#[inline]
pub fn plain<'a>(line: &'a [u8], flow: &mut FlowText<'a>) -> Option<()> {
    // Most lines begin with the name of a protocol.
    line.first().filter(|byte| byte.is_ascii_lowercase())?;
    plain::flow(line, flow)
}

/// Reads a line; `None` if it fits nothing.
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    let mut flow = FlowText::default();
    if plain(line, &mut flow).is_some() {
        return Some(Line::Flow(flow));
    }
    other(line)
}

/// Whether a line is one of a list of flows or of events of them.
pub fn begins(text: &[u8]) -> bool {
    !matches!(line(text), None | Some(Line::Nothing | Line::Message(_) | Line::Expectations(_)))
}

/// Whether a line is one of a list of expectations.
pub fn begins_expectations(text: &[u8]) -> bool {
    expectation(text).is_some() || matches!(line(text), Some(Line::Expectations(_)))
}

/// Reads a line that `plain` has not taken; `None` if it fits nothing.
#[cold]
pub fn other(line: &[u8]) -> Option<Line<'_>> {
    /// The beginnings of messages that say nothing of what was printed.
    const MORE: [&[u8]; 6] = [
        b"This message means that the current netlink",
        b"Please, check --buffer-size in",
        b"NOTICE: Netlink socket buffer size",
        // What `-o labels` says without connlabel.conf; it shows none then.
        b"nfct_labelmap_new: ",
        // What connbox says of a table without flows, and of events.
        b"conntrack: no flow is tracked",
        b"conntrack: net.netfilter.",
    ];
    let line = line.trim_ascii();
    let begins = |with: &[u8]| line.starts_with(with);
    if line.is_empty() || MORE.into_iter().any(begins) {
        return Some(Line::Nothing);
    }
    if begins(b"WARNING: We have hit ENOBUFS") {
        return Some(Line::Lost(0));
    }
    if begins(b"conntrack v") || begins(b"conntrack: ") || begins(b"WARNING: ") {
        return Some(message(line));
    }
    if begins(b"<?xml") || line == b"<conntrack>" {
        return Some(Line::Head);
    }
    match line {
        b"</conntrack>" => Some(Line::Tail),
        [b'<', ..] => xml::flow(line).map(Line::Flow),
        [b'-', ..] => save::flow(line).map(Line::Flow),
        _ => {
            let mut flow = FlowText::default();
            plain::flow(line, &mut flow).map(|()| Line::Flow(flow))
        }
    }
}

/// Splits a line at the message of conntrack-tools that lies within it; `None` if there is none behind anything.
#[cold]
pub fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    line.split_at_checked(start_of_message(line)?).filter(|(beginning, _)| !beginning.is_empty())
}

/// Where a message of conntrack-tools begins.
fn start_of_message(text: &[u8]) -> Option<usize> {
    let before = text.get(..memchr::memmem::find(text, b" (conntrack-tools): ")?)?;
    memchr::memmem::rfind(before, b"conntrack v")
}

/// What the tool said on standard error.
fn message(line: &[u8]) -> Line<'_> {
    let words = || text::Fields::new(line);
    // `conntrack v1.4.7 (conntrack-tools): 26 flow entries have been shown.`
    match (words().nth(4), words().nth(3).and_then(text::unsigned)) {
        (Some(b"flow"), Some(number)) => return Line::Count(number),
        (Some(b"expectations"), Some(count)) => return Line::Expectations(count),
        _ => {}
    }
    // `conntrack: 3 events lost: the receive buffer was full; …`
    match (words().nth(1), line.windows(12).any(|part| part == b"events lost:")) {
        (Some(count), true) => Line::Lost(text::unsigned(count).unwrap_or(0)),
        _ => Line::Message(line),
    }
}

/// The family of both directions, whose addresses and protocols must agree: damaged XML may have lost one of them.
#[inline]
fn family_of([orig, reply]: &[Tuple; 2]) -> Option<u8> {
    let is_v4 = orig.source?.is_ipv4();
    let is_like =
        |address: Option<std::net::IpAddr>| address.is_some_and(|it| it.is_ipv4() == is_v4);
    let is_one = is_like(orig.destination) && is_like(reply.source) && is_like(reply.destination);
    (is_one && orig.protocol == reply.protocol).then_some(if is_v4 { 2 } else { 10 })
}

/// conntrack-tools writes ports 0 where the kernel gives none, as Linux 6.18 does for DCCP.
#[inline]
fn without_ports(tuples: &mut [Tuple; 2]) {
    const DCCP: u8 = 33;
    for tuple in tuples {
        if tuple.protocol == DCCP && tuple.ports == [Some(0); 2] {
            tuple.ports = [None; 2];
        }
    }
}

/// Takes what stands behind a flow in every form: which program caused the event.
fn cause<'a>(flow: &mut FlowText<'a>, cursor: &mut Cursor<'a>) -> Option<bool> {
    if cursor.take(b"[SYNTHETIC]") {
        flow.is_synthetic = true;
        cursor.end()?;
        return Some(true);
    }
    if !cursor.take(b"[USERSPACE] portid=") {
        return Some(false);
    }
    let port = cursor.number()?;
    let mut program = None;
    if cursor.take(b"progname=") {
        // A name may have blanks.
        program = Some(cursor.rest);
        cursor.rest = &[];
    }
    flow.cause = Some((port, program));
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that conntrack-tools 1.4.7, /proc/net/nf_conntrack of Linux 6.18 and ip_conntrack of 2.6 print.
    const LINES: &[&str] = &[
        "tcp      6 431981 ESTABLISHED src=10.0.0.1 dst=192.0.2.9 sport=40106 dport=443 src=192.0.2.9 dst=203.0.113.7 \
     sport=443 dport=40106 [ASSURED] mark=0 use=1",
        "ipv4     2 tcp      6 117 TIME_WAIT src=10.0.0.1 dst=192.0.2.9 sport=1 dport=2 packets=6 bytes=400 \
     src=192.0.2.9 dst=10.0.0.1 sport=2 dport=1 packets=5 bytes=300 [ASSURED] mark=7 secctx=system_u:object_r:t:s0 \
     zone=5 delta-time=12 [start=Sat Nov 28 17:16:05 2026] [stop=Sun Nov 29 01:02:03 2026] helper=ftp use=1 id=77 \
     labels=one,three of them",
        "ipv6     10 icmpv6   58 29 src=fe80::1 dst=ff02::2 type=128 code=0 id=7 [UNREPLIED] src=ff02::2 dst=fe80::1 \
     type=129 code=0 id=7 mark=0 use=1",
        "gre      47 29 src=10.0.0.1 dst=10.0.0.2 srckey=0x10 dstkey=0x20 src=10.0.0.2 dst=10.0.0.1 srckey=0x20 dstkey=0x10 \
     mark=0 use=1",
        "unknown  50 599 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1",
        "ipv4     2 unknown  50 599 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1",
        "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 zone-orig=5 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 \
     zone-reply=6 mark=0 use=1",
        "tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [OFFLOAD] mark=0 use=2",
        "ipv4     2 gre      47 29 timeout=30, stream_timeout=180 src=10.0.0.1 dst=10.0.0.2 srckey=0x0 dstkey=0x0 [UNREPLIED] \
     src=10.0.0.2 dst=10.0.0.1 srckey=0x0 dstkey=0x0 mark=0 zone=0 use=2",
        "ipv6     10 udp      17 29 src=fe80:0000:0000:0000:0000:0000:0000:0001 dst=ff02:0000:0000:0000:0000:0000:0000:0002 \
     sport=5353 dport=5353 [UNREPLIED] src=ff02:0000:0000:0000:0000:0000:0000:0002 \
     dst=fe80:0000:0000:0000:0000:0000:0000:0001 sport=5353 dport=5353 mark=0 use=2",
        "    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 \
     sport=2 dport=1",
        "[1700000000.123456]\t[DESTROY] udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=1 bytes=60 [UNREPLIED] \
     src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0",
        " [UPDATE] tcp      6 60 SYN_RECV src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 \
     mark=1 labels=three of them [USERSPACE] portid=17509 progname=a b",
        "-A -t 431999 -u SEEN_REPLY,ASSURED -w 3 -s 10.0.0.1 -d 192.0.2.9 -r 192.0.2.9 -n 203.0.113.7 -p tcp --sport 1 \
     --dport 2 --reply-port-src 2 --reply-port-dst 1 --state ESTABLISHED",
        "-D -t 29 -u UNSET -s fe80::1 -d ff02::2 -g ff02::3 -q fe80::1 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 \
     --icmpv6-id 7 [USERSPACE] portid=4294967295",
        "-U -t 9 -u SEEN_REPLY -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p 50",
        "-A -t 9 -u SEEN_REPLY -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p sctp --sport 1 --dport 2 --reply-port-src 2 \
     --reply-port-dst 1 --state (null) --orig-vtag 1 --reply-vtag 2",
        "<flow type=\"destroy\"><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.1</src>\
     <dst>10.0.0.2</dst></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>1</sport><dport>2</dport></layer4>\
     <zone>4</zone><counters><packets>3</packets><bytes>180</bytes></counters></meta><meta direction=\"reply\">\
     <layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonum=\"6\" \
     protoname=\"tcp\"><sport>2</sport><dport>1</dport></layer4></meta><meta direction=\"independent\"><state>CLOSE</state>\
     <timeout>9</timeout><mark>1</mark><labels><label>one</label><label>a b</label></labels><secctx>x&lt;y</secctx>\
     <use>1</use><id>9</id><assured/><unreplied/><timestamp><start>1700000000123456789</start></timestamp>\
     <deltatime>5</deltatime></meta><when><hour>1</hour><min>02</min><sec>03</sec><wday>1</wday><day>29</day>\
     <month>11</month><year>2026</year></when><helper>ftp</helper></flow> [USERSPACE] portid=5 progname=x",
    ];

    fn flow(place: usize) -> FlowText<'static> {
        match line(LINES[place].as_bytes()) {
            Some(Line::Flow(flow)) => flow,
            other => panic!("{}: {other:?}", LINES[place]),
        }
    }

    fn local(parts: [u16; 6]) -> Option<Moment> {
        Some(Moment::Local(parts))
    }

    #[test]
    fn plain_lines_are_read_by_their_shape() {
        let first = flow(0);
        assert_eq!((first.family, first.tuples[0].protocol, first.form), (2, 6, Form::Plain));
        assert_eq!(
            (first.timeout_seconds, first.state),
            (Some(431_981), Some(&b"ESTABLISHED"[..]))
        );
        assert_eq!(first.tuples[1].destination, Some([203, 0, 113, 7].into()));
        assert_eq!(
            first.tuples.map(|tuple| tuple.ports),
            [[Some(40_106), Some(443)], [Some(443), Some(40_106)]]
        );
        assert_eq!((first.status, first.mark, first.uses, first.id), (6, Some(0), Some(1), None));
        let all = flow(1);
        assert_eq!(all.traffic, [Some([6, 400]), Some([5, 300])]);
        assert_eq!(
            (all.mark, all.zone, all.id, all.age_seconds),
            (Some(7), Some(5), Some(77), Some(12))
        );
        assert_eq!(
            (all.secctx, all.helper),
            (Some(&b"system_u:object_r:t:s0"[..]), Some(&b"ftp"[..]))
        );
        assert_eq!(all.labels, Some(&b"one,three of them"[..]));
        assert_eq!(all.start, local([2026, 11, 28, 17, 16, 5]));
        assert_eq!(all.stop, local([2026, 11, 29, 1, 2, 3]));
        let icmp = flow(2);
        assert_eq!((icmp.family, icmp.status), (10, 0));
        assert_eq!(
            icmp.tuples.map(|tuple| tuple.icmp),
            [[Some(128), Some(0)], [Some(129), Some(0)]]
        );
        assert_eq!(flow(3).tuples.map(|tuple| tuple.ports[1]), [Some(32), Some(16)]);
        for place in [4, 5] {
            let unknown = flow(place);
            let seen = (unknown.tuples[0].protocol, unknown.timeout_seconds, unknown.state);
            assert_eq!(seen, (50, Some(599), None), "{place}");
        }
        assert_eq!(flow(6).tuples.map(|tuple| tuple.zone), [Some(5), Some(6)]);
    }

    #[test]
    fn what_the_text_does_not_tell_is_said() {
        let carried = flow(7);
        assert_eq!((carried.timeout_seconds, carried.status), (None, 2 | status::OFFLOAD));
        assert_eq!(carried.told & (status::ASSURED | status::OFFLOAD), status::OFFLOAD);
        let told = |place| flow(place).told & (status::SRC_NAT_DONE | status::DST_NAT_DONE);
        // A translation is told by -n and -g; equal addresses tell nothing.
        assert_eq!((told(13), told(14), told(15)), (status::SRC_NAT_DONE, status::DST_NAT_DONE, 0));
        assert_eq!(flow(13).status, 6 | status::SRC_NAT_DONE);
    }

    #[test]
    fn files_of_the_kernel_are_told_apart() {
        let gre = flow(8);
        assert_eq!((gre.form, gre.zone, gre.timeout_seconds), (Form::Proc, Some(0), Some(29)));
        let full = flow(9);
        assert_eq!((full.form, full.tuples[0].source), (Form::Proc, "fe80::1".parse().ok()));
    }

    #[test]
    fn events_have_their_change_time_and_cause() {
        let happened = |place| flow(place).happened;
        assert_eq!(happened(0), None);
        let all = [10, 11, 12, 13, 14, 15, 17].map(happened).map(Option::unwrap);
        use Happened::{Destroy, New, Update};
        assert_eq!(all, [New, Destroy, Update, New, Destroy, Update, Destroy]);
        assert_eq!(flow(11).when, Some(Moment::Nanoseconds(1_700_000_000_123_456_000)));
        assert_eq!((flow(11).timeout_seconds, flow(11).state), (None, None));
        assert_eq!(flow(12).cause, Some((17_509, Some(&b"a b"[..]))));
        assert_eq!(flow(12).labels, Some(&b"three of them"[..]));
        assert_eq!(flow(14).cause, Some((u32::MAX, None)));
        assert_eq!(flow(17).when, local([2026, 11, 29, 1, 2, 3]));
    }

    #[test]
    fn options_that_would_make_a_flow_are_read() {
        let tcp = flow(13);
        assert_eq!((tcp.zone, tcp.timeout_seconds), (Some(3), Some(431_999)));
        let echo = flow(14);
        assert_eq!((echo.family, echo.tuples[1].icmp), (10, [Some(129), Some(0)]));
        assert_eq!(echo.tuples[1].icmp_id, Some(7));
        assert_eq!(flow(15).tuples[0].protocol, 50);
        assert_eq!((flow(16).state, flow(16).vtags), (None, Some([1u32.to_be(), 2u32.to_be()])));
    }

    #[test]
    fn xml_is_read_by_its_tags() {
        let all = flow(17);
        assert_eq!((all.state, all.mark, all.id), (Some(&b"CLOSE"[..]), Some(1), Some(9)));
        assert_eq!((all.tuples[0].zone, all.traffic[0]), (Some(4), Some([3, 180])));
        assert_eq!(all.labels, Some(&b"<label>one</label><label>a b</label>"[..]));
        assert_eq!((all.status, all.age_seconds), (status::ASSURED, Some(5)));
        assert_eq!((all.helper, all.secctx), (Some(&b"ftp"[..]), Some(&b"x&lt;y"[..])));
    }

    #[test]
    fn what_the_tool_says_is_not_a_flow() {
        for (text, wanted) in [
            (
                "conntrack v1.4.7 (conntrack-tools): 26 flow entries have been shown.",
                Line::Count(26),
            ),
            ("conntrack v1.0.1 (conntrack-tools): 0 flow entries have been shown.", Line::Count(0)),
            (
                "conntrack v1.4.7 (conntrack-tools): 0 expectations have been shown.",
                Line::Expectations(0),
            ),
            ("WARNING: We have hit ENOBUFS! We are losing events.", Line::Lost(0)),
            (
                "conntrack: 3 events lost: the receive buffer was full; -b makes it larger",
                Line::Lost(3),
            ),
            ("conntrack: an unknown number of events lost: the receive buffer", Line::Lost(0)),
            (
                "conntrack v1.4.7 (conntrack-tools): Operation failed: x",
                Line::Message(b"conntrack v1.4.7 (conntrack-tools): Operation failed: x"),
            ),
            ("<?xml version=\"1.0\" encoding=\"utf-8\"?>", Line::Head),
            ("<conntrack>", Line::Head),
            ("</conntrack>", Line::Tail),
            ("  ", Line::Nothing),
        ] {
            assert_eq!(line(text.as_bytes()), Some(wanted), "{text}");
        }
    }

    #[test]
    fn numbers_and_addresses_are_read_whole() {
        for (text, wanted) in [
            ("0 ", Some(0)),
            ("7", Some(7)),
            ("1234567 x", Some(1_234_567)),
            ("12345678 x", Some(12_345_678)),
            ("18446744073709551615 ", Some(u64::MAX)),
            ("18446744073709551616 ", None),
            ("000000000000000000000 ", None),
            ("65535 ab:cdefgh", Some(65_535)),
            ("65535: abcdefg", None),
            ("/ abcdefgh", None),
            (": abcdefgh", None),
            (" abcdefgh", None),
            ("", None),
        ] {
            let mut cursor = Cursor { rest: text.as_bytes() };
            assert_eq!(cursor.number::<u64>(), wanted, "{text}");
        }
        let padded = "x".repeat(16);
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "1.22.133.4",
            "10.0.0.1",
            "256.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "1..2.3",
            "1.2.3.1234",
            "1.2.3.4a",
            "0001.2.3.4",
            ".1.2.3",
            "1.2.3.",
            "::1",
            "::ffff:1.2.3.4",
            "fe80::1",
            "1:2",
            "",
        ] {
            for text in [text.to_owned(), format!("{text} {padded}")] {
                let mut cursor = Cursor { rest: text.as_bytes() };
                let word = text.split(' ').next().unwrap();
                assert_eq!(cursor.address(), word.parse().ok(), "{text}");
            }
        }
    }

    #[test]
    fn other_lines_fit_nothing() {
        for text in [
            "299 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=2",
            "tcp      6 431981 ESTABLISHED src=10.0.0.1 dst=192.0.2.9 sport=40106 dport=443",
            "tcp      6 9 src=10.0.0.1 dst=fe80::1 src=10.0.0.1 dst=10.0.0.2 mark=0 use=1",
            "ipv6     10 tcp      6 9 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.1 dst=10.0.0.2 mark=0 use=1",
            "tcp      6 9 src=10.0.0.256 dst=10.0.0.2 src=10.0.0.1 dst=10.0.0.2 mark=0 use=1",
            "tcp      6 9 src=10.0.0.1 dst=10.0.0.2 sport=65536 dport=1 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=1",
            "tcp      600 9 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.1 dst=10.0.0.2 mark=0 use=1",
            "udp      17 9 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.1 dst=10.0.0.2 mark=4294967296",
            "udp      17 9 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.1 dst=10.0.0.2 mark=0 what=1",
            "-X -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p 50",
            "-A -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1",
            "<flow>",
            "<flow type=\"old\"></flow>",
            "ESTAB 0 0 127.0.0.1:1 127.0.0.1:2",
        ] {
            assert_eq!(line(text.as_bytes()), None, "{text}");
        }
    }

    /// A line that is cut is another one, or none; damage of a byte likewise. Neither ends in a panic.
    #[test]
    fn damage_is_read_without_a_panic() {
        for text in LINES {
            let text = text.as_bytes();
            (0..text.len()).for_each(|end| _ = line(&text[..end]));
            (0..text.len()).for_each(|start| _ = line(&text[start..]));
            let mut damaged = text.to_vec();
            for place in 0..text.len() {
                for byte in [0, b' ', b'\t', b'-', b'0', b'9', b'<', b'=', b'[', 0xff]
                    .into_iter()
                    .chain((0..8).map(|bit| text[place] ^ 1 << bit))
                {
                    damaged[place] = byte;
                    let _ = line(&damaged);
                }
                damaged[place] = text[place];
            }
        }
    }
}
