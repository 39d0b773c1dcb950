//! Rows of /proc/net/{tcp,tcp6,udp,udp6} with all their columns (net/ipv4/tcp_ipv4.c, get_tcp4_sock;
//! net/ipv6/datagram.c).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::{Fields, unsigned};

/// The columns of a row of a socket table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Our address and port.
    pub local: (IpAddr, u16),
    /// The other end's address and port.
    pub remote: (IpAddr, u16),
    /// The state's number.
    pub state: u8,
    /// Bytes waiting to be sent or acknowledged.
    pub send_queue: u32,
    /// Bytes waiting to be read.
    pub recv_queue: u32,
    /// Which timer runs: 3 marks a minisocket.
    pub timer: u8,
    /// The user ID of the creator.
    pub uid: u32,
    /// The inode in sockfs, 0 if no process holds the socket.
    pub inode: u64,
}

/// A row of a socket table whose form was checked. There may be a million rows, and most callers want only
/// the state: the other columns are read on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRow<'a> {
    /// The state's number, column `st`.
    pub state: u8,
    /// Whether the addresses are of IPv4, not of IPv6.
    pub is_v4: bool,
    /// The row from the local address on.
    columns: &'a [u8],
}

/// Reads a row, without its line end; `None` if it is not one. The columns must be where the kernel writes
/// them, counted from the colon after the row's number.
#[inline]
pub fn socket_row(line: &[u8]) -> Option<SocketRow<'_>> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (number, rest) = line.split_at_checked(colon)?;
    is_row_number(number).then_some(())?;
    // An IPv4 local address ends before this position.
    if rest.get(10) == Some(&b':') {
        placed(rest, line.len() == PADDED_ROW, true, &ROW)
    } else {
        placed(rest, false, false, &ROW6)
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the template must be a constant where it is used")]
fn placed<'a, const WORDS: usize>(
    row: &'a [u8],
    is_padded: bool,
    is_v4: bool,
    template: &Template<WORDS>,
) -> Option<SocketRow<'a>> {
    let words = row.as_chunks::<8>().0.first_chunk::<WORDS>()?;
    template.fits(words).then_some(())?;
    let (_, from_state) = row.split_at_checked(words.as_flattened().len().checked_sub(STATE)?)?;
    let state = u8::try_from(hex(from_state.first_chunk::<2>()?)?).ok()?;
    // A row of full length is complete; for any other, the columns are checked.
    let is_whole = || tail(Fields::new(from_state.get(STATE.checked_sub(NUMBERS)?..)?));
    let columns = row.get(2..)?;
    (is_padded || is_whole().is_some()).then_some(SocketRow { state, is_v4, columns })
}

impl SocketRow<'_> {
    /// All columns; `None` if a decimal one is not a number.
    pub fn columns(&self) -> Option<Columns> {
        let tokens = self.columns.split(|byte| matches!(byte, b' ' | b':'));
        let mut tokens = tokens.filter(|token| !token.is_empty());
        let local = endpoint(tokens.next()?, tokens.next()?)?;
        let remote = endpoint(tokens.next()?, tokens.next()?)?;
        let mut number = || hex(tokens.next()?);
        let (_state, send_queue, recv_queue) = (number()?, number()?, number()?);
        let timer = u8::try_from(number()?).ok()?;
        let (_when, _retransmits) = (number()?, number()?);
        let uid = u32::try_from(unsigned(tokens.next()?)?).ok()?;
        let _timeout = unsigned(tokens.next()?)?;
        let inode = unsigned(tokens.next()?)?;
        Some(Columns {
            local,
            remote,
            state: self.state,
            send_queue,
            recv_queue,
            timer,
            uid,
            inode,
        })
    }
}

