//! Every table that the applets print, in TSV: the other formats are compared with it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use crate::support;
use crate::support::scratch::scratch;

/// Each applet, and each option that changes its columns or rows.
const VARIANTS: [&str; 14] = [
    "closedcalc",
    "conncount",
    "conncount --quick",
    "conncount --transport",
    "snmpget-tcp",
    "snmpget-tcp --all",
    "snmpget-tcp --describe",
    "snmpget-tcp --oid",
    "sockstat",
    "sockstat --limits",
    "tcpstates",
    "tcpstates --by family",
    "tcpstates --hex",
    "tcpstates --hex --by family -6",
];

/// The columns that name a row with words of a fixed vocabulary.
const KEYS: [&str; 5] = ["protocol", "item", "family", "state", "name"];
/// The columns that name a row with data, or describe it.
const LABELS: [&str; 6] = ["time", "oid", "type", "scope", "source", "meaning"];

/// How the formats treat a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Key,
    Label,
    Number,
}

pub fn kind(column: &str) -> Kind {
    match column {
        _ if KEYS.contains(&column) => Kind::Key,
        _ if LABELS.contains(&column) => Kind::Label,
        _ => Kind::Number,
    }
}

#[derive(Clone, Debug)]
pub struct Variant {
    pub words: Vec<String>,
    /// `--root` and `--from`: where the numbers come from.
    pub source: Vec<String>,
}

impl Variant {
    /// A call of `words` that reads `source`.
    pub fn new(words: &str, source: &[&str]) -> Variant {
        Variant {
            words: words.split(' ').map(str::to_owned).collect(),
            source: source.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    pub fn with(&self, extra: &[&str]) -> Vec<String> {
        let extra = extra.iter().map(|&word| word.to_owned());
        self.words.iter().chain(&self.source).cloned().chain(extra).collect()
    }

    /// The result of the call with additional arguments.
    pub fn output(&self, extra: &[&str]) -> Output {
        let mut command = support::command(support::CONNBOX);
        // Times are in UTC, whatever the user's time zone.
        command.args(self.with(extra)).env("TZ", "XST-5:30").output().unwrap()
    }

    /// The standard output of the call, which must succeed without a message.
    pub fn run(&self, extra: &[&str]) -> String {
        let output = self.output(extra);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{self:?} {extra:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn line(&self, extra: &str) -> String {
        let quoted: Vec<_> = self.with(&[]).iter().map(|word| quoted(word)).collect();
        format!("{} {extra}", quoted.join(" "))
    }

    pub fn table(&self) -> Table {
        Table::parse(&self.run(&["--tsv", "--header"]))
    }
}

/// `word` quoted so that every shell takes it literally.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A table, read from its TSV.
#[derive(Debug)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn parse(text: &str) -> Table {
        let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect());
        let columns: Vec<String> = lines.next().unwrap();
        let rows: Vec<Vec<String>> = lines.collect();
        assert!(!rows.is_empty(), "no rows below {columns:?}");
        for row in &rows {
            assert_eq!(row.len(), columns.len(), "{row:?}");
        }
        Table { columns, rows }
    }

    /// Whether the rows are named by Keys alone.
    pub fn is_keyed(&self) -> bool {
        self.columns.iter().all(|column| kind(column) != Kind::Label)
    }

    /// The fields of `row` in columns of one kind, each with its column; an absent one is `None`.
    pub fn fields<'a>(
        &'a self,
        row: &'a [String],
        wanted: Kind,
    ) -> Vec<(&'a str, Option<&'a str>)> {
        let fields = self.columns.iter().zip(row).filter(|(column, _)| kind(column) == wanted);
        fields
            .map(|(column, field)| (column.as_str(), Some(field.as_str()).filter(|f| *f != "-")))
            .collect()
    }

    /// The Keys of `row`.
    pub fn keys<'a>(&'a self, row: &'a [String]) -> Vec<&'a str> {
        self.fields(row, Kind::Key).into_iter().map(|(_, field)| field.unwrap()).collect()
    }
}

/// The saved kernel of own-lab, with some of the limits that `--limits` shows.
pub fn world() -> &'static str {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    let world = WORLD.get_or_init(|| {
        let world = scratch("world");
        fs::create_dir_all(world.join("proc/net")).unwrap();
        for entry in fs::read_dir(support::world("own-lab-6.18").join("proc/net")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), world.join("proc/net").join(entry.file_name())).unwrap();
        }
        // Without udp_mem, so that one limit is absent.
        for (name, text) in [
            ("net/ipv4/tcp_mem", "94302\t125736\t188604\n"),
            ("net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
            ("net/ipv4/tcp_max_orphans", "3\n"),
            ("net/ipv4/tcp_max_tw_buckets", "131072\n"),
            ("fs/file-nr", "1472\t0\t9223372036854775807\n"),
            ("fs/file-max", "9223372036854775807\n"),
        ] {
            let path = world.join("proc/sys").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        world
    });
    world.to_str().unwrap()
}

/// The variants of all applets, each without and with `--explain`.
pub fn all() -> Vec<Variant> {
    for applet in support::tables() {
        let mut names = VARIANTS.iter().filter_map(|variant| variant.split(' ').next());
        assert!(names.any(|name| name == applet), "{applet} is not tested");
    }
    let source = ["--root", world()];
    let explained = |words: &&str| Variant::new(&format!("{words} --explain"), &source);
    let plain = VARIANTS.iter().map(|words| Variant::new(words, &source));
    plain.chain(VARIANTS.iter().map(explained)).collect()
}

/// The applets without options.
pub fn applets() -> Vec<Variant> {
    let tables = support::tables();
    tables.iter().map(|applet| Variant::new(applet, &["--root", world()])).collect()
}
