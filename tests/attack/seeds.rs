//! What readers read when nobody attacks: the saved files, captures and texts of the project.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::fixtures;

/// A file by its name, and by its path below a root.
pub struct Seed {
    pub name: String,
    pub place: PathBuf,
    pub bytes: Vec<u8>,
}

impl Seed {
    pub fn new(place: &str, bytes: impl Into<Vec<u8>>) -> Seed {
        let place = PathBuf::from(place);
        let name = place.file_name().unwrap().to_str().unwrap().to_owned();
        Seed { name, place, bytes: bytes.into() }
    }
}

/// Files of /etc, which no saved kernel has.
const ETC: [(&str, &str); 3] = [
    ("etc/services", "http 80/tcp www # web\ndomain 53/udp\nhttps\t443/tcp\nhttps\t443/udp\n"),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:\n"),
    ("etc/xtables/connlabel.conf", "0 eth0-in\n1 eth0-out\n127 last\n"),
];

/// The worlds whose files make up the tree.
const WORLDS: [&str; 3] = ["own-lab-6.18", "made-limits", "made-conntrack"];

fn files_in(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files_in(&path, found) } else { found.push(path) }
    }
}

pub fn seed(path: &Path, root: &Path) -> Seed {
    Seed {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        place: path.strip_prefix(root).unwrap().to_owned(),
        bytes: fs::read(path).unwrap(),
    }
}

/// All files of a folder of the project.
pub fn of(folder: &str) -> Vec<Seed> {
    let (mut found, root) = (Vec::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    files_in(&root, &mut found);
    found.iter().map(|path| seed(path, &root)).collect()
}

/// Saved files for `--from`: those of /proc, the seeds of the fuzz targets, and what was found earlier.
pub fn saved() -> Vec<Seed> {
    let folders = [
        "tests/fixtures",
        "tests/regressions",
        "tests/cli/odd_files",
        "fuzz/seeds/counters",
        "fuzz/seeds/lines",
        "fuzz/seeds/group",
        "fuzz/seeds/socket_row",
    ];
    let all = folders.into_iter().flat_map(of);
    let is_text = |seed: &Seed| seed.bytes.len() < 300_000 && !seed.name.contains('.');
    all.filter(|seed| is_text(seed) || seed.name.ends_with(".txt")).collect()
}

/// A tree for `--root`: one complete kernel.
pub fn tree() -> Vec<Seed> {
    let mut tree = Vec::new();
    for world in WORLDS {
        let (mut found, root) = (Vec::new(), fixtures().join(world));
        files_in(&root.join("proc"), &mut found);
        tree.extend(found.iter().map(|path| seed(path, &root)));
    }
    tree.extend(ETC.map(|(place, text)| Seed {
        name: place.into(),
        place: place.into(),
        bytes: text.into(),
    }));
    tree
}

/// Captures: pcap and pcapng.
pub fn captures() -> Vec<Seed> {
    let mut all = of("fuzz/seeds/pcap");
    let mut own = of("tests/fixtures/own-lab-6.18/pcap").remove(0);
    // A part is enough, and faster.
    own.bytes.truncate(40_000);
    all.push(own);
    all
}

/// What `network-connections --test` reads.
pub fn recorded() -> Vec<Seed> {
    let mut all = of("tests/fixtures/linuxfabrik");
    all.retain(|seed| seed.name != "README.md");
    all
}

pub fn configurations() -> Vec<Seed> {
    let mut all = of("fuzz/seeds/config");
    let more = "Sync { Mode FTFW { DisableExternalCache Off } }\nStats {\n LogFile /x\n Syslog off }\n\
                General { Nice -20 HashLimit 5 Filter From Userspace { Protocol Accept { TCP UDP 132 }\n\
                Address Ignore { IPv4_address 127.0.0.1 IPv6_address ::1/64 }\n\
                State Accept { ESTABLISHED CLOSED for TCP } } }\n";
    all.push(Seed::new("more", more));
    all
}
