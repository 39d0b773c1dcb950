//! Keys of groups: what rows have in common, as bytes by which the groups are sorted. The first byte of a
//! key says whether it has a value.

use std::fmt;
use std::net::IpAddr;

use crate::cli;
use crate::model::Needs;
use crate::model::masked;
use crate::out::{Column, Value};

/// What is counted in groups: sockets, flows, connections.
pub(crate) trait Counted: fmt::Debug + Default + 'static {
    /// One of them, with all that is known about it.
    type One<'a>: Copy;
    const KEYS: &'static [Key<Self>];
    /// The names of the keys.
    const NAMES: &'static [&'static str];
    /// The columns after the keys: the count, then at most two sums.
    const NUMBERS: &'static [Column];
    /// The words of `--sum` for these sums; if there are none, the sums are always shown.
    const SUMS: &'static [&'static str];
}

/// Something that rows may have in common.
pub(crate) struct Key<K: Counted> {
    pub name: &'static str,
    /// Other names for it, of other tools.
    also: &'static [&'static str],
    pub column: Column,
    /// What must be looked up for it.
    pub needs: Needs,
    shape: Shape<K>,
}

/// The type of a key, and how to read it from a counted object.
pub(crate) enum Shape<K: Counted> {
    Number(for<'a> fn(K::One<'a>) -> Option<u32>),
    /// The same with 64 bits.
    Long(for<'a> fn(K::One<'a>) -> Option<u64>),
    /// An address, or its network if the key has lengths.
    Address(for<'a> fn(K::One<'a>) -> IpAddr),
    /// The same, or its name, if there is one: that is appended by [`push_host`].
    Host(for<'a> fn(K::One<'a>) -> IpAddr, for<'a> fn(&mut Vec<u8>, K::One<'a>) -> bool),
    /// Appends by [`push_text`].
    Text(for<'a> fn(&mut Vec<u8>, K::One<'a>)),
    /// The same; words between commas.
    List(for<'a> fn(&mut Vec<u8>, K::One<'a>)),
    /// A number that stands for a word.
    Word(for<'a> fn(K::One<'a>) -> Option<u16>, fn(u16) -> Value<'static>),
}

impl<K: Counted> Key<K> {
    pub(crate) const fn new(name: &'static str, column: Column, shape: Shape<K>) -> Key<K> {
        Key { name, also: &[], column, needs: Needs::NONE, shape }
    }

    /// A key that needs more than the row.
    pub(crate) const fn needing(
        needs: Needs,
        name: &'static str,
        column: Column,
        shape: Shape<K>,
    ) -> Key<K> {
        Key { name, also: &[], column, needs, shape }
    }

    /// The same key with other names.
    pub(crate) const fn also(mut self, names: &'static [&'static str]) -> Key<K> {
        self.also = names;
        self
    }

    /// Whether its values are text, of which a format may write several alike.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.shape, Shape::Text(_) | Shape::List(_))
    }

    const fn takes_lengths(&self) -> bool {
        matches!(self.shape, Shape::Address(_) | Shape::Host(..))
    }
}

/// A key as `--by` asks for it.
#[derive(Debug)]
pub(crate) struct AskedKey<K: Counted> {
    pub key: &'static Key<K>,
    /// The prefix lengths for IPv4 and IPv6.
    pub lengths: Option<[u8; 2]>,
}

impl<K: Counted> fmt::Debug for Key<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<K: Counted> AskedKey<K> {
    /// Reads `state`, `raddr/24` or `raddr/24/64`.
    pub(crate) fn parse(word: &str) -> Result<AskedKey<K>, String> {
        let (name, lengths) = match word.split_once('/') {
            Some((name, lengths)) => (name, Some(lengths)),
            None => (word, None),
        };
        let is_it = |key: &&Key<K>| key.name == name || key.also.contains(&name);
        let key = K::KEYS.iter().find(is_it).ok_or_else(|| unknown(name, K::NAMES))?;
        let Some(lengths) = lengths else { return Ok(AskedKey { key, lengths: None }) };
        let lengths = Some(parse_lengths(word, lengths)?);
        if key.takes_lengths() {
            return Ok(AskedKey { key, lengths });
        }
        let takers = K::KEYS.iter().filter(|key| key.takes_lengths()).map(|key| key.name);
        let takers = match takers.collect::<Vec<_>>().as_slice() {
            [one, other] => [one, " and ", other].concat(),
            _ => "addresses".to_owned(),
        };
        Err(format!("'{word}': only {takers} take a prefix length"))
    }

