//! The text files of /proc/net, live, under a root, or saved.
//!
//! All three go the same way: every line says by itself what it is, so that saved files may stand
//! behind one another in one pipe.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

pub use super::file::File;
pub(in crate::source) use super::input::STDIN;
use super::input::open_saved;
use super::lines::{Lines, Place};
pub(in crate::source) use super::record::Each;
pub use super::record::Record;
use super::saved::{Is, Saved, empty_of_ss, unfit};
use super::tables::{Begun, Doubts, Named, Pass, Table, Tables};
use crate::error::Error;
use crate::model::{Family, Proto};
use crate::source::Source;
use crate::sys::{self, PathError};
use crate::wire::socket_row::{SocketRow, socket_row};
use crate::wire::text::{self, Group};

/// Reads `files` of the kernel, or all saved files, and calls `each` with what they hold; what is
/// missing among saved files is for the caller to notice. Gives what is to be known of the tables of sockets
/// as a whole.
///
/// # Errors
/// If a file that must be there is not, or is empty, a line is of no known shape, or `each` fails.
pub fn read(
    source: &Source,
    files: &[File],
    mut each: impl FnMut(Place<'_>, Record<'_>) -> Result<(), Error>,
) -> Result<Tables, Error> {
    read_all(source, files, &mut each)
}

/// The same as [`read`].
pub(in crate::source) fn read_all(
    source: &Source,
    files: &[File],
    each: &mut Each<'_>,
) -> Result<Tables, Error> {
    let is_saved = !source.saved.is_empty();
    let wants_udp = files.contains(&File::Udp) || files.contains(&File::Udp6);
    let mut pass = Pass::new(is_saved, wants_udp);
    if !is_saved {
        // As much as the kernel hands out at once, and the longest line of netstat many times.
        let mut lines = Lines::new(32 * 1024);
        files
            .iter()
            .try_for_each(|file| read_kernels(source, *file, &mut lines, &mut pass, each))?;
        return Ok(pass.finish());
    }
    let is_empty = |file: &&File| {
        source.empty.iter().any(|path| path.file_name().is_some_and(|name| name == file.name()))
    };
    for file in files.iter().filter(is_empty) {
        pass.tables.doubts.add(Doubts::of_empty(*file));
    }
    let mut lines = Lines::new(128 * 1024);
    let mut begun = source.words.begun();
    for path in &source.saved {
        let mut file = None;
        if let Some(begun) = begun.take() {
            lines.begin_with(&begun.bytes);
            file = begun.fd;
        }
        let (name, fd) = open_saved(path, &mut file)?;
        let is_empty = read_one(source, &mut lines, fd, name, &mut pass, each)?;
        if is_empty {
            return Err(Error::failed(name, [EMPTY, empty_of_ss(source.applet)].concat()));
        }
    }
    Ok(pass.finish())
}

/// Reads a file of the kernel. One that could be opened must hold what it is for: each table of sockets has a
/// header, and sockstat6 has the line of TCP, even if there are none.
fn read_kernels(
    source: &Source,
    file: File,
    lines: &mut Lines,
    pass: &mut Pass,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    let path = source.kernel.net_path(file.name());
    let name = path.as_os_str().as_bytes();
    if let Some((proto, family)) = file.table() {
        pass.tables.full[proto as usize][family as usize] = Some(0);
    }
    let is_empty = match sys::open_file(&path) {
        Ok(fd) => read_one(source, lines, fd.as_fd(), name, pass, each)?,
        Err(PathError::System(Errno::NOENT)) if file.may_be_missing() => {
            return may_be_without(source, file, name);
        }
        Err(error) => return Err(error.at(name)),
    };
    let is_needed = file.table().is_some() || file == File::Sockstat6;
    if is_empty && is_needed {
        return Err(Error::failed(name, EMPTY));
    }
    match file.table() {
        Some((proto, family)) if !pass.has_table[proto as usize][family as usize] => {
            let proto = proto.name().to_uppercase();
            Err(Error::failed(name, format_args!("holds no header of a table of {proto} sockets")))
        }
        _ => Ok(()),
    }
}

