//! Columns: part of an applet's public contract.

/// The role of a column in the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names the row from a fixed vocabulary: a state, a protocol, a counter. The schema says `key`.
    Fixed,
    /// Names the row with data, or says more about it: an address, a source.
    Label,
    /// A number that goes up and down.
    Gauge,
    /// A number that only goes up.
    Counter,
}

impl Kind {
    /// The word of the schema.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Fixed => "key",
            Kind::Label => "label",
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Kind::Gauge | Kind::Counter)
    }
}

/// A column of an applet's table: part of its public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Lower snake case, the unit last.
    pub name: &'static str,
    /// Its role in the formats.
    pub kind: Kind,
    /// One clause, for `--help`, the man page and Prometheus' HELP.
    pub help: &'static str,
    /// A number's name in Prometheus text, without `connbox_` and `_total`; empty for the others.
    pub metric: &'static str,
    /// Whether its numbers are percents; Prometheus text has ratios instead, its base unit.
    pub is_percent: bool,
}

impl Column {
    /// A column that names the row from a fixed vocabulary.
    pub const fn fixed(name: &'static str, help: &'static str) -> Column {
        Column { name, kind: Kind::Fixed, help, metric: "", is_percent: false }
    }

    /// A column that names the row with data, or says more about it.
    pub const fn label(name: &'static str, help: &'static str) -> Column {
        Column { name, kind: Kind::Label, help, metric: "", is_percent: false }
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'static str, metric: &'static str, help: &'static str) -> Column {
        Column { name, kind: Kind::Gauge, help, metric, is_percent: false }
    }

    /// A gauge of percents, whose `metric` is a ratio.
    pub const fn percent(name: &'static str, metric: &'static str, help: &'static str) -> Column {
        Column { is_percent: true, ..Column::gauge(name, metric, help) }
    }

    /// A number that only goes up.
    pub const fn counter(name: &'static str, metric: &'static str, help: &'static str) -> Column {
        Column { name, kind: Kind::Counter, help, metric, is_percent: false }
    }

    /// The columns of several tables in one array of `N`.
    pub const fn joined<const N: usize>(parts: &[&[Column]]) -> [Column; N] {
        let mut all = [parts[0][0]; N];
        let (mut part, mut place) = (0, 0);
        while part < parts.len() {
            let mut column = 0;
            while column < parts[part].len() {
                all[place] = parts[part][column];
                (place, column) = (place + 1, column + 1);
            }
            part += 1;
        }
        assert!(place == N, "a column is missing");
        all
    }
}

/// The column that leads the rows of a repeated snapshot.
pub const TIME: Column = Column::label("time", "when the snapshot was taken: RFC 3339, UTC");
/// The columns that lead the rows of every network namespace.
pub const NAMESPACE: Column =
    Column::label("netns", "the network namespace: host, its name in /run/netns, else its inode");
pub const RESIDENT: Column =
    Column::label("resident", "a process that lives in the namespace: PID/NAME");
/// The column that follows a counter with `--rate`.
pub const RATE: Column =
    Column::gauge("per_second", "", "the counter's growth per second since the last snapshot");
