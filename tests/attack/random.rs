//! Numbers that follow from a seed, and damage done by them.

use std::ops::Range;

/// The generator xorshift64*: the same numbers on every machine.
pub struct Random(u64);

impl Random {
    /// The numbers of one case.
    pub fn of(seed: u64, case: u64) -> Random {
        // The finalizer of SplitMix64, so that neighbouring cases have nothing in common.
        let mut state = seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Random((state ^ state >> 31) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    pub fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Whether one of `count` equal chances came true.
    pub fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// What a parser may not expect: ends of numbers, of lines and of texts, and commands of terminals and shells.
const ODD: [&[u8]; 34] = [
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"340282366920938463463374607431768211456",
    b"1e400",
    b"FFFFFFFF",
    b"\0",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\t",
    b"        ",
    b":",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"\xc2\x9b",
    "\u{202e}".as_bytes(),
    b"\x1b[2J",
    b"\xed\xa0\x80",
    b"\"",
    b"'\\",
    b"$(exit 9)`exit 9`",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"%s%n",
];

/// The longest input: what is longer is cut.
const LONGEST: usize = 1 << 20;

/// `bytes` with one to four damages; `others` are inputs of which parts may be taken.
pub fn damaged(random: &mut Random, bytes: &[u8], others: &[&[u8]]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let count = if random.is_one_in(2) { 1 } else { 1 + random.below(4) };
    for _ in 0..count {
        damage(random, &mut bytes, others);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>, others: &[&[u8]]) {
    let place = random.below(bytes.len() + 1);
    let end = bytes.len().min(place + 1 + random.below(64));
    match random.below(14) {
        0 | 1 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
        2 if place < bytes.len() => bytes[place] = random.next() as u8,
        3 => bytes.truncate(place),
        4 => drop(bytes.drain(place..end)),
        5 => {
            let part = bytes[place..end].to_vec();
            // Mostly a few times, sometimes more often than any buffer holds.
            let times = [1, 2, 30, 10_000][random.below(40).saturating_sub(36)];
            insert(bytes, place, &part.repeat(times));
        }
        6 | 7 => insert(bytes, place, random.one::<&[u8]>(&ODD)),
        8 => number(random, bytes, place),
        9 => {
            let other = *random.one(others);
            let from = random.below(other.len() + 1);
            let to = other.len().min(from + 1 + random.below(512));
            insert(bytes, place, &other[from..to]);
        }
        10 => line(random, bytes),
        11 | 12 => word(random, bytes, others),
        _ => {
            let noise: Vec<u8> = (0..random.below(32)).map(|_| random.next() as u8).collect();
            insert(bytes, place, &noise);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, place: usize, part: &[u8]) {
    drop(bytes.splice(place..place, part.iter().copied()));
}

/// Replaces the first number behind `place`.
fn number(random: &mut Random, bytes: &mut Vec<u8>, place: usize) {
    let Some(start) = bytes[place..].iter().position(u8::is_ascii_digit) else { return };
    let start = place + start;
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    drop(bytes.splice(start..start + length, random.one(&ODD[..13]).iter().copied()));
}

/// Replaces a word by one of this text or of another, mostly, so that its line keeps its shape, or by an odd one.
fn word(random: &mut Random, bytes: &mut Vec<u8>, others: &[&[u8]]) {
    let range = word_at(random, bytes);
    let part = match random.below(4) {
        0 => random.one::<&[u8]>(&ODD).to_vec(),
        1 => {
            let other = *random.one(others);
            other[word_at(random, other)].to_vec()
        }
        _ => bytes[word_at(random, bytes)].to_vec(),
    };
    drop(bytes.splice(range, part));
}

/// Where a word is: what stands between blanks and marks.
fn word_at(random: &mut Random, text: &[u8]) -> Range<usize> {
    let is_end = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"_.-*".contains(byte));
    let place = random.below(text.len() + 1);
    let place = text[place..].iter().position(|byte| !is_end(byte)).map_or(place, |n| place + n);
    let start = text[..place].iter().rposition(is_end).map_or(0, |end| end + 1);
    let length = text[start..].iter().position(is_end);
    start..length.map_or(text.len(), |length| start + length)
}

/// Removes, repeats or moves a line.
fn line(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(3) {
        0 => drop(lines.remove(from)),
        1 => lines.insert(to, lines[from].clone()),
        _ => lines.swap(from, to),
    }
    *bytes = lines.concat();
}

#[test]
fn the_same_seed_damages_alike() {
    let run = |seed, case| {
        let mut random = Random::of(seed, case);
        damaged(&mut random, b"Tcp: A B\nTcp: 1 22\n", &[b"other"])
    };
    let all: std::collections::BTreeSet<_> = (0..1000).map(|case| run(7, case)).collect();
    // Some damages undo each other, or hit the same place.
    assert!(all.len() > 600, "{}", all.len());
    assert!((0..1000).all(|case| all.contains(&run(7, case))));
    assert_ne!(run(7, 1), run(8, 1));
}
