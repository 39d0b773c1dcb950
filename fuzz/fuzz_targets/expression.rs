//! Filter expressions of any bytes: each is an error that names a place inside, or compiles to a program
//! that the kernel would accept and that matches the same packets as the matcher.
#![no_main]

#[path = "../../tests/cli/expressions/bpf.rs"]
mod bpf;
#[path = "../../tests/cli/expressions/packets.rs"]
#[allow(dead_code)]
mod packets;

use connbox::capture_filter::Expression;
use libfuzzer_sys::fuzz_target;
use packets::{Packet, facts, packets};

thread_local! {
    static PACKETS: Vec<Packet> = [packets(30, false), packets(30, true)].concat();
}

/// Some port names.
fn services(name: &[u8]) -> Option<u16> {
    (name.len() == 2).then(|| u16::from(name[0]) + u16::from(name[1]))
}

fuzz_target!(|text: &[u8]| {
    let expression = match Expression::parse(text, &services) {
        Ok(expression) => expression,
        Err(wrong) => {
            assert!(wrong.place <= text.len() && !wrong.to_string().is_empty());
            let word = String::from_utf8_lossy(&text[wrong.place..]);
            assert!(word.starts_with(wrong.word.trim_end_matches('\u{fffd}')));
            return;
        }
    };
    if expression.needs_link() {
        // Programs see packets from their IP header on: the matcher alone decides.
        return;
    }
    let Ok(program) = expression.program(128) else { return assert!(text.len() > 1_000) };
    assert!(bpf::is_sound(&program));
    PACKETS.with(|packets| {
        for packet in packets {
            let facts = facts(packet).filter(|facts| facts.protocol == 6);
            let is_meant = facts.is_some_and(|facts| expression.has(&facts));
            let (answer, _) = bpf::run(&program, packet.ethertype, &packet.bytes);
            assert_eq!(answer, if is_meant { 128 } else { 0 }, "{packet:?}");
        }
    });
});
