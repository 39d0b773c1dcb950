//! A long table of ss in a file, which several threads read: each takes rows as they usually are. Whatever is unusual,
//! wrong or missing gives nothing here, and the table is read again by one thread, which knows what to say.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::of_text::Texts;
use super::parts::Collector;
use super::sock_diag::Dumped;
use crate::model::{Family, Proto, Query, Socket};
use crate::source::Source;
use crate::source::files::lacking::Shown;
use crate::source::files::lines::Place;
use crate::source::files::sample::is_connection;
use crate::source::files::saved::sockets::told;
use crate::source::files::tables::Doubts;
use crate::source::threads::share;
use crate::sys;
use crate::wire::saved::command::Command;
use crate::wire::saved::row::{End, Host};
use crate::wire::saved::ss::{self, Layout, Users};
use crate::wire::saved::ss_version::Version;
use crate::wire::saved::{Form, Known};

/// How much of a file is one piece of work, so that no thread waits long for another. A shorter file is not worth threads.
const PART: u64 = 4 << 20;
/// How much of it a thread reads at once; no line is longer.
const BLOCK: usize = 128 << 10;

/// Has collectors that `new` makes take the sockets of a long table; `None` if one thread must read it.
pub(super) fn collect<C: Collector>(
    source: &Source,
    query: &Query,
    new: &(impl Fn() -> C + Sync),
) -> Option<(C, Dumped)> {
    let [path] = source.saved.as_slice() else { return None };
    if path.as_os_str() == "-" || source.threads() < 2 {
        return None;
    }
    let file = sys::open_input_file(path).filter(|file| sys::file_size(file) >= PART)?;
    let table = Table::begin(source, query, file.as_fd(), path.as_os_str().as_bytes())?;
    let collectors: Vec<_> = (0..source.threads()).map(|_| Mutex::new(new())).collect();
    let doubts = read(&table, source, &|thread, work| {
        let mut collector = collectors.get(thread)?.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut |socket| collector.take(socket, None).ok())
    })?;
    let collectors =
        collectors.into_iter().map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner));
    let all = collectors.reduce(|mut all, other| {
        all.merge(other);
        all
    })?;
    Some((all, Dumped { is_interrupted: false, doubts }))
}

/// Has the collector of a thread take what some work finds.
type With<'a> =
    dyn Fn(usize, &mut dyn FnMut(&mut Take<'_>) -> Option<()>) -> Option<()> + Sync + 'a;

/// Reads all rows, and gives what may be wrong. Compiled once, and not for each kind of collectors.
fn read(table: &Table<'_>, source: &Source, with: &With<'_>) -> Option<Doubts> {
    let next = AtomicU64::new(table.start);
    let parts = share(source.threads(), &|thread| {
        let mut rows = Rows::of(table, source);
        with(thread, &mut |take| rows.read(&next, take)).map(|()| rows)
    });
    let parts: Option<Vec<Rows<'_>>> = parts.into_iter().collect();
    let all = parts?.into_iter().reduce(|mut all, other| {
        all.add(&other);
        all
    });
    all?.finish()
}

/// A table of ss with states.
struct Table<'a> {
    fd: BorrowedFd<'a>,
    name: &'a [u8],
    query: &'a Query,
    layout: Layout,
    version: Version,
    /// The protocol that the command named.
    protocol: Option<u8>,
    command: Command,
    /// Its first row, if that is of a connection: it comes again only if the text does.
    first: Vec<u8>,
    /// Where this row is.
    start: u64,
    size: u64,
}

impl<'a> Table<'a> {
    fn begin(
        source: &Source,
        query: &'a Query,
        fd: BorrowedFd<'a>,
        name: &'a [u8],
    ) -> Option<Table<'a>> {
        let mut buffer = Vec::with_capacity(BLOCK);
        sys::read_at(fd, &mut buffer, 0).ok()?;
        let end = memchr::memchr(b'\n', &buffer)?;
        let first = without_cr(&buffer[..end]);
        Known::of(first).filter(|known| known.form == Form::Ss && known.is_for(source.applet))?;
        let header = ss::header(first);
        let (layout, start) = match header {
            Some(layout) => (layout, end + 1),
            None => (ss::guess(first)?, 0),
        };
        let command = source.command_of(name);
        // One thread says so.
        let command = (!command.is_not_of(Form::Ss)).then(|| command.about(Form::Ss))?;
        let (protocol, size) = (command.protocol, sys::file_size(fd));
        let version = Version::of(header, command.listed_families());
        let first = buffer[start..].split(|byte| *byte == b'\n').next().map(without_cr)?;
        let tells = ss::row(first, layout).is_some_and(|row| is_connection(&row, protocol));
        let (first, start) = (if tells { first.to_vec() } else { Vec::new() }, start as u64);
        let table =
            Table { fd, name, query, layout, version, protocol, command, first, start, size };
        layout.has_state.then_some(table)
    }
}

/// Takes a socket; `None` if nothing more can be taken.
type Take<'a> = dyn FnMut(&Socket) -> Option<()> + 'a;

/// What a thread has seen.
struct Rows<'a> {
    table: &'a Table<'a>,
    texts: Texts<'a>,
    /// Whether a socket of each protocol was seen, and its protocol is certain.
    seen: [bool; 2],
    /// How often the first row was seen.
    firsts: u32,
    /// Whether a row cannot be one of the command.
    is_of_other: bool,
    shown: Shown,
    version: Version,
}