/// Accepts that a file of IPv6 is not there, if it is known that there are no such sockets. What is calculated
/// from sockstat6 looks for itself.
#[cold]
fn may_be_without(source: &Source, file: File, name: &[u8]) -> Result<(), Error> {
    let Some((proto, _)) = file.table() else { return Ok(()) };
    let line = [b"TCP6", b"UDP6"][proto as usize];
    let mut inuse = None;
    read(source, &[File::Sockstat6], |_, record| {
        if let Record::Counts { protocol, fields } = record
            && protocol == line
        {
            let mut counts = text::counts(fields).flatten();
            inuse = counts.find(|(item, _)| *item == b"inuse").map(|(_, number)| number);
        }
        Ok(())
    })?;
    let reason = match inuse {
        Some(0) => return Ok(()),
        None if source.has_no_ipv6() => return Ok(()),
        None => "does not exist, although other files of IPv6 do: copy it, too".to_owned(),
        Some(number) => {
            format!(
                "does not exist, although sockstat6 counts {number} of its sockets: copy it, too"
            )
        }
    };
    Err(Error::failed(name, reason))
}

/// The reason if nothing is in a file that a kernel never leaves empty.
const EMPTY: &str = "is empty, and a kernel always writes at least a header: the file is masked, or was copied \
                     with its size of 0, as tar does; copy it with cat";

/// The reason of an error in a pair of lines.
pub const NO_PAIR: &str = "the names and values of this pair do not match";

/// Reads one file; gives whether there is nothing in it.
fn read_one(
    source: &Source,
    lines: &mut Lines,
    fd: BorrowedFd<'_>,
    file: &[u8],
    pass: &mut Pass,
    each: &mut Each<'_>,
) -> Result<bool, Error> {
    let (named, is_empty) = (Named::of(file), true);
    pass.has_table = Default::default();
    let (table, family, names) = (Table::None, None, Vec::new());
    let (line_of_names, lone) = (0, None);
    let mut reader = Reader { named, pass, table, family, names, line_of_names, is_empty, lone };
    let mut saved = (!source.saved.is_empty()).then(|| Saved::of(source, file));
    let mut last = Place { file, line: 0 };
    let cut = lines.each_whole(fd, file, |place, line| {
        last.line = place.line;
        if let Some(saved) = saved.as_mut().filter(|saved| saved.is_reading())
            && !matches!(saved.line(place, line, reader.pass, each)?, Is::Other)
        {
            return Ok(());
        }
        // Rows are tried first: there may be a million of them.
        if let Some(family) = reader.family
            && let Some(row) = socket_row(line)
            && row.is_v4 == (family == Family::Inet)
        {
            if let Table::Begun(begun) = reader.table {
                reader.tell(begun, Some((row, line)), place, each)?;
            }
            return match reader.table {
                Table::Of(proto) if reader.pass.row(proto, family, row, line) => {
                    each(place, Record::Row(proto, family, row))
                }
                _ => Ok(()),
            };
        }
        if let Some(saved) = saved.as_mut()
            && matches!(saved.line(place, line, reader.pass, each)?, Is::Begin)
        {
            return reader.end(place, each);
        }
        reader.line(place, line, each)
    })?;
    if let Some(cut) = cut {
        if !saved.as_ref().is_some_and(Saved::is_reading) {
            return Err(cut);
        }
        reader.pass.tables.doubts.add(Doubts::CUT);
    }
    reader.end(last, each)?;
    let Some(mut saved) = saved else { return Ok(reader.is_empty) };
    saved.end(last, reader.pass, each)?;
    saved.finish(file, !reader.is_empty)?;
    let is_empty = reader.is_empty && !saved.is_any();
    Ok(is_empty && !saved.nothing(last, reader.pass, each)?)
}

const NO_VALUES: &str = "a line of names without its line of values";
const NO_NAMES: &str = "a line of values without its line of names";
const NO_LINE: &str = "not a line of sockstat, snmp, netstat, or of a socket table with its header, nor of a text of \
     another tool, nor a row of connbox below its header (--header): see connbox --man connbox-from";

/// What was read of a file so far, as far as it says what the next line is.
struct Reader<'a> {
    named: Option<Named>,
    pass: &'a mut Pass,
    table: Table,
    /// The family of the rows that come next, unless connbox does not count them.
    family: Option<Family>,
    /// A line `GROUP: NAMES` whose values come next.
    names: Vec<u8>,
    /// The number of that line.
    line_of_names: u64,
    is_empty: bool,
    /// The first line of a broken pair, which may be of anything, until something whole was read: then 0.
    lone: Option<u64>,
}

