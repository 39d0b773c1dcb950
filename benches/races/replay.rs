//! A large capture of packets cut after their headers, as from a router.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Connections in the capture.
pub const CONNECTIONS: u32 = 10_000;
/// Payload bytes of a packet from the client, and from the server.
const PAYLOAD: [u32; 2] = [200, 1448];
/// Ethernet, IPv4 and TCP without options.
const HEADERS: u32 = 14 + 20 + 20;

/// Writes a pcap of this many packets: all connections open, then send in turn; none closes.
pub fn write(path: &Path, packets: u32) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    // Microseconds, version 2.4, UTC, the length limit, Ethernet.
    for number in [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, HEADERS, 1] {
        out.write_all(&number.to_le_bytes())?;
    }
    for packet in 0..packets {
        let (round, connection) = (packet / CONNECTIONS, packet % CONNECTIONS);
        let frame = frame(connection, round);
        let payload = if round < 3 { 0 } else { PAYLOAD[(round % 2) as usize] };
        // The whole capture lasts one minute.
        let microseconds = u64::from(packet) * 60_000_000 / u64::from(packets);
        let time = [microseconds / 1_000_000 + 1_700_000_000, microseconds % 1_000_000];
        for number in time.map(|part| part as u32).into_iter().chain([HEADERS, HEADERS + payload]) {
            out.write_all(&number.to_le_bytes())?;
        }
        out.write_all(&frame)?;
    }
    out.flush()
}

/// The headers of a connection's packet: SYN, SYN-ACK, ACK, then data from both ends in turn.
fn frame(connection: u32, round: u32) -> Vec<u8> {
    let is_reply = round % 2 == 1;
    let way = usize::from(is_reply);
    let data = round.saturating_sub(3);
    // Round 3, the first with data, is the server's, so it has sent the larger half of the data packets.
    let sent = [data / 2 * PAYLOAD[0], data.div_ceil(2) * PAYLOAD[1]];
    let payload = if round < 3 { 0 } else { PAYLOAD[way] };
    let flags = [0x02u8, 0x12, 0x10].get(round as usize).copied().unwrap_or(0x18);
    let client =
        (0x0a00_0001 + (connection / 250) * 256 + connection % 250, 20_000 + connection % 40_000);
    let server = (0xc633_6407u32, 443u32);
    let (source, destination) = if is_reply { (server, client) } else { (client, server) };
    let begun = u32::from(round > way as u32);
    let sequence = 1000 + begun + sent[way];
    let acknowledged = if round == 0 { 0 } else { 1001 + sent[1 - way] };
    let mut frame = vec![2u8; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(((40 + payload) as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(source.0.to_be_bytes());
    frame.extend(destination.0.to_be_bytes());
    frame.extend((source.1 as u16).to_be_bytes());
    frame.extend((destination.1 as u16).to_be_bytes());
    frame.extend(sequence.to_be_bytes());
    frame.extend(acknowledged.to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}
