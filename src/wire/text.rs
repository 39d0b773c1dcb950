//! The text tables of /proc/net: sockstat, snmp, netstat, tcp and tcp6.

/// The tokens of a line, separated by any run of spaces and tabs.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The tokens of `line`.
    #[must_use]
    pub fn new(line: &'a [u8]) -> Fields<'a> {
        Fields { rest: line }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_blank(byte))?;
        let token = self.rest.get(start..)?;
        let end = token.iter().position(|&byte| is_blank(byte)).unwrap_or(token.len());
        let (token, rest) = token.split_at_checked(end)?;
        self.rest = rest;
        Some(token)
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// An unsigned decimal number that fits 64 bits; at most 20 digits, nothing else beside them.
#[must_use]
pub fn unsigned(token: &[u8]) -> Option<u64> {
    if token.is_empty() || token.len() > 20 {
        return None;
    }
    token.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A decimal number of 64 bits that may be negative: `Tcp: MaxConn` is -1.
#[must_use]
pub fn number(token: &[u8]) -> Option<i128> {
    match token.strip_prefix(b"-") {
        Some(digits) => unsigned(digits)
            .filter(|&value| value <= i64::MIN.unsigned_abs())
            .map(|value| i128::from(value).wrapping_neg()),
        None => unsigned(token).map(i128::from),
    }
}

/// Whether `token` is a name as the kernel writes them: a letter, then letters, digits and `_`.
#[must_use]
pub fn is_name(token: &[u8]) -> bool {
    token.first().is_some_and(u8::is_ascii_alphabetic)
        && token.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A line `GROUP: …` of sockstat, snmp or netstat.
#[derive(Clone, Debug)]
pub enum Group<'a> {
    /// `TCP: inuse 27 orphan 0`: names and numbers in turn.
    Counts {
        /// The protocol, `TCP`.
        protocol: &'a [u8],
        /// The rest of the line; see [`counts`].
        fields: &'a [u8],
    },
    /// `Tcp: RtoAlgorithm RtoMin`: the first line of a pair.
    Names {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The rest of the line: names.
        fields: &'a [u8],
    },
    /// `Tcp: 1 200`: the second line of a pair.
    Values {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The rest of the line: numbers.
        fields: &'a [u8],
    },
}

/// Reads a line `GROUP: …`; what kind it is follows from its first two tokens.
#[must_use]
pub fn group(line: &[u8]) -> Option<Group<'_>> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = line.get(..colon)?;
    let fields = line.get(colon.checked_add(1)?..)?;
    if !is_name(name) {
        return None;
    }
    let mut tokens = Fields::new(fields);
    // By its first letter: a number that is too wide is still meant as one.
    let is_number = |token: &[u8]| token.first().is_some_and(|c| c.is_ascii_digit() || *c == b'-');
    if is_number(tokens.next()?) {
        return Some(Group::Values { group: name, fields });
    }
    if tokens.next().is_some_and(is_number) {
        return Some(Group::Counts { protocol: name, fields });
    }
    Some(Group::Names { group: name, fields })
}

/// The pairs `name number` of a [`Group::Counts`] line; a `None` item is a broken pair and the last.
pub fn counts(fields: &[u8]) -> impl Iterator<Item = Option<(&[u8], u64)>> {
    let mut tokens = Fields::new(fields);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let name = tokens.next()?;
        let pair = tokens.next().and_then(unsigned).map(|value| (name, value));
        let pair = pair.filter(|_| is_name(name));
        broken = pair.is_none();
        Some(pair)
    })
}

/// The pairs of a `Names` line and its `Values` line, or `None` if they do not match in number or
/// one of them is no name or no number.
pub fn pairs<'a>(
    names: &'a [u8],
    values: &'a [u8],
) -> Option<impl Iterator<Item = (&'a [u8], i128)>> {
    // A name that comes twice would come out twice.
    let is_single = |(place, name)| !Fields::new(names).take(place).any(|other| other == name);
    let whole = Fields::new(names).count() == Fields::new(values).count()
        && Fields::new(names).enumerate().all(is_single)
        && Fields::new(names).all(is_name)
        && Fields::new(values).all(|value| number(value).is_some());
    let values = Fields::new(values).filter_map(number);
    whole.then(|| Fields::new(names).zip(values))
}

