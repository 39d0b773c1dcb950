//! Reading a million sockets takes as many allocations as reading ten: neither the number of allocations nor
//! the peak of bytes depends on the number of rows, lines or answers, or on what hostile files contain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]
#![allow(unsafe_code, reason = "a global allocator that counts needs it")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use connbox::error::Error;
use connbox::model::{Family, Groups, Query, StateSet, TcpState};
use connbox::source::files::procfs::{self, Record};
use connbox::source::packets::{Frame, pcap_file, segment};
use connbox::source::{self, Method, Source};
use connbox::track::tcp::{Options, Tracker};
use connbox::wire::{inet_diag, netlink, text};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The heap usage of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    /// Calls of alloc and realloc.
    allocations: usize,
    /// Bytes in use now; negative if more was freed than allocated.
    bytes: isize,
    /// The peak of bytes in use.
    peak_bytes: isize,
}

impl Taken {
    const NOTHING: Taken = Taken { allocations: 0, bytes: 0, peak_bytes: 0 };
}

thread_local! {
    /// Per thread, so that tests do not disturb one another. It has no destructor and a constant initial value,
    /// so reading it allocates nothing.
    static TAKEN: Cell<Taken> =
        const { Cell::new(Taken::NOTHING) };
}

struct Counting;

impl Counting {
    fn count(allocations: usize, bytes: isize) {
        // A thread that is ending may still free memory; that is not counted.
        let _ = TAKEN.try_with(|taken| {
            let mut now = taken.get();
            now.allocations += allocations;
            now.bytes += bytes;
            now.peak_bytes = now.peak_bytes.max(now.bytes);
            taken.set(now);
        });
    }
}

// SAFETY: every call is passed to the system's allocator with the same arguments; counting neither allocates
// nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::count(1, layout.size().cast_signed());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Counting::count(0, -layout.size().cast_signed());
        // SAFETY: the caller keeps the promises of `dealloc`; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counting::count(1, size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller keeps the promises of `realloc`; `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The heap usage of `work` in this thread, and its result.
fn measured<T>(work: impl FnOnce() -> T) -> (Taken, T) {
    TAKEN.set(Taken::NOTHING);
    let result = work();
    (TAKEN.get(), result)
}