    #[inline]
    pub(crate) fn push(&self, buffer: &mut Vec<u8>, one: K::One<'_>) {
        match self.key.shape {
            Shape::Number(get) => push_number(buffer, get(one).map(u32::to_be_bytes)),
            Shape::Long(get) => push_number(buffer, get(one).map(u64::to_be_bytes)),
            Shape::Address(get) => push_address(buffer, get(one), self.lengths),
            Shape::Host(get, push_name) => {
                if !push_name(buffer, one) {
                    push_address(buffer, get(one), self.lengths);
                }
            }
            Shape::Text(push) | Shape::List(push) => push(buffer, one),
            Shape::Word(get, _) => match get(one) {
                None => buffer.push(0),
                Some(word) => {
                    let [high, low] = word.to_be_bytes();
                    buffer.extend_from_slice(&[THERE, high, low]);
                }
            },
        }
    }

    /// Appends the value of a saved row's cell; the error says what it is not.
    pub(crate) fn push_saved(
        &self,
        buffer: &mut Vec<u8>,
        cell: Option<&[u8]>,
    ) -> Result<(), &'static str> {
        let Some(cell) = cell else {
            buffer.push(0);
            return Ok(());
        };
        let text = || std::str::from_utf8(cell).ok();
        match self.key.shape {
            Shape::Number(_) => {
                let number: u32 = text().and_then(cli::digits).ok_or("not a number")?;
                push_number(buffer, Some(number.to_be_bytes()));
            }
            Shape::Long(_) => {
                let number: u64 = text().and_then(cli::digits).ok_or("not a number")?;
                push_number(buffer, Some(number.to_be_bytes()));
            }
            Shape::Text(_) | Shape::List(_) => push_text(buffer, Some(cell)),
            Shape::Word(_, word) => {
                let number = text().and_then(cli::digits::<u16>);
                let is_it = |place: &u16| match word(*place) {
                    Value::Word(word) => word.as_bytes() == cell,
                    Value::Int(other) => number.is_some_and(|number| i128::from(number) == other),
                    _ => false,
                };
                let place = (0..=u16::from(u8::MAX)).find(is_it).ok_or("not one of its words")?;
                let [high, low] = place.to_be_bytes();
                buffer.extend_from_slice(&[THERE, high, low]);
            }
            Shape::Address(_) | Shape::Host(..) => match text().and_then(saved_network) {
                Some((address, length)) => {
                    let [inet, inet6] = self.lengths.unwrap_or([32, 128]);
                    if length < if address.is_ipv4() { inet } else { inet6 } {
                        return Err(
                            "a larger network than the key asks for: give it the prefix length",
                        );
                    }
                    push_address(buffer, address, self.lengths);
                }
                None if matches!(self.key.shape, Shape::Host(..)) => {
                    let name = cell.iter().copied().take_while(|byte| *byte != 0);
                    push_host(buffer, &name.collect::<Vec<_>>());
                }
                None => return Err("not an address"),
            },
        }
        Ok(())
    }

    /// Reads the value that [`AskedKey::push`] appended, and moves `rest` past it.
    pub(crate) fn value<'a>(&self, rest: &mut &'a [u8]) -> Value<'a> {
        if take(rest, 1) != [THERE] {
            return Value::Absent;
        }
        match self.key.shape {
            Shape::Number(_) => Value::Int(u32::from_be_bytes(array(rest)).into()),
            Shape::Long(_) => Value::Int(u64::from_be_bytes(array(rest)).into()),
            Shape::Host(..) if rest.first() == Some(&0) => {
                take(rest, 1);
                Value::Text(text(rest))
            }
            Shape::Address(_) | Shape::Host(..) => address(rest, self.lengths),
            Shape::Text(_) => Value::Text(text(rest)),
            Shape::List(_) => Value::List(text(rest)),
            Shape::Word(_, word) => word(u16::from_be_bytes(array(rest))),
        }
    }
}

