//! The words of an expression.

use super::operations::{Calculation, Comparison};
use super::{Side, Tag};

/// The kind of a word or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    End,
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Colon,
    Slash,
    Operator(Operator),
    Not,
    Mask,
    Protocol(Protocol),
    Side(Side),
    Sort(Sort),
    /// `broadcast` (true) or `multicast`.
    Broadcast(bool),
    Tag(Tag),
    /// `less` (at most) or `greater` (at least).
    Length(Comparison),
    Interface(Interface),
    Gateway,
    /// `len`.
    Len,
    /// The name of a number.
    Constant(u8),
    Calculation(Calculation),
    Comparison(Comparison),
    /// Any other word of letters, digits and `._-:`.
    Value,
    /// A character that no word can contain.
    Stray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Any,
    Tcp,
    Ip,
    Ip6,
    Ether,
    /// Has ports: UDP, SCTP.
    WithPorts,
    /// Has IPv4 addresses: ARP, RARP.
    WithHosts,
    /// Neither. No TCP packet is of this protocol, nor of the two before.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Not specified: a host, or a network if it has a mask.
    Any,
    Host,
    Net,
    Port,
    Portrange,
    Proto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// `inbound` (false) or `outbound`.
    Outbound(bool),
    Index,
    Name,
}

/// Words of one meaning, separated by blanks. What pcap-filter(7) names for protocols that are not TCP is
/// known as well: such tests never hold here.
macro_rules! words {
    ($($kind:expr => $words:literal,)*) => {
        const KINDS: &[TokenKind] = &[$($kind),*];
        /// One line for each of them: a table of strings would be several times as large.
        const LINES: &str = concat!($($words, "\n"),*);
    };
}

words! {
    TokenKind::Open => "(",
    TokenKind::Close => ")",
    TokenKind::OpenIndex => "[",
    TokenKind::CloseIndex => "]",
    TokenKind::Colon => ":",
    TokenKind::Slash => "/",
    TokenKind::Not => "! not",
    TokenKind::Operator(Operator::And) => "&& and",
    TokenKind::Operator(Operator::Or) => "|| or",
    TokenKind::Mask => "mask",
    TokenKind::Protocol(Protocol::Tcp) => "tcp",
    TokenKind::Protocol(Protocol::Ip) => "ip",
    TokenKind::Protocol(Protocol::Ip6) => "ip6",
    TokenKind::Protocol(Protocol::Ether) => "ether link fddi tr wlan ppp slip",
    TokenKind::Protocol(Protocol::WithPorts) => "udp sctp",
    TokenKind::Protocol(Protocol::WithHosts) => "arp rarp",
    TokenKind::Protocol(Protocol::Other) =>
        "icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet lat sca moprc mopdl iso \
         esis isis clnp stp ipx netbeui pppoed",
    TokenKind::Side(Side::Source) => "src",
    TokenKind::Side(Side::Destination) => "dst",
    TokenKind::Sort(Sort::Host) => "host",
    TokenKind::Sort(Sort::Net) => "net",
    TokenKind::Sort(Sort::Port) => "port",
    TokenKind::Sort(Sort::Portrange) => "portrange",
    TokenKind::Sort(Sort::Proto) => "proto protochain",
    TokenKind::Broadcast(true) => "broadcast",
    TokenKind::Broadcast(false) => "multicast",
    TokenKind::Tag(Tag::Vlan) => "vlan",
    TokenKind::Tag(Tag::Mpls) => "mpls",
    TokenKind::Tag(Tag::Pppoe) => "pppoes",
    TokenKind::Length(Comparison::AtMost) => "less",
    TokenKind::Length(Comparison::AtLeast) => "greater",
    TokenKind::Interface(Interface::Outbound(false)) => "inbound",
    TokenKind::Interface(Interface::Outbound(true)) => "outbound",
    TokenKind::Interface(Interface::Index) => "ifindex",
    TokenKind::Interface(Interface::Name) => "ifname on",
    TokenKind::Gateway => "gateway",
    TokenKind::Len => "len length",
    TokenKind::Calculation(Calculation::Add) => "+",
    TokenKind::Calculation(Calculation::Subtract) => "-",
    TokenKind::Calculation(Calculation::Multiply) => "*",
    TokenKind::Calculation(Calculation::Modulo) => "%",
    TokenKind::Calculation(Calculation::And) => "&",
    TokenKind::Calculation(Calculation::Or) => "|",
    TokenKind::Calculation(Calculation::Xor) => "^",
    TokenKind::Calculation(Calculation::ShiftLeft) => "<<",
    TokenKind::Calculation(Calculation::ShiftRight) => ">>",
    TokenKind::Comparison(Comparison::Equal) => "= ==",
    TokenKind::Comparison(Comparison::NotEqual) => "!=",
    TokenKind::Comparison(Comparison::Greater) => ">",
    TokenKind::Comparison(Comparison::AtLeast) => ">=",
    TokenKind::Comparison(Comparison::Less) => "<",
    TokenKind::Comparison(Comparison::AtMost) => "<=",
    TokenKind::Constant(0) => "icmptype icmp6type icmp-echoreply",
    TokenKind::Constant(1) => "icmpcode icmp6code tcp-fin icmp6-destinationunreach",
    TokenKind::Constant(2) => "tcp-syn icmp6-packettoobig",
    TokenKind::Constant(3) => "icmp-unreach icmp6-timeexceeded",
    TokenKind::Constant(4) => "tcp-rst icmp-sourcequench icmp6-parameterproblem",
    TokenKind::Constant(5) => "icmp-redirect",
    TokenKind::Constant(8) => "tcp-push icmp-echo",
    TokenKind::Constant(9) => "icmp-routeradvert",
    TokenKind::Constant(10) => "icmp-routersolicit",
    TokenKind::Constant(11) => "icmp-timxceed",
    TokenKind::Constant(12) => "icmp-paramprob",
    TokenKind::Constant(13) => "tcpflags icmp-tstamp",
    TokenKind::Constant(14) => "icmp-tstampreply",
    TokenKind::Constant(15) => "icmp-ireq",
    TokenKind::Constant(16) => "tcp-ack icmp-ireqreply",
    TokenKind::Constant(17) => "icmp-maskreq",
    TokenKind::Constant(18) => "icmp-maskreply",
    TokenKind::Constant(32) => "tcp-urg",
    TokenKind::Constant(64) => "tcp-ece",
    TokenKind::Constant(128) => "tcp-cwr icmp6-echo",
    // The types from 129 on: their numbers make no difference.
    TokenKind::Constant(129) =>
        "icmp6-echoreply icmp6-multicastlistenerquery icmp6-multicastlistenerreportv1 \
         icmp6-multicastlistenerdone icmp6-routersolicit icmp6-routeradvert \
         icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect icmp6-routerrenum \
         icmp6-nodeinformationquery icmp6-nodeinformationresponse \
         icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert \
         icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest \
         icmp6-homeagentdiscoveryreply icmp6-mobileprefixsolicit icmp6-mobileprefixadvert \
         icmp6-certpathsolicit icmp6-certpathadvert icmp6-multicastrouteradvert \
         icmp6-multicastroutersolicit icmp6-multicastrouterterm",
}

