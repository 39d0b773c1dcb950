//! Numbers that surprise: SYNs of other connections, ports that are used again, another order.

use super::made::{
    ACK, FIN, RST, Row, SYN, TALK, ethernet, frames, ipv4, packet, pcap, replay, rows,
};

/// The rows of a capture of these segments.
fn of(name: &str, segments: &[Row]) -> Vec<String> {
    let output = replay(name, &pcap(1, &frames(segments)), &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    rows(&output)
}

/// The same segments of a later connection, with other numbers.
fn later((way, flags, sequence, acknowledgment, payload): Row) -> Row {
    let base = |mine: bool| if mine { 3_000_000_000u32 } else { 1_000_000 };
    let acknowledgment = if acknowledgment == 0 { 0 } else { acknowledgment + base(way == '<') };
    (way, flags, sequence.wrapping_add(base(way == '>')), acknowledgment, payload)
}

const ROW: &str = "CLOSED 200 100 0.200000";

#[test]
fn a_foreign_answer_does_not_empty_a_row() {
    let foreign = ('<', SYN | ACK, 88_888_888, 1000, 0);
    for place in 3..=TALK.len() {
        let mut talk = TALK.to_vec();
        talk.insert(place, foreign);
        assert_eq!(of("foreign.pcap", &talk)[0].replace("0.300000", "0.200000"), ROW, "{place}");
    }
    let data = [('>', ACK, 1000, 5000, 100), ('<', ACK, 5000, 1100, 200), foreign];
    let more = [('>', ACK, 1100, 5200, 50), ('<', ACK, 5200, 1150, 300), ('>', ACK, 1150, 5500, 0)];
    let amid = [&TALK[..3], &data, &more].concat();
    assert_eq!(of("foreign.pcap", &amid), ["ESTABLISHED 500 150 0.200000"]);
}

#[test]
fn ports_used_again_give_a_row_each() {
    let name = "used-again.pcap";
    let again: Vec<Row> = TALK[..6].iter().copied().map(later).collect();
    let second = "ESTABLISHED 200 100 0.200000";
    let reset = [&TALK[..6], &[('<', RST | ACK, 5200, 1100, 0)]].concat();
    for (first, row) in [
        (&TALK[..], ROW),
        (&reset, "RESET 200 100 0.200000"),
        (&TALK[..7], "CLOSING 200 100 0.200000"),
        (&TALK[..6], second),
    ] {
        let all = [first, &again].concat();
        let mut wanted = [row, second];
        wanted.sort_unstable();
        assert_eq!(of(name, &all), wanted);
        let file = pcap(1, &frames(&all));
        // Each series of Prometheus stands there once, and the sums hold both.
        let output = replay(name, &file, &["--prom"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let mut series: Vec<_> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        let sum = |name: &str| -> f64 {
            let of = series.iter().filter(|(series, _)| series.starts_with(name));
            of.map(|(_, number)| number.parse::<f64>().unwrap()).sum()
        };
        assert_eq!(sum("connbox_tcptrack_rx_bytes_total"), 400.0);
        assert_eq!(sum("connbox_tcptrack_tx_bytes_total"), 200.0);
        let count = series.len();
        series.sort_by_key(|(series, _)| *series);
        series.dedup_by_key(|(series, _)| *series);
        assert_eq!(series.len(), count, "{text}");
        let output = replay(name, &file, &["--by", "client"]);
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("192.0.2.10\t2\t"));
        // There is room for one.
        let output = replay(name, &file, &["--max-connections", "1"]);
        assert_eq!(rows(&output), [second]);
        assert!(String::from_utf8(output.stderr).unwrap().contains("--max-connections"));
        assert_eq!(output.status.code(), Some(1));
        // What is wrong with the file is said, too.
        let output = replay(name, &file[..file.len() - 1], &["--max-connections", "1"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("--max-connections") && stderr.lines().count() == 2, "{stderr}");
    }
}

/// Where only the client's way is selected, no answer tells that the ports are used again.
#[test]
fn ports_used_again_give_a_row_each_of_one_way() {
    let near = |(way, flags, sequence, acknowledgment, payload): Row| {
        let (mine, its) = if way == '>' { (6101, 10_300) } else { (10_300, 6101) };
        let acknowledgment = if acknowledgment == 0 { 0 } else { acknowledgment + its };
        (way, flags, sequence + mine, acknowledgment, payload)
    };
    for again in [TALK.map(later), TALK.map(near)] {
        for first in [&TALK[..], &TALK[..8], &TALK[..7], &TALK[..6]] {
            let file = pcap(1, &frames(&[first, &again].concat()));
            let output = replay("one-way-again.pcap", &file, &["dst port 80"]);
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            let rows = rows(&output);
            // A FIN that was not captured may be one byte.
            let bytes = |row: &String| {
                [199, 200, 201].iter().any(|rx| row.contains(&format!(" {rx} 100 ")))
            };
            assert!(rows.len() == 2 && rows.iter().all(bytes), "{rows:?}");
        }
    }
}

#[test]
fn what_is_captured_in_another_order_counts_the_same() {
    for (from, to) in [(1, 3), (1, 2), (0, 1), (3, 1), (7, 6), (8, 7), (4, 3)] {
        let mut talk = TALK.to_vec();
        let segment = talk.remove(from);
        talk.insert(to, segment);
        let row = of("order.pcap", &talk).join("; ");
        assert!(row.starts_with("CLOSED 200 100 "), "{from} {to}: {row}");
    }
    let ahead = [TALK[0], TALK[1], TALK[2], TALK[3], ('<', ACK, 5000, 1101, 0)];
    let fin = ('>', FIN | ACK, 1100, 5000, 0);
    assert_eq!(of("order.pcap", &[&ahead[..], &[fin]].concat()), ["CLOSING 0 100 0.200000"]);
}

#[test]
fn networks_that_share_addresses_are_told() {
    let tagged = |id: u16, row: Row| {
        ethernet(0x8100, &[&id.to_be_bytes()[..], &[8, 0], &packet(true, row)].concat())
    };
    // VXLAN: UDP to its port, and the number of the network.
    let tunnelled = |id: u16, row: Row| {
        let inner = ethernet(0x0800, &packet(true, row));
        let udp = [[0x20u8, 0, 0x12, 0xb5], [0; 4], [8, 0, 0, 0], [0, id as u8, 0, 0]].concat();
        ethernet(0x0800, &ipv4(17, [192, 0, 2, 1], [192, 0, 2, 2], &[udp, inner].concat()))
    };
    let untagged = |_: u16, row: Row| ethernet(0x0800, &packet(true, row));
    let mixed = |in_one: &dyn Fn(u16, Row) -> Vec<u8>, second: fn(Row) -> Row| {
        let both = TALK.into_iter().flat_map(|row| [in_one(5, row), in_one(6, second(row))]);
        pcap(1, &both.collect::<Vec<_>>())
    };
    let told = |file: &[u8], options: &[&str]| {
        let output = replay("networks.pcap", file, options);
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        let is_told = stderr.contains("VLANs or tunnels");
        assert_eq!(output.status.code(), Some(is_told.into()), "{stderr}");
        assert!(is_told || stderr.is_empty(), "{stderr}");
        (is_told, rows(&output))
    };
    assert!(told(&mixed(&tagged, later), &[]).0);
    assert!(told(&mixed(&tunnelled, later), &["--decapsulate"]).0);
    let (is_told, one) = told(&mixed(&tagged, later), &["vlan 6"]);
    assert!(!is_told && one.len() == 1 && one[0].starts_with("CLOSED 200 100 "), "{one:?}");
    // Both sides of a router: the same connection, in two VLANs or in none and one.
    let (is_told, one) = told(&mixed(&tagged, |row| row), &[]);
    assert!(!is_told && one.len() == 1 && one[0].starts_with("CLOSED 200 100 "), "{one:?}");
    let sides = TALK.into_iter().flat_map(|row| [untagged(0, row), tagged(6, row)]);
    let (is_told, one) = told(&pcap(1, &sides.collect::<Vec<_>>()), &[]);
    assert!(!is_told && one.len() == 1 && one[0].starts_with("CLOSED 200 100 "), "{one:?}");
    // Tagged one way, untagged the other; one after the other.
    let one_way = TALK.map(|row| if row.0 == '>' { untagged(0, row) } else { tagged(6, row) });
    assert!(!told(&pcap(1, &one_way), &[]).0);
    let after =
        TALK.map(|row| tagged(5, row)).into_iter().chain(TALK.map(later).map(|row| tagged(6, row)));
    let (is_told, two) = told(&pcap(1, &after.collect::<Vec<_>>()), &[]);
    assert!(!is_told && two.len() == 2, "{two:?}");
}
