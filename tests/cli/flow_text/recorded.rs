//! The recorded table of own-lab: its netlink messages, replayed as a dump, become the text that conntrack
//! 1.4.7 printed for it.

use std::fs;

use connbox::flow::{self, Parts};
use connbox::model::{Change, Flow};
use connbox::source::flows::conntrack::{FlowTable, flow as read_flow, flows};
use connbox::source::flows::expectations::expectation;
use connbox::source::flows::labels::Labels;
use connbox::source::netlink::{Exchange, Messages, Wait};
use connbox::wire::netlink::{DONE, dump_request};
use rustix::io::Errno;

use crate::support::world;

/// A kernel that answers with one datagram after the other.
struct Recorded(Vec<Vec<u8>>, Vec<u8>);

impl Exchange for Recorded {
    fn send(&mut self, _request: &[u8]) -> Result<(), Errno> {
        Ok(())
    }

    fn number(&mut self) -> u32 {
        1
    }
}

impl Messages for Recorded {
    fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
        self.1 = self.0.remove(0);
        Ok(&self.1)
    }
}

fn recording(name: &str) -> String {
    let path = world("own-lab-6.18").join("conntrack").join(format!("every-proto.{name}"));
    fs::read_to_string(path).unwrap()
}

pub fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The recorded dump, with several messages in each datagram.
fn recorded_dump(in_a_datagram: usize) -> Recorded {
    let text = recording("netlink.hex");
    let message = |line: &str| {
        let [kind, flags, payload] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let kind = u16::from_str_radix(kind, 16).unwrap();
        let mut message = dump_request(kind, 1, &bytes(payload));
        let flags = u16::from_str_radix(flags, 16).unwrap();
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
        message
    };
    let lines = text.lines().filter(|line| line.starts_with("0100 "));
    let messages: Vec<_> = lines.map(message).collect();
    let mut datagrams: Vec<_> = messages.chunks(in_a_datagram).map(<[_]>::concat).collect();
    datagrams.push(dump_request(DONE, 1, &[0; 4]));
    Recorded(datagrams, Vec::new())
}

/// The text that `write` gives for each flow, one line per flow.
fn written(in_a_datagram: usize, write: impl Fn(&mut Vec<u8>, &Flow<'_>)) -> String {
    let mut text = Vec::new();
    flows(&mut recorded_dump(in_a_datagram), FlowTable::Tracked, 0, &[], |flow| {
        write(&mut text, flow);
        text.push(b'\n');
        Ok(())
    })
    .unwrap();
    String::from_utf8(text).unwrap()
}

/// The lines that differ: conntrack's, and ours.
fn differences<'a>(theirs: &'a str, ours: &'a str) -> Vec<(&'a str, &'a str)> {
    assert_eq!(theirs.lines().count(), ours.lines().count());
    theirs.lines().zip(ours.lines()).filter(|(theirs, ours)| theirs != ours).collect()
}

#[test]
fn lines_are_those_of_conntrack() {
    for (name, extended) in [("L-id.txt", false), ("L-extended-id.txt", true)] {
        let parts = Parts { id: true, extended, ..Parts::default() };
        let theirs = recording(name);
        for in_a_datagram in [1, 7, 100] {
            let ours = written(in_a_datagram, |buffer, entry| flow::line(buffer, entry, &parts));
            // Linux 6.18 does not give the ports of DCCP, and conntrack shows zeros.
            let [(theirs, ours)] = differences(&theirs, &ours)[..] else { panic!("{ours}") };
            assert!(theirs.contains("dccp     33 "), "{theirs}");
            assert_eq!(theirs.replace(" sport=0 dport=0", ""), ours);
        }
    }
}

#[test]
fn xml_is_that_of_conntrack() {
    let ours = written(7, |buffer, entry| flow::xml(buffer, entry, &Parts::default(), None));
    let ours = [flow::XML_HEAD, &ours, flow::XML_TAIL].concat();
    let theirs = recording("L-xml.xml");
    let mut corrected = theirs.clone();
    let ports = "protoname=\"dccp\"><sport>0</sport><dport>0</dport>";
    corrected = corrected.replace(ports, "protoname=\"dccp\">");
    let sctp = |line: &str| line.contains("protoname=\"sctp\"");
    let correct = |line: &str| match sctp(line) {
        true => {
            line.replace(">FIN_WAIT<", ">ESTABLISHED<").replace(">CLOSE_WAIT<", ">SHUTDOWN_SENT<")
        }
        false => line.to_owned(),
    };
    let corrected: Vec<_> = corrected.lines().map(correct).collect();
    assert_eq!(corrected, ours.lines().collect::<Vec<_>>());
    let kinds: Vec<_> = differences(&theirs, &ours)
        .into_iter()
        .map(|(theirs, _)| if sctp(theirs) { "sctp" } else { "dccp" })
        .collect();
    assert_eq!(kinds, ["sctp", "dccp", "sctp"]);
}

#[test]
fn options_to_save_are_those_of_conntrack() {
    let ours = written(7, |buffer, entry| flow::save(buffer, entry, None));
    let theirs = recording("L-save.txt");
    let [(theirs, ours)] = differences(&theirs, &ours)[..] else { panic!("{ours}") };
    assert_eq!(theirs.replace("-u UNSET -w", "-u UNSET -m 3735928559 -w"), ours);
}

/// Whatever a kernel sends: either text without a control byte, or an error.
#[test]
fn no_damage_to_a_message_reaches_the_terminal() {
    let names = Labels::of(b"1 one\n127 last");
    let parts = Parts {
        extended: true,
        id: true,
        ktimestamp: true,
        labels: Some(&names),
        when_seconds: Some(0),
        now_seconds: 1 << 40,
    };
    let check = |payload: &[u8]| {
        let mut text = Vec::new();
        if let Some(entry) = read_flow(payload) {
            flow::line(&mut text, &entry, &parts);
            flow::xml(&mut text, &entry, &parts, Some(Change::Destroy));
            flow::save(&mut text, &entry, None);
        }
        if let Some(expectation) = expectation(payload) {
            flow::expectation_line(&mut text, &expectation);
            flow::expectation_xml(&mut text, &expectation, &parts, None);
        }
        assert!(!text.iter().any(u8::is_ascii_control), "{}", text.escape_ascii());
    };
    for line in recording("netlink.hex").lines().filter(|line| line.starts_with("0100 ")) {
        let whole = bytes(line.rsplit(' ').next().unwrap());
        for place in 0..whole.len() {
            check(&whole[..place]);
            for change in [1, 2, 0x0c, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] ^= change;
                check(&damaged);
            }
        }
    }
}
