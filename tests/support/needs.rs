//! What a test may need and a machine may lack. Only this file checks for it and reports what is missing.
//!
//! A test that lacks something passes, prints SKIP and what would help, and is recorded; the last test program
//! (`tests/what_was_skipped.rs`) sums up the records in one line. With `CONNBOX_REQUIRE=all`, a skip is a
//! failure.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket,
    socket_with,
};

/// Packages of Debian 12, and what tests need of each: programs, a library, a Python module, and a data
/// directory.
const PACKAGES: [(&str, &str); 35] = [
    ("bc", "bc"),
    ("busybox", "busybox"),
    ("conntrack", "conntrack libnetfilter_conntrack"),
    ("conntrackd", "conntrackd"),
    ("fish", "fish"),
    ("gawk", "gawk"),
    ("icinga2-bin", "icinga2"),
    ("iproute2", "ip nstat ss"),
    ("iptables", "ip6tables iptables"),
    ("iputils-ping", "ping"),
    ("jq", "jq"),
    ("ksh", "ksh"),
    ("lintian", "lintian"),
    ("mandoc", "mandoc"),
    ("mawk", "awk mawk"),
    ("mount", "mount"),
    ("nagios4-core", "nagios4"),
    ("net-tools", "netstat"),
    ("nfdump", "nfcapd nfdump"),
    ("nftables", "nft"),
    ("pmacct", "nfacctd"),
    ("procps", "sysctl"),
    ("prometheus", "prometheus promtool"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("python3", "python3"),
    ("python3-psutil", "psutil"),
    ("python3-yaml", "yaml"),
    ("shellcheck", "shellcheck"),
    ("systemd", "systemd-analyze systemd-sysusers systemd-tmpfiles"),
    ("tcpdump", "tcpdump"),
    ("tcptrack", "tcptrack"),
    ("tmux", "tmux"),
    ("tshark", "editcap mergecap tshark"),
    ("tzdata", "zoneinfo"),
    ("zsh", "zsh"),
];
/// The same for packages that are on every Debian that can build this.
const ALWAYS: [(&str, &str); 10] = [
    ("bash", "bash"),
    ("binutils", "readelf"),
    ("bsdutils", "script"),
    ("coreutils", "cat chroot cp date env ln ls mkfifo mknod sha256sum sleep stty true"),
    ("dash", "dash sh"),
    ("dpkg", "dpkg"),
    ("gzip", "gzip"),
    ("libc-bin", "ldd"),
    ("tar", "tar"),
    ("util-linux", "nsenter setpriv unshare"),
];
/// Not in any package of Debian 12.
const CARGO_DEB: (&str, &str) = ("cargo-deb", "cargo install cargo-deb --locked");

/// Capabilities and parts of the kernel, and what provides them.
const MACHINE: [(&str, &str); 21] = [
    ("access control lists", "a file system with POSIX access control lists"),
    ("bound sockets in sock_diag", "Linux 6.8"),
    ("capabilities", "root, or the capability that it names"),
    ("connection tracking", "a kernel with nf_conntrack, nf_tables and their rules"),
    ("control groups", "a cgroup2 file system in which they can be created"),
    ("device nodes", "CAP_MKNOD, and a file system that allows them"),
    ("io_uring", "a kernel that allows io_uring (kernel.io_uring_disabled=0)"),
    ("IPv6", "a kernel with IPv6"),
    ("loopback", "an interface lo that is up"),
    ("mount namespaces", "CAP_SYS_ADMIN"),
    ("MPTCP", "a kernel with MPTCP"),
    ("network namespaces", "CAP_SYS_ADMIN and CAP_NET_ADMIN"),
    ("open files", "a higher limit: ulimit -n"),
    ("raw sockets", "CAP_NET_RAW"),
    ("root", "root"),
    ("seccomp", "seccomp, on x86-64 or AArch64"),
    ("sock_diag", "a kernel with sock_diag"),
    ("subset=pid", "Linux 5.8"),
    (
        "the tools of docs/peers.md",
        "apt-get, pip, npm and cargo that reach the packages named in tests/peers/tools.sh",
    ),
    ("TUN devices", "/dev/net/tun and CAP_NET_ADMIN"),
    ("user namespaces", "a kernel that allows them"),
];

/// Whether all of `things`, named as in the tables above, are available. If not, `test` or a part of it is
/// skipped, and a line says so.
pub fn needs(test: &str, things: &[&str]) -> bool {
    let lacking = |thing: &&str| Some((thing.to_string(), why_not(thing)?));
    let lacking: BTreeMap<_, _> = things.iter().filter_map(lacking).collect();
    if !lacking.is_empty() {
        let said: Vec<_> = lacking.iter().map(|(thing, why)| format!("{thing}: {why}")).collect();
        skip(test, &said.join(", "), lacking.keys().map(String::as_str));
    }
    lacking.is_empty()
}

/// Skips `test`, or part of it, because an attempt showed that this thing is not available.
pub fn lacks(test: &str, thing: &str, why: &str) {
    skip(test, &format!("{thing}: {why}"), [thing].into_iter());
}

/// Prints that a test is skipped, why, and what would help, and records it.
fn skip<'a>(test: &str, why: &str, things: impl Iterator<Item = &'a str> + Clone) {
    let text = format!("SKIP {test}: {why} ({})", what_helps(things.clone()));
    assert!(!is_all_required(), "{text}");
    // In one write, since other tests write at the same time, and not by way of the harness, which would
    // capture it.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    for thing in things {
        // If it cannot be recorded, at least it has been printed.
        let _ = Record::own().add(test, thing);
    }
}

