//! Captures whose result is empty, or lacks something: a message says so. What no capture has is refused.

use super::made::{ACK, TALK, ethernet, frames, ipv4, pcap, pcapng, replay, rows, said};

/// The rows, the message and the status of a run.
fn result(name: &str, file: &[u8], options: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let output = replay(name, file, options);
    let said = said(name, &output).replace("tcptrack: FILE: ", "");
    (rows(&output), said, output.status.code())
}

#[test]
fn an_empty_result_has_a_reason() {
    let name = "empty-result.pcap";
    let udp =
        ethernet(0x0800, &ipv4(17, [10, 0, 0, 1], [10, 0, 0, 2], &[0, 53, 0, 53, 0, 8, 0, 0]));
    let arp = ethernet(0x0806, &[0; 28]);
    let none = |count| format!("none of its {count} packets is TCP over IP\n");
    let empty = |said: String| (Vec::new(), said, Some(0));
    assert_eq!(result(name, &pcap(1, &[]), &[]), empty("holds no packets\n".to_owned()));
    assert_eq!(result(name, &pcap(1, &[udp, arp]), &[]), empty(none(2)));
    let talk = pcap(1, &frames(&TALK));
    let hidden = "none of its 9 packets belongs to a connection that is shown\n".to_owned();
    let unmatched = "none of its 9 packets matches the filter, which TCP packets alone can match\n";
    assert_eq!(result(name, &talk, &["port", "81"]), empty(unmatched.to_owned()));
    let middle = pcap(1, &frames(&[('>', ACK, 1000, 5000, 100); 9]));
    assert_eq!(result(name, &middle, &["-d"]), empty(hidden));
}

#[test]
fn packets_of_unknown_links_are_counted() {
    let name = "unknown-links.pcapng";
    let mut all = Vec::new();
    for frame in frames(&TALK) {
        all.extend([(1, vec![0; 30]), (0, frame), (2, vec![0; 9]), (1, vec![0; 3])]);
    }
    let wifi = "18 packets were skipped: link type 127 is not known\n";
    let usb = "9 packets were skipped: link type 220 is not known\n";
    let row = vec!["CLOSED 200 100 0.800000".to_owned()];
    let file = pcapng(&[1, 127, 220], &all);
    assert_eq!(result(name, &file, &[]), (row, format!("{wifi}{usb}"), Some(1)));
    all.retain(|(interface, _)| *interface != 0);
    let file = pcapng(&[1, 127, 220], &all);
    assert_eq!(result(name, &file, &[]), (Vec::new(), format!("{wifi}{usb}"), Some(1)));
    let file = pcap(220, &[vec![0; 4]]);
    let usb = usb.replace("9 packets", "1 packets");
    assert_eq!(result(name, &file, &[]), (Vec::new(), usb, Some(1)));
    // A file that names many link types does not fill the screen.
    let links: Vec<u16> = (300..400).collect();
    let all: Vec<_> = (0..100).map(|interface| (interface, vec![0; 4])).collect();
    let (_, said, status) = result(name, &pcapng(&links, &all), &[]);
    assert_eq!((said.lines().count(), status), (9, Some(1)));
    assert!(
        said.ends_with("92 packets were skipped: link type 308 is not known, nor are others\n")
    );
}

#[test]
fn keys_of_sockets_are_refused() {
    let talk = pcap(1, &frames(&TALK));
    for key in ["process", "pid", "cgroup", "pod", "container", "server,process"] {
        let (rows, said, status) = result("keys.pcap", &talk, &["--by", key]);
        let wanted = "tcptrack: --by: process, pid, cgroup, pod and container are not known with -T: a capture has";
        assert!(rows.is_empty() && said.starts_with(wanted), "{key}: {rows:?} {said}");
        assert_eq!(status, Some(2), "{key}");
    }
    for other in [&["-i", "lo"][..], &["--conntrack"]] {
        let words = [&["tcptrack", "--once", "--by", "cgroup"], other].concat();
        let output = crate::support::run(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    for key in ["client", "service", "laddr,lport", "peer", "state"] {
        let output = replay("keys.pcap", &talk, &["--by", key]);
        assert_eq!((said("keys.pcap", &output), output.status.code()), (String::new(), Some(0)));
    }
}
