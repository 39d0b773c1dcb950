//! Debian's libnetfilter_conntrack as the oracle for any message and every form of its text.

use std::fmt::Write;

use connbox::flow::{self, Parts};
use connbox::model::Change;
use connbox::source::flows::conntrack::flow as read_flow;
use connbox::source::flows::expectations::expectation;
use connbox::source::flows::labels::Labels;
use connbox::wire::netlink::push_attribute;

use super::in_zones;
use crate::support::{feed, needs};

/// Reads lines of `flow|expect form type flags payload`, and prints the library's text for each.
const JUDGE: &str = r"
import ctypes, struct, sys
from ctypes import c_void_p, c_uint, c_char_p
L = ctypes.CDLL('libnetfilter_conntrack.so.3')
for new in (L.nfct_new, L.nfexp_new, L.nfct_labelmap_new): new.restype = c_void_p
L.nfct_labelmap_new.argtypes = [c_char_p]
for parse in (L.nfct_nlmsg_parse, L.nfexp_nlmsg_parse): parse.argtypes = [c_char_p, c_void_p]
for free in (L.nfct_destroy, L.nfexp_destroy): free.argtypes = [c_void_p]
L.nfct_snprintf_labels.argtypes = [c_char_p, c_uint, c_void_p, c_uint, c_uint, c_uint, c_void_p]
L.nfexp_snprintf.argtypes = [c_char_p, c_uint, c_void_p, c_uint, c_uint, c_uint]
names = L.nfct_labelmap_new(sys.argv[1].encode())
text = ctypes.create_string_buffer(8192)
for line in sys.stdin:
    what, form, kind, flags, payload = line.split()
    form, kind, flags, payload = int(form), int(kind), int(flags), bytes.fromhex(payload)
    message = struct.pack('=IHHII', 16 + len(payload), 0x100, 2, 1, 0) + payload
    if what == 'flow':
        it = L.nfct_new()
        assert L.nfct_nlmsg_parse(message, it) == 0
        L.nfct_snprintf_labels(text, 8192, it, kind, form, flags, names if flags & 16 else None)
        L.nfct_destroy(it)
    else:
        it = L.nfexp_new()
        assert L.nfexp_nlmsg_parse(message, it) == 0
        L.nfexp_snprintf(text, 8192, it, kind, form, flags)
        L.nfexp_destroy(it)
    print(text.value.decode())
";

/// Names of labels, and lines that do not name one.
const LABELS: &str = "0 zero\n1 one\n# two\n9 nine lives\n64\tsixty-four\n127 last\n1 other\n";

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of `all`.
    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.roll() % all.len() as u64) as usize]
    }

    fn yes(&mut self) -> bool {
        self.roll().is_multiple_of(2)
    }

    fn number(&mut self) -> u64 {
        let shift = self.one(&[0, 16, 32, 40, 48, 56, 63]);
        self.roll() >> shift
    }

    fn half(&mut self) -> u16 {
        self.number() as u16
    }

    fn word(&mut self) -> u32 {
        self.number() as u32
    }
}

fn nested(buffer: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    push_attribute(buffer, kind | 0x8000, &inner);
}

fn address(dice: &mut Dice, family: u8) -> Vec<u8> {
    let words = if family == 2 { 2 } else { 8 };
    let word = |dice: &mut Dice| match dice.roll() % 3 {
        0 => 0,
        1 => dice.one(&[1, 0xffff, 0xfd88]),
        _ => dice.half(),
    };
    (0..words).flat_map(|_| word(dice).to_be_bytes()).collect()
}