/// A file in memory, which exists as long as its descriptor.
fn saved(text: &[u8]) -> (File, Source) {
    let fd = rustix::fs::memfd_create("saved", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let source = Source { saved: vec![PathBuf::from(path)], ..Source::default() };
    let file = File::from(fd);
    file.write_all_at(text, 0).unwrap();
    (file, source)
}

/// A table as the kernel writes it: `rows` rows in the states 01 to 0B in turn, numbered from `first`.
fn table(family: Family, first: usize, rows: usize) -> Vec<u8> {
    let (remote, address) = match family {
        Family::Inet => ("rem_address", "0100007F"),
        Family::Inet6 => ("remote_address", "0000000000000000FFFF00000100007F"),
    };
    let mut table = format!("  sl  local_address {remote}   st tx_queue rx_queue inode\n");
    for number in first..first + rows {
        let state = number % 11 + 1;
        let row = format!(
            "{number:4}: {address}:1F41 {address}:0000 {state:02X} 00000000:00000000 \
             00:00000000 00000000     0        0 {} 1 00000000a196f2aa 100 0 0 10 0",
            1_000_000 + number % 1_000_000
        );
        writeln!(table, "{row:<149}").unwrap();
    }
    table.into_bytes()
}

/// The heap usage of counting the rows of a saved table.
fn counting(family: Family, first: usize, rows: usize) -> Taken {
    let (_file, source) = saved(&table(family, first, rows));
    let (taken, counts) = measured(|| {
        source::tcp_states(&source, Method::Auto, StateSet::ALL, true).map(|(counts, _)| counts)
    });
    assert_eq!(counts.unwrap().total(family), rows as u64);
    taken
}

#[test]
fn a_table_of_any_length_takes_the_same() {
    for family in Family::ALL {
        let few = counting(family, 0, 100);
        assert_eq!(counting(family, 0, 100_000), few);
        // The row number becomes wider within the table.
        for (first, rows) in [(9_990, 20), (99_990, 20), (9_999_990, 20), (999_999_000, 50_000)] {
            assert_eq!(counting(family, first, rows), few, "from {first}");
        }
        assert!(few.allocations <= 4 && few.peak_bytes <= BUFFER, "{few:?}");
        assert_eq!(few.bytes, 0, "all memory is freed");
    }
}

/// The buffer for saved files, and as much again for everything else.
const BUFFER: isize = 2 * 128 * 1024;

/// The heap usage of reading `text`, apart from the caller's own, and the number of its values.
fn reading(text: &[u8]) -> (Taken, usize) {
    let (_file, source) = saved(text);
    let (taken, values) = measured(|| {
        let mut values = 0;
        procfs::read(&source, &[], |_, record| {
            values += match record {
                Record::Counts { fields, .. } => text::counts(fields).flatten().count(),
                Record::Mib { names, values, .. } => {
                    text::pairs(names, values).into_iter().flatten().count()
                }
                Record::Header(_) | Record::Table(_) | Record::Lone { .. } => 0,
                Record::Row(..) | Record::Text(..) => 1,
            };
            Ok(())
        })
        .map(|_| values)
    });
    (taken, values.unwrap())
}

/// The heap usage of grouping the rows of a saved table by address and state, and the number of groups.
fn grouping(rows: usize) -> (Taken, usize) {
    let (_file, source) = saved(&table(Family::Inet, 0, rows));
    let filter = Query::default();
    let (taken, groups) = measured(|| {
        let mut groups = Groups::default();
        let mut key = Vec::with_capacity(64);
        source::sockets(&source, Method::Auto, &filter, |socket| {
            key.clear();
            key.extend_from_slice(&socket.remote.port.to_be_bytes());
            key.push(socket.state);
            groups.add(&key, [0; 2]);
            Ok(())
        })
        .unwrap();
        groups
    });
    let sorted = groups.sorted(0, usize::MAX);
    assert_eq!(sorted.iter().map(|(_, tally)| tally.count).sum::<u64>(), rows as u64);
    (taken, sorted.len())
}

/// A capture (pcap, raw IP) of this many segments of ten connections, some of them out of order.
fn capture(segments: u32) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 100, 101].map(u32::to_le_bytes).concat();
    for number in 0..segments {
        let mut packet =
            vec![0x45, 0, 0, 140, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend((40_000 + (number % 10) as u16).to_be_bytes());
        packet.extend(80u16.to_be_bytes());
        // Some pairs are swapped: 0, 200, 100, 300, and so on.
        let place = number / 10;
        let place = place ^ if place % 4 == 1 || place % 4 == 2 { 3 } else { 0 };
        packet.extend((place * 100).to_be_bytes());
        packet.extend([0, 0, 0, 9, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        file.extend([number / 1000, 0, 40, 140].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

/// The heap usage of following the connections of a capture.
fn following(segments: u32) -> Taken {
    let (_file, source) = saved(&capture(segments));
    let (taken, tracker) = measured(|| {
        let mut tracker = Tracker::new(Options::default());
        let read = pcap_file::read(&source.saved[0], &mut |frame: &Frame<'_>| {
            let segment = frame.packet().as_ref().and_then(segment).unwrap();
            tracker.segment(frame.time, &segment);
        });
        read.map(|_| tracker)
    });
    let tracker = tracker.unwrap();
    let bytes: u64 = tracker.connections().map(|one| one.tx.bytes_total).sum();
    assert_eq!((tracker.len(), bytes), (10, u64::from(segments) * 100));
    taken
}

#[test]
fn connections_take_memory_and_segments_do_not() {
    let (few, many) = (following(1_000), following(100_000));
    assert_eq!(few.peak_bytes, many.peak_bytes);
    // A segment out of order takes memory until the earlier ones have come.
    assert!(many.peak_bytes < 100 * 1024 && many.bytes == few.bytes, "{few:?} {many:?}");
}

#[test]
fn groups_take_memory_and_rows_do_not() {
    let (few, many) = (grouping(1_000), grouping(100_000));
    assert_eq!((few.1, many.1), (11, 11));
    // The hash's random keys are made once; nothing else differs.
    assert_eq!(few.0.allocations, many.0.allocations);
    assert_eq!(few.0.peak_bytes, many.0.peak_bytes);
}

#[test]
fn sockstat_and_snmp_of_any_length_take_the_same() {
    let counts = |lines| (0..lines).map(|n| format!("P{n:04}: inuse {n:04} mem 1\n")).collect();
    let mib = |lines| (0..lines).map(|n| format!("G{n:04}: A B\nG{n:04}: -{n} 5\n")).collect();
    let files: [&dyn Fn(usize) -> String; 2] = [&counts, &mib];
    for file in files {
        let (few, some) = reading(file(10).as_bytes());
        let (many, all) = reading(file(1_000).as_bytes());
        assert_eq!((some, all), (20, 2_000));
        assert_eq!(many, few);
        assert!(few.allocations <= 4 && few.peak_bytes <= BUFFER, "{few:?}");
    }
}

/// An answer to a sock_diag dump with some attributes, header included.
fn answer(number: usize) -> Vec<u8> {
    let mut payload = vec![0; 72];
    payload[..2]
        .copy_from_slice(&[if number.is_multiple_of(2) { 2 } else { 10 }, (number % 12) as u8 + 1]);
    payload.extend_from_slice(&[5, 0, 8, 0, 3, 0, 0, 0, 8, 0, 15, 0, 1, 2, 3, 4]);
    let length = u32::try_from(netlink::HEADER + payload.len()).unwrap();
    [&length.to_ne_bytes()[..], &[20, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0], &payload].concat()
}

#[test]
fn netlink_answers_take_nothing() {
    for (answers, in_syn_recv) in [(10, 1), (10_000, 834)] {
        let datagram: Vec<u8> = (0..answers).flat_map(answer).collect();
        let (taken, (sockets, requests)) = measured(|| {
            let sockets = netlink::messages(&datagram).flatten();
            let sockets = sockets.filter_map(|message| inet_diag::answer(message.payload));
            sockets.fold((0, 0), |(all, requests), socket| {
                (all + 1, requests + usize::from(socket.state == 3 && socket.is_full()))
            })
        });
        assert_eq!((sockets, requests), (answers, in_syn_recv));
        assert_eq!(taken, Taken::NOTHING);
    }
}

#[test]
fn hostile_files_take_no_more_than_the_buffers() {
    let long = |unit: &str| unit.repeat((16 << 20) / unit.len()).into_bytes();
    let names = |length: usize| ["G: ", &"A ".repeat(length / 2), "\n"].concat().into_bytes();
    let rows = table(Family::Inet, 0, 100);
    for (text, what) in [
        (long("x"), "an endless line"),
        (long("\0"), "NUL bytes"),
        (long("\n"), "blank lines"),
        (long("Tcp: A B\n"), "names and names"),
        (long("TCP: inuse 1 "), "endless counts"),
        (names(60_000).repeat(100), "long names without values"),
        (names(131_000), "the longest names"),
        ([&rows[..], &long("9")].concat(), "an endless row number"),
    ] {
        let (_file, source) = saved(&text);
        let (taken, result) = measured(|| procfs::read(&source, &[], |_, _| Ok(())));
        assert!(taken.peak_bytes <= 2 * BUFFER, "{what}: {taken:?}");
        assert!(taken.allocations <= 16, "{what}: {taken:?}");
        let is_refused = matches!(result, Err(Error::Fault { .. }));
        // A pair that is broken costs no other: that is for the reader of each to say.
        assert_eq!(is_refused, what != "names and names", "{what}");
    }
}

/// Sockets on the loopback interface for sock_diag to list: none in ESTABLISHED, which the dump excludes, but
/// half in CLOSE_WAIT and half in FIN_WAIT2.
struct Sockets(Vec<TcpStream>);

impl Sockets {
    fn open(pairs: usize) -> std::io::Result<Sockets> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut all = Sockets(Vec::with_capacity(2 * pairs));
        for _ in 0..pairs {
            let near = TcpStream::connect(listener.local_addr()?)?;
            all.0.push(listener.accept()?.0);
            near.shutdown(std::net::Shutdown::Write)?;
            all.0.push(near);
        }
        Ok(all)
    }
}

impl Drop for Sockets {
    /// Ends them with RST; otherwise thousands of sockets would stay in TIME_WAIT for the next test to count.
    fn drop(&mut self) {
        for socket in &self.0 {
            let now = Some(std::time::Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(socket, now).unwrap();
        }
    }
}

/// Raises the limit to `files` open files, if possible.
fn make_room(files: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = Some(current.unwrap_or(files).max(files));
    setrlimit(Resource::Nofile, Rlimit { current: enough, maximum }).is_ok()
}

/// The heap usage of counting the running kernel's sockets, and how many of ours it finds.
fn counting_live(method: Method) -> Result<(Taken, u64), String> {
    let source = Source::default();
    // The first call in a process may allocate things that later calls reuse.
    let _ = source::tcp_states(&source, method, StateSet::ALL, true);
    let (taken, counts) = measured(|| {
        source::tcp_states(&source, method, StateSet::ALL, true).map(|(counts, _)| counts)
    });
    let counts = counts.map_err(|error| format!("{error:?}"))?;
    let close_wait = TcpState::from_number(8).unwrap();
    Ok((taken, counts.both(close_wait)))
}

#[test]
fn the_running_kernels_sockets_take_the_same_however_many_they_are() {
    const TEST: &str = "the_running_kernels_sockets_take_the_same_however_many_they_are";
    if !make_room(2_500) {
        return support::lacks(TEST, "open files", "the limit is below 2500");
    }
    let opened = Sockets::open(5).and_then(|few| {
        let seen = [Method::Netlink, Method::Procfs].map(counting_live);
        drop(few);
        Ok((seen, Sockets::open(1_000)?))
    });
    let (few, _many) = match opened {
        Ok(opened) => opened,
        Err(error) => return support::lacks(TEST, "loopback", &error.to_string()),
    };
    for (method, few) in [Method::Netlink, Method::Procfs].into_iter().zip(few) {
        match (few, counting_live(method)) {
            (Ok((few, some)), Ok((many, all))) => {
                assert!(some >= 5 && all >= 1_000, "{method:?} finds {some} and {all}");
                assert_eq!(many, few, "{method:?}");
                assert!(few.peak_bytes <= BUFFER, "{method:?}: {few:?}");
                eprintln!("{method:?}: {few:?}");
            }
            (Err(why), _) | (_, Err(why)) => {
                support::lacks(TEST, "sock_diag", &format!("{method:?}: {why}"))
            }
        }
    }
}
