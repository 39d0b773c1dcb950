//! The tables of sockets of one pass: which protocol each is of, which rows repeat others, and what is to be
//! said about them all.
//!
//! The header does not always tell the protocol. Raw, ping and UDP-Lite tables have that of UDP, and in Linux
//! 2.6.18 UDP and raw tables had that of TCP. So a file's name goes first; without one the form of the header
//! and of the first row tell most, and where they do not a note says so. Nothing tells the tables of UDP-Lite
//! from those of UDP, unless both are there.

pub use super::doubts::Doubts;
pub(crate) use super::doubts::Weight;
use super::repeats::Repeats;
use super::sample::{Sample, Samples};
use crate::model::{Family, Proto};
use crate::wire::saved::Form;
use crate::wire::socket_row::SocketRow;
use crate::wire::text::{self, Header};

/// What is known of the tables of a pass beside their rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// What may be wrong.
    pub doubts: Doubts,
    /// The full sockets, by protocol and family, of those tables of a kernel that were read. TIME_WAIT and
    /// connection requests are none.
    pub(in crate::source) full: [[Option<u64>; 2]; 2],
    /// The minisockets of a kernel's tables.
    pub(in crate::source) minisockets: u64,
}

/// What a file's name says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Tcp,
    /// The kernel's own name, with any extension: whatever the header is, as that of Linux 2.6.18 is TCP's.
    Udp,
    /// A name with the word udp.
    UdpByWord,
    /// Raw, ping or UDP-Lite sockets.
    Other,
}

impl Named {
    /// What the name of `file` says.
    #[cold]
    pub(super) fn of(file: &[u8]) -> Option<Named> {
        let name = file.rsplit(|byte| *byte == b'/').next()?;
        if let b"udp" | b"udp6" = name.split(|byte| *byte == b'.').next()? {
            return Some(Named::Udp);
        }
        let mut named = None;
        for word in name.split(|byte| !byte.is_ascii_alphabetic()) {
            let one = match word.to_ascii_lowercase().as_slice() {
                b"tcp" => Named::Tcp,
                b"udp" => Named::UdpByWord,
                b"udplite" | b"raw" | b"icmp" => Named::Other,
                _ => continue,
            };
            // Of two words neither decides.
            if named.replace(one).is_some_and(|other| other != one) {
                return None;
            }
        }
        named
    }
}

/// A table of sockets, one per row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Table {
    /// There was no header yet.
    #[default]
    None,
    /// A header, whose first row may tell of which protocol the table is.
    Begun(Begun),
    Of(Proto),
    /// One that connbox does not count.
    Other,
}

/// The form of a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    header: Header,
    /// Blanks before it.
    indent: usize,
    length: usize,
}

impl Begun {
    /// Reads a header line.
    pub(super) fn of(line: &[u8]) -> Option<Begun> {
        let header = text::header(line)?;
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        Some(Begun { header, indent, length: line.len() })
    }

    /// Of which family its rows are.
    pub(super) fn family(self) -> Family {
        match self.header {
            Header::Tcp | Header::Udp => Family::Inet,
            Header::Tcp6 | Header::Udp6 => Family::Inet6,
        }
    }

    /// Whether it is the header of TCP.
    pub(super) fn is_like_tcp(self) -> bool {
        matches!(self.header, Header::Tcp | Header::Tcp6)
    }
}

/// The length to which the kernel pads lines of IPv4 tables, but for those of TCP and headers of raw ones.
const PADDED: usize = 127;

/// A table that was taken for one of UDP by its form.
#[derive(Clone, Copy)]
struct Known {
    family: Family,
    bucket: u32,
    /// The bucket of a socket is its port plus a number of the namespace, modulo a power of two.
    shift: u32,
}

impl Known {
    /// Whether both can be tables of UDP, or UDP-Lite, of the same namespace.
    fn is_beside(&self, other: &Known) -> bool {
        let buckets = (self.bucket.max(other.bucket) | 127).saturating_add(1);
        let mask = buckets.checked_next_power_of_two().unwrap_or_default().wrapping_sub(1);
        (self.shift ^ other.shift) & mask == 0
    }
}

/// What a pass through one or more files has met so far.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) tables: Tables,
    /// Whether UDP is asked for.
    wants_udp: bool,
    /// Whether saved files are read, and not a kernel's.
    is_saved: bool,
    /// Whether the file that is read has a table, by protocol and family.
    pub(super) has_table: [[bool; 2]; 2],
    known: Vec<Known>,
    /// Whether there was a header of UDP as kernels write it since Linux 5.16.
    has_wide_header: bool,
    /// What the tables were that ended.
    sums: Vec<u64>,
    /// The rows of the present one: their number and a sum over them.
    rows: u64,
    sum: u64,
    /// Some of its rows, and those of the tables that ended.
    sample: Sample,
    samples: Vec<Sample>,
    texts: Vec<Samples>,
    /// How many tables were taken for ones of UDP, and nothing told them from those of other protocols.
    untold: u32,
    /// Whether there was a table of TCP.
    has_tcp: bool,
    /// How many rows of a table are looked at for more.
    looked_at: u64,
    repeats: Option<Box<Repeats>>,
    /// Which saved text lists sockets.
    listed_by: Option<Form>,
}