fn tuple(dice: &mut Dice, buffer: &mut Vec<u8>, kind: u16, family: u8, protocol: u8, zone: bool) {
    nested(buffer, kind, |tuple| {
        nested(tuple, 1, |ip| {
            let first = if family == 2 { 1 } else { 3 };
            push_attribute(ip, first, &address(dice, family));
            push_attribute(ip, first + 1, &address(dice, family));
        });
        nested(tuple, 2, |proto| {
            push_attribute(proto, 1, &[protocol]);
            let icmp = if protocol == 58 { 7 } else { 4 };
            match protocol {
                1 | 58 => {
                    push_attribute(proto, icmp, &dice.half().to_be_bytes());
                    push_attribute(proto, icmp + 1, &[dice.roll() as u8]);
                    push_attribute(proto, icmp + 2, &[dice.roll() as u8]);
                }
                6 | 17 | 33 | 47 | 132 | 136 => {
                    push_attribute(proto, 2, &dice.half().to_be_bytes());
                    push_attribute(proto, 3, &dice.half().to_be_bytes());
                }
                _ => {}
            }
        });
        if zone && dice.yes() {
            push_attribute(tuple, 3, &dice.half().to_be_bytes());
        }
    });
}

const PROTOCOLS: [u8; 12] = [6, 6, 6, 17, 17, 1, 58, 132, 33, 47, 136, 50];

/// A message about a flow, as the kernel may send it, except for flows that conntrack gets wrong. `is_xml`
/// selects the form.
fn flow_message(dice: &mut Dice, is_xml: bool) -> Vec<u8> {
    let (family, protocol) = (dice.one(&[2, 10]), dice.one(&PROTOCOLS));
    let mut message = vec![family, 0, 0, 0];
    tuple(dice, &mut message, 1, family, protocol, true);
    tuple(dice, &mut message, 2, family, protocol, true);
    // The kernel always gives the number.
    push_attribute(&mut message, 12, &dice.word().to_be_bytes());
    for kind in [3, 7, 8, 11, 17] {
        if dice.yes() {
            push_attribute(&mut message, kind, &dice.word().to_be_bytes());
        }
    }
    // XML uses TCP's names for the states of all protocols.
    let states = match protocol {
        6 => Some(1),
        33 if !is_xml => Some(2),
        132 if !is_xml => Some(3),
        _ => None,
    };
    if let Some(kind) = states.filter(|_| dice.yes()) {
        nested(&mut message, 4, |info| {
            nested(info, kind, |info| push_attribute(info, 1, &[(dice.roll() % 10) as u8]));
        });
    }
    if dice.yes() {
        for kind in [9, 10] {
            nested(&mut message, kind, |counters| {
                push_attribute(counters, 1, &dice.number().to_be_bytes());
                push_attribute(counters, 2, &dice.number().to_be_bytes());
            });
        }
    }
    if dice.yes() {
        push_attribute(&mut message, 18, &dice.half().to_be_bytes());
    }
    more(dice, &mut message);
    message
}

/// The attributes that are text, times or bits.
fn more(dice: &mut Dice, message: &mut Vec<u8>) {
    if dice.yes() {
        nested(message, 5, |help| push_attribute(help, 1, dice.one(&[&b"ftp\0"[..], b"RAS\0"])));
    }
    if dice.yes() {
        nested(message, 19, |context| push_attribute(context, 1, b"system_u:object_r:x_t:s0\0"));
    }
    if dice.yes() {
        let start = 1 + dice.roll() % (1 << 60);
        nested(message, 20, |times| {
            push_attribute(times, 1, &start.to_be_bytes());
            push_attribute(times, 2, &(start + dice.number() / 16).to_be_bytes());
        });
    }
    if dice.yes() {
        let bits =
            if dice.yes() { [0xff; 16] } else { std::array::from_fn(|_| dice.roll() as u8 | 1) };
        push_attribute(message, 22, &bits);
    }
}

fn expectation_message(dice: &mut Dice) -> Vec<u8> {
    let (family, protocol) = (dice.one(&[2, 10]), dice.one(&PROTOCOLS));
    let mut message = vec![family, 0, 0, 0];
    for kind in [1, 2, 3] {
        tuple(dice, &mut message, kind, family, protocol, false);
    }
    // For bits without a name, conntrack writes an extra blank.
    push_attribute(&mut message, 8, &(dice.word() % 8).to_be_bytes());
    for kind in [4, 5, 9] {
        if dice.yes() {
            push_attribute(&mut message, kind, &dice.word().to_be_bytes());
        }
    }
    if dice.yes() {
        push_attribute(&mut message, 6, b"sip\0");
    }
    if dice.yes() {
        push_attribute(&mut message, 7, &dice.half().to_be_bytes());
    }
    message
}