/// A word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// The first word of `text` at or after `place`. In an index, `tcp[0:2]`, no word that begins with a
    /// digit contains `:` or `-`.
    #[inline(never)]
    pub(super) fn behind(place: usize, text: &[u8], is_in_index: bool) -> Token {
        let rest = text.get(place..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (mut start, rest) = (place + blanks, &rest[blanks..]);
        let first = rest.first().copied().unwrap_or_default();
        let is_number = is_in_index && first.is_ascii_digit();
        let is_in_word = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'_')
                || matches!(byte, b'-' | b':') && !is_number
        };
        let count = |is: &dyn Fn(u8) -> bool| rest.iter().take_while(|byte| is(**byte)).count();
        // A word after a backslash is a name, even if it is one of ours.
        let is_escaped = first == b'\\' && rest.get(1).is_some_and(u8::is_ascii_alphanumeric);
        let is_word = first != b'-' && is_in_word(first) && !(is_in_index && first == b':');
        let length = match rest {
            _ if is_escaped => 1 + rest[1..].iter().take_while(|byte| is_in_word(**byte)).count(),
            _ if is_word => count(&is_in_word),
            [b'&', b'&', ..] | [b'|', b'|', ..] | [b'<', b'<' | b'=', ..] => 2,
            [b'>', b'>' | b'=', ..] | [b'!' | b'=', b'=', ..] => 2,
            [sign, ..] if b"()[]!/:+-*%&|^<>=".contains(sign) => 1,
            _ => count(&|byte| !byte.is_ascii_alphanumeric() && !b" \t\r\n()".contains(&byte)),
        };
        let end = start + length;
        let word = &rest[..length];
        let is_meant = |line: &[u8]| line.split(|byte| *byte == b' ').any(|one| one == word);
        let place = LINES.as_bytes().split(|byte| *byte == b'\n').position(is_meant);
        let known = place.and_then(|place| KINDS.get(place)).filter(|_| length > 0);
        let kind = match known {
            _ if is_escaped => TokenKind::Value,
            Some(kind) => *kind,
            None if length == 0 => TokenKind::End,
            None if is_word => TokenKind::Value,
            None => TokenKind::Stray,
        };
        start += usize::from(is_escaped);
        Token { kind, start, end }
    }
}
