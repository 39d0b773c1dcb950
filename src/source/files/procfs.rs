//! The text files of /proc/net, live, under a root, or saved.
//!
//! All three go the same way: every line says by itself what it is, so that saved files may stand
//! behind one another in one pipe.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use super::lines::{Lines, Place};
use crate::error::Error;
use crate::model::{Family, Proto, Sockstat};
use crate::source::Source;
use crate::sys;
use crate::wire::socket_row::{SocketRow, socket_row};
use crate::wire::text::{self, Group, Header};

/// A file of /proc/net that connbox reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Socket counts, protocol-wide and IPv4.
    Sockstat,
    /// Socket counts, IPv6; not there if IPv6 is off.
    Sockstat6,
    /// The MIBs of the RFCs.
    Snmp,
    /// Linux's own MIBs.
    Netstat,
    /// IPv4 TCP sockets.
    Tcp,
    /// IPv6 TCP sockets; not there if IPv6 is off.
    Tcp6,
    /// IPv4 UDP sockets.
    Udp,
    /// IPv6 UDP sockets; not there if IPv6 is off.
    Udp6,
}

impl File {
    /// The file's name in /proc/net.
    pub fn name(self) -> &'static str {
        match self {
            File::Sockstat => "sockstat",
            File::Sockstat6 => "sockstat6",
            File::Snmp => "snmp",
            File::Netstat => "netstat",
            File::Tcp => "tcp",
            File::Tcp6 => "tcp6",
            File::Udp => "udp",
            File::Udp6 => "udp6",
        }
    }

    fn may_be_missing(self) -> bool {
        matches!(self, File::Sockstat6 | File::Tcp6 | File::Udp6)
    }
}

/// One line (or pair of lines) of any of the files.
#[derive(Debug)]
pub enum Record<'a> {
    /// A line of sockstat or sockstat6.
    Counts {
        /// The protocol, `TCP`.
        protocol: &'a [u8],
        /// Its fields; see [`text::counts`].
        fields: &'a [u8],
    },
    /// A pair of lines of snmp or netstat.
    Mib {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The names; see [`text::pairs`].
        names: &'a [u8],
        /// The values.
        values: &'a [u8],
    },
    /// The header of a table of sockets: there is one, even if it has no rows.
    Header(Proto),
    /// A row of a table of sockets.
    Row(Proto, Family, SocketRow<'a>),
}

