//! Every truncation and every corrupt byte of every saved file of /proc/net, and hand-made hostile files: never
//! a panic, an endless loop, or a number that is not in the file.

use crate::support;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use connbox::error::{Error, Status};
use connbox::model::{Family, Proto, Protocol, Sockstat, StateCounts, StateSet};
use connbox::source::files::counts;
use connbox::source::files::procfs::{self, Record};
use connbox::source::{self, Method, Source};
use connbox::wire::text;

/// Of a file that was cut before the end of its header.
const NO_TABLE: &[u8] = b": no table of TCP sockets: ";

/// A file in memory with a path, which is changed in place, so that a case needs neither a file nor a process.
struct Memory {
    file: File,
    path: String,
    source: Source,
}

impl Memory {
    fn new(text: &[u8]) -> Memory {
        let fd = rustix::fs::memfd_create("case", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let source = Source { saved: vec![PathBuf::from(&path)], ..Source::default() };
        let memory = Memory { file: fd.into(), path, source };
        memory.put(0, text);
        memory
    }

    fn put(&self, place: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, place as u64).unwrap();
    }

    /// The text of an error without the file's name; the error must be a failure at a line of this file.
    fn place_of(&self, error: &Error) -> String {
        let Error::Fault { status: Status::Failed, text } = error else { panic!("{error:?}") };
        let text = String::from_utf8(text.clone()).unwrap();
        let place = text.strip_prefix(&self.path).and_then(|rest| rest.strip_prefix(':'));
        if place.is_some_and(|reason| reason.starts_with(" is empty, ")) {
            return text;
        }
        let line = place.and_then(|place| place.split_once(": ")).map(|(line, _)| line);
        assert!(line.is_some_and(|line| line.parse::<u64>().is_ok()), "no line number: {text}");
        place.unwrap().to_owned()
    }
}

/// Everything that one reading of a file gives; none of it depends on the order of the lines.
#[derive(Clone, Debug, PartialEq)]
struct Digest {
    sockstat: Sockstat,
    /// Rows by family and state number.
    rows: [[u32; 256]; 2],
    /// The number of pairs of a name and a value.
    pairs: usize,
    /// The sum of all values, each weighted by its family, state or name.
    sum: i128,
}

impl Digest {
    fn of(source: &Source) -> Result<Digest, Error> {
        let mut all =
            Digest { sockstat: Sockstat::default(), rows: [[0; 256]; 2], pairs: 0, sum: 0 };
        procfs::read(source, &[], |place, record| {
            counts::take_counts(&mut all.sockstat, place, &record)?;
            if let Record::Lone { reason, .. } = record {
                return Err(place.error(reason));
            }
            all.take(&record);
            Ok(())
        })?;
        Ok(all)
    }

    fn take(&mut self, record: &Record<'_>) {
        match *record {
            Record::Header(_) | Record::Row(Proto::Udp, ..) | Record::Lone { .. } => {}
            Record::Table(_) | Record::Text(..) => {}
            Record::Row(Proto::Tcp, family, row) => {
                self.rows[family as usize][usize::from(row.state)] += 1;
            }
            Record::Counts { protocol, fields } => text::counts(fields)
                .flatten()
                .for_each(|(item, value)| self.add(protocol, item, value)),
            Record::Mib { group, names, values } => text::pairs(names, values)
                .into_iter()
                .flatten()
                .for_each(|(name, value)| self.add(group, name, value)),
        }
    }

    fn add(&mut self, group: &[u8], name: &[u8], value: i128) {
        self.pairs += 1;
        self.sum += value * (1 + name.len() as i128 + 64 * group.len() as i128);
    }

    fn total(&self) -> u32 {
        self.rows.iter().flatten().sum()
    }

    fn numbers(&self) -> Vec<i128> {
        let Sockstat { used, orphan, tw, alloc, .. } = self.sockstat;
        let protocols = [Protocol::Raw, Protocol::Udp, Protocol::Tcp, Protocol::Frag];
        let inuse = protocols.iter().flat_map(|protocol| {
            Family::ALL.iter().map(|family| self.sockstat.inuse(*protocol, *family))
        });
        let others = [used, orphan, tw, alloc].into_iter().map(Option::unwrap_or_default);
        others.chain(inuse).collect()
    }
}

