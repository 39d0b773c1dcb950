//! What the kernel's TCP counters mean: one sentence each, and the SNMP objects of RFC 4022. `mib.tsv` has
//! one row per counter, in byte order of the names: name, tab, sentence. The names are those that nstat
//! prints: the group of /proc/net/snmp or /proc/net/netstat (Tcp, TcpExt, MPTcpExt) and the field, in one
//! word. The meanings come from the kernel's source, where each field is incremented (net/ipv4, net/mptcp);
//! include/uapi/linux/snmp.h and net/mptcp/mib.c list the fields. A counter without a unit in its sentence
//! counts events.

use super::Counter;
use crate::source::files::procfs::File;

/// The type of an SNMP object, as RFC 2578 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// A named number; RFC 4022 lists the values.
    Integer,
    /// A signed number of 32 bits.
    Integer32,
    /// A number of 32 bits that goes up and down.
    Gauge32,
    /// A number of 32 bits that only goes up and wraps to 0.
    Counter32,
}

impl Syntax {
    /// The name of the type in RFC 2578.
    pub(super) fn name(self) -> &'static str {
        match self {
            Syntax::Integer => "INTEGER",
            Syntax::Integer32 => "Integer32",
            Syntax::Gauge32 => "Gauge32",
            Syntax::Counter32 => "Counter32",
        }
    }
}

/// One object of the tcp group of RFC 4022, 1.3.6.1.2.1.6, for which the kernel has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// The field in the group Tcp of /proc/net/snmp; the object's name is tcp and this.
    pub field: &'static str,
    /// The number of the object in the tcp group.
    pub number: u32,
    /// The type of the object. RtoMin and RtoMax are in milliseconds.
    pub syntax: Syntax,
}

/// The objects of RFC 4022 for which the kernel has a value, in the order of its fields. Number 13 is a
/// table; InCsumErrors is specific to Linux and not an object.
pub(super) const OBJECTS: [Object; 14] = [
    Object { field: "RtoAlgorithm", number: 1, syntax: Syntax::Integer },
    Object { field: "RtoMin", number: 2, syntax: Syntax::Integer32 },
    Object { field: "RtoMax", number: 3, syntax: Syntax::Integer32 },
    Object { field: "MaxConn", number: 4, syntax: Syntax::Integer32 },
    Object { field: "ActiveOpens", number: 5, syntax: Syntax::Counter32 },
    Object { field: "PassiveOpens", number: 6, syntax: Syntax::Counter32 },
    Object { field: "AttemptFails", number: 7, syntax: Syntax::Counter32 },
    Object { field: "EstabResets", number: 8, syntax: Syntax::Counter32 },
    Object { field: "CurrEstab", number: 9, syntax: Syntax::Gauge32 },
    Object { field: "InSegs", number: 10, syntax: Syntax::Counter32 },
    Object { field: "OutSegs", number: 11, syntax: Syntax::Counter32 },
    Object { field: "RetransSegs", number: 12, syntax: Syntax::Counter32 },
    Object { field: "InErrs", number: 14, syntax: Syntax::Counter32 },
    Object { field: "OutRsts", number: 15, syntax: Syntax::Counter32 },
];

/// The sentences, by the names that nstat prints: TcpCurrEstab, TcpExtTCPTimeouts,
/// MPTcpExtMPCapableSYNRX.
pub(super) struct Meanings(Vec<(&'static str, &'static str)>);

impl Meanings {
    /// Parses the table, which only runs that show sentences need.
    pub(super) fn read() -> Meanings {
        let rows = include_str!("mib.tsv").lines();
        Meanings(rows.filter_map(|row| row.split_once('\t')).collect())
    }

    /// All counters that have a sentence, without values.
    pub(super) fn counters(&self) -> Vec<Counter> {
        let counter = |(name, _): &(&'static str, _)| {
            // In this order: one begins another.
            let groups =
                [("TcpExt", File::Netstat), ("MPTcpExt", File::Netstat), ("Tcp", File::Snmp)];
            let of = |(group, file): (&'static str, File)| {
                let path = ["/proc/net/", file.name()].concat();
                Some(Counter::new(&path, group, name.strip_prefix(group)?, None))
            };
            groups.into_iter().find_map(of)
        };
        self.0.iter().filter_map(counter).collect()
    }

    /// The sentence for a counter, if this version knows the name.
    pub(super) fn of(&self, name: &[u8]) -> Option<&'static str> {
        let found = self.0.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
        self.0.get(found).map(|(_, sentence)| *sentence)
    }
}

