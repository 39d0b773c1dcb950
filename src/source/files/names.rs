//! The names of ports, users, hosts, networks and protocols, from the files of /etc.
//!
//! The files are read as text: getservbyname and getpwnam would want shared objects at run time,
//! and would answer for this machine where another one's tree is read. A file that is not there
//! gives no names, and a line that is not one of names is skipped.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::error::Error;
use crate::sys::{self, Kernel, PathError};

#[derive(Debug, Default)]
pub struct Services {
    /// By protocol, `tcp`.
    protocols: BTreeMap<Box<[u8]>, Ports>,
}

#[derive(Debug, Default)]
struct Ports {
    names: HashMap<u16, Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u16>,
}

impl Services {
    /// Reads /etc/services.
    pub fn read(kernel: &Kernel) -> Result<Services, Error> {
        file(kernel, "services").map(|text| Services::of(&text))
    }

    fn of(text: &[u8]) -> Services {
        let mut services = Services::default();
        for line in text.split(|byte| *byte == b'\n') {
            // A line that is none adds nothing.
            let _ = services.add(line);
        }
        services
    }

    /// Takes a line, `https 443/tcp www-ssl # text`. Of several lines for a port or name, the first
    /// counts, as in getservbyport(3).
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let mut words = words(line);
        let name = words.next()?;
        let (port, protocol) = split(words.next()?, b'/')?;
        let port = u16::try_from(number(port)?).ok()?;
        if protocol.is_empty() {
            return None;
        }
        let ports = self.protocols.entry(protocol.into()).or_default();
        ports.names.entry(port).or_insert_with(|| name.into());
        for name in std::iter::once(name).chain(words) {
            ports.numbers.entry(name.into()).or_insert(port);
        }
        Some(())
    }

    /// The first name of a port of `protocol`, `tcp` or `udp`.
    pub fn name(&self, port: u16, protocol: &str) -> Option<&[u8]> {
        self.protocols.get(protocol.as_bytes())?.names.get(&port).map(|name| &**name)
    }

    /// The port of a name or alias.
    pub fn port(&self, name: &str, protocol: &str) -> Option<u16> {
        self.protocols.get(protocol.as_bytes())?.numbers.get(name.as_bytes()).copied()
    }
}

#[derive(Debug, Default)]
pub struct Users {
    names: HashMap<u32, Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u32>,
}

impl Users {
    /// Reads /etc/passwd.
    pub fn read(kernel: &Kernel) -> Result<Users, Error> {
        file(kernel, "passwd").map(|text| Users::of(&text))
    }

    fn of(text: &[u8]) -> Users {
        let mut users = Users::default();
        for line in text.split(|byte| *byte == b'\n') {
            let _ = users.add(line);
        }
        users
    }

    /// Takes a line, `root:x:0:0:root:/root:/bin/sh`; the first for a name or number counts.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let (name, rest) = split(line, b':')?;
        let (_password, rest) = split(rest, b':')?;
        let (uid, _rest) = split(rest, b':')?;
        let uid = number(uid)?;
        // `+name` and `-name` ask NIS (nsswitch.conf(5), compat); `#` begins what was taken out.
        if matches!(name.first(), None | Some(b'+' | b'-' | b'#')) {
            return None;
        }
        self.names.entry(uid).or_insert_with(|| name.into());
        self.numbers.entry(name.into()).or_insert(uid);
        Some(())
    }

    /// The name of a user.
    pub fn name(&self, uid: u32) -> Option<&[u8]> {
        self.names.get(&uid).map(|name| &**name)
    }

    /// The number of a user.
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.numbers.get(name.as_bytes()).copied()
    }
}