/// The result for a text, or the place and reason of its error.
fn outcome(text: impl AsRef<[u8]>) -> Result<Digest, String> {
    let memory = Memory::new(text.as_ref());
    Digest::of(&memory.source).map_err(|error| memory.place_of(&error))
}

/// The sockets by state, or the place and reason of the error.
pub fn states(text: impl AsRef<[u8]>) -> Result<StateCounts, String> {
    let memory = Memory::new(text.as_ref());
    source::tcp_states(&memory.source, Method::Auto, StateSet::ALL, true)
        .map(|(counts, _)| counts)
        .map_err(|error| memory.place_of(&error))
}

/// The same with any error.
pub fn counted(text: impl AsRef<[u8]>) -> Result<StateCounts, Error> {
    let memory = Memory::new(text.as_ref());
    source::tcp_states(&memory.source, Method::Auto, StateSet::ALL, true).map(|(counts, _)| counts)
}

/// The counts of sockstat, or the place and reason of the error.
pub fn sockstat(text: impl AsRef<[u8]>) -> Result<Sockstat, String> {
    let memory = Memory::new(text.as_ref());
    counts::sockstat(&memory.source).map_err(|error| memory.place_of(&error))
}

struct Table {
    path: PathBuf,
    text: Vec<u8>,
    truth: Result<Digest, String>,
}

/// All files of `tests/fixtures/*/proc/net` and `tests/fixtures/*/proc/*/net`.
fn tables() -> Vec<Table> {
    let entries = |directory: PathBuf| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let worlds = entries(support::fixtures()).into_iter().map(|world| world.join("proc"));
    let nets = worlds.flat_map(|proc| {
        entries(proc.clone()).into_iter().chain([proc]).map(|directory| directory.join("net"))
    });
    let mut files: Vec<_> = nets.flat_map(entries).filter(|path| path.is_file()).collect();
    files.sort();
    assert!(files.len() >= 13, "fixtures are missing");
    let table = |path: PathBuf| {
        let text = fs::read(&path).unwrap();
        Table { truth: outcome(&text), path, text }
    };
    files.into_iter().map(table).collect()
}

impl Table {
    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// Whether the file is a TCP table by its header, too: one saved kernel has a tcp6 that was made from udp6.
    fn is_tcp(&self) -> bool {
        let header = self.text.split(|byte| *byte == b'\n').next().and_then(text::header);
        ["tcp", "tcp6"].contains(&self.name())
            && matches!(header, Some(text::Header::Tcp | text::Header::Tcp6))
    }

    /// How many rows of a part of the text repeat another. One world was made with such rows.
    fn repeated(&self, text: &[u8]) -> u32 {
        if !self.path.ends_with("prometheus-procfs/proc/net/tcp") {
            return 0;
        }
        let rows = text.split(|byte| *byte == b'\n').filter(|row| !row.trim_ascii().is_empty());
        u32::from(rows.count() == 4)
    }

    /// The bytes to insert, and the distance between places: all bytes at every place of a short file,
    /// significant ones in a longer file, and only a few at some places of a very long one, so that the test
    /// does not take minutes.
    fn corruptions(&self) -> (&'static [u8], usize) {
        const ALL: [u8; 256] = {
            let mut all = [0; 256];
            let mut byte = 0u8;
            while byte < 255 {
                byte += 1;
                all[byte as usize] = byte;
            }
            all
        };
        match self.text.len() {
            0..400 => (&ALL, 1),
            400..2048 => (b"\0\n\r \t:-09AG\x7f\x80\xff", 1),
            2048..4096 => (b"\0\n :-9A\xff", 1),
            4096..8192 => (b"\0\n :9", 1),
            length => (b"\n 9", length / 4096),
        }
    }

