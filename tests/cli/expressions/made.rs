//! Random expressions of the grammar that libpcap accepts.

use super::packets::Dice;

/// What a bare value must be to follow others of its kind.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Host,
    Ip4Host,
    Ip6Host,
    Net,
    Ip4Net,
    Ip6Net,
    Port,
    Range,
}

const HOSTS: [&str; 8] = [
    "10.0.0.1",
    "192.168.1.77",
    "10.1.2.3",
    "10.1",
    "192.168.1",
    "010.000.0.01",
    "172.16.0.1",
    "1.1.1.1",
];
const HOSTS6: [&str; 6] =
    ["fe80::1", "::1", "2001:db8::1", "2001:DB8:1:0:0:0:0:5", "::ffff:10.0.0.1", "2001:db8::9"];
const NETS: [&str; 14] = [
    "10.0.0.0/8",
    "10.0/8",
    "10",
    "10.1",
    "192.168.1",
    "192.168.1.64/26",
    "192.168.0.0 mask 255.255.0.0",
    "10.0.0.1 mask 255.0.0.255",
    "0.0.0.0/0",
    "10.1.2.3/32",
    "128.0.0.0 / 1",
    "49320",
    "172.16 mask 255.255",
    "0x0a",
];
const NETS6: [&str; 6] =
    ["fe80::/10", "::/0", "2001:db8::/32", "2001:db8::/65", "::/96", "fe80::2"];
const PORTS: [&str; 12] =
    ["80", "443", "22", "http", "https", "ftp-data", "0", "65535", "8080", "0x50", "0120", "79"];
const RANGES: [&str; 9] =
    ["1-1024", "0-65535", "80-81", "1024-1", "http-https", "443", "22-http", "65534-65535", "0-79"];

pub fn expression(dice: &mut Dice, depth: usize) -> String {
    let mut last = None;
    let mut text = operand(dice, depth, &mut last);
    for _ in 0..dice.below(4) {
        text += dice.of(&[" and ", " or ", "&&", " || ", " or "]);
        text += &operand(dice, depth, &mut last);
    }
    text
}

fn operand(dice: &mut Dice, depth: usize, last: &mut Option<Sort>) -> String {
    let not = dice.of(&["", "", "", "not ", "!", "! not "]);
    let text = match dice.below(9) {
        0 => {
            *last = None;
            dice.of(&["tcp", "ip", "ip6", "udp", "ip proto 6", "ip multicast", "arp"]).to_owned()
        }
        8 => {
            *last = None;
            relation(dice)
        }
        1 | 2 if depth > 0 => {
            let inner = expression(dice, depth - 1);
            format!("({inner})")
        }
        3 | 4 if last.is_some() => bare(dice, last.unwrap()),
        _ => qualified(dice, last),
    };
    format!("{not}{text}")
}

pub fn relation(dice: &mut Dice) -> String {
    let comparison = dice.of(&["=", "!=", ">", ">=", "<", "<=", "==", "="]);
    // libpcap forgets to look for the headers of some operands: all are of one family.
    let of6 = dice.below(4) == 0;
    let depth = dice.below(3);
    format!("{} {comparison} {}", number(dice, depth, of6), number(dice, depth / 2, of6))
}

fn number(dice: &mut Dice, depth: usize, of6: bool) -> String {
    let fields = match of6 {
        false => [
            "tcp[13]",
            "tcp[tcpflags]",
            "tcp[7]",
            "tcp[0:2]",
            "tcp[2:2]",
            "tcp[4:4]",
            "tcp[20]",
            "ip[0]",
            "ip[2:2]",
            "ip[8]",
            "ip[9]",
            "ip[16:4]",
            "tcp[12]",
        ],
        true => [
            "ip6[6]",
            "ip6[4:2]",
            "ip6[7]",
            "ip6[8:4]",
            "ip6[53]",
            "ip6[40:2]",
            "ip6[42:2]",
            "ip6[44:4]",
            "ip6[60]",
            "ip6[0]",
            "ip6[24]",
            "ip6[36:4]",
            "ip6[47]",
        ],
    };
    let small = if of6 { "ip6[47]" } else { "tcp[7]" };
    if depth > 0 {
        let (left, right) = (number(dice, depth - 1, of6), number(dice, depth - 1, of6));
        return match dice.below(13) {
            0 => format!("({left} + {right})"),
            1 => format!("{left} - {right}"),
            2 => format!("{left}*{right}"),
            3 => format!("({left}&{right})"),
            4 => format!("{left} | {right}"),
            5 => format!("({left} ^ {right})"),
            6 => format!("({left} << {small})"),
            7 => format!("({left}) >> 4"),
            8 => format!("{left} / {small}"),
            9 => format!("({left} % ({right}))"),
            10 if of6 => format!("ip6[({left}) & 0x1f]"),
            10 => format!("tcp[({left}) & 0x1f]"),
            11 => format!("({left} >> ({right} & 15))"),
            _ => format!("-({left})"),
        };
    }
    let numbers =
        ["0", "1", "2", "5", "7", "16", "0x12", "0120", "80", "255", "tcp-syn", "tcp-ack"];
    if dice.below(5) > 1 { dice.of(&fields).to_owned() } else { dice.of(&numbers).to_owned() }
}

fn qualified(dice: &mut Dice, last: &mut Option<Sort>) -> String {
    let (protocol, word, sort) = dice.of(&[
        ("", "host ", Sort::Host),
        ("ip ", "host ", Sort::Ip4Host),
        ("ip6 ", "host ", Sort::Ip6Host),
        ("", "net ", Sort::Net),
        ("ip ", "net ", Sort::Ip4Net),
        ("ip6 ", "net ", Sort::Ip6Net),
        ("", "port ", Sort::Port),
        ("tcp ", "port ", Sort::Port),
        ("", "portrange ", Sort::Range),
        ("tcp ", "portrange ", Sort::Range),
    ]);
    let side = dice.of(&[
        "",
        "",
        "src ",
        "dst ",
        "src or dst ",
        "dst or src ",
        "src and dst ",
        "dst && src ",
    ]);
    let is_host = [Sort::Host, Sort::Ip4Host, Sort::Ip6Host].contains(&sort);
    let word = if is_host && !side.is_empty() && dice.below(2) == 0 { "" } else { word };
    *last = Some(sort);
    format!("{protocol}{side}{word}{}", bare(dice, sort))
}

/// A value, or several in parentheses.
fn bare(dice: &mut Dice, sort: Sort) -> String {
    match dice.below(6) {
        0 => {
            let (one, other) = (value(dice, sort), value(dice, sort));
            format!("({one} {} {other})", dice.of(&["and", "or", "and not", "||"]))
        }
        1 => format!("not {}", value(dice, sort)),
        _ => value(dice, sort).to_owned(),
    }
}

fn value(dice: &mut Dice, sort: Sort) -> &'static str {
    let of6 = dice.below(3) == 0;
    match sort {
        Sort::Ip6Host => dice.of(&HOSTS6),
        Sort::Host if of6 => dice.of(&HOSTS6),
        Sort::Host | Sort::Ip4Host => dice.of(&HOSTS),
        Sort::Ip6Net => dice.of(&NETS6),
        Sort::Net if of6 => dice.of(&NETS6),
        Sort::Net | Sort::Ip4Net => dice.of(&NETS),
        Sort::Port => dice.of(&PORTS),
        Sort::Range => dice.of(&RANGES),
    }
}