/// What a header line of a socket table says that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Rows of TCP sockets, IPv4.
    Tcp,
    /// Rows of TCP sockets, IPv6.
    Tcp6,
    /// Rows of UDP, UDP-Lite or raw sockets, IPv4.
    Udp,
    /// The same, IPv6.
    Udp6,
}

/// Reads the header line of a socket table. The kernel tells tcp from udp only by the columns
/// `ref pointer drops` at its end, and tcp6 from tcp by the word `remote_address`.
#[must_use]
pub fn header(line: &[u8]) -> Option<Header> {
    let mut tokens = Fields::new(line);
    let known = tokens.next()? == b"sl" && tokens.next()? == b"local_address";
    let remote = tokens.next().filter(|_| known)?;
    let is_udp = tokens.any(|token| token == b"drops");
    match remote {
        b"rem_address" => Some(if is_udp { Header::Udp } else { Header::Tcp }),
        b"remote_address" => Some(if is_udp { Header::Udp6 } else { Header::Tcp6 }),
        _ => None,
    }
}

/// What a row of /proc/net/tcp{,6} says about the socket's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpRow {
    /// The state's number, column `st`.
    pub state: u8,
}

/// The columns of one socket table: their places move with the width of the row number alone,
/// which `tcp4_seq_show` prints with `%4d`, so a row is nearly always laid out as the one before it.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Hexadecimal digits of an address: 8 or 32.
    address: usize,
    /// Where the colon behind the row number stood last.
    colon: usize,
}

impl Columns {
    /// The columns of /proc/net/tcp.
    pub const TCP: Columns = Columns { address: 8, colon: 4 };
    /// The columns of /proc/net/tcp6.
    pub const TCP6: Columns = Columns { address: 32, colon: 4 };

    /// Reads one row, without its line end: by place if it is laid out as the last one was, by
    /// splitting it into fields otherwise. `None`: it is no row of this table.
    #[inline]
    pub fn row(&mut self, line: &[u8]) -> Option<TcpRow> {
        let fast = match self.address {
            8 => placed(line, self.colon, &TCP_ROW),
            _ => placed(line, self.colon, &TCP6_ROW),
        };
        fast.or_else(|| self.split(line))
    }

    #[cold]
    fn split(&mut self, line: &[u8]) -> Option<TcpRow> {
        let row = split(line, self.address)?;
        self.colon = line.iter().position(|&byte| byte == b':')?;
        Some(row)
    }
}

/// How a row goes on behind its number: `H` stands for a hexadecimal digit, `N` for a digit or a
/// blank, `?` for any byte, anything else for itself. Up to the first digit of the inode, with the
/// widths that `tcp4_seq_show` and `tcp6_seq_show` give their fields.
const TCP_ROW: Template<TCP_WORDS> = Template::new(
    b": HHHHHHHH:HHHH HHHHHHHH:HHHH HH HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN\
    ????????",
);
/// The same for /proc/net/tcp6.
const TCP6_ROW: Template<18> = Template::new(
    b": HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HH \
    HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN????????",
);

/// What the bytes of a row must be, eight of them in a word, the first one lowest. There may be a
/// million rows: the words are kept so that the compiler can test several of them at once.
struct Template<const WORDS: usize> {
    /// The bytes that stand for themselves.
    literal: [u64; WORDS],
    /// 0xff where a byte stands for itself.
    is_literal: [u64; WORDS],
    /// 0x80 where a hexadecimal digit stands.
    is_hex: [u64; WORDS],
    /// 0x80 where a digit or a blank stands.
    is_number: [u64; WORDS],
}