/// Reads `files` of the kernel, or all saved files, and calls `each` with what they hold; what is
/// missing among saved files is for the caller to notice.
///
/// # Errors
/// If a file that must be there is not, a line is of no known shape, or `each` fails.
pub fn read(
    source: &Source,
    files: &[File],
    mut each: impl FnMut(Place<'_>, Record<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    read_all(source, files, &mut each)
}

/// Takes a record. Readers are compiled once, and not for each of those who take.
type Each<'a> = dyn FnMut(Place<'_>, Record<'_>) -> Result<(), Error> + 'a;

fn read_all(source: &Source, files: &[File], each: &mut Each<'_>) -> Result<(), Error> {
    if source.saved.is_empty() {
        // As much as the kernel hands out at once, and the longest line of netstat many times.
        let mut lines = Lines::new(32 * 1024);
        for file in files {
            let path = source.kernel.net_path(file.name());
            let name = path.as_os_str().as_bytes();
            match sys::open(&path) {
                Ok(fd) => read_one(&mut lines, fd.as_fd(), name, each)?,
                Err(Errno::NOENT) if file.may_be_missing() => {}
                Err(error) => return Err(Error::system(name, error)),
            }
        }
        return Ok(());
    }
    let mut lines = Lines::new(128 * 1024);
    source.saved.iter().try_for_each(|path| match path.as_os_str().as_bytes() {
        b"-" => read_one(&mut lines, sys::stdin(), b"standard input", each),
        name => read_one(&mut lines, open_saved(path)?.as_fd(), name, each),
    })
}

fn open_saved(path: &Path) -> Result<OwnedFd, Error> {
    sys::open(path).map_err(|error| Error::system(path.as_os_str().as_bytes(), error))
}

/// Takes the counts that connbox calculates with from a record of any kind.
///
/// # Errors
/// If the line is broken or gives a number a second time.
pub fn take_counts(
    sockstat: &mut Sockstat,
    place: Place<'_>,
    record: &Record<'_>,
) -> Result<(), Error> {
    let Record::Counts { protocol, fields } = record else { return Ok(()) };
    for pair in text::counts(fields) {
        let (item, value) = pair.ok_or_else(|| place.error(NOT_A_COUNT))?;
        if !sockstat.add(protocol, item, value) {
            return Err(place.error("appears a second time"));
        }
    }
    Ok(())
}

/// Reads sockstat and sockstat6.
///
/// # Errors
/// As [`read`] and [`take_counts`].
pub fn sockstat(source: &Source) -> Result<Sockstat, Error> {
    let mut sockstat = Sockstat::default();
    read(source, &[File::Sockstat, File::Sockstat6], |place, record| {
        take_counts(&mut sockstat, place, &record)
    })?;
    Ok(sockstat)
}

/// The error for a number of sockstat that was read in vain.
pub fn missing(field: &str) -> Error {
    Error::failed("sockstat", format_args!("holds no {field}"))
}

/// The reason of an error in a pair of lines.
pub const NO_PAIR: &str = "the names and values of this pair do not match";

/// The reason of an error in a line of sockstat.
pub const NOT_A_COUNT: &str = "not a name and a number of at most 64 bits";

fn read_one(
    lines: &mut Lines,
    fd: BorrowedFd<'_>,
    file: &[u8],
    each: &mut Each<'_>,
) -> Result<(), Error> {
    let mut reader = Reader { named: table_by_name(file), ..Reader::default() };
    let mut last = Place { file, line: 0 };
    lines.each(fd, file, |place, line| {
        last.line = place.line;
        // Rows are tried first: there may be a million of them.
        if let Some(SocketTable::Of(proto, family)) = reader.table
            && let Some(row) = socket_row(line)
            && row.is_v4 == (family == Family::Inet)
        {
            return each(place, Record::Row(proto, family, row));
        }
        reader.line(place, line, each)
    })?;
    if reader.names.is_empty() { Ok(()) } else { Err(last.error(NO_VALUES)) }
}

const NO_VALUES: &str = "a line of names without its line of values";

/// A table of sockets, one per row.
#[derive(Clone, Copy, Debug)]
enum SocketTable {
    Of(Proto, Family),
    /// One that connbox does not read.
    Other,
}

/// What the kernel's own name for a file says that it holds: old kernels gave udp the header of tcp.
fn table_by_name(file: &[u8]) -> Option<SocketTable> {
    let name = file.rsplit(|&byte| byte == b'/').next().unwrap_or(file);
    match name {
        b"tcp" => Some(SocketTable::Of(Proto::Tcp, Family::Inet)),
        b"tcp6" => Some(SocketTable::Of(Proto::Tcp, Family::Inet6)),
        b"udp" => Some(SocketTable::Of(Proto::Udp, Family::Inet)),
        b"udp6" => Some(SocketTable::Of(Proto::Udp, Family::Inet6)),
        b"udplite" | b"udplite6" | b"raw" | b"raw6" => Some(SocketTable::Other),
        _ => None,
    }
}

/// What was read of a file so far, as far as it says what the next line is.
#[derive(Default)]
struct Reader {
    named: Option<SocketTable>,
    table: Option<SocketTable>,
    /// A line `GROUP: NAMES` whose values come next.
    names: Vec<u8>,
}

impl Reader {
    /// Reads a line that is not a row of a socket table.
    #[cold]
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        let group = text::group(line);
        if !self.names.is_empty() && !matches!(group, Some(Group::Values { .. })) {
            return Err(place.error(NO_VALUES));
        }
        match group {
            Some(Group::Counts { protocol, fields }) => {
                each(place, Record::Counts { protocol, fields })
            }
            Some(Group::Names { .. }) => {
                self.names.extend_from_slice(line);
                Ok(())
            }
            Some(Group::Values { group, fields }) => self.values(place, group, fields, each),
            None => self.other(place, line, each),
        }
    }

    fn values(
        &mut self,
        place: Place<'_>,
        group: &[u8],
        values: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        let names = self.names.strip_prefix(group).and_then(|rest| rest.strip_prefix(b":"));
        let names = names.ok_or_else(|| place.error("a line of values without its line of names"));
        each(place, Record::Mib { group, names: names?, values })?;
        self.names.clear();
        Ok(())
    }

    /// Takes a header, a row of a table that connbox does not read, or a blank line.
    fn other(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        if let Some(header) = text::header(line) {
            self.table = self.named.or(Some(match header {
                Header::Tcp => SocketTable::Of(Proto::Tcp, Family::Inet),
                Header::Tcp6 => SocketTable::Of(Proto::Tcp, Family::Inet6),
                // RAW and UDP-Lite have the same header; only a file's name tells them.
                Header::Udp => SocketTable::Of(Proto::Udp, Family::Inet),
                Header::Udp6 => SocketTable::Of(Proto::Udp, Family::Inet6),
            }));
            return match self.table {
                Some(SocketTable::Of(proto, _)) => each(place, Record::Header(proto)),
                _ => Ok(()),
            };
        }
        let mut fields = text::Fields::new(line);
        let Some(first) = fields.next() else { return Ok(()) };
        let is_row = first.strip_suffix(b":").and_then(text::unsigned).is_some();
        match self.table {
            Some(SocketTable::Other) if is_row => Ok(()),
            _ => Err(place.error(self.unknown())),
        }
    }

    fn unknown(&self) -> &'static str {
        match self.table {
            Some(SocketTable::Of(Proto::Tcp, _)) => "not a row of a TCP table",
            Some(SocketTable::Of(Proto::Udp, _)) => "not a row of a UDP table",
            _ => "not a line of sockstat, snmp, netstat, or of a socket table with its header",
        }
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
        read_one(&mut Lines::new(4096), reader.as_fd(), name.as_bytes(), &mut |place, record| {
            all.push(match record {
                Record::Counts { protocol, .. } => format!("{} {protocol:?}", place.line),
                Record::Mib { group, .. } => format!("{} {group:?}", place.line),
                Record::Header(_) | Record::Row(Proto::Udp, ..) => return Ok(()),
                Record::Row(_, family, row) => format!("{} {family:?} {}", place.line, row.state),
            });
            Ok(())
        })?;
        Ok(all)
    }

    const ROW: &str = "   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 00000000 100\n";
    const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn files_may_stand_behind_one_another() {
        let text = format!("Tcp: A B\nTcp: 1 2\n{HEADER}{ROW}\nTCP: inuse 1\n{HEADER}{ROW}");
        let all = records("-", text.as_bytes()).unwrap();
        assert_eq!(all, ["2 [84, 99, 112]", "4 Inet 10", "6 [84, 67, 80]", "8 Inet 10"]);
    }

    #[test]
    fn a_file_by_the_name_of_udp_has_no_tcp_rows() {
        let text = [HEADER, ROW].concat();
        assert_eq!(records("x/udp", text.as_bytes()).unwrap().len(), 0);
        assert_eq!(records("x/tcp", text.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn unknown_shapes_are_errors_with_their_place() {
        let broken = [HEADER, ROW, &ROW[..60]].concat();
        for (text, message) in [
            (broken.as_str(), "f:3: not a row of a TCP table"),
            (
                ROW,
                "f:1: not a line of sockstat, snmp, netstat, or of a socket table with its header",
            ),
            ("Tcp: A B\n", "f:1: a line of names without its line of values"),
            ("Tcp: A B\nUdp: 1 2\n", "f:2: a line of values without its line of names"),
            ("Tcp: 1 2\n", "f:1: a line of values without its line of names"),
            (
                "TCP: inuse 1\n\0\n",
                "f:2: not a line of sockstat, snmp, netstat, or of a socket table with its header",
            ),
        ] {
            let Err(Error::Fault { text, .. }) = records("f", text.as_bytes()) else { panic!() };
            assert_eq!(String::from_utf8(text).unwrap(), message);
        }
    }
}
