//! Keys of groups: what rows have in common, as bytes in whose order the groups stand. A key's first
//! byte says whether there is something.

use std::ffi::OsStr;
use std::net::IpAddr;

use crate::cli;
use crate::error::Error;
use crate::model::{Groups, Tally, masked};
use crate::out::{Column, Out, Value};

/// A key: its name, what it is, and its column.
pub type Known<K> = (&'static str, K, Column);

/// The names of keys.
#[must_use]
pub const fn names<K, const N: usize>(known: &[Known<K>; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut place = 0;
    while place < N {
        names[place] = known[place].0;
        place += 1;
    }
    names
}

/// The place of `key` among those that are known, whatever lengths it has.
pub fn place_of<K>(known: &[Known<K>], key: &K) -> usize {
    known.iter().position(|(_, other, _)| is_same(other, key)).unwrap_or_default()
}

fn is_same<K>(one: &K, other: &K) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Adds the keys of a comma list, each of them once.
///
/// # Errors
/// The reason of `parse`, or which key is there twice.
pub fn add<K>(
    keys: &mut Vec<K>,
    value: &OsStr,
    parse: impl Fn(&str) -> Result<K, String>,
) -> Result<(), String> {
    for word in cli::words(value)? {
        let key = parse(word)?;
        if keys.iter().any(|other| is_same(other, &key)) {
            return Err(format!("'{word}' is there twice"));
        }
        keys.push(key);
    }
    Ok(())
}

/// Reads `state`, `raddr/24` or `raddr/24/64`. `measured` gives a key its lengths if it takes some, and
/// `takers` says in words which do.
///
/// # Errors
/// The reason why the word is no key.
pub fn parse<K: Copy>(
    known: &[Known<K>],
    word: &str,
    measured: fn(K, Option<[u8; 2]>) -> Option<K>,
    takers: &str,
) -> Result<K, String> {
    let (name, lengths) = match word.split_once('/') {
        Some((name, lengths)) => (name, Some(lengths)),
        None => (word, None),
    };
    let (_, key, _) = known.iter().find(|(known, ..)| *known == name).ok_or_else(|| {
        let near = cli::nearest(name, known.iter().map(|(name, ..)| *name));
        let near = near.map(|near| format!("; {near} is near")).unwrap_or_default();
        format!("'{name}' is no key{near}")
    })?;
    let Some(lengths) = lengths else { return Ok(*key) };
    measured(*key, Some(parse_lengths(word, lengths)?))
        .ok_or_else(|| format!("'{word}': only {takers} take a length"))
}

/// The first byte of what is there.
pub const THERE: u8 = 1;

/// Writes a row for each group of at least `min` rows, the largest first, at most `top` of them: what
/// `value` reads of its keys, how many rows it has, and their sums. Without keys there is one group, be
/// it empty.
///
/// # Errors
/// If writing fails.
pub fn rows<'a, K: Copy>(
    groups: &'a Groups,
    keys: &[K],
    (min, top): (Option<u64>, Option<usize>),
    value: impl Fn(K, &mut &'a [u8]) -> Value<'a>,
    out: &mut Out,
) -> Result<(), Error> {
    let mut sorted = groups.sorted(min.unwrap_or(1), top.unwrap_or(usize::MAX));
    if keys.is_empty() && sorted.is_empty() {
        sorted.push((&[], Tally::default()));
    }
    let mut values = Vec::with_capacity(keys.len() + 3);
    for (mut key, Tally { count, sums: [first, second] }) in sorted {
        values.clear();
        values.extend(keys.iter().map(|part| value(*part, &mut key)));
        values.extend([count, first, second].map(|number| Value::Int(number.into())));
        out.row_of(&values)?;
    }
    Ok(())
}

/// The lengths of networks behind a key in `word`: `24` or `24/64`, for IPv4 and IPv6.
///
/// # Errors
/// The reason why they are none.
pub fn parse_lengths(word: &str, lengths: &str) -> Result<[u8; 2], String> {
    let (inet, inet6) = lengths.split_once('/').unwrap_or((lengths, "128"));
    let number = |text: &str, most| text.parse::<u8>().ok().filter(|length| *length <= most);
    let both = number(inet, 32).zip(number(inet6, 128));
    both.map(|(inet, inet6)| [inet, inet6]).ok_or_else(|| {
        format!("'{word}': a length is up to 32 for IPv4, then /LEN up to 128 for IPv6")
    })
}

/// Appends a number.
pub fn push_number(buffer: &mut Vec<u8>, number: Option<u32>) {
    match number {
        None => buffer.push(0),
        Some(number) => {
            buffer.push(THERE);
            buffer.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Names and paths hold no NUL; what should is cut there, lest keys run into one another.
pub fn push_text(buffer: &mut Vec<u8>, text: Option<&[u8]>) {
    let Some(text) = text else { return buffer.push(0) };
    buffer.push(THERE);
    buffer.extend(text.iter().take_while(|byte| **byte != 0));
    buffer.push(0);
}

/// Appends an address, or its network of so many bits.
pub fn push_address(buffer: &mut Vec<u8>, address: IpAddr, lengths: Option<[u8; 2]>) {
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

/// Takes `length` bytes off the front.
pub fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    *rest = left;
    taken
}

/// Takes one byte.
pub fn byte(rest: &mut &[u8]) -> u8 {
    take(rest, 1).first().copied().unwrap_or_default()
}

/// Takes what [`push_text`] appended.
pub fn text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let text = take(rest, length);
    take(rest, 1);
    text
}

/// The word at a place.
pub fn word(words: &[&'static str], place: u8) -> Value<'static> {
    words.get(usize::from(place)).map_or(Value::Absent, |word| Value::Word(word))
}

/// Takes what [`push_address`] appended.
pub fn address(rest: &mut &[u8], lengths: Option<[u8; 2]>) -> Value<'static> {
    let is_v4 = byte(rest) == 4;
    let address = if is_v4 {
        take(rest, 4).first_chunk::<4>().map(|bytes| IpAddr::from(*bytes))
    } else {
        take(rest, 16).first_chunk::<16>().map(|bytes| IpAddr::from(*bytes))
    };
    match (address, lengths) {
        (None, _) => Value::Absent,
        (Some(address), None) => Value::Addr(address),
        (Some(address), Some([inet, inet6])) => {
            Value::Net(address, if is_v4 { inet } else { inet6 })
        }
    }
}