impl<const WORDS: usize> Template<WORDS> {
    /// Compiles a template; a text of another length than its words does not compile.
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
            // Folding the case maps some signs onto digits too, but none onto a letter.
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

/// Reads a row whose fields stand at the kernel's own places, counted from the first colon.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the template must be a constant where it is used")]
fn placed<const WORDS: usize>(
    line: &[u8],
    colon: usize,
    template: &Template<WORDS>,
) -> Option<TcpRow> {
    let (number, rest) = line.split_at_checked(colon)?;
    is_row_number(number).then_some(())?;
    let (words, _) = rest.as_chunks::<8>();
    let words = words.first_chunk::<WORDS>()?;
    template.fits(words).then_some(())?;
    let (_, fields) = rest.split_at_checked(words.as_flattened().len().checked_sub(STATE)?)?;
    let (&[high, low], _) = fields.split_first_chunk::<2>()?;
    let state = (nibble(high)? << 4) | nibble(low)?;
    // A row of full length has its end; of any other the fields are looked at.
    let is_whole = || tail(Fields::new(fields.get(STATE.checked_sub(NUMBERS)?..)?));
    let is_padded = WORDS == TCP_WORDS && line.len() == PADDED_ROW;
    (is_padded || is_whole().is_some()).then_some(TcpRow { state })
}

/// The length of the template of /proc/net/tcp, whose rows alone are padded.
const TCP_WORDS: usize = 12;
/// Where the state stands, in bytes before the end of the templates.
const STATE: usize = 66;
/// Where uid, timeout and inode stand, likewise.
const NUMBERS: usize = 24;

/// Whether `number` is blanks, then digits.
#[inline]
fn is_row_number(number: &[u8]) -> bool {
    // More digits than any 64-bit number has are no row number.
    if number.len() > 20 {
        return false;
    }
    let mut was_digit = false;
    for byte in number {
        match byte {
            b'0'..=b'9' => was_digit = true,
            b' ' if !was_digit => {}
            _ => return false,
        }
    }
    was_digit
}

/// The kernel fills rows of /proc/net/tcp with blanks to this length (net/ipv4/tcp_ipv4.c, TMPSZ).
const PADDED_ROW: usize = 149;

/// Reads what follows the timers: uid, timeout, inode, reference count, and the socket's address,
/// 8 or 16 digits of it. Further fields depend on the state; a row that is cut short before them
/// still says all of what connbox reads.
fn tail(mut fields: Fields<'_>) -> Option<()> {
    for _uid_timeout_inode_references in 0..4 {
        unsigned(fields.next()?)?;
    }
    let address = fields.next()?;
    (matches!(address.len(), 8 | 16) && is_hex(address)).then_some(())
}

fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

/// Reads a row by its fields, wherever they stand.
fn split(line: &[u8], address: usize) -> Option<TcpRow> {
    let mut fields = Fields::new(line);
    unsigned(fields.next()?.strip_suffix(b":")?)?;
    is_endpoint(fields.next()?, address).then_some(())?;
    is_endpoint(fields.next()?, address).then_some(())?;
    let &[high, low] = fields.next()? else { return None };
    let state = (nibble(high)? << 4) | nibble(low)?;
    is_pair(fields.next()?).then_some(())?;
    is_pair(fields.next()?).then_some(())?;
    is_hex(fields.next()?).then_some(())?;
    tail(fields).map(|()| TcpRow { state })
}

fn is_endpoint(token: &[u8], address: usize) -> bool {
    token.split_at_checked(address).is_some_and(|(address, port)| {
        is_hex(address)
            && port.strip_prefix(b":").is_some_and(|port| port.len() == 4 && is_hex(port))
    })
}

fn is_pair(token: &[u8]) -> bool {
    let mut halves = token.split(|&byte| byte == b':');
    halves.next().is_some_and(is_hex)
        && halves.next().is_some_and(is_hex)
        && halves.next().is_none()
}

fn is_hex(token: &[u8]) -> bool {
    !token.is_empty() && token.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = b"   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5161857 1 00000000a196f2aa 100 0 0 10 0                   ";
    const ROW6: &[u8] = b"   4: 0000000000000000FFFF00000100007F:2198 0000000000000000FFFF00000100007F:AE60 01 00000000:00000000 00:00000000 00000000     0        0 5160941 1 00000000668ee070 20 0 0 10 -1";

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
    fn numbers_have_their_bounds() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616"), None);
        assert_eq!(unsigned(b"99999999999999999999"), None);
        assert_eq!(unsigned(b"000000000000000000001"), None);
        assert_eq!(unsigned(b""), None);
        assert_eq!(unsigned(b"+1"), None);
        assert_eq!(number(b"-1"), Some(-1));
        assert_eq!(number(b"-9223372036854775808"), Some(i128::from(i64::MIN)));
        assert_eq!(number(b"-9223372036854775809"), None);
        assert_eq!(number(b"--1"), None);
    }