/// Keys are few enough to be listed, and none else would tell which there are.
fn unknown(name: &str, names: &[&'static str]) -> String {
    let hint = cli::hint(name, names.iter().copied());
    let also = if hint.is_empty() { "; the keys are" } else { " The keys are" };
    format!("'{name}' is not a key{hint}{also} {}", names.join(", "))
}

pub(crate) const fn names<K: Counted, const N: usize>(keys: &[Key<K>; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut place = 0;
    while place < N {
        names[place] = keys[place].name;
        place += 1;
    }
    names
}

pub(crate) const fn columns<K: Counted, const N: usize>(keys: &[Key<K>; N]) -> [Column; N] {
    let mut columns = [keys[0].column; N];
    let mut place = 0;
    while place < N {
        columns[place] = keys[place].column;
        place += 1;
    }
    columns
}

/// The words of ss and ours for the ends of a socket, which all tables of keys take.
pub(crate) const LOCAL: &[&str] = &["laddr", "local", "src"];
pub(crate) const REMOTE: &[&str] = &["raddr", "remote", "peer", "dst"];
pub(crate) const LOCAL_PORT: &[&str] = &["lport", "sport"];
pub(crate) const REMOTE_PORT: &[&str] = &["rport", "dport"];
pub(crate) const PROCESS: &[&str] = &["process", "name"];

/// The first byte of a value that is present.
const THERE: u8 = 1;

/// The prefix lengths after a key in `word`: `24` or `24/64`, for IPv4 and IPv6.
fn parse_lengths(word: &str, lengths: &str) -> Result<[u8; 2], String> {
    let (inet, inet6) = lengths.split_once('/').unwrap_or((lengths, "128"));
    let number = |text: &str, most| cli::digits::<u8>(text).filter(|length| *length <= most);
    let both = number(inet, 32).zip(number(inet6, 128));
    both.map(|(inet, inet6)| [inet, inet6]).ok_or_else(|| {
        format!(
            "'{word}': the prefix length is at most 32 for IPv4 and, after a second /, 128 for IPv6"
        )
    })
}

fn push_number<const N: usize>(buffer: &mut Vec<u8>, number: Option<[u8; N]>) {
    match number {
        None => buffer.push(0),
        Some(number) => {
            buffer.push(THERE);
            buffer.extend_from_slice(&number);
        }
    }
}

/// Appends a text. Names and paths hold no NUL; a text with one is cut there, so that keys cannot run into
/// one another.
pub(crate) fn push_text(buffer: &mut Vec<u8>, text: Option<&[u8]>) {
    let Some(text) = text else { return buffer.push(0) };
    buffer.push(THERE);
    buffer.extend(text.iter().take_while(|byte| **byte != 0));
    buffer.push(0);
}

/// Appends the name of a host in place of an address.
pub(crate) fn push_host(buffer: &mut Vec<u8>, name: &[u8]) {
    // Where the version of an address stands.
    buffer.extend_from_slice(&[THERE, 0]);
    buffer.extend_from_slice(name);
    buffer.push(0);
}

/// Appends an address, or its network with these prefix lengths.
fn push_address(buffer: &mut Vec<u8>, address: IpAddr, lengths: Option<[u8; 2]>) {
    let [inet, inet6] = lengths.unwrap_or([32, 128]);
    match masked(address, if address.is_ipv4() { inet } else { inet6 }) {
        IpAddr::V4(address) => {
            buffer.extend_from_slice(&[THERE, 4]);
            buffer.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            buffer.extend_from_slice(&[THERE, 6]);
            buffer.extend_from_slice(&address.octets());
        }
    }
}

/// Reads an address, or a network.
fn saved_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(most), cli::digits)?;
    (length <= most).then_some((address, length))
}

/// Takes `length` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    *rest = left;
    taken
}

/// Takes N bytes off the front.
fn array<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    take(rest, N).first_chunk().copied().unwrap_or([0; N])
}

/// Takes a text that [`push_text`] appended.
fn text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let text = take(rest, length);
    take(rest, 1);
    text
}

/// The index of `word` in `words`.
pub(crate) fn position(words: &[&str], word: &str) -> Option<u16> {
    words.iter().position(|one| *one == word)?.try_into().ok()
}

