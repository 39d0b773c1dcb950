//! Rows of /proc/net/{tcp,tcp6,udp,udp6} with all that they say of a socket (net/ipv4/tcp_ipv4.c,
//! get_tcp4_sock; net/ipv6/datagram.c).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::{Fields, unsigned};

/// A row of a socket table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRow {
    /// Our address and port.
    pub local: (IpAddr, u16),
    /// The other end's address and port.
    pub remote: (IpAddr, u16),
    /// The state's number.
    pub state: u8,
    /// Bytes to be sent or acknowledged.
    pub send_queue: u32,
    /// Bytes to be read.
    pub recv_queue: u32,
    /// Which timer runs: 3 marks a minisocket.
    pub timer: u8,
    /// Who made the socket.
    pub uid: u32,
    /// The inode in sockfs, 0 where no process holds the socket.
    pub inode: u64,
}

/// Reads a row, without its line end; `None` if it is none.
#[must_use]
pub fn socket_row(line: &[u8]) -> Option<SocketRow> {
    let mut fields = Fields::new(line);
    unsigned(fields.next()?.strip_suffix(b":")?)?;
    let (local, remote) = (endpoint(fields.next()?)?, endpoint(fields.next()?)?);
    let state = u8::try_from(hex(fields.next()?)?).ok()?;
    let (send_queue, recv_queue) = pair(fields.next()?)?;
    let (timer, _when) = pair(fields.next()?)?;
    hex(fields.next()?)?;
    let uid = u32::try_from(unsigned(fields.next()?)?).ok()?;
    unsigned(fields.next()?)?;
    let inode = unsigned(fields.next()?)?;
    let timer = u8::try_from(timer).ok()?;
    Some(SocketRow { local, remote, state, send_queue, recv_queue, timer, uid, inode })
}

/// `0100007F:1F41`: the address as words in the byte order of the machine, the port.
fn endpoint(token: &[u8]) -> Option<(IpAddr, u16)> {
    let (port, rest) = token.split_last_chunk::<4>().map(|(rest, port)| (port, rest))?;
    let address = rest.strip_suffix(b":")?;
    let port = u16::try_from(hex(port)?).ok()?;
    let (words, &[]) = address.as_chunks::<8>() else { return None };
    let address = match *words {
        [word] => IpAddr::V4(Ipv4Addr::from(hex(&word)?.to_ne_bytes())),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip([a, b, c, d]) {
                *place = hex(&word)?.to_ne_bytes();
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

/// `00000000:00000001`.
fn pair(token: &[u8]) -> Option<(u32, u32)> {
    let colon = token.iter().position(|&byte| byte == b':')?;
    Some((hex(token.get(..colon)?)?, hex(token.get(colon.checked_add(1)?..)?)?))
}

/// A hexadecimal number of at most 32 bits.
fn hex(token: &[u8]) -> Option<u32> {
    if token.is_empty() || token.len() > 8 {
        return None;
    }
    token.iter().try_fold(0u32, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = b"   1: 0100007F:1F41 0200007F:AE60 08 00000002:00000001 02:00000010 00000000  1000        0 5161857 1 00000000a196f2aa 100 0 0 10 0";
    const ROW6: &[u8] = b"   4: 0000000000000000FFFF00000100007F:2198 B80D0120000000000000000001000000:AE60 06 00000000:00000000 03:00000000 00000000     0        0 0 3 00000000668ee070";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_row_gives_its_fields() {
        let row = socket_row(ROW).unwrap();
        assert_eq!(row.local, ("127.0.0.1".parse().unwrap(), 8001));
        assert_eq!(row.remote, ("127.0.0.2".parse().unwrap(), 44640));
        assert_eq!((row.state, row.send_queue, row.recv_queue), (8, 2, 1));
        assert_eq!((row.timer, row.uid, row.inode), (2, 1000, 5_161_857));
        let row = socket_row(ROW6).unwrap();
        assert_eq!(row.local.0, "::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(row.remote.0, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!((row.timer, row.inode), (3, 0));
    }

    #[test]
    fn what_is_no_row_is_none() {
        for length in 0..ROW.len() {
            let _ = socket_row(&ROW[..length]);
        }
        for place in 0..ROW.len() {
            for byte in 0..=255 {
                let mut bad = ROW.to_vec();
                bad[place] = byte;
                let _ = socket_row(&bad);
            }
        }
        assert_eq!(socket_row(&ROW[..80]), None);
        assert_eq!(socket_row(b"   1: 0100007F0:1F41 0200007F:AE60 08"), None);
        assert_eq!(socket_row(b""), None);
    }
}
