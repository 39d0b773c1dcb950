//! The protocol between conntrackd and its clients, in pieces of any size.
#![no_main]

use connbox::applet::conntrackd::protocol::{self, Frames, Received, Receiver};
use connbox::source::flows::conntrack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, rest)) = data.split_first() else { return };
    let cut = usize::from(*cut) % (rest.len() + 1);
    let (first, second) = rest.split_at(cut);
    ask(first, second, rest);
    answer(first, second);
});

/// How a request is split does not change whether it is valid; nothing may follow a request.
fn ask(first: &[u8], second: &[u8], whole: &[u8]) {
    let mut pieces = Receiver::default();
    let said = match pieces.receive(first) {
        Received::Part => pieces.receive(second),
        Received::Whole(command) if second.is_empty() => Received::Whole(command),
        Received::Whole(_) => pieces.receive(second),
        bad => bad,
    };
    let at_once = Receiver::default().receive(whole);
    assert_eq!(matches!(said, Received::Bad(_)), matches!(at_once, Received::Bad(_)));
    if let (Received::Whole(a), Received::Whole(b)) = (said, at_once) {
        assert_eq!(a, b);
        assert_eq!(whole, protocol::request(a));
    }
}

/// Frames come out whole and in order, and never hold more bytes than arrived.
fn answer(first: &[u8], second: &[u8]) {
    let mut frames = Frames::default();
    let mut given = 0;
    for piece in [first, second] {
        frames.buffer.extend_from_slice(piece);
        loop {
            match frames.next_frame() {
                Ok(None) => break,
                Ok(Some((kind, content))) => {
                    given += 5 + content.len();
                    if let (protocol::FLOW, Some((_, payload))) =
                        (kind, content.split_first_chunk::<4>())
                    {
                        let _ = conntrack::flow(payload);
                    }
                }
                Err(_) => return,
            }
        }
        frames.forget();
    }
    assert_eq!(given + frames.buffer.len(), first.len() + second.len());
}