/// The word at an index of `words`.
pub(crate) fn word(words: &[&'static str], place: u16) -> Value<'static> {
    words.get(usize::from(place)).map_or(Value::Absent, |word| Value::Word(word))
}

/// Takes an address that [`push_address`] appended.
fn address(rest: &mut &[u8], lengths: Option<[u8; 2]>) -> Value<'static> {
    let is_v4 = take(rest, 1) == [4];
    let address: IpAddr = if is_v4 { array::<4>(rest).into() } else { array::<16>(rest).into() };
    match lengths {
        None => Value::Addr(address),
        Some([inet, inet6]) => Value::Net(address, if is_v4 { inet } else { inet6 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Pair;

    impl Counted for Pair {
        type One<'a> = (IpAddr, Option<u32>, Option<&'a [u8]>);
        const KEYS: &'static [Key<Pair>] = &KEYS;
        const NAMES: &'static [&'static str] = &names(&KEYS);
        const NUMBERS: &'static [Column] = &[];
        const SUMS: &'static [&'static str] = &[];
    }

    const COLUMN: Column = Column::label("", "");
    const KEYS: [Key<Pair>; 6] = [
        Key::new("address", COLUMN, Shape::Address(|one| one.0)),
        Key::new("number", COLUMN, Shape::Number(|one| one.1)),
        Key::new("long", COLUMN, Shape::Long(|one| one.1.map(|number| u64::from(number) << 32))),
        Key::new("text", COLUMN, Shape::Text(|to, one| push_text(to, one.2))),
        Key::new("list", COLUMN, Shape::List(|to, one| push_text(to, one.2))),
        Key::new(
            "word",
            COLUMN,
            Shape::Word(|one| Some(one.1? as u16), |place| word(&["no", "yes"], place)),
        ),
    ];

    fn pushed(word: &str, one: <Pair as Counted>::One<'_>) -> Vec<u8> {
        let mut buffer = Vec::new();
        AskedKey::<Pair>::parse(word).unwrap().push(&mut buffer, one);
        buffer
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let lengths =
            |word| AskedKey::<Pair>::parse(word).map(|part| (part.key.name, part.lengths));
        assert_eq!(lengths("address/24/64"), Ok(("address", Some([24, 64]))));
        assert_eq!(lengths("address/8"), Ok(("address", Some([8, 128]))));
        for key in KEYS {
            assert_eq!(lengths(key.name), Ok((key.name, None)));
        }
        for wrong in
            ["", "addres", "address/", "address/33", "address/24/129", "word/8", "address/24/64/1"]
        {
            assert!(lengths(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_order_of_keys_is_that_of_what_they_mean() {
        let address = IpAddr::from([10, 0, 0, 7]);
        let number = |number| pushed("number", (address, number, None));
        assert!(number(None) < number(Some(2)) && number(Some(2)) < number(Some(10)));
        let text = |text: &[u8]| pushed("text", (address, None, Some(text)));
        assert!(text(b"a") < text(b"ab") && text(b"ab") < text(b"b"));
        assert_eq!(text(b"a\0b"), text(b"a"));
    }

    #[test]
    fn what_is_appended_is_read_back() {
        let address = IpAddr::from([10, 0, 0, 7]);
        let known = (address, Some(1), Some(&b"x,y"[..]));
        for (word, one, wanted) in [
            ("address", known, Value::Addr(address)),
            ("address/8", known, Value::Net("10.0.0.0".parse().unwrap(), 8)),
            ("number", known, Value::Int(1)),
            ("number", (address, None, None), Value::Absent),
            ("long", known, Value::Int(1 << 32)),
            ("long", (address, None, None), Value::Absent),
            ("text", known, Value::Text(b"x,y")),
            ("text", (address, None, None), Value::Absent),
            ("list", known, Value::List(b"x,y")),
            ("word", known, Value::Word("yes")),
            ("word", (address, Some(2), None), Value::Absent),
        ] {
            let buffer = [pushed(word, one), b"rest".to_vec()].concat();
            let mut rest = &buffer[..];
            assert_eq!(AskedKey::<Pair>::parse(word).unwrap().value(&mut rest), wanted, "{word}");
            assert_eq!(rest, b"rest");
        }
    }
}