/// Whether the value of a counter (by its nstat name) can fall, or is a constant. The kernel decrements no
/// other TCP or MPTCP field.
pub(super) fn is_level(name: &[u8]) -> bool {
    matches!(
        name,
        b"TcpRtoAlgorithm"
            | b"TcpRtoMin"
            | b"TcpRtoMax"
            | b"TcpMaxConn"
            | b"TcpCurrEstab"
            | b"MPTcpExtMPCurrEstab"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header lines of /proc/net/snmp and /proc/net/netstat of Linux 6.18.
    const SNMP: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/own-lab-6.18/proc/net/snmp");
    const NETSTAT: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/own-lab-6.18/proc/net/netstat");

    /// Fields of the group TcpExt that Linux 6.18 no longer has.
    const OLD: &str = "PAWSPassive TCPPrequeued TCPDirectCopyFromBacklog \
        TCPDirectCopyFromPrequeue TCPPrequeueDropped TCPHPHitsToUser TCPFACKReorder TCPLoss \
        TCPForwardRetrans TCPSchedulerFailed TCPAbortOnSyn";

    /// The fields of one group in a file of pairs of lines, the first of which has the names.
    fn fields(path: &str, group: &str) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let start = format!("{group}: ");
        let header = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        header.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_row_is_a_name_and_a_plain_short_sentence() {
        let mut last = "";
        for (line, row) in (1..).zip(include_str!("mib.tsv").split_terminator('\n')) {
            let [name, sentence] = row.split('\t').collect::<Vec<_>>()[..] else {
                panic!("mib.tsv:{line}: not two fields")
            };
            assert!(last < name, "mib.tsv:{line}: not behind {last}");
            let fields = ["TcpExt", "MPTcpExt", "Tcp"].map(|group| name.strip_prefix(group));
            let field = fields.into_iter().flatten().next().unwrap_or_default();
            assert!(!field.is_empty(), "mib.tsv:{line}: {name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "mib.tsv:{line}");
            assert!((1..=110).contains(&sentence.chars().count()), "mib.tsv:{line}");
            assert!(!sentence.ends_with('.') && sentence.trim() == sentence, "mib.tsv:{line}");
            assert!(!sentence.contains(['"', '\\', '\r', '$', '`']), "mib.tsv:{line}");
            last = name;
        }
        assert!(include_str!("mib.tsv").ends_with('\n'));
    }

    #[test]
    fn every_field_of_the_kernel_has_a_sentence() {
        let meanings = Meanings::read();
        for (path, group, count) in
            [(SNMP, "Tcp", 15), (NETSTAT, "TcpExt", 135), (NETSTAT, "MPTcpExt", 76)]
        {
            let fields = fields(path, group);
            assert_eq!(fields.len(), count, "{group}");
            for field in fields {
                let name = format!("{group}{field}");
                assert!(meanings.of(name.as_bytes()).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn fields_of_older_kernels_have_a_sentence() {
        let meanings = Meanings::read();
        for field in OLD.split_ascii_whitespace() {
            let name = format!("TcpExt{field}");
            assert!(meanings.of(name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        let meanings = Meanings::read();
        assert_eq!(meanings.0.len(), include_str!("mib.tsv").lines().count());
        for &(name, sentence) in &meanings.0 {
            assert_eq!(meanings.of(name.as_bytes()), Some(sentence));
        }
        for unknown in ["", "Tcp", "CurrEstab", "TcpCurrEstabs", "TcpExt", "~", "UdpInErrors"] {
            assert_eq!(meanings.of(unknown.as_bytes()), None, "{unknown}");
        }
        assert_eq!(meanings.of(b"\xff"), None);
    }

    #[test]
    fn levels_are_the_constants_and_the_connections_that_are_open() {
        let meanings = Meanings::read();
        let levels: Vec<&str> = meanings
            .0
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| is_level(name.as_bytes()))
            .collect();
        assert_eq!(
            levels,
            [
                "MPTcpExtMPCurrEstab",
                "TcpCurrEstab",
                "TcpMaxConn",
                "TcpRtoAlgorithm",
                "TcpRtoMax",
                "TcpRtoMin"
            ]
        );
    }

    #[test]
    fn the_objects_are_the_kernel_s_fields_in_order() {
        let mut known = fields(SNMP, "Tcp");
        known.retain(|field| field != "InCsumErrors");
        assert_eq!(OBJECTS.map(|object| object.field.to_owned()).to_vec(), known);
        assert!(OBJECTS.windows(2).all(|pair| pair[0].number < pair[1].number));
    }

    #[test]
    fn an_object_that_can_fall_is_not_a_counter() {
        for object in OBJECTS {
            let level = is_level(format!("Tcp{}", object.field).as_bytes());
            assert_eq!(level, object.syntax != Syntax::Counter32, "{}", object.field);
        }
    }

    #[test]
    fn types_have_the_names_of_the_rfc() {
        let all = [Syntax::Integer, Syntax::Integer32, Syntax::Gauge32, Syntax::Counter32];
        assert_eq!(all.map(Syntax::name), ["INTEGER", "Integer32", "Gauge32", "Counter32"]);
    }
}