/// How many rows of a table are compared byte by byte: on two cloned machines, short tables can have the same
/// sockets with the same inodes.
pub(super) const COMPARED: u64 = 16;

/// Adds a line to a sum over lines.
pub(super) fn mixed(sum: u64, line: &[u8]) -> u64 {
    line.trim_ascii().iter().fold(sum, |sum, byte| {
        (sum.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

impl Pass {
    /// A pass through the files of a kernel, or through saved ones. `wants_udp`: whether UDP is asked for.
    pub(super) fn new(is_saved: bool, wants_udp: bool) -> Pass {
        let looked_at = if is_saved { COMPARED } else { u64::MAX };
        Pass { is_saved, wants_udp, looked_at, ..Pass::default() }
    }

    /// Says what a table is, from its header, its first row if it has any, and the name of its file.
    pub(super) fn tell(
        &mut self,
        begun: Begun,
        named: Option<Named>,
        first: Option<(SocketRow<'_>, &[u8])>,
    ) -> Table {
        let family = begun.family();
        // TCP has no socket in state 07, and columns behind the address of a connection.
        let is_old = first.is_some_and(|(row, _)| {
            (row.state == 7 || row.state == 1 && begun.length == PADDED) && !row.has_more()
        });
        let is_udp = match (named, begun.is_like_tcp()) {
            (Some(Named::Tcp), true) => false,
            (Some(Named::Udp), _) | (Some(Named::UdpByWord), false) => true,
            (Some(Named::Other), true) if first.is_some() && !is_old => false,
            (Some(Named::Other), _) => return self.skip(first.is_some()),
            (None | Some(Named::UdpByWord), true) if !is_old => false,
            _ if self.is_raw_or_ping(begun, first) => return self.skip(first.is_some()),
            _ => match first {
                Some((row, line)) if !self.may_be_udp(family, row, line) => return Table::Other,
                _ => {
                    self.untold += 1;
                    true
                }
            },
        };
        let proto = if is_udp { Proto::Udp } else { Proto::Tcp };
        self.begin(proto, family);
        Table::Of(proto)
    }

    fn skip(&mut self, has_rows: bool) -> Table {
        if has_rows && self.wants_udp {
            self.tables.doubts.add(Doubts::SKIPPED);
        }
        Table::Other
    }

    /// Whether the form of an IPv4 table says that it is not of UDP.
    fn is_raw_or_ping(&mut self, begun: Begun, first: Option<(SocketRow<'_>, &[u8])>) -> bool {
        if begun.header != Header::Udp {
            return false;
        }
        if begun.indent > 2 {
            self.has_wide_header = true;
            return false;
        }
        // Raw tables number their rows in a narrower column, and do not pad their header.
        let is_narrow = |line: &[u8]| line.get(4) == Some(&b':');
        self.has_wide_header
            || begun.length < PADDED && first.is_some_and(|(_, line)| is_narrow(line))
    }

    /// Whether a table that looks like one of UDP is taken for it. A namespace has one of each family: another
    /// one beside it is of UDP-Lite, or the same once more.
    fn may_be_udp(&mut self, family: Family, row: SocketRow<'_>, line: &[u8]) -> bool {
        let number = line.trim_ascii_start().split(|byte| *byte == b':').next();
        let bucket = number.and_then(text::unsigned).and_then(|number| u32::try_from(number).ok());
        let (Some(bucket), Some(port)) = (bucket, row.local_port()) else { return true };
        let shift = bucket.wrapping_sub(port);
        let table = Known { family, bucket, shift };
        let of = |family| self.known.iter().filter(move |other| other.family == family);
        let is_second = of(family).any(|other| other.is_beside(&table));
        let mut inet = of(Family::Inet).peekable();
        // Raw and ping tables of IPv6 have the very header of UDP, but other buckets.
        let is_stray = family == Family::Inet6
            && inet.peek().is_some()
            && !inet.any(|other| other.is_beside(&table));
        if self.wants_udp && (is_stray || of(family).next().is_some()) {
            self.tables.doubts.add(Doubts::UNTOLD);
        }
        if !is_second && !is_stray {
            self.known.push(table);
        }
        !is_second && !is_stray
    }

    fn begin(&mut self, proto: Proto, family: Family) {
        self.has_table[proto as usize][family as usize] = true;
        if self.is_saved {
            self.tables.doubts.add(Doubts::of_table(proto, family));
        }
        if self.listed_by.is_some() {
            self.tables.doubts.add(Doubts::TOOLS);
        }
        self.has_tcp |= proto == Proto::Tcp;
        self.repeats.get_or_insert_with(Repeats::new).begin();
    }

    /// Takes a row; `false` if it repeats another.
    #[inline]
    pub(super) fn row(
        &mut self,
        proto: Proto,
        family: Family,
        row: SocketRow<'_>,
        line: &[u8],
    ) -> bool {
        let Some(repeats) = &mut self.repeats else { return true };
        let is_repeated = match row.identity() {
            Some(identity) => {
                self.sum = self.sum.wrapping_add(identity);
                if self.is_saved {
                    self.sample.add(identity);
                }
                repeats.has(identity)
            }
            None => row.rare_identity().is_some_and(|identity| repeats.has_rare(identity)),
        };
        if is_repeated {
            return false;
        }
        self.rows += 1;
        if self.rows <= self.looked_at {
            self.look_at(proto, family, row, line);
        }
        true
    }

    #[cold]
    fn look_at(&mut self, proto: Proto, family: Family, row: SocketRow<'_>, line: &[u8]) {
        if self.is_saved { self.compare(line) } else { self.count(proto, family, row) }
    }

    /// Counts a row of a kernel's table as sockstat does.
    fn count(&mut self, proto: Proto, family: Family, row: SocketRow<'_>) {
        let is_tcp = proto == Proto::Tcp;
        if is_tcp && row.is_minisocket() {
            self.tables.minisockets += 1;
        } else if !(is_tcp && row.state == 3 && !row.has_more())
            && let Some(full) = &mut self.tables.full[proto as usize][family as usize]
        {
            *full += 1;
        }
    }

    fn compare(&mut self, line: &[u8]) {
        self.sum = mixed(self.sum, line);
    }

    /// Ends a saved text that lists sockets, of which the beginning and the length were summed up; gives whether there was
    /// the same before.
    pub(super) fn end_of_text(&mut self, sum: u64) -> bool {
        let is_twice = self.sums.contains(&sum);
        if is_twice {
            self.tables.doubts.add(Doubts::TWICE);
        }
        self.sums.push(sum);
        is_twice
    }

    /// Compares some connections of a table with those of the tables before. `is_news`: whether something is to be said of
    /// it if they share them.
    pub(super) fn compare_sample(&mut self, sample: Sample, is_news: bool) {
        if is_news && self.samples.iter().any(|other| other.is_alike(&sample)) {
            self.tables.doubts.add(Doubts::TWICE);
        }
        self.samples.push(sample);
    }

    /// Compares the sockets of a text that listen with those of the texts before.
    pub(super) fn compare_servers(&mut self, text: Samples, is_news: bool) {
        for proto in Proto::ALL.into_iter().filter(|_| is_news) {
            if self.texts.iter().any(|other| other.has_servers_of(&text, proto)) {
                self.tables.doubts.add(Doubts::SERVERS[proto as usize]);
            }
        }
        self.texts.push(text);
    }

    /// Notes which tool lists sockets.
    pub(super) fn listed_by(&mut self, form: Form) {
        if self.listed_by.is_some_and(|other| other != form) || self.repeats.is_some() {
            self.tables.doubts.add(Doubts::TOOLS);
        }
        self.listed_by = Some(form);
    }

    /// Ends the pass.
    pub(super) fn finish(mut self) -> Tables {
        // Beside another one, its buckets tell raw and ping tables from it. UDP-Lite has the same; where there are
        // tables of TCP, too, they are the usual four.
        let is_lone = self.untold == 1 || self.untold > 1 && self.is_saved && !self.has_tcp;
        if self.wants_udp && is_lone && !self.tables.doubts.has(Doubts::UNTOLD) {
            self.tables.doubts.add(Doubts::ASSUMED);
        }
        self.tables
    }

    /// Ends a table.
    pub(super) fn end(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let sum = std::mem::take(&mut self.sum).wrapping_add(rows);
        if self.is_saved && rows > 0 {
            if self.sums.contains(&sum) {
                self.tables.doubts.add(Doubts::TWICE);
            }
            self.sums.push(sum);
            let sample = std::mem::take(&mut self.sample);
            self.compare_sample(sample, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_a_name_tells_the_protocol() {
        let words = [
            (Some(Named::Tcp), ["tcp", "tcp6", "a/tcp.txt", "proc_net_tcp6", "TCP", "tcp-2026"]),
            (Some(Named::Udp), ["udp", "udp6", "x/udp.raw", "udp6.tcp", "udp.1", "udp6."]),
            (
                Some(Named::UdpByWord),
                ["UDP", "udp-1", "net-udp6", "sos_.proc.net.udp", "9udp", "x.udp"],
            ),
            (
                Some(Named::Other),
                ["raw", "RAW6.txt", "proc_net_raw", "raw-2026-11-28", "net-icmp6", "udplite6"],
            ),
            (
                Some(Named::Other),
                ["icmp", "UDPLITE", "sos_cat_.proc.net.raw", "a raw", "raw6", "6raw"],
            ),
            (None, ["myfile", "-", "draw", "raws", "udp_and_raw", "tcp+udp"]),
            (None, ["raw/file", "tcpudp", "udplite2udp", "", "udps", "icmpv6"]),
        ];
        for (named, names) in words {
            for name in names {
                assert_eq!(Named::of(name.as_bytes()), named, "{name}");
            }
        }
    }
}