    /// Reads the file with each corruption of the places `from..to`; returns the number of cases.
    fn corrupt(&self, from: usize, to: usize) -> usize {
        let memory = Memory::new(&self.text);
        let (bytes, step) = self.corruptions();
        let mut cases = 0;
        for place in (from..to).step_by(step) {
            for &byte in bytes.iter().filter(|byte| **byte != self.text[place]) {
                memory.put(place, &[byte]);
                let check = AssertUnwindSafe(|| self.judge(place, byte, &memory));
                let path = self.path.display();
                assert!(catch_unwind(check).is_ok(), "{path}: {byte:#04x} at byte {place}");
                cases += 1;
            }
            memory.put(place, &self.text[place..=place]);
        }
        cases
    }

    /// Checks that one corrupt byte did no more harm than it may.
    fn judge(&self, place: usize, byte: u8, memory: &Memory) {
        let seen = match Digest::of(&memory.source) {
            Ok(seen) => seen,
            Err(error) => return drop(memory.place_of(&error)),
        };
        let Ok(truth) = &self.truth else { return };
        let is_line_end = self.text[place] == b'\n';
        if self.is_tcp() && seen.rows != truth.rows {
            // The state of one socket may have changed, or two lines may have become one, or a row that
            // repeated another may be of another socket now.
            let repeated = self.repeated(&self.text);
            let least = truth.total() - u32::from(is_line_end);
            assert!((least..=truth.total() + repeated).contains(&seen.total()));
            let pairs = seen.rows.iter().flatten().zip(truth.rows.iter().flatten());
            let moved: u32 = pairs.map(|(seen, truth)| seen.abs_diff(*truth)).sum();
            assert!(moved <= 2 + repeated, "{moved} sockets");
        }
        if !is_line_end && !self.text[place].is_ascii_digit() {
            let mut pairs = seen.numbers().into_iter().zip(truth.numbers());
            let is_read = |(seen, truth)| seen == 0 || seen == truth;
            assert!(pairs.all(is_read), "{byte:#x} created a number");
        }
    }

    /// Reads the file cut at every length; returns the number of cases.
    fn truncate(&self) -> usize {
        let memory = Memory::new(&self.text);
        let step = self.text.len() / 8192 + 1;
        let lengths = (0..self.text.len()).rev().step_by(step);
        for length in lengths.clone() {
            memory.file.set_len(length as u64).unwrap();
            let check = AssertUnwindSafe(|| self.judge_cut(length, &memory));
            let path = self.path.display();
            assert!(catch_unwind(check).is_ok(), "{path} cut to {length} bytes");
        }
        lengths.len()
    }

    fn judge_cut(&self, length: usize, memory: &Memory) {
        if let Err(error) = counts::sockstat(&memory.source) {
            memory.place_of(&error);
        }
        match source::tcp_states(&memory.source, Method::Auto, StateSet::ALL, true) {
            Err(Error::Fault { text, .. })
                if text.windows(NO_TABLE.len()).any(|part| part == NO_TABLE) => {}
            Err(error) => drop(memory.place_of(&error)),
            Ok((counts, _)) if self.is_tcp() => {
                let rows = self.text[..length].split(|byte| *byte == b'\n').skip(1);
                let rows = rows.filter(|row| !row.trim_ascii().is_empty()).count() as u64;
                let repeated = u64::from(self.repeated(&self.text[..length]));
                let seen = Family::ALL.iter().map(|f| counts.total(*f)).sum::<u64>();
                assert_eq!(seen, rows - repeated);
            }
            Ok(_) => {}
        }
    }
}

