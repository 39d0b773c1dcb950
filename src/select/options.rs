//! The options that pick sockets, the same for all applets that take them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::model::{Family, Filter, Ports, Prefix, Proto, StateSet};
use crate::source::files::names::{Services, Users};
use crate::sys::Kernel;

/// What the options say, before names of services and users are looked up.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    filter: Filter,
    lport: Vec<String>,
    rport: Vec<String>,
    users: Vec<String>,
    /// `--process`: names or numbers of processes.
    pub processes: Vec<Vec<u8>>,
    /// `--cgroup`: paths of control groups; what is below them is meant too.
    pub cgroups: Vec<Vec<u8>>,
    /// `--strict`: whether a count must be confirmed by a second one.
    pub is_strict: bool,
    is_given: bool,
}

pub const FILTERS: [Opt<Picked>; 11] = [
    Opt::<Picked>::switch("ipv4", "IPv4 sockets only", |picked| {
        picked.given().filter.family = Some(Family::Inet);
    })
    .short('4'),
    Opt::<Picked>::switch("ipv6", "IPv6 sockets only, v4-mapped ones included", |picked| {
        picked.given().filter.family = Some(Family::Inet6);
    })
    .short('6'),
    Opt::value("state", "STATE[,...]", "in these states or groups of states", states),
    Opt::value("lport", "PORT[,...]", "with this local port, range A-B or service", |p, v| {
        ports(v, |p| (&mut p.filter.lport, &mut p.lport), p.given())
    }),
    Opt::value("rport", "PORT[,...]", "with this remote port, range A-B or service", |p, v| {
        ports(v, |p| (&mut p.filter.rport, &mut p.rport), p.given())
    }),
    Opt::value("laddr", "ADDR[/LEN][,...]", "with a local address in this network", |p, v| {
        networks(v, &mut p.given().filter.laddr)
    }),
    Opt::value("raddr", "ADDR[/LEN][,...]", "with a remote address in this network", |p, v| {
        networks(v, &mut p.given().filter.raddr)
    }),
    Opt::value("uid", "USER|UID[,...]", "made by this user", |picked, value| {
        let users = cli::words(value)?.map(str::to_owned);
        picked.given().users.extend(users);
        Ok(())
    }),
    Opt::value("process", "NAME|PID", "held by this process", |picked, value| {
        picked.given().processes.push(value.as_bytes().to_vec());
        Ok(())
    }),
    Opt::value("cgroup", "PATH", "made in this control group or below it", |picked, value| {
        let path = value.as_bytes().strip_suffix(b"/").unwrap_or(value.as_bytes());
        if !value.as_bytes().starts_with(b"/") {
            return Err(format!("'{}' does not begin with /", value.display()));
        }
        picked.given().cgroups.push(path.to_vec());
        Ok(())
    }),
    Opt::switch("strict", "repeat until the count is confirmed, fail otherwise", |picked| {
        picked.is_strict = true;
    }),
];
pub const DOCS: [OptDoc; 11] = cli::docs(&FILTERS);

fn states(picked: &mut Picked, value: &OsStr) -> Result<(), String> {
    let filter = &mut picked.given().filter;
    for word in cli::words(value)? {
        let set = StateSet::parse(word.as_bytes()).map_err(|_| {
            format!("'{word}' is no state{}", cli::hint(word, StateSet::NAMES.into_iter()))
        })?;
        filter.states = Some(filter.states.unwrap_or_default().with(set));
    }
    Ok(())
}

/// Takes ports and ranges at once; a name of a service waits for /etc/services.
fn ports(
    value: &OsStr,
    lists: fn(&mut Picked) -> (&mut Vec<Ports>, &mut Vec<String>),
    picked: &mut Picked,
) -> Result<(), String> {
    let (ranges, names) = lists(picked);
    for word in cli::words(value)? {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(first) || !is_number(last) {
            names.push(word.to_owned());
            continue;
        }
        match (cli::digits(first), cli::digits(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push(Ports { first, last }),
            _ => return Err(format!("'{word}' is no port and no range of ports up to 65535")),
        }
    }
    Ok(())
}

fn networks(value: &OsStr, list: &mut Vec<Prefix>) -> Result<(), String> {
    for word in cli::words(value)? {
        list.push(Prefix::parse(word).map_err(|reason| format!("'{word}': {reason}"))?);
    }
    Ok(())
}

impl Picked {
    fn given(&mut self) -> &mut Picked {
        self.is_given = true;
        self
    }

    /// Whether sockets are picked at all.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// Means the sockets of these protocols.
    pub fn set_protos(&mut self, protos: Vec<Proto>) {
        self.filter.protos = protos;
    }

    /// The states that are meant.
    #[must_use]
    pub fn states(&self) -> StateSet {
        self.filter.states()
    }

    /// Whether processes must be looked at to know whether a socket is meant.
    #[must_use]
    pub fn looks_at_holders(&self) -> bool {
        !(self.processes.is_empty() && self.cgroups.is_empty())
    }

    /// The filter, with the names looked up in /etc/services and /etc/passwd.
    ///
    /// # Errors
    /// If a name stands in neither.
    pub fn filter(&self, kernel: &Kernel) -> Result<Filter, Error> {
        let mut filter = self.filter.clone();
        if !(self.lport.is_empty() && self.rport.is_empty()) {
            let services = Services::read(kernel)?;
            let file = kernel.etc_path("services");
            filter.lport.extend(known_ports(&services, &file, "--lport", &self.lport)?);
            filter.rport.extend(known_ports(&services, &file, "--rport", &self.rport)?);
        }
        let numbers: Option<Vec<u32>> = self.users.iter().map(|user| cli::digits(user)).collect();
        filter.uids = match numbers {
            Some(uids) => uids,
            None => {
                let users = Users::read(kernel)?;
                self.users.iter().map(|user| uid(&users, user, kernel)).collect::<Result<_, _>>()?
            }
        };
        Ok(filter)
    }
}

fn known_ports(
    services: &Services,
    file: &Path,
    option: &str,
    names: &[String],
) -> Result<Vec<Ports>, Error> {
    let mut known = Vec::with_capacity(names.len());
    for name in names {
        let ports = ["tcp", "udp"].into_iter().filter_map(|proto| services.port(name, proto));
        let before = known.len();
        known.extend(ports.map(|port| Ports { first: port, last: port }));
        if known.len() == before {
            let reason = format!("'{name}' is no port, and no service of {}", file.display());
            return Err(Error::usage(option, reason));
        }
    }
    known.dedup();
    Ok(known)
}

fn uid(users: &Users, user: &str, kernel: &Kernel) -> Result<u32, Error> {
    let known = cli::digits(user).or_else(|| users.uid(user));
    known.ok_or_else(|| {
        let file = kernel.etc_path("passwd");
        Error::usage("--uid", format!("'{user}' is no number, and no user of {}", file.display()))
    })
}
