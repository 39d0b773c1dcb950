//! Captures that are cut or damaged: the rows of what could be read, then the byte and the reason, status 1.

use super::made::{TALK, frames, pcap, pcapng, place, replay, rows, said};
use crate::support;

/// All packets of the conversation, and all but the last.
const WHOLE: &str = "CLOSED 200 100 0.200000";
const BUT_ONE: &str = "CLOSING 200 100 0.200000";

/// The captures: what is damaged, the file, its row, and the message.
fn damaged() -> Vec<(&'static str, Vec<u8>, &'static str, String)> {
    let frames = frames(&TALK);
    let one = pcap(1, &frames);
    let numbered: Vec<_> = frames.iter().map(|frame| (0, frame.clone())).collect();
    let ng = pcapng(&[1], &numbered);
    let (last, ng_last) = (one.len() - 16 - 54, ng.len() - 32 - 56);
    let behind = |file: &[u8], more: &[u8]| [file, more].concat();
    let at = |place: usize, reason: &str| format!("tcptrack: FILE: at byte {place}: {reason}\n");
    let early = "what begins here is cut short";
    let second = "a second capture begins (mergecap joins captures, cat does not)";
    let too_long = "a packet longer than its block or than any packet can be";
    let length = "a block with a wrong length";
    vec![
        ("in a packet", one[..one.len() - 14].to_vec(), BUT_ONE, at(last, early)),
        ("in a header", one[..last + 9].to_vec(), BUT_ONE, at(last, early)),
        ("behind a header", one[..last + 16].to_vec(), BUT_ONE, at(last, early)),
        ("in a block", ng[..ng.len() - 40].to_vec(), BUT_ONE, at(ng_last, early)),
        ("in its header", ng[..ng_last + 5].to_vec(), BUT_ONE, at(ng_last, early)),
        ("in its end", ng[..ng.len() - 2].to_vec(), WHOLE, at(ng.len() - 4, early)),
        ("zeros", behind(&one, &[0; 1000]), WHOLE, at(one.len(), "zeros instead of a packet")),
        ("few zeros", behind(&one, &[0; 9]), WHOLE, at(one.len(), early)),
        ("foreign bytes", behind(&one, &[b'?'; 500]), WHOLE, at(one.len(), too_long)),
        ("two files", behind(&one, &one), WHOLE, at(one.len(), second)),
        ("two kinds", behind(&one, &ng), WHOLE, at(one.len(), too_long)),
        ("two other kinds", behind(&ng, &one), WHOLE, at(ng.len(), second)),
        ("zeros behind blocks", behind(&ng, &[0; 1000]), WHOLE, at(ng.len(), length)),
        ("foreign blocks", behind(&ng, &[b'?'; 500]), WHOLE, at(ng.len(), length)),
    ]
}

#[test]
fn what_could_be_read_is_shown() {
    for (what, file, row, message) in damaged() {
        let output = replay("damaged-rows.pcap", &file, &[]);
        let said = said("damaged-rows.pcap", &output);
        assert_eq!((rows(&output), said), (vec![row.to_owned()], message.clone()), "{what}");
        assert_eq!(output.status.code(), Some(1), "{what}");
        let piped = support::run_with_input(&["tcptrack", "-T", "-"], &file);
        assert_eq!((piped.stdout, piped.status.code()), (output.stdout, Some(1)), "{what}");
        let message = message.replace("FILE", "standard input");
        assert_eq!(String::from_utf8(piped.stderr).unwrap(), message, "{what}");
    }
}

#[test]
fn every_form_of_output_holds_what_could_be_read() {
    let name = "damaged-forms.pcap";
    for (what, file, row, message) in damaged() {
        let state = row.split(' ').next().unwrap();
        for (options, wanted) in [
            (&["--json"][..], format!("\"state\":\"{state}\"")),
            (&["--by", "state"], format!("{state}\t1\t0\t0\n")),
            (&["--prom"], format!("state=\"{state}\",process=\"\",pid=\"\"}} 200\n")),
            (&["--format", "shell"], format!("STATE=\"{state}\"")),
            (&["--top", "1", "--header"], format!("\t{state}\t")),
        ] {
            let output = replay(name, &file, options);
            let text = String::from_utf8(output.stdout.clone()).unwrap();
            assert!(text.contains(&wanted), "{what} {options:?}: {text}");
            assert_eq!((said(name, &output), output.status.code()), (message.clone(), Some(1)));
            assert!(text.ends_with('\n'), "{what}: {text}");
        }
    }
    // A file of samples holds them, too.
    let (_, file, _, message) = damaged().swap_remove(0);
    std::fs::write(place(name), file).unwrap();
    let prom = place("damaged-forms.prom");
    let words = ["--textfile", prom.to_str().unwrap(), "tcptrack", "-T"];
    let output = support::run(&[&words[..], &[place(name).to_str().unwrap()]].concat());
    let text = std::fs::read_to_string(prom).unwrap();
    assert!(text.contains("state=\"CLOSING\",process=\"\",pid=\"\"} 200\n"), "{text}");
    assert!(said(name, &output).contains(message.split_once(": ").unwrap().1));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_that_is_no_capture_has_no_result() {
    for (file, reason) in [
        (&b""[..], "is empty"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "at byte 0: what begins here is cut short"),
        (b"GET / HTTP/1.1", "at byte 0: not a capture file (pcap or pcapng)"),
    ] {
        let output = replay("no-capture.pcap", file, &["--json"]);
        assert!(output.stdout.is_empty() && output.status.code() == Some(1));
        assert_eq!(said("no-capture.pcap", &output), format!("tcptrack: FILE: {reason}\n"));
    }
}

#[test]
fn every_end_of_a_growing_capture_shows_what_was_written() {
    let file = pcap(1, &frames(&TALK));
    let mut last = 0;
    for end in (24..file.len()).step_by(7) {
        let output = replay("growing.pcap", &file[..end], &[]);
        let rows = rows(&output);
        let bytes: u64 = rows
            .iter()
            .flat_map(|row| row.split(' ').nth(1))
            .map(|n| n.parse::<u64>().unwrap())
            .sum();
        assert!(bytes >= last && rows.len() <= 1, "{end}: {rows:?}");
        assert!(rows.len() == 1 || end < 24 + 16 + 54);
        last = bytes;
    }
    assert_eq!(last, 200);
}