/// What stands beside a name, or one of its aliases, in /etc/hosts, /etc/networks or /etc/protocols, whatever
/// the case of its letters.
pub fn listed(kernel: &Kernel, of: &str, name: &[u8]) -> Vec<Vec<u8>> {
    let text = file(kernel, of).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let words: Vec<&[u8]> = words(line).collect();
        // Hosts have the address first, the others the name.
        let place = usize::from(of != "hosts");
        let is_name = |(at, word): (usize, &&[u8])| at != place && word.eq_ignore_ascii_case(name);
        if let (Some(value), true) = (words.get(place), words.iter().enumerate().any(is_name)) {
            found.push(value.to_vec());
        }
    }
    found
}

/// The words of a line, up to a comment.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    line.split(u8::is_ascii_whitespace).filter(|word: &&[u8]| !word.is_empty())
}

/// What stands before and behind the first `byte`.
fn split(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(byte, text)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// A number of digits only.
fn number(text: &[u8]) -> Option<u32> {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The text of a file of /etc, empty if it is not there.
pub(in crate::source) fn file(kernel: &Kernel, name: &str) -> Result<Vec<u8>, Error> {
    /// Far more than any directory of users that people keep in a file.
    const MOST_BYTES: usize = 64 * 1024 * 1024;
    let path = kernel.etc_path(name);
    match sys::open_file(&path).and_then(|fd| Ok(sys::read_all(fd, MOST_BYTES)?)) {
        Err(PathError::System(Errno::NOENT | Errno::NOTDIR)) => Ok(Vec::new()),
        result => result.map_err(|error| error.at(path.as_os_str().as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_port_name_and_alias() {
        let services = Services::of(
            b"# comment\n\nhttp\t\t80/tcp\t\twww # WorldWideWeb HTTP\r\n\
              domain 53/tcp\ndomain 53/udp\nhttps 443/tcp\nhttps 443/udp # HTTP/3\n\
              other 80/tcp second\nhttp 8080/tcp\nlast 65535/tcp",
        );
        assert_eq!(services.name(80, "tcp"), Some(&b"http"[..]));
        assert_eq!(services.name(80, "udp"), None);
        assert_eq!(services.name(53, "udp"), Some(&b"domain"[..]));
        assert_eq!(services.name(65535, "tcp"), Some(&b"last"[..]));
        for (name, port) in [("http", 80), ("www", 80), ("other", 80), ("second", 80)] {
            assert_eq!(services.port(name, "tcp"), Some(port), "{name}");
        }
        assert_eq!(services.port("www", "udp"), None);
        assert_eq!(services.port("HTTP", "tcp"), None);
        assert_eq!(services.port("#", "tcp"), None);
    }

    #[test]
    fn lines_that_are_no_service_are_passed_over() {
        let services = Services::of(
            b"a\nb 1\nc /tcp\nd 1/\ne 65536/tcp\nf -1/tcp\ng +1/tcp\nh 0x10/tcp\ni 1.5/tcp\n\
              /\n 1/tcp\nj tcp/1\nk 99999999999999999999/tcp\n\0\xff 7/tcp \xfe\n#l 8/tcp\nm#n 9/tcp\n\
              \t indented \t 10/tcp\nend 11/tcp",
        );
        let known: Vec<u16> =
            (0..=u16::MAX).filter(|port| services.name(*port, "tcp").is_some()).collect();
        assert_eq!(known, [7, 10, 11]);
        assert_eq!(services.name(7, "tcp"), Some(&b"\0\xff"[..]));
        assert_eq!(services.name(10, "tcp"), Some(&b"indented"[..]));
    }

    #[test]
    fn users_are_found_both_ways_and_the_first_line_counts() {
        let users = Users::of(
            b"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0:::\nroot:x:5:5:::\n\
              nobody:*:65534:65534:nobody:/:/bin/sh\nbig:x:4294967295:1:::",
        );
        assert_eq!(users.name(0), Some(&b"root"[..]));
        assert_eq!((users.uid("root"), users.uid("toor")), (Some(0), Some(0)));
        assert_eq!(users.name(65534), Some(&b"nobody"[..]));
        assert_eq!(users.uid("big"), Some(u32::MAX));
        assert_eq!((users.uid(""), users.name(1)), (None, None));
    }

    #[test]
    fn lines_that_are_no_user_are_passed_over() {
        let users = Users::of(
            b"+::::::\n+@group:x:1:1:::\n-bad:x:2:2:::\n#out:x:3:3:::\n:x:4:4:::\nshort:x\n\
              none:x:5\nempty:x::1:::\nsign:x:-6:1:::\nplus:x:+7:1:::\nbig:x:4294967296:1:::\n\
              word:x:eight:1:::\n\n\0\n::\n:::::::::\nodd\xff:x:9:1:::\nin two\0:x:10:1:::",
        );
        let known: Vec<u32> = (0..20).filter(|uid| users.name(*uid).is_some()).collect();
        assert_eq!(known, [9, 10]);
        assert_eq!(users.name(9), Some(&b"odd\xff"[..]));
        assert_eq!(users.numbers.len(), 2);
    }

    #[test]
    fn no_text_panics() {
        let text = b"http 80/tcp www # x\nroot:x:0:0:::\n";
        for place in 0..text.len() {
            for byte in 0..=255 {
                let mut bad = text.to_vec();
                bad[place] = byte;
                assert!(Services::of(&bad).protocols.len() <= 1);
                assert!(Users::of(&bad[..=place]).names.len() <= 1);
            }
        }
    }

    #[test]
    fn hosts_networks_and_protocols_are_found_by_name_and_alias() {
        let root = std::env::temp_dir().join(format!("connbox-hosts-{}", std::process::id()));
        std::fs::create_dir_all(root.join("proc")).unwrap();
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        assert!(listed(&kernel, "hosts", b"web").is_empty());
        std::fs::create_dir(root.join("etc")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(root.join("etc").join(name), text).unwrap();
        write(
            "hosts",
            "127.0.0.1 localhost # web\n10.0.0.1\tWeb.example web\nfd00::1 web\n10.0.0.1 web\n\
             bad web\nfe80::1%lo web\n\n10.0.0.2\n# 10.0.0.3 web\n10.0.0.4 web2",
        );
        write("networks", "lab 192.168.0.0 old-lab\nlab 10.0.0.0\n# x 1.0.0.0\nempty\n");
        write("protocols", "tcp\t6\tTCP\t# x\nospf 89 OSPFIGP");
        let of = |file, name: &str| -> Vec<String> {
            let found = listed(&kernel, file, name.as_bytes());
            found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
        };
        let none: [&str; 0] = [];
        // Who reads addresses skips what is none.
        assert_eq!(of("hosts", "WEB"), ["10.0.0.1", "fd00::1", "10.0.0.1", "bad", "fe80::1%lo"]);
        assert_eq!(of("hosts", "web.example"), ["10.0.0.1"]);
        assert_eq!(of("hosts", "10.0.0.2"), none);
        assert_eq!(of("networks", "lab"), ["192.168.0.0", "10.0.0.0"]);
        assert_eq!(of("networks", "old-lab"), ["192.168.0.0"]);
        assert_eq!((of("networks", "x"), of("networks", "empty")), (vec![], vec![]));
        assert_eq!(of("protocols", "ospfigp"), ["89"]);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_tree_without_the_files_has_no_names() {
        let root = std::env::temp_dir().join(format!("connbox-names-{}", std::process::id()));
        std::fs::create_dir_all(root.join("proc")).unwrap();
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        assert_eq!(Users::read(&kernel).unwrap().name(0), None);
        std::fs::create_dir(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/passwd"), "boss:x:0:0:::\n").unwrap();
        std::fs::write(root.join("etc/services"), "odd 80/tcp\n").unwrap();
        assert_eq!(Users::read(&kernel).unwrap().name(0), Some(&b"boss"[..]));
        assert_eq!(Services::read(&kernel).unwrap().port("odd", "tcp"), Some(80));
        std::fs::remove_dir_all(root).unwrap();
    }
}
