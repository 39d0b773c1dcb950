//! Datagrams of any bytes: messages and attributes lie within them, in order, and end.
#![no_main]

use connbox::wire::inet_diag;
use connbox::wire::netlink::{self, HEADER};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut end = 0;
    let mut is_cut = false;
    for message in netlink::messages(data) {
        assert!(!is_cut, "a message after a cut one");
        let Some(message) = message else {
            is_cut = true;
            continue;
        };
        let start = within(data, message.payload);
        assert_eq!(start, end + HEADER);
        let header = |place| u32::from_ne_bytes(data[end + place..][..4].try_into().unwrap());
        assert_eq!(header(0) as usize, HEADER + message.payload.len());
        assert_eq!([message.sequence, message.port], [header(8), header(12)]);
        end = (start + message.payload.len()).next_multiple_of(4);
        payload(message.payload);
        if let Some(text) = netlink::error_text(&message) {
            within(message.payload, text);
        }
    }
    assert!(is_cut || end >= data.len(), "the rest is lost");
    // The bytes themselves, so that the fuzzer need not guess the lengths of messages.
    payload(data);
});

fn payload(payload: &[u8]) {
    let mut next = 0;
    for (kind, value) in netlink::attributes(payload) {
        assert!(kind <= 0x3fff);
        let start = within(payload, value);
        assert_eq!(start, next + 4);
        next = (start + value.len()).next_multiple_of(4);
    }
    if let Some(socket) = inet_diag::answer(payload) {
        assert_eq!([socket.family, socket.state, socket.timer], payload[..3]);
        let is_minisocket = socket.timer == 3;
        assert!(socket.state == 3 || socket.is_full() != is_minisocket);
        let _ = (socket.is_full(), socket.cgroup(), socket.local(), socket.remote());
    }
    assert!(inet_diag::answer(payload).is_some() == (payload.len() >= 72));
    let number = payload.first_chunk().map(|chunk| i32::from_ne_bytes(*chunk));
    assert_eq!(netlink::error_number(payload), number.and_then(i32::checked_neg));
}

/// Where `part` begins in `whole`; it must lie inside.
fn within(whole: &[u8], part: &[u8]) -> usize {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    assert_eq!(&whole[start..start + part.len()], part);
    start
}