/// Runs `jobs` on all processors and returns the sum of the results.
fn in_parallel<T: Sync>(jobs: &[T], work: impl Fn(&T) -> usize + Sync) -> usize {
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum.fetch_add(work(job), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    sum.into_inner()
}

#[test]
fn every_truncation_is_read_or_refused_with_its_place() {
    let tables = tables();
    eprintln!("{} truncations of {} files", in_parallel(&tables, Table::truncate), tables.len());
}

#[test]
fn every_corrupt_byte_is_read_or_refused_with_its_place() {
    const PART: usize = 256;
    let tables = tables();
    let parts = tables.iter().flat_map(|table| {
        let starts = (0..table.text.len()).step_by(PART);
        starts.map(move |from| (table, from, (from + PART).min(table.text.len())))
    });
    let jobs: Vec<_> = parts.collect();
    let cases = in_parallel(&jobs, |(table, from, to)| table.corrupt(*from, *to));
    eprintln!("{cases} corruptions of {} files", tables.len());
}

#[test]
fn line_ends_make_no_difference() {
    for table in tables() {
        let text = table.text.strip_suffix(b"\n").unwrap_or(&table.text);
        let crlf = table.text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        let path = table.path.display();
        assert_eq!(outcome(&crlf), table.truth, "{path} with CRLF");
        // The last number may be cut.
        let cut = outcome(text).unwrap_err();
        let is_told = cut.ends_with(": the file is cut: its last line has no line end");
        assert!(is_told || table.truth.is_err(), "{path}: {cut}");
    }
}

/// Calls `each` with all orders of `items` from place `done` on.
fn orders<T>(items: &mut [T], done: usize, each: &mut impl FnMut(&[T])) {
    if done == items.len() {
        return each(items);
    }
    for place in done..items.len() {
        items.swap(done, place);
        orders(items, done + 1, each);
        items.swap(done, place);
    }
}

#[test]
fn files_give_the_same_in_any_order_in_one_pipe_or_by_many_names() {
    let net = support::world("own-lab-6.18").join("proc/net");
    let names = ["sockstat", "sockstat6", "snmp", "netstat", "tcp", "tcp6", "udp", "raw6"];
    let files = names.map(|name| fs::read(net.join(name)).unwrap());
    let truth = outcome(files.concat()).unwrap();
    assert_eq!((truth.total(), truth.sockstat.alloc), (45, Some(49)));
    let mut turn = 0;
    // The last two files hold nothing to count; they are inserted between the others in turn.
    orders(&mut files[..6].to_vec(), 0, &mut |six| {
        let mut all = six.to_vec();
        all.insert(turn % 7, files[6 + turn / 7 % 2].clone());
        assert_eq!(outcome(all.concat()).as_ref(), Ok(&truth));
        turn += 1;
    });
    orders(&mut names.map(|name| net.join(name))[..5], 0, &mut |five| {
        let saved = five.iter().cloned().chain(names[5..].iter().map(|name| net.join(name)));
        let source = Source { saved: saved.collect(), ..Source::default() };
        assert_eq!(Digest::of(&source).unwrap(), truth);
    });
}

/// The applets that read a file of this name, each with the options that show the most.
fn applets(file: &str) -> &'static [&'static [&'static str]] {
    match file {
        // By family, a table of one family lacks the other.
        "tcp" | "tcp6" => &[&["tcpstates", "--explain"]],
        "snmp" | "netstat" => &[&["snmpget-tcp", "--all", "--oid"]],
        _ => &[&["sockstat"], &["closedcalc"], &["conncount", "--transport"]],
    }
}

#[test]
fn the_program_survives_what_the_library_survives() {
    for (turn, table) in tables().iter().enumerate() {
        for words in applets(table.name()) {
            for (step, byte) in (0..6).zip(b"\0\n 9\xffx") {
                let place = (step * 7919 + turn * 104_729) % table.text.len().max(1);
                let mut text = table.text.clone();
                text.truncate(if step == 5 { place } else { text.len() });
                text.get_mut(place).into_iter().for_each(|old| *old = *byte);
                ends_well(words, &text);
            }
        }
    }
}

/// Runs an applet that must either print rows and no message, or print a message. An applet that does not
/// promise partial rows prints none in that case.
fn ends_well(words: &[&str], text: &[u8]) {
    let output = support::run_with_input(&[words, &["--from", "-"]].concat(), text);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let prefix = format!("{}: ", words[0]);
    let is_said = !stderr.is_empty() && stderr.lines().all(|line| line.starts_with(&prefix));
    match output.status.code() {
        Some(0) => assert_eq!(stderr, "", "{words:?}"),
        Some(1) => assert!(is_said, "{words:?}: {stderr}"),
        other => panic!("{words:?}: {other:?} {stderr} of {}", String::from_utf8_lossy(text)),
    }
    let is_whole = !["closedcalc", "conncount", "snmpget-tcp"].contains(&words[0]);
    assert!(!is_whole || output.status.success() || output.stdout.is_empty(), "{words:?}");
}
