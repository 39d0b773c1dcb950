//! Any bytes as one or more files: each record is in its file, each error names its place, and neither the size
//! of the buffer nor the line ends matter.
#![no_main]

mod memory;

use connbox::error::{Error, Status};
use connbox::model::{Family, Proto, Query, StateSet};
use connbox::source::files::lines::{Lines, Place};
use connbox::source::files::procfs::{self, Record};
use connbox::source::{self, Method, Source};
use connbox::wire::saved::Known;
use connbox::wire::text;
use libfuzzer_sys::fuzz_target;
use memory::Memory;

/// File names; the second and the third decide the protocol and family of the rows.
const NAMES: [&str; 4] = ["any", "tcp6", "udp", "later"];

thread_local! {
    static FILES: [Memory; 4] =
        std::array::from_fn(|place| Memory::new(NAMES[place], 200 + place as i32));
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    // Text of tools has a target of its own.
    if data.split(|byte| matches!(byte, b'\n' | 0xff)).any(|line| Known::of(line).is_some()) {
        return;
    }
    FILES.with(|files| {
        // Files follow one another, separated by a byte that never occurs in text.
        let parts: Vec<&[u8]> = data.split(|byte| *byte == 0xff).take(2).collect();
        let first = usize::from(choice) % 3;
        let used: Vec<&Memory> = [&files[first], &files[3]].into_iter().take(parts.len()).collect();
        used.iter().zip(&parts).for_each(|(file, part)| file.hold(part));
        let saved = used.iter().map(|file| file.path.clone()).collect();
        let source = Source { saved, ..Source::default() };
        let seen = read(&source, &parts);
        states_agree(&source, &seen);
        sockets_agree(&source);
        lines_agree(&files[first], parts[0], usize::from(choice));
        if !data.contains(&b'\r') {
            let crlf = |part: &[u8]| part.split(|b| *b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
            let parts: Vec<Vec<u8>> = parts.iter().map(|part| crlf(part)).collect();
            used.iter().zip(&parts).for_each(|(file, part)| file.hold(part));
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(read(&source, &parts), seen, "CRLF");
        }
    });
});

/// The records as text, or the error's text; both are compared with the lines that they came from.
fn read(source: &Source, parts: &[&[u8]]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let result = procfs::read(source, &[], |place, record| {
        all.push(check(source, parts, place, &record));
        Ok(())
    });
    match result {
        Ok(_) => Ok(all),
        Err(Error::Fault { status: Status::Failed, text }) => {
            let text = String::from_utf8(text).unwrap();
            let (place, reason) = text.split_once(": ").unwrap();
            // What is said of a whole file names no line.
            let (file, line) = place.rsplit_once(':').unwrap_or((place, "0"));
            let part = source.saved.iter().position(|path| path.as_os_str() == file).unwrap();
            let last = parts[part].split(|byte| *byte == b'\n').count();
            assert!((0..=last).contains(&line.parse().unwrap()), "{text}");
            assert!(!reason.is_empty());
            Err(text)
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn check(source: &Source, parts: &[&[u8]], place: Place<'_>, record: &Record<'_>) -> String {
    let file = |path: &std::path::PathBuf| path.as_os_str().as_encoded_bytes() == place.file;
    let part = parts[source.saved.iter().position(file).unwrap()];
    let line = part.split(|byte| *byte == b'\n').nth(place.line as usize - 1).unwrap();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let whole = |name: &[u8], fields: &[u8]| [name, b":", fields].concat();
    match *record {
        Record::Counts { protocol, fields } => {
            assert_eq!(whole(protocol, fields), line);
            let pairs: Vec<_> = text::counts(fields).collect();
            format!("{protocol:?} {pairs:?}")
        }
        Record::Mib { group, names, values } => {
            assert_eq!(whole(group, values), line);
            assert!(part.windows(names.len()).any(|window| window == names));
            let pairs: Option<Vec<_>> = text::pairs(names, values).map(Iterator::collect);
            format!("{group:?} {pairs:?}")
        }
        Record::Lone { group, reason } => {
            assert!(line.starts_with(&[group, b":"].concat()));
            format!("{group:?} {reason}")
        }
        Record::Header(_) | Record::Table(_) => String::from("table"),
        Record::Text(proto, family, row) => format!("{family:?} {proto:?} {:?}", row.state),
        Record::Row(Proto::Udp, ..) => String::from("udp"),
        Record::Row(Proto::Tcp, family, row) => {
            let digits = format!("{:02X}", row.state);
            let state = text::Fields::new(line).nth(3).unwrap();
            assert!(state.eq_ignore_ascii_case(digits.as_bytes()), "{state:?}");
            format!("{family:?} {}", row.state)
        }
    }
}

/// Counting by state agrees with the records.
fn states_agree(source: &Source, seen: &Result<Vec<String>, String>) {
    let counts = source::tcp_states(source, Method::Auto, StateSet::ALL, true);
    let rows = |all: &[String]| all.iter().filter(|record| record.starts_with("Inet")).count();
    match (counts, seen) {
        (Ok((counts, _)), Ok(all)) => {
            let sum: u64 = Family::ALL.iter().map(|family| counts.total(*family)).sum();
            assert_eq!(sum, rows(all) as u64);
        }
        (Ok(_), Err(error)) => panic!("counted despite {error}"),
        // The files have no row, or a row in a state that does not exist.
        (Err(_), _) => {}
    }
}

/// Every socket that is counted by state is also read whole, or its row is an error: a number after
/// the state may be too wide.
fn sockets_agree(source: &Source) {
    let counts = source::tcp_states(source, Method::Auto, StateSet::ALL, true);
    let mut sockets = 0;
    let whole = source::sockets(source, Method::Auto, &Query::default(), |_| {
        sockets += 1;
        Ok(())
    });
    if let (Ok((counts, _)), Ok(_)) = (counts, whole) {
        let sum: u64 = Family::ALL.iter().map(|family| counts.total(*family)).sum();
        assert_eq!(sum, sockets);
    }
}

/// The lines equal those of a plain split, with a buffer of any size.
fn lines_agree(file: &Memory, text: &[u8], capacity: usize) {
    let capacity = capacity + 8;
    let mut lines = Vec::new();
    let open = std::fs::File::open(&file.path).unwrap();
    let result = Lines::new(capacity).each(open, b"f", |place, line| {
        lines.push(line.to_vec());
        assert_eq!(place.line, lines.len() as u64);
        Ok(())
    });
    let is_cut = !text.is_empty() && !text.ends_with(b"\n");
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut wanted = text.split(|byte| *byte == b'\n');
    for line in &lines {
        let line_wanted = wanted.next().unwrap();
        assert_eq!(line, line_wanted.strip_suffix(b"\r").unwrap_or(line_wanted));
    }
    match result {
        Ok(()) => assert!(!is_cut && wanted.next().is_none_or(<[u8]>::is_empty)),
        // The last line of a cut file is not given.
        Err(_) => assert!(is_cut || wanted.next().unwrap().len() >= capacity),
    }
}