    #[test]
    fn a_row_reads_the_same_by_place_and_by_field() {
        for (mut columns, row, state) in [(Columns::TCP, ROW, 10), (Columns::TCP6, ROW6, 1)] {
            assert_eq!(columns.row(row), Some(TcpRow { state }));
            assert_eq!(split(row, columns.address), Some(TcpRow { state }));
        }
        let (mut tcp, mut tcp6) = (Columns::TCP, Columns::TCP6);
        assert_eq!((tcp.row(ROW6), tcp6.row(ROW)), (None, None));
    }

    #[test]
    fn wide_row_numbers_move_the_columns() {
        let mut columns = Columns::TCP;
        for number in ["   9", "  99", "9999", "10000", "1234567", "0"] {
            let row = [number.as_bytes(), &ROW[4..]].concat();
            assert_eq!(columns.row(&row), Some(TcpRow { state: 10 }), "{number}");
            assert_eq!(columns.colon, number.len());
            assert!(placed(&row, columns.colon, &TCP_ROW).is_some());
        }
    }

    #[test]
    fn places_and_fields_agree_on_every_corruption() {
        for (row, address) in [(ROW, 8), (ROW6, 32)] {
            for place in 0..row.len() {
                for byte in 0..=255u8 {
                    let mut bad = row.to_vec();
                    bad[place] = byte;
                    let fast = match address {
                        8 => placed(&bad, 4, &TCP_ROW),
                        _ => placed(&bad, 4, &TCP6_ROW),
                    };
                    // The tail (uid and what follows) is looked at less closely by place.
                    if place < 4 + 2 * (address + 6) + 44 && fast.is_some() {
                        assert_eq!(fast, split(&bad, address), "{place} {byte:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn truncated_rows_are_no_rows() {
        for row in [ROW, ROW6] {
            let mut columns = if row == ROW { Columns::TCP } else { Columns::TCP6 };
            let address = row.windows(10).position(|ten| ten.starts_with(b" 00000000")).unwrap();
            for end in 0..address + 9 {
                assert_eq!(columns.row(&row[..end]), None, "{end}");
            }
        }
    }

    #[test]
    fn groups_are_told_by_their_first_two_tokens() {
        assert!(matches!(
            group(b"TCP: inuse 27 orphan 0"),
            Some(Group::Counts { protocol: b"TCP", .. })
        ));
        assert!(matches!(
            group(b"Tcp: RtoAlgorithm RtoMin"),
            Some(Group::Names { group: b"Tcp", .. })
        ));
        assert!(matches!(group(b"Tcp: One"), Some(Group::Names { .. })));
        assert!(matches!(group(b"Tcp: 1 -1"), Some(Group::Values { group: b"Tcp", .. })));
        assert!(group(b"TCP:").is_none());
        assert!(group(b"   0: 0100007F:1F41").is_none());
    }

    #[test]
    fn a_broken_pair_ends_the_counts() {
        let all: Vec<_> = counts(b" inuse 27 orphan x tw 3").collect();
        assert_eq!(all, [Some((b"inuse".as_slice(), 27)), None]);
        assert_eq!(counts(b" inuse 1 odd").last(), Some(None));
    }

    #[test]
    fn pairs_of_different_length_are_none() {
        assert!(pairs(b" A B", b" 1").is_none());
        assert!(pairs(b" A B", b" 1 x").is_none());
        let all: Vec<_> = pairs(b" A MaxConn", b" 1 -1").into_iter().flatten().collect();
        assert_eq!(all, [(b"A".as_slice(), 1), (b"MaxConn".as_slice(), -1)]);
    }

    #[test]
    fn headers_tell_their_tables() {
        assert_eq!(header(b"  sl  local_address rem_address   st tx_queue"), Some(Header::Tcp));
        assert_eq!(
            header(b"  sl  local_address                  remote_address st"),
            Some(Header::Tcp6)
        );
        assert_eq!(
            header(b"   sl  local_address rem_address   st inode ref pointer drops  "),
            Some(Header::Udp)
        );
        assert_eq!(header(b"  sl  local_address"), None);
    }
}
