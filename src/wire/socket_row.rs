//! Rows of /proc/net/{tcp,tcp6,udp,udp6} with all their columns (net/ipv4/tcp_ipv4.c, get_tcp4_sock;
//! net/ipv6/datagram.c).

use std::net::IpAddr;

use super::printed::{endpoint, hex};
use super::row_template::{ROW, ROW6, Template};
use super::text::{Fields, unsigned};

pub use super::printed::ByteOrder;

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
    /// The row from the colon on.
    row: &'a [u8],
}

/// Reads a row, without its line end; `None` if it is not one. The columns must be where the kernel writes
/// them, counted from the colon after the row's number.
#[inline]
pub fn socket_row(line: &[u8]) -> Option<SocketRow<'_>> {
    let rest = behind_number(line)?;
    // An IPv4 local address ends before this position.
    if rest.get(10) == Some(&b':') {
        placed(rest, line.len() == PADDED_ROW, true, &ROW)
    } else {
        placed(rest, false, false, &ROW6)
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the template must be a constant where it is used")]
fn placed<'a, const LENGTH: usize>(
    row: &'a [u8],
    is_padded: bool,
    is_v4: bool,
    template: &Template<LENGTH>,
) -> Option<SocketRow<'a>> {
    template.fits(row.first_chunk::<LENGTH>()?).then_some(())?;
    let (_, from_state) = row.split_at_checked(LENGTH.checked_sub(STATE)?)?;
    let [high, low] = from_state.first_chunk::<2>()?.map(digit);
    let state = high << 4 | low;
    // A row of full length is complete; for any other, the columns are checked.
    let is_whole = || tail(Fields::new(from_state.get(STATE.checked_sub(NUMBERS)?..)?));
    (is_padded || is_whole().is_some()).then_some(SocketRow { state, is_v4, row })
}

impl<'a> SocketRow<'a> {
    /// All columns; `None` if a decimal one is not a number.
    pub fn columns(&self, order: ByteOrder) -> Option<Columns> {
        let tokens = self.row.get(2..)?.split(|byte| matches!(byte, b' ' | b':'));
        let mut tokens = tokens.filter(|token| !token.is_empty());
        let local = endpoint(tokens.next()?, tokens.next()?, order)?;
        let remote = endpoint(tokens.next()?, tokens.next()?, order)?;
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

    /// Our end's port.
    pub fn local_port(self) -> Option<u32> {
        hex(self.row.get(if self.is_v4 { 11 } else { 35 }..)?.first_chunk::<4>()?)
    }

    /// The place of the other end's port.
    fn port(self) -> Option<usize> {
        self.row.len().checked_sub(self.rest().len())?.checked_sub(7)
    }

    /// The columns behind the state.
    fn rest(self) -> &'a [u8] {
        self.row.get(if self.is_v4 { ENDS } else { ENDS6 }..).unwrap_or_default()
    }

    /// Whether the socket is a minisocket: TIME_WAIT, or FIN_WAIT2 without an owner.
    pub fn is_minisocket(self) -> bool {
        self.rest().get(TIMER..).is_some_and(|timer| timer.starts_with(b"03:"))
    }

    /// Whether the row has columns behind the address: those of connections are of full TCP sockets only.
    pub fn has_more(self) -> bool {
        self.field(5).is_some()
    }