/// Whether a thing that makes a test more thorough is available; with CONNBOX_REQUIRE=all, it must be.
pub fn can_use(thing: &str) -> bool {
    let why = why_not(thing);
    assert!(why.is_none() || !is_all_required(), "{thing}: {why:?}");
    why.is_none()
}

fn is_all_required() -> bool {
    std::env::var_os("CONNBOX_REQUIRE").is_some_and(|what| what == "all")
}

/// Why a thing is not available; None if it is.
fn why_not(thing: &str) -> Option<String> {
    let unless = |is_here: bool, why: &str| (!is_here).then(|| why.to_owned());
    match thing {
        "root" => unless(rustix::process::geteuid().is_root(), "not run by root"),
        "network namespaces" => unshared(libc::CLONE_NEWNET),
        "mount namespaces" => unshared(libc::CLONE_NEWNS),
        "connection tracking" => ctnetlink().err().map(|error| error.to_string()),
        "raw sockets" => {
            let made = socket(AddressFamily::PACKET, SocketType::DGRAM, None);
            made.err().map(|errno| errno.to_string())
        }
        "libnetfilter_conntrack" => unless(has_library("libnetfilter_conntrack.so.3"), NOT_HERE),
        "psutil" | "yaml" => {
            let modules = Path::new("/usr/lib/python3/dist-packages");
            unless(modules.join(thing).exists(), NOT_HERE)
        }
        "zoneinfo" => unless(Path::new("/usr/share/zoneinfo/Europe/Berlin").exists(), NOT_HERE),
        program => unless(is_program(program), NOT_HERE),
    }
}

/// Asks the kernel for statistics of its connection tracking, which loads its modules. A refusal for lack of
/// rights does not mean that there is none.
fn ctnetlink() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let protocol = Some(netlink::NETFILTER);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    // A struct nlmsghdr with IPCTNL_MSG_CT_GET_STATS, and a struct nfgenmsg.
    let mut request = [0; 20];
    request[0] = 20;
    request[4..8].copy_from_slice(&[5, 1, 1, 0]);
    send(&socket, &request, SendFlags::empty())?;
    let mut answer = [0; 4096];
    recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let is_error = answer[4..6] == [2, 0];
    let errno = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    if is_error && ![0, libc::EPERM].contains(&-errno) {
        return Err(io::Error::from_raw_os_error(-errno));
    }
    Ok(())
}

const NOT_HERE: &str = "not installed";

/// The directories of programs; those of root's programs come last, since an ordinary user can run these, too.
pub fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn is_program(name: &str) -> bool {
    std::env::split_paths(&search_path()).any(|directory| {
        let file = directory.join(name);
        file.is_file() && access(&file, Access::EXEC_OK).is_ok()
    })
}

/// Whether the linker would find a library where Debian installs it.
fn has_library(name: &str) -> bool {
    let folders = ["/usr/lib", "/lib"].into_iter().flat_map(|lib| {
        let inner = fs::read_dir(lib).into_iter().flatten().flatten().map(|entry| entry.path());
        inner.chain([lib.into()])
    });
    folders.into_iter().any(|folder: PathBuf| folder.join(name).exists())
}