impl<'a> Rows<'a> {
    fn of(table: &'a Table<'a>, source: &'a Source) -> Rows<'a> {
        let texts = Texts::new(source, table.query);
        Rows {
            table,
            texts,
            seen: [false; 2],
            firsts: 0,
            is_of_other: false,
            shown: Shown::default(),
            version: table.version,
        }
    }

    fn add(&mut self, other: &Rows<'_>) {
        self.texts.add(&other.texts);
        self.seen = [0, 1].map(|proto| self.seen[proto] || other.seen[proto]);
        self.firsts = self.firsts.saturating_add(other.firsts);
        self.is_of_other |= other.is_of_other;
        self.shown.add(other.shown);
        self.version.add(other.version);
    }

    /// What may be wrong, if nothing is missing.
    fn finish(&self) -> Option<Doubts> {
        let has_all = self.table.query.protos().iter().all(|proto| self.seen[*proto as usize]);
        let mut doubts = Doubts::of_ss(&self.table.command, [true; 2], self.shown);
        doubts.add(Doubts::of_choice(&self.table.command, self.shown));
        if self.is_of_other || self.shown.contradicts(&self.table.command) {
            doubts.add(Doubts::OTHER_COMMAND);
        }
        let is_whole = has_all && self.firsts < 2 && !self.version.is_doubtful();
        self.texts.finish(doubts).ok().filter(|_| is_whole)
    }

    /// Takes the rows of one part after another, as long as there are any.
    #[inline(never)]
    fn read(&mut self, next: &AtomicU64, take: &mut Take<'_>) -> Option<()> {
        let mut buffer = Vec::with_capacity(BLOCK);
        loop {
            let from = next.fetch_add(PART, Ordering::Relaxed);
            if from >= self.table.size {
                return Some(());
            }
            if self.part(from, &mut buffer, take).is_none() {
                // The others may stop, too.
                next.store(self.table.size, Ordering::Relaxed);
                return None;
            }
        }
    }

    /// Takes the rows that begin in a part of the file.
    fn part(&mut self, from: u64, buffer: &mut Vec<u8>, take: &mut Take<'_>) -> Option<()> {
        let Table { fd, start, size, .. } = *self.table;
        let to = size.min(from + PART);
        // A line that began before belongs to another part.
        let mut is_other = from > start;
        let mut offset = if is_other { from - 1 } else { from };
        let mut place = offset;
        buffer.clear();
        loop {
            let read = sys::read_at(fd, buffer, offset).ok()?;
            if read == 0 {
                // What is left is a line without its end.
                return buffer.is_empty().then_some(());
            }
            offset += read as u64;
            let mut used = 0;
            while let Some(length) = memchr::memchr(b'\n', &buffer[used..]) {
                if place + used as u64 >= to && !is_other {
                    return Some(());
                }
                if !std::mem::take(&mut is_other) {
                    self.line(without_cr(&buffer[used..used + length]), take)?;
                }
                used += length + 1;
            }
            buffer.drain(..used);
            place += used as u64;
            if buffer.len() == buffer.capacity() {
                return None;
            }
        }
    }

    /// Takes a line; `None` if it is unusual.
    #[inline]
    fn line(&mut self, line: &[u8], take: &mut Take<'_>) -> Option<()> {
        let Table { layout, protocol, query, name, ref first, .. } = *self.table;
        if line.is_empty() || line[0] == b'\t' {
            return Some(());
        }
        self.firsts = self.firsts.saturating_add(u32::from(line == first));
        let row = ss::row(line, layout).filter(|_| line[0] != b' ')?;
        if ss::users(&row) != Users::Whole || !(is_usual(&row.local) && is_usual(&row.remote)) {
            return None;
        }
        self.version.see(&row);
        let known = row.protocol.or(protocol).or_else(|| told(&row));
        let proto = match known {
            Some(17) if row.protocol.or(protocol).is_none() => return None,
            Some(17) => Proto::Udp,
            // A row that may be one of TCP: another one must tell.
            None | Some(6) => Proto::Tcp,
            Some(_) => return None,
        };
        self.seen[proto as usize] |= known.is_some();
        let family = match row.is_v6 {
            Some(false) => Family::Inet,
            Some(true) => Family::Inet6,
            None if self.version.star(layout) => Family::Inet6,
            None => return None,
        };
        let state = row.state.unwrap_or_default();
        self.is_of_other |= self.table.command.excludes(proto == Proto::Udp, row.is_v6, state);
        // Only bound, or not of TCP.
        if proto == Proto::Tcp && state == 7 {
            if row.protocol.is_none() {
                self.shown.see_closed();
            }
            return known.map(|_| ());
        }
        self.shown.see(proto, family, state);
        if query.protos().contains(&proto) {
            let socket =
                self.texts.socket(Place { file: name, line: 0 }, proto, family, &row).ok()?;
            if query.has(&socket) {
                take(&socket)?;
            }
        }
        Some(())
    }
}

/// Whether an end is as every version of ss writes it: names hide families, and old versions write no brackets.
fn is_usual(end: &End<'_>) -> bool {
    match end.host {
        Host::Any => true,
        Host::Address(address) => address.is_ipv4() || end.is_bracketed,
        Host::Name(_) | Host::Cut => false,
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