    /// A column by its place behind the timers: the user, the timeout, the inode, the references, the address.
    #[inline(never)]
    fn field(self, place: usize) -> Option<&'a [u8]> {
        Fields::new(self.rest().get(USER..)?).nth(place)
    }

    /// A hash of what tells the socket from the others of its table: its ends, state and inode. `None` if it
    /// has no inode, or this does not stand where it does as a rule; see [`SocketRow::rare_identity`].
    #[inline]
    pub fn identity(self) -> Option<u64> {
        let rest = if self.is_v4 { self.row.get(ENDS..)? } else { self.row.get(ENDS6..)? };
        let usual = rest.get(INODE.checked_sub(1)?..)?.first_chunk::<17>()?;
        let [b' ', b'1'..=b'9', ..] = usual else { return None };
        let inode = word::<1>(usual);
        let (low, high) = match zeros(inode ^ each(b' ')) {
            0 => (inode, before_blank(word::<9>(usual))),
            blanks => (before(inode, blanks), 0),
        };
        Some(mixed(self.ends() ^ low, high))
    }

    /// The same of any other row. Without an inode the address in memory tells the socket, or the ends alone
    /// where that is hidden: only sockets bound to different interfaces or VRFs could have the same two ends.
    /// `None` if there is no other end: several sockets may have such a row.
    #[inline(never)]
    pub fn rare_identity(self) -> Option<u64> {
        let usual = self.rest().get(INODE.checked_sub(1)?..).and_then(<[u8]>::first_chunk::<21>);
        let (low, high) = match usual {
            // No inode, one digit of references, the address.
            Some([b' ', b'0', b' ', _, b' ', address @ ..]) => halves(address),
            _ => self.name()?,
        };
        let is_hidden = low == ZEROS && matches!(high, 0 | ZEROS);
        let is_lonely = || self.row.get(self.port()?..)?.starts_with(b"0000 ").then_some(());
        (!is_hidden || is_lonely().is_none()).then_some(mixed(self.ends() ^ low, high))
    }

    /// The inode, or the address of a socket without one, wherever the columns stand.
    #[cold]
    fn name(self) -> Option<(u64, u64)> {
        let inode = self.field(2)?;
        let name = if inode == b"0" { self.field(4)? } else { inode };
        let mut padded = [b' '; 16];
        padded.iter_mut().zip(name).for_each(|(byte, digit)| *byte = *digit);
        Some(halves(&padded))
    }

    /// A hash of the ends and the state.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "there may be a million rows")]
    fn ends(self) -> u64 {
        let mix = |hash: u64, [a, b]: &[_; 2]| hash.rotate_left(23) ^ mixed(lowest(a), lowest(b));
        let all = |words: &[[u8; 8]]| words.as_chunks::<2>().0.iter().fold(0, mix);
        match self.is_v4 {
            true => self.row.first_chunk::<ENDS>().map_or(0, |ends| all(ends.as_chunks().0)),
            false => self.row.first_chunk::<ENDS6>().map_or(0, |ends| all(ends.as_chunks().0)),
        }
    }
}

/// A number of at most sixteen digits, those before a blank, as two words.
#[inline]
fn halves(number: &[u8; 16]) -> (u64, u64) {
    let ([low, high], _) = number.as_chunks::<8>() else { return (0, 0) };
    let (low, high) = (before_blank(lowest(low)), before_blank(lowest(high)));
    (low, if low >> 56 == 0 { 0 } else { high })
}

/// Eight bytes of a text as a number, the first one lowest.
#[inline]
fn word<const PLACE: usize>(text: &[u8; 17]) -> u64 {
    text.get(PLACE..).and_then(<[u8]>::first_chunk).map_or(0, lowest)
}

/// Eight bytes as a number, the first one lowest.
#[inline]
fn lowest(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// The bytes of a word before the first one that `zeros` marks.
#[inline]
fn before(word: u64, zeros: u64) -> u64 {
    word & (zeros & zeros.wrapping_neg()).wrapping_sub(1)
}

/// The bytes of a word before its first blank.
#[inline]
fn before_blank(word: u64) -> u64 {
    before(word, zeros(word ^ each(b' ')))
}

/// The high bit of each byte of a word that is 0; above the first one bits may be wrong.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & each(0x80)
}

/// A hash of two words: all bits of both get into all bits of it.
#[inline]
fn mixed(one: u64, other: u64) -> u64 {
    let one = u128::from(one ^ 0xa076_1d64_78bd_642f);
    let product = one.wrapping_mul(u128::from(other ^ 0xe703_7ed1_a0b4_28db));
    // The halves of a product.
    (product as u64) ^ (product >> 64) as u64
}

/// A hexadecimal digit whose form was checked.
#[inline]
fn digit(digit: u8) -> u8 {
    // Bit 6 tells a letter, and its other bits count from 1.
    (digit & 15).wrapping_add((digit >> 6).wrapping_mul(9))
}

/// A word of eight times `byte`.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The offset of the state, in bytes before the end of the templates.
const STATE: usize = 66;
/// The offset of uid, timeout and inode, likewise.
const NUMBERS: usize = 24;

/// Eight digits 0.
const ZEROS: u64 = each(b'0');
/// The bytes from the colon to the end of the state.
const ENDS: usize = 32;
/// The same for IPv6.
const ENDS6: usize = 80;
/// The offset of the timer, in bytes behind the state.
const TIMER: usize = 19;
/// Likewise of the user's number.
const USER: usize = 40;
/// Likewise of the inode, unless the numbers before it are very wide.
const INODE: usize = 55;

