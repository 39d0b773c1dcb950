//! Captures whose snapshot length cuts packets before the numbers of TCP: how many is said.

use super::made::{Row, TALK, ethernet, ipv4, ipv6, packet, pcap_cut, replay, rows, said};

/// The rows, what is said, and the status, for frames of which `snap` bytes are captured.
fn cut(name: &str, frames: &[(usize, Vec<u8>)], options: &[&str]) -> (Vec<String>, String) {
    let output = replay(name, &pcap_cut(1, frames), options);
    let said = said(name, &output);
    assert_eq!(output.status.code(), Some(i32::from(said.contains("missing"))), "{said}");
    (rows(&output), said)
}

fn lacking(count: usize) -> String {
    format!(
        "tcptrack: {count} packets of TCP end before its sequence numbers (a longer snapshot length of the capture keeps \
         them): their connections or bytes are missing\n"
    )
}

fn frames(snap: usize, wrap: impl Fn(Row) -> Vec<u8>) -> Vec<(usize, Vec<u8>)> {
    TALK.iter().map(|row| (snap, wrap(*row))).collect()
}

/// A frame with a VLAN tag.
fn tagged(is_ipv4: bool, row: Row) -> Vec<u8> {
    let ethertype: u16 = if is_ipv4 { 0x0800 } else { 0x86dd };
    let content = [&[0, 5], &ethertype.to_be_bytes()[..], &packet(is_ipv4, row)].concat();
    ethernet(0x8100, &content)
}

const WHOLE: &str = "CLOSED 200 100 0.200000";

#[test]
fn cut_packets_of_one_family_are_counted() {
    let name = "cut-family.pcap";
    let both = |snap| {
        [frames(snap, |row| tagged(true, row)), frames(snap, |row| tagged(false, row))].concat()
    };
    let one = vec![WHOLE.to_owned()];
    assert_eq!(cut(name, &both(72), &[]), (vec![WHOLE.to_owned(); 2], String::new()));
    for snap in [66, 68, 71] {
        assert_eq!(cut(name, &both(snap), &[]), (one.clone(), lacking(9)), "{snap}");
    }
    // Nothing but the family is known of the others: their header of IP is cut, too.
    for snap in [56, 57] {
        assert_eq!(cut(name, &both(snap), &[]), (one.clone(), lacking(9)), "{snap}");
    }
    for snap in [1, 14, 18, 22, 30, 38, 44, 51] {
        assert_eq!(cut(name, &both(snap), &[]), (vec![], lacking(18)), "{snap}");
    }
}

#[test]
fn one_cut_packet_is_counted_where_it_may_match() {
    let name = "cut-one.pcap";
    let mut all = frames(usize::MAX, |row| ethernet(0x0800, &packet(true, row)));
    all.truncate(4);
    let of = |captured, options: &[&str]| {
        let mut all = all.clone();
        all[3].0 = captured;
        let (rows, said) = cut(name, &all, options);
        assert_eq!(rows.len(), usize::from(!options.contains(&"81")), "{rows:?}");
        said
    };
    let told = "tcptrack: FILE: none of its 4 packets matches the filter, which TCP packets alone can match\n";
    for captured in [34, 36, 37] {
        // The ports are cut, too.
        assert_eq!(of(captured, &["port", "80"]), lacking(1), "{captured}");
        assert_eq!(of(captured, &["host", "192.0.2.10"]), lacking(1), "{captured}");
        assert_eq!(of(captured, &["port", "81"]), lacking(1), "{captured}");
    }
    for captured in [38, 40, 47] {
        assert_eq!(of(captured, &[]), lacking(1), "{captured}");
        assert_eq!(of(captured, &["port", "80"]), lacking(1), "{captured}");
        assert_eq!(of(captured, &["port", "81"]), told, "{captured}");
        assert_eq!(of(captured, &["host", "192.0.2.10"]), lacking(1), "{captured}");
    }
    for captured in [48, 54, 60] {
        assert_eq!(of(captured, &[]), "", "{captured}");
    }
}

#[test]
fn what_is_not_tcp_may_be_cut() {
    let name = "cut-others.pcap";
    let mut all = frames(usize::MAX, |row| ethernet(0x0800, &packet(true, row)));
    let ends = [[192, 0, 2, 10], [198, 51, 100, 20]];
    for snap in [24, 30, 34, 36, 54] {
        all.push((snap, ethernet(0x0800, &ipv4(17, ends[0], ends[1], &[0; 60]))));
        all.push((snap, ethernet(0x86dd, &ipv6(17, 1, 2, &[0; 60]))));
        all.push((snap, ethernet(0x86dd, &ipv6(58, 1, 2, &[0; 60]))));
        all.push((snap, ethernet(0x0806, &[0; 46])));
    }
    // Its first header says that no TCP can follow.
    assert_eq!(cut(name, &all, &[]), (vec![WHOLE.to_owned()], String::new()));
    // Behind an extension header TCP may follow.
    all.push((58, ethernet(0x86dd, &ipv6(0, 1, 2, &[6, 1, 0, 0, 0, 0, 0, 0, 0, 0]))));
    assert_eq!(cut(name, &all, &[]), (vec![WHOLE.to_owned()], lacking(1)));
}

#[test]
fn cut_packets_in_tunnels_are_counted() {
    let name = "cut-tunnel.pcap";
    let ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
    let inner = |row: Row| [&[0, 0, 8, 0], &packet(true, row)[..]].concat();
    let tunnel = |row: Row| ethernet(0x0800, &ipv4(47, ends[0], ends[1], &inner(row)));
    let whole = frames(usize::MAX, tunnel);
    let options = &["--decapsulate"];
    assert_eq!(cut(name, &whole, options), (vec![WHOLE.to_owned()], String::new()));
    for snap in [33, 34, 37, 38, 40, 50, 58, 60, 71] {
        assert_eq!(cut(name, &frames(snap, tunnel), options), (vec![], lacking(9)), "{snap}");
    }
}