/// The system's reason for not giving a thread its own namespaces; None if it gives them.
#[allow(unsafe_code, reason = "changing namespaces is unsafe for a thread with descriptors")]
fn unshared(flags: i32) -> Option<String> {
    let tried = std::thread::spawn(move || {
        // SAFETY: the thread holds no resources, passes no pointer, and ends.
        let said = unsafe { libc::unshare(flags) };
        if said == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    });
    let said = tried.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")));
    said.err().map(|error| error.to_string())
}

/// How to provide what is missing.
fn what_helps<'a>(things: impl Iterator<Item = &'a str>) -> String {
    let (mut packages, mut others) = (BTreeSet::new(), BTreeSet::new());
    for thing in things {
        let is_of = |row: &&(&str, &str)| row.1.split(' ').any(|one| one == thing);
        if let Some((package, _)) = PACKAGES.iter().chain(&ALWAYS).find(is_of) {
            packages.insert(*package);
        } else if thing == CARGO_DEB.0 {
            others.insert(CARGO_DEB.1.to_owned());
        } else {
            let rows = MACHINE.iter().filter(|row| row.0 == thing);
            others.extend(rows.map(|row| format!("needs {}", row.1)));
        }
    }
    if !packages.is_empty() {
        let packages: Vec<_> = packages.into_iter().collect();
        others.insert(format!("apt-get install {}", packages.join(" ")));
    }
    others.into_iter().collect::<Vec<_>>().join("; ")
}

pub fn is_known(thing: &str) -> bool {
    let of_packages = PACKAGES.iter().chain(&ALWAYS).flat_map(|row| row.1.split(' '));
    let mut all = of_packages.chain([CARGO_DEB.0]).chain(MACHINE.iter().map(|row| row.0));
    all.any(|known| known == thing)
}

/// The command that installs all programs that tests need.
pub fn install_line() -> String {
    let packages = PACKAGES.map(|(package, _)| package).join(" ");
    format!("apt-get install --no-install-recommends {packages} && {}", CARGO_DEB.1)
}

/// The file in which the test programs of one run of cargo record what they skipped.
pub struct Record(PathBuf);

impl Record {
    /// The record of the process that started this one.
    pub fn own() -> Self {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_pid());
        Self::of(parent)
    }

    fn of(pid: i32) -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{RECORD}{pid}")))
    }

    fn add(&self, test: &str, thing: &str) -> io::Result<()> {
        let mut file = File::options().append(true).create(true).open(&self.0)?;
        file.write_all(format!("{test}\t{thing}\n").as_bytes())
    }

    /// Sums up this record in one line and removes it, together with the records of processes that have ended.
    pub fn close(self) -> String {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let _ = fs::remove_file(&self.0);
        for entry in fs::read_dir(env!("CARGO_TARGET_TMPDIR")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_dead = |pid: &str| !Path::new("/proc").join(pid).exists();
            if name.strip_prefix(RECORD).is_some_and(is_dead) {
                let _ = fs::remove_file(entry.path());
            }
        }
        told(&text)
    }
}

/// The beginning of a record's name; the process ID follows.
const RECORD: &str = "skipped-by-";

/// Sums up the lines of a record: how many tests were skipped, what was missing, and what would help.
pub fn told(record: &str) -> String {
    let pairs: BTreeSet<_> = record.lines().filter_map(|line| line.split_once('\t')).collect();
    let tests: BTreeSet<_> = pairs.iter().map(|(test, _)| test).collect();
    let mut things = BTreeMap::new();
    for (_, thing) in &pairs {
        *things.entry(*thing).or_insert(0) += 1;
    }
    if things.is_empty() {
        return "no test was skipped".into();
    }
    let are_programs = things.keys().any(|thing| MACHINE.iter().all(|row| row.0 != *thing));
    let mut things: Vec<_> = things.into_iter().collect();
    things.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let things: Vec<_> = things.iter().map(|(thing, count)| format!("{thing} ({count})")).collect();
    let tests = match tests.len() {
        1 => "1 test was".to_owned(),
        count => format!("{count} tests were"),
    };
    let help = if are_programs { format!("; {}", install_line()) } else { String::new() };
    format!("{tests} skipped, wholly or in part, for want of {}{help}", things.join(", "))
}
