//! Any bytes as a capture file: packets lie in the file, in order; the size of the buffer does not
//! matter; and the file reader gives the same packets, or an error that names the byte.
#![no_main]

mod memory;

use std::time::Duration;

use connbox::error::{Error, Status};
use connbox::source::packets::Frame;
use connbox::source::packets::pcap_file::{self, Ending};
use connbox::wire::packet::packet_of;
use connbox::wire::pcap::{Content, MOST_BYTES, MOST_NEEDED, Reader, Trouble};
use libfuzzer_sys::fuzz_target;
use memory::Memory;

thread_local! {
    static FILE: Memory = Memory::new("capture", 200);
}

/// Time, original length, bytes.
type Packets = Vec<(Duration, u32, Vec<u8>)>;

fuzz_target!(|data: &[u8]| {
    let (packets, trouble, is_unknown) = read(data, data.len().max(1));
    for step in [1, 64] {
        assert_eq!(read(data, step), (packets.clone(), trouble, is_unknown));
    }
    FILE.with(|file| {
        file.hold(data);
        let mut seen = Packets::new();
        let result = pcap_file::read(&file.path, &mut |frame: &Frame<'_>| {
            let _ = packet_of(frame.link, frame.bytes, frame.original_bytes);
            seen.push((frame.time, frame.original_bytes, frame.bytes.to_vec()));
        });
        assert_eq!(seen, packets);
        let ending = result.unwrap_or_else(|error| Ending { trouble: Some(error), ..Ending::default() });
        assert!(ending.skipped.is_empty() || is_unknown);
        match ending.trouble {
            None => assert!(trouble.is_none()),
            Some(Error::Fault { status: Status::Failed, text }) => {
                assert!(trouble.is_some());
                let text = String::from_utf8(text).unwrap();
                let (_, rest) = text.split_once(": at byte ").unwrap();
                let (place, reason) = rest.split_once(": ").unwrap();
                assert!(place.parse::<usize>().unwrap() <= data.len() && !reason.is_empty());
                if let Some((at, _)) = trouble {
                    assert_eq!(place.parse(), Ok(at));
                }
            }
            Some(other) => panic!("{other:?}"),
        }
    });
});

/// The packets of the file, the place and reason of an error, and whether a link type is unknown.
/// The buffer grows by `step` bytes at a time.
fn read(file: &[u8], step: usize) -> (Packets, Option<(usize, bool)>, bool) {
    let mut reader = Reader::default();
    let (mut start, mut end) = (0, 0);
    let (mut packets, mut is_unknown) = (Packets::new(), false);
    loop {
        match reader.next(&file[start..end]) {
            Ok(piece) => {
                match piece.content {
                    Content::Packet(packet) => {
                        assert!(packet.bytes.len() <= MOST_BYTES);
                        packets.push((packet.time, packet.original_bytes, packet.bytes.to_vec()));
                    }
                    Content::UnknownLink(_) => is_unknown = true,
                    Content::Other => {}
                }
                let length = usize::try_from(piece.length).unwrap();
                assert!(length > 0);
                if start + length > file.len() {
                    return (packets, Some((start, false)), is_unknown);
                }
                start += length;
                end = end.max(start);
            }
            Err(Trouble::Short(needed)) => {
                assert!(needed <= MOST_NEEDED && needed > end - start);
                if end == file.len() {
                    let is_end = start == end && reader.may_end();
                    return (packets, (!is_end).then_some((start, false)), is_unknown);
                }
                end = (end + step).min(file.len());
            }
            Err(Trouble::Damaged(_)) => return (packets, Some((start, true)), is_unknown),
        }
    }
}