/// A line from the colon behind the row's number on; `None` if no number stands before it.
#[inline]
fn behind_number(line: &[u8]) -> Option<&[u8]> {
    let word = lowest(line.first_chunk()?);
    let colon = zeros(word ^ each(b':'));
    if colon == 0 {
        return behind_wide_number(line);
    }
    let bits = colon.trailing_zeros() & !7;
    // The bytes before the colon, behind blanks, less the digit 0: a digit is 0 to 9 then, a blank 16.
    let blank = each(16);
    let number = (word ^ each(b'0')).checked_shl(64u32.wrapping_sub(bits))? | blank >> bits;
    let (blanks, digits) = (number & blank, number & !blank);
    let wrong = digits.wrapping_add(each(6)) & each(0xf0)
        | digits & (blanks >> 4).wrapping_mul(15)
        // Only a blank stands before a blank, and the last byte is none.
        | blanks & !(blanks << 8 | 16)
        | blanks >> 56;
    if wrong == 0 { line.get(usize::try_from(bits >> 3).ok()?..) } else { None }
}

/// The same for a number of any width: blanks, then at most as many digits as a 64-bit number has.
#[cold]
fn behind_wide_number(line: &[u8]) -> Option<&[u8]> {
    let (number, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
    let start = number.iter().position(|byte| *byte != b' ')?;
    let digits = number.get(start..)?;
    (digits.len() <= 20 && digits.iter().all(u8::is_ascii_digit)).then_some(rest)
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
    fn a_row_gives_its_fields() {
        let row = socket_row(ROW).unwrap().columns(ByteOrder::Little).unwrap();
        assert_eq!(row.local, ("127.0.0.1".parse().unwrap(), 8001));
        assert_eq!(row.remote, ("127.0.0.2".parse().unwrap(), 44640));
        assert_eq!((row.state, row.send_queue, row.recv_queue), (8, 2, 1));
        assert_eq!((row.timer, row.uid, row.inode), (2, 1000, 5_161_857));
        let row = socket_row(ROW6).unwrap().columns(ByteOrder::Little).unwrap();
        assert_eq!(row.local.0, "::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(row.remote.0, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!((row.timer, row.inode), (3, 0));
    }

    #[test]
    fn a_big_endian_machine_writes_addresses_as_they_are_read() {
        let of = |row: &[u8]| socket_row(row).unwrap().columns(ByteOrder::Big).unwrap();
        // From psutil's issue 201, of a SPARC.
        let row = of(
            b"   2: 7F000001:A13F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2940        0 41019895 1 fffff8103c59be80 300 0 0 2 -1",
        );
        assert_eq!(row.local, ("127.0.0.1".parse().unwrap(), 41_279));
        let row = of(
            b"   4: 00000000000000000000FFFF7F000001:2198 20010DB8000000000000000000000001:AE60 06 00000000:00000000 03:00000000 00000000     0        0 0 3 00000000668ee070",
        );
        assert_eq!(row.local.0, "::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(row.remote, ("2001:db8::1".parse().unwrap(), 44_640));
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

    /// What tells a row's socket from others, by whichever way it is found.
    fn identity(row: &[u8]) -> Option<u64> {
        let row = socket_row(row)?;
        row.identity().or_else(|| row.rare_identity())
    }

    #[test]
    fn a_change_of_ends_state_or_inode_is_another_socket() {
        for row in [ROW, ROW6] {
            let (text, own) = (str::from_utf8(row).unwrap(), identity(row).unwrap());
            let fields: Vec<&str> =
                text.split([' ', ':']).filter(|field| !field.is_empty()).collect();
            let has_inode = fields[13] != "0";
            for place in 0..row.len() {
                for byte in *b"0123456789AF" {
                    let mut other = row.to_vec();
                    other[place] = byte;
                    let Some(seen) = identity(&other).filter(|_| other != row) else { continue };
                    let other = str::from_utf8(&other).unwrap();
                    let changed = other.split([' ', ':']).filter(|field| !field.is_empty());
                    let changed = changed.zip(&fields).position(|(one, other)| one != *other);
                    // Number, both ends, state; the inode, or the address if there is none.
                    let tells =
                        matches!(changed, Some(1..=5 | 13)) || !has_inode && changed == Some(15);
                    assert_eq!(seen != own, tells, "{place} {byte:#x}: {other}");
                }
            }
        }
    }

    #[test]
    fn no_corruption_of_what_tells_a_socket_panics() {
        for row in [ROW, ROW6] {
            for place in 0..row.len() {
                for byte in 0..=255u8 {
                    let mut bad = row.to_vec();
                    bad[place] = byte;
                    for end in [bad.len(), place + 1] {
                        let Some(row) = socket_row(&bad[..end]) else { continue };
                        let _ = (row.identity(), row.rare_identity(), row.local_port());
                        let _ = (row.is_minisocket(), row.has_more());
                    }
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