impl Reader<'_> {
    /// Ends what was read so far.
    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<(), Error> {
        self.end_table(place, each)?;
        (self.table, self.family) = (Table::None, None);
        self.lone_names(place.file, each)
    }

    /// Reads a line that is not a row of a socket table.
    #[cold]
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        let group = text::group(line);
        let is_values = matches!(group, Some(Group::Values { .. }));
        if let Some(Group::Values { group, fields } | Group::Names { group, fields }) = group
            // Both lines of a group without fields are alike.
            && (is_values || fields.trim_ascii().is_empty())
            && let Some(names) = self.names.strip_prefix(group).and_then(|rest| rest.strip_prefix(b":"))
        {
            each(place, Record::Mib { group, names, values: fields })?;
            self.lone = Some(0);
            self.names.clear();
            return Ok(());
        }
        self.lone_names(place.file, each)?;
        self.is_empty &= group.is_none();
        match group {
            Some(Group::Counts { protocol, fields }) => {
                self.lone = Some(0);
                each(place, Record::Counts { protocol, fields })
            }
            Some(Group::Names { .. }) => {
                self.names.extend_from_slice(line);
                self.line_of_names = place.line;
                Ok(())
            }
            Some(Group::Values { group, .. }) => {
                self.lone.get_or_insert(place.line);
                lone(place, group, NO_NAMES, each)
            }
            None => self.other(place, line, each),
        }
    }

    /// Gives the line of names whose values did not follow, if there is one.
    fn lone_names(&mut self, file: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        let Some(Group::Names { group, fields }) = text::group(&self.names) else { return Ok(()) };
        let reason = if fields.trim_ascii().is_empty() { NO_LINE } else { NO_VALUES };
        self.lone.get_or_insert(self.line_of_names);
        let taken = lone(Place { file, line: self.line_of_names }, group, reason, each);
        self.names.clear();
        taken
    }

    /// Takes a header, a row of a table that connbox does not count, or a blank line.
    fn other(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        if let Some(begun) = Begun::of(line) {
            self.end_table(place, each)?;
            (self.table, self.family) = (Table::Begun(begun), Some(begun.family()));
            (self.is_empty, self.lone) = (false, Some(0));
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if text::begins_header(line) {
            return Err(
                place.error("the header of a socket table is cut, or not one of the kernel's")
            );
        }
        let first = text::Fields::new(line).next().and_then(|first| first.strip_suffix(b":"));
        let is_row = first.and_then(text::unsigned).is_some();
        match self.table {
            Table::Other if is_row => Ok(()),
            _ => Err(match unfit(line) {
                Some(reason) => place.error(reason),
                None => {
                    let line = self.lone.filter(|line| *line > 0).unwrap_or(place.line);
                    Place { line, ..place }.error(self.unknown())
                }
            }),
        }
    }

    /// Says what the table is that has begun.
    #[cold]
    fn tell(
        &mut self,
        begun: Begun,
        first: Option<(SocketRow<'_>, &[u8])>,
        place: Place<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        self.table = self.pass.tell(begun, self.named, first);
        match self.table {
            Table::Of(proto) => each(place, Record::Header(proto)),
            _ => {
                self.family = None;
                Ok(())
            }
        }
    }

    /// Ends the table before another header or the end of the file.
    fn end_table(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<(), Error> {
        if let Table::Begun(begun) = self.table {
            self.tell(begun, None, place, each)?;
        }
        self.pass.end();
        Ok(())
    }

    fn unknown(&self) -> &'static str {
        match self.table {
            Table::Of(Proto::Udp) => "not a row of a UDP table",
            Table::Of(Proto::Tcp) => "not a row of a TCP table",
            Table::Begun(begun) if begun.is_like_tcp() => "not a row of a TCP table",
            Table::Begun(_) => "not a row of a UDP table",
            Table::None | Table::Other => NO_LINE,
        }
    }
}

/// Gives a line of a broken pair. The names of sockstat's protocols alone have no small letters: one of its
/// lines is broken then, and it has no pairs of which others could be whole.
fn lone(
    place: Place<'_>,
    group: &[u8],
    reason: &'static str,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    match group == b"sockets" || !group.iter().any(u8::is_ascii_lowercase) {
        true => Err(place.error(reason)),
        false => each(place, Record::Lone { group, reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn records(name: &str, text: &[u8]) -> Result<Vec<String>, Error> {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text).unwrap();
        drop(writer);
        let mut all = Vec::new();
        let mut pass = Pass::new(true, true);
        let (mut lines, fd) = (Lines::new(4096), reader.as_fd());
        read_one(
            &Source::default(),
            &mut lines,
            fd,
            name.as_bytes(),
            &mut pass,
            &mut |place, record| {
                all.push(match record {
                    Record::Counts { protocol, .. } => format!("{} {protocol:?}", place.line),
                    Record::Mib { group, .. } => format!("{} {}", place.line, group.escape_ascii()),
                    Record::Lone { group, reason } => {
                        format!("{} {}: {reason}", place.line, group.escape_ascii())
                    }
                    Record::Header(_) | Record::Row(Proto::Udp, ..) | Record::Table(_) => {
                        return Ok(());
                    }
                    Record::Text(..) => return Ok(()),
                    Record::Row(_, family, row) => {
                        format!("{} {family:?} {}", place.line, row.state)
                    }
                });
                Ok(())
            },
        )?;
        Ok(all)
    }

    const ROW: &str = "   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 00000000 100\n";
    const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn files_may_stand_behind_one_another() {
        let text = format!("Tcp: A B\nTcp: 1 2\n{HEADER}{ROW}\nTCP: inuse 1\n{HEADER}{ROW}");
        let all = records("-", text.as_bytes()).unwrap();
        assert_eq!(all, ["2 Tcp", "4 Inet 10", "6 [84, 67, 80]", "8 Inet 10"]);
    }

    #[test]
    fn a_file_by_the_name_of_udp_has_no_tcp_rows() {
        let text = [HEADER, ROW].concat();
        assert_eq!(records("x/udp", text.as_bytes()).unwrap().len(), 0);
        assert_eq!(records("x/tcp", text.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn unknown_shapes_are_errors_with_their_place() {
        let broken = [HEADER, ROW, &ROW[..60], "\n"].concat();
        let cut = [HEADER, &ROW[..90]].concat();
        for (text, message) in [
            (broken.as_str(), "f:3: not a row of a TCP table"),
            (&cut, "f:2: the file is cut: its last line has no line end"),
            (
                &HEADER.replace(" inode", ""),
                "f:1: the header of a socket table is cut, or not one of the kernel's",
            ),
            (ROW, &format!("f:1: {NO_LINE}")),
            ("TCP: a b\n", "f:1: a line of names without its line of values"),
            ("TCP: 1 2\n", "f:1: a line of values without its line of names"),
            ("UDP: \nTCP: inuse 1\n", &format!("f:1: {NO_LINE}")),
            ("TCP: inuse 1\n\0\n", &format!("f:2: {NO_LINE}")),
        ] {
            let Err(Error::Fault { text, .. }) = records("f", text.as_bytes()) else { panic!() };
            assert_eq!(String::from_utf8(text).unwrap(), message);
        }
    }

    #[test]
    fn a_broken_pair_costs_no_other() {
        let names = "a line of names without its line of values";
        let values = "a line of values without its line of names";
        let blank = NO_LINE;
        let lone = |line: u32, group: &str, reason| format!("{line} {group}: {reason}");
        let tcp = || "2 Tcp".to_owned();
        for (text, wanted) in [
            // gVisor writes it so.
            ("IcmpMsg:\nIcmpMsg:\nTcp: A\nTcp: 1\n", vec!["2 IcmpMsg".into(), "4 Tcp".into()]),
            ("IcmpMsg: \nIcmpMsg: \n", vec!["2 IcmpMsg".into()]),
            ("IcmpMsg:\nTcp: A\n", vec![lone(1, "IcmpMsg", blank), lone(2, "Tcp", names)]),
            ("Tcp: A\nTcp: 1\nIcmpMsg:\n", vec![tcp(), lone(3, "IcmpMsg", blank)]),
            ("Tcp: A\nTcp:\n", vec![tcp()]),
            ("Tcp: A B\n", vec![lone(1, "Tcp", names)]),
            ("Tcp: A B\n\n", vec![lone(1, "Tcp", names)]),
            (
                "Tcp: A\nTcp: 1\nTcpExt: B\nIpExt: C\n",
                vec![tcp(), lone(3, "TcpExt", names), lone(4, "IpExt", names)],
            ),
            ("Tcp: A B\nUdp: 1 2\n", vec![lone(1, "Tcp", names), lone(2, "Udp", values)]),
            ("Tcp: 1 2\nTCP: inuse 1\n", vec![lone(1, "Tcp", values), "2 [84, 67, 80]".into()]),
            ("Tcp: A\nTcp: B\nTcp: 1\n", vec![lone(1, "Tcp", names), "3 Tcp".into()]),
            (
                &["Tcp: A B\n", HEADER, ROW].concat(),
                vec![lone(1, "Tcp", names), "3 Inet 10".into()],
            ),
        ] {
            assert_eq!(records("f", text.as_bytes()).unwrap(), wanted, "{text}");
        }
    }
}