/// `0100007F` and `1F41`: the address as words in the byte order of the machine, the port.
fn endpoint(address: &[u8], port: &[u8]) -> Option<(IpAddr, u16)> {
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

/// The form of a row after its number: `H` stands for a hexadecimal digit, `N` for a digit or a blank, `?`
/// for any byte, anything else for itself. Up to the first digit of the inode, with the widths that
/// `tcp4_seq_show` and `tcp6_seq_show` give their fields.
const ROW: Template<TCP_WORDS> = Template::new(
    b": HHHHHHHH:HHHH HHHHHHHH:HHHH HH HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN\
    ????????",
);
/// The same for IPv6.
const ROW6: Template<18> = Template::new(
    b": HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HH \
    HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN????????",
);

/// The required bytes of a row, eight per word, the first one lowest. There may be a million rows: this
/// layout lets the compiler test several words at once.
struct Template<const WORDS: usize> {
    /// The bytes that stand for themselves.
    literal: [u64; WORDS],
    /// 0xff for a byte that stands for itself.
    is_literal: [u64; WORDS],
    /// 0x80 for a hexadecimal digit.
    is_hex: [u64; WORDS],
    /// 0x80 for a digit or a blank.
    is_number: [u64; WORDS],
}

impl<const WORDS: usize> Template<WORDS> {
    /// Compiles a template; a text whose length does not fit the words does not compile.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "at compile time")]
    const fn new<const LENGTH: usize>(text: &[u8; LENGTH]) -> Template<WORDS> {
        const { assert!(LENGTH == WORDS * 8) };
        let [mut literal, mut is_literal, mut is_hex, mut is_number] = [[0; WORDS]; 4];
        let mut place = 0;
        while place < LENGTH {
            let (word, shift) = (place / 8, place % 8 * 8);
            match text[place] {
                b'H' => is_hex[word] |= 0x80 << shift,
                b'N' => is_number[word] |= 0x80 << shift,
                b'?' => {}
                byte => {
                    literal[word] |= (byte as u64) << shift;
                    is_literal[word] |= 0xff << shift;
                }
            }
            place += 1;
        }
        Template { literal, is_literal, is_hex, is_number }
    }

    /// Whether the words fit.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the template must be a constant where it is used")]
    fn fits(&self, row: &[[u8; 8]; WORDS]) -> bool {
        const HIGH: u64 = each(0x80);
        let at_least = |bytes: u64, n: u8| bytes.wrapping_add(each(0x80u8.wrapping_sub(n)));
        let masks =
            self.literal.iter().zip(&self.is_literal).zip(&self.is_hex).zip(&self.is_number);
        let wrong = row.iter().zip(masks).fold(0, |wrong, (bytes, masks)| {
            let (((literal, is_literal), is_hex), is_number) = masks;
            let word = u64::from_le_bytes(*bytes);
            // With every byte below 0x80, adding (0x80 - n) sets a byte's high bit if it is at
            // least n, and nothing carries over into the next byte.
            let low = word & !HIGH;
            let digit = at_least(low, b'0') & !at_least(low, b'9'.wrapping_add(1));
            // Folding the case also maps some signs onto digits, but none onto a letter.
            let folded = low | each(0x20);
            let letter = at_least(folded, b'a') & !at_least(folded, b'f'.wrapping_add(1));
            let blank = !at_least(low ^ each(b' '), 1);
            wrong
                | ((word ^ literal) & is_literal)
                | ((word | !(digit | letter)) & is_hex)
                | ((word | !(digit | blank)) & is_number)
        });
        wrong == 0
    }
}

/// A word of eight times `byte`.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The length of the template of /proc/net/tcp; only its rows are padded.
const TCP_WORDS: usize = 12;
/// The offset of the state, in bytes before the end of the templates.
const STATE: usize = 66;
/// The offset of uid, timeout and inode, likewise.
const NUMBERS: usize = 24;

/// Whether `number` is blanks, then at most as many digits as a 64-bit number has.
#[inline]
fn is_row_number(number: &[u8]) -> bool {
    let start = number.iter().position(|&byte| byte != b' ').unwrap_or(number.len());
    let digits = number.get(start..).unwrap_or_default();
    (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// The kernel fills rows of /proc/net/tcp with blanks to this length (net/ipv4/tcp_ipv4.c, TMPSZ).
const PADDED_ROW: usize = 149;

/// Reads what follows the timers: uid, timeout, inode, reference count, and the socket's address, 8 or 16
/// digits of it. Further fields depend on the state; a row that is truncated before them still has
/// everything that connbox reads.
fn tail(mut fields: Fields<'_>) -> Option<()> {
    for _uid_timeout_inode_references in 0..4 {
        unsigned(fields.next()?)?;
    }
    let address = fields.next()?;
    let is_hex = address.iter().all(u8::is_ascii_hexdigit);
    (matches!(address.len(), 8 | 16) && is_hex).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = b"   1: 0100007F:1F41 0200007F:AE60 08 00000002:00000001 02:00000010 00000000  1000        0 5161857 1 00000000a196f2aa 100 0 0 10 0";
    const ROW6: &[u8] = b"   4: 0000000000000000FFFF00000100007F:2198 B80D0120000000000000000001000000:AE60 06 00000000:00000000 03:00000000 00000000     0        0 0 3 00000000668ee070";

    #[test]
    fn templates_tell_every_byte_at_every_place() {
        const TEXT: &[u8; 8] = b"HN:?NHN ";
        let template = Template::<1>::new(TEXT);
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut word = *b"f :A9c0 ";
                word[place] = byte;
                let fits = match TEXT[place] {
                    b'H' => byte.is_ascii_hexdigit(),
                    b'N' => byte.is_ascii_digit() || byte == b' ',
                    b'?' => true,
                    literal => byte == literal,
                };
                assert_eq!(template.fits(&[word]), fits, "{place} {byte:#x}");
            }
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_row_gives_its_fields() {
        let row = socket_row(ROW).unwrap().columns().unwrap();
        assert_eq!(row.local, ("127.0.0.1".parse().unwrap(), 8001));
        assert_eq!(row.remote, ("127.0.0.2".parse().unwrap(), 44640));
        assert_eq!((row.state, row.send_queue, row.recv_queue), (8, 2, 1));
        assert_eq!((row.timer, row.uid, row.inode), (2, 1000, 5_161_857));
        let row = socket_row(ROW6).unwrap().columns().unwrap();
        assert_eq!(row.local.0, "::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(row.remote.0, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!((row.timer, row.inode), (3, 0));
    }

    #[test]
    fn what_is_no_row_is_none() {
        for row in [ROW, ROW6] {
            let address =
                row.windows(9).rposition(|nine| nine[0] == b' ' && !nine[1..].contains(&b' '));
            let needed = address.unwrap() + 17;
            // Cut to 8 digits, it would be the address of a 32-bit kernel.
            for length in (0..needed).filter(|length| *length != needed - 8) {
                assert_eq!(socket_row(&row[..length]), None, "{length}");
            }
        }
        assert_eq!(socket_row(b"   1: 0100007F0:1F41 0200007F:AE60 08"), None);
        // Addresses of two families.
        assert_eq!(socket_row(&[&ROW[..20], &ROW6[43..]].concat()), None);
    }

    #[test]
    fn a_row_with_one_byte_changed_is_refused_or_means_that_byte() {
        for row in [ROW, ROW6] {
            for place in 0..row.len() {
                for byte in 0..=255u8 {
                    let mut bad = row.to_vec();
                    bad[place] = byte;
                    let Some(read) = socket_row(&bad) else { continue };
                    let state = bad.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
                    let state = str::from_utf8(state.clone().nth(3).unwrap()).unwrap();
                    assert_eq!(u8::from_str_radix(state, 16), Ok(read.state), "{place} {byte:#x}");
                }
            }
        }
    }

    #[test]
    fn row_numbers_may_be_wide() {
        for number in ["   9", "  99", "9999", "10000", "1234567", "0", "99999999999999999999"] {
            let row = [number.as_bytes(), &ROW[4..]].concat();
            assert_eq!(socket_row(&row), socket_row(ROW), "{number}");
        }
        for number in ["", "    ", "1 2", "-1", "x", "100000000000000000000"] {
            assert_eq!(socket_row(&[number.as_bytes(), &ROW[4..]].concat()), None, "{number}");
        }
    }
}
