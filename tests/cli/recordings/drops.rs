//! Files that say how many packets were lost while they were written.

use super::made::{TALK, block, frames, pcapng, replay, rows, said, section, words};

/// An option: kind and number.
fn option(kind: u32, number: u64) -> Vec<u8> {
    [words(&[kind | 8 << 16]), number.to_le_bytes().to_vec()].concat()
}

/// The statistics of an interface.
fn statistics(interface: u32, options: &[Vec<u8>]) -> Vec<u8> {
    block(5, &[words(&[interface, 0, 0]), options.concat(), words(&[0])].concat())
}

/// A section with the frames of a connection, each with these options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut file = [section(), block(1, &words(&[1, 262_144]))].concat();
    for (tenth, frame) in (0..).zip(frames(&TALK)) {
        let length = frame.len() as u32;
        let head = words(&[0, 0, 1_000_000_000 + tenth * 100_000, length, length]);
        let mut data = frame.clone();
        data.resize(frame.len().next_multiple_of(4), 0);
        file.extend(block(6, &[&head, &data, options].concat()));
    }
    file
}

/// What is said of a file with one connection, whose row is complete.
fn told(file: &[u8]) -> String {
    let name = "drops.pcapng";
    let output = replay(name, file, &[]);
    assert_eq!(rows(&output), ["CLOSED 200 100 0.200000"]);
    let said = said(name, &output);
    assert_eq!(output.status.code(), Some(i32::from(!said.is_empty())), "{said}");
    said
}

fn dropped(count: u64) -> String {
    format!(
        "tcptrack: FILE: {count} packets were dropped while it was captured: their data is missing\n"
    )
}

#[test]
fn drops_of_interfaces_are_told() {
    let all: Vec<_> = frames(&TALK).into_iter().map(|frame| (1, frame)).collect();
    let file = pcapng(&[1, 1], &all);
    let with = |blocks: &[Vec<u8>]| told(&[file.clone(), blocks.concat()].concat());
    let received = option(4, 1000);
    assert_eq!(with(&[]), "");
    assert_eq!(with(&[statistics(1, &[])]), "");
    assert_eq!(with(&[statistics(0, &[received.clone(), option(5, 0), option(7, 0)])]), "");
    assert_eq!(with(&[statistics(1, &[received.clone(), option(5, 777)])]), dropped(777));
    assert_eq!(with(&[statistics(1, &[option(7, 3), received])]), dropped(3));
    // They count from the beginning: the last ones of each interface hold.
    let two = [statistics(0, &[option(5, 2)]), statistics(1, &[option(5, 5), option(7, 1)])];
    assert_eq!(with(&two), dropped(8));
    assert_eq!(with(&[two.concat(), statistics(1, &[option(5, 7)])]), dropped(9));
    // A section begins anew.
    let next = [section(), block(1, &words(&[1, 0])), statistics(0, &[option(5, 10)])].concat();
    assert_eq!(with(&[two.concat(), next]), dropped(18));
    // An interface that is not there, an option without an end, and one that ends too early.
    assert_eq!(with(&[statistics(2, &[option(5, 9)])]), "");
    assert_eq!(with(&[block(5, &[words(&[0, 0, 0]), option(5, 4)].concat())]), dropped(4));
    assert_eq!(with(&[block(5, &words(&[0, 0, 0, 5 | 8 << 16, 1]))]), "");
    assert_eq!(with(&[block(5, &[])]), "");
}

#[test]
fn drops_between_packets_are_told() {
    assert_eq!(told(&with_options(&[])), "");
    assert_eq!(told(&with_options(&option(4, 0))), "");
    assert_eq!(told(&with_options(&option(4, 5))), dropped(45));
    let flags = words(&[2 | 4 << 16, 1]);
    let with_end = [flags, option(4, 5), words(&[0])].concat();
    assert_eq!(told(&with_options(&with_end)), dropped(45));
    // Statistics may count the same packets.
    let both = |number| {
        let end = statistics(0, &[option(5, number)]);
        told(&[with_options(&option(4, 5)), end].concat())
    };
    assert_eq!((both(3), both(50)), (dropped(45), dropped(50)));
}