/// What a test of the library needs.
const LIBRARY: [&str; 2] = ["python3", "libnetfilter_conntrack"];

/// The library's text for each line of `questions`; None if `test` is skipped.
fn judged(test: &str, questions: &str) -> Option<Vec<String>> {
    if !needs(test, &LIBRARY) {
        return None;
    }
    let file = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
    std::fs::write(&file, LABELS).unwrap();
    let mut command = crate::support::command("python3");
    command.args(["-S", "-c", JUDGE]).arg(&file);
    let output = feed(&mut command, questions.as_bytes());
    std::fs::remove_file(&file).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// The flags and types of the library, in its numbering.
const LAYER3: u32 = 1;
const ID: u32 = 4;
const TIMESTAMP: u32 = 8;
const CONNLABELS: u32 = 16;
const CHANGES: [(u32, Option<Change>); 4] =
    [(0, None), (1, Some(Change::New)), (2, Some(Change::Update)), (4, Some(Change::Destroy))];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn any_flow_is_written_as_by_the_library() {
    const TEST: &str = "any_flow_is_written_as_by_the_library";
    // The clocks of this zone change, and it needs no tzdata.
    if !needs(TEST, &LIBRARY)
        || !in_zones(&format!("library::{TEST}"), &["NST3:30NDT,M3.2.0,M11.1.0"])
    {
        return;
    }
    let names = Labels::of(LABELS.as_bytes());
    let (mut questions, mut ours) = (String::new(), Vec::new());
    let mut dice = Dice(0x5eed);
    for _ in 0..20_000 {
        let form = u32::from(dice.yes());
        let message = flow_message(&mut dice, form == 1);
        let (kind, change) = dice.one(&CHANGES);
        let flags = dice.roll() as u32 & (LAYER3 | ID | TIMESTAMP | CONNLABELS);
        writeln!(questions, "flow {form} {kind} {flags} {}", hex(&message)).unwrap();
        let parts = Parts {
            extended: flags & LAYER3 != 0,
            id: flags & ID != 0,
            ktimestamp: flags & TIMESTAMP != 0,
            labels: (flags & CONNLABELS != 0).then_some(&names),
            ..Parts::default()
        };
        let flow = read_flow(&message).unwrap();
        let mut text = Vec::new();
        match (form, change) {
            (1, _) => flow::xml(&mut text, &flow, &parts, change),
            (_, change) => {
                change.into_iter().for_each(|change| flow::event_prefix(&mut text, change));
                flow::line(&mut text, &flow, &parts);
            }
        }
        ours.push(String::from_utf8(text).unwrap());
    }
    let Some(theirs) = judged(TEST, &questions) else { return };
    assert_eq!(theirs.len(), ours.len());
    for ((theirs, ours), question) in theirs.iter().zip(&ours).zip(questions.lines()) {
        assert_eq!(theirs, ours, "{question}");
    }
}

#[test]
fn any_expectation_is_written_as_by_the_library() {
    const TEST: &str = "any_expectation_is_written_as_by_the_library";
    let (mut questions, mut ours) = (String::new(), Vec::new());
    let mut dice = Dice(0xf00d);
    for _ in 0..5000 {
        let message = expectation_message(&mut dice);
        let form = u32::from(dice.yes());
        let (kind, change) = dice.one(&CHANGES);
        writeln!(questions, "expect {form} {kind} 0 {}", hex(&message)).unwrap();
        let expectation = expectation(&message).unwrap();
        let mut text = Vec::new();
        match form {
            1 => flow::expectation_xml(&mut text, &expectation, &Parts::default(), change),
            _ => {
                change.into_iter().for_each(|change| flow::event_prefix(&mut text, change));
                flow::expectation_line(&mut text, &expectation);
            }
        }
        ours.push(String::from_utf8(text).unwrap());
    }
    let Some(theirs) = judged(TEST, &questions) else { return };
    assert_eq!(theirs.len(), ours.len());
    for ((theirs, ours), question) in theirs.iter().zip(&ours).zip(questions.lines()) {
        assert_eq!(theirs, ours, "{question}");
    }
}

/// A message about a flow 1.2.3.4 → 5.6.7.8 of `protocol`, with ports if they are given.
fn plain(protocol: u8, ports: Option<[u16; 2]>) -> Vec<u8> {
    let mut message = vec![2, 0, 0, 0];
    for kind in [1, 2] {
        nested(&mut message, kind, |tuple| {
            nested(tuple, 1, |ip| {
                push_attribute(ip, 1, &[1, 2, 3, 4]);
                push_attribute(ip, 2, &[5, 6, 7, 8]);
            });
            nested(tuple, 2, |proto| {
                push_attribute(proto, 1, &[protocol]);
                for (place, port) in ports.into_iter().flatten().enumerate() {
                    push_attribute(proto, 2 + place as u16, &port.to_be_bytes());
                }
            });
        });
    }
    message
}

/// Every one of `DIFFERENCES` that comes from the library: both texts are the same, apart from the difference.
#[test]
fn where_the_library_is_wrong() {
    const TEST: &str = "where_the_library_is_wrong";
    let names = Labels::of(LABELS.as_bytes());
    let ports = Some([1, 2]);
    let with = |protocol, fill: &dyn Fn(&mut Vec<u8>)| {
        let mut message = plain(protocol, ports);
        fill(&mut message);
        message
    };
    let state = |kind, state: u8| {
        move |message: &mut Vec<u8>| {
            nested(message, 4, |info| {
                nested(info, kind, |info| push_attribute(info, 1, &[state]));
            });
        }
    };
    let future = |message: &mut Vec<u8>| {
        nested(message, 20, |times| {
            push_attribute(times, 1, &9_000_000_000_000_000_000u64.to_be_bytes());
            push_attribute(times, 2, &8_999_999_990_000_000_000u64.to_be_bytes());
        });
    };
    let helper =
        |message: &mut Vec<u8>| nested(message, 5, |help| push_attribute(help, 1, b"<\x1b\0"));
    let cases = [
        (1, with(33, &state(2, 4)), "FIN_WAIT", "OPEN"),
        (1, with(132, &state(3, 8)), "CLOSE", "HEARTBEAT_SENT"),
        (0, plain(33, None), " sport=0 dport=0", ""),
        (0, with(6, &|message| push_attribute(message, 22, &[4; 16])), "labels", "labels="),
        (0, with(6, &future), "delta-time=18446744073709551606", "delta-time=0"),
        (1, with(6, &future), "<deltatime>18446744063", "<deltatime>0"),
        (0, with(6, &helper), "\x1b", "\\x1b"),
        (1, with(6, &helper), "<\x1b", "&lt;\\x1b"),
    ];
    let mut questions = String::new();
    for (form, message, ..) in &cases {
        writeln!(questions, "flow {form} 0 {CONNLABELS} {}", hex(message)).unwrap();
    }
    let Some(theirs) = judged(TEST, &questions) else { return };
    let parts = Parts { labels: Some(&names), ..Parts::default() };
    for ((form, message, wrong, right), theirs) in cases.into_iter().zip(theirs) {
        let flow = read_flow(&message).unwrap();
        let mut ours = Vec::new();
        match form {
            1 => flow::xml(&mut ours, &flow, &parts, None),
            _ => flow::line(&mut ours, &flow, &parts),
        }
        let ours = String::from_utf8(ours).unwrap();
        assert!(theirs.contains(wrong), "{theirs}");
        // The library's XML omits this element if it knows none of its contents.
        let without = |text: String| text.replace("<meta direction=\"independent\"></meta>", "");
        assert_eq!(without(theirs.replace(wrong, right)), without(ours));
    }
}
