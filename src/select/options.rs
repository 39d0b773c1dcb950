//! The options that select sockets, the same in all applets with these options.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::model::{Family, Ports, Prefix, Query, StateSet, Unknown};
use crate::source::files::names::{Services, Users};
use crate::sys::Kernel;

pub const FILTERS: [Opt<Query>; 11] = [
    Opt::<Query>::switch("ipv4", "IPv4 sockets only", |query| {
        given(query).family = Some(Family::Inet);
    })
    .short('4'),
    Opt::<Query>::switch("ipv6", "IPv6 sockets only, v4-mapped ones included", |query| {
        given(query).family = Some(Family::Inet6);
    })
    .short('6'),
    Opt::value("state", "STATE[,...]", "in these states or groups of states", states),
    Opt::value("lport", "PORT[,...]", "with this local port, range A-B or service", |p, v| {
        ports(v, |p| (&mut p.lport, &mut p.unknown.lport), given(p))
    }),
    Opt::value("rport", "PORT[,...]", "with this remote port, range A-B or service", |p, v| {
        ports(v, |p| (&mut p.rport, &mut p.unknown.rport), given(p))
    }),
    Opt::value("laddr", "ADDR[/LEN][,...]", "with a local address in this network", |p, v| {
        networks(v, &mut given(p).laddr)
    }),
    Opt::value("raddr", "ADDR[/LEN][,...]", "with a remote address in this network", |p, v| {
        networks(v, &mut given(p).raddr)
    }),
    Opt::value("uid", "USER|UID[,...]", "created by this user", |query, value| {
        let users = cli::words(value)?.map(str::to_owned);
        given(query).unknown.users.extend(users);
        Ok(())
    }),
    Opt::value("process", "NAME|PID", "held by this process", |query, value| {
        given(query).processes.push(value.as_bytes().to_vec());
        Ok(())
    }),
    Opt::value("cgroup", "PATH", "created in this control group or below it", |query, value| {
        let path = value.as_bytes().strip_suffix(b"/").unwrap_or(value.as_bytes());
        if !value.as_bytes().starts_with(b"/") {
            return Err(format!("'{}' does not begin with /", value.display()));
        }
        given(query).cgroups.push(path.to_vec());
        Ok(())
    }),
    Opt::switch("strict", "repeat until the count is confirmed, fail otherwise", |query| {
        query.is_strict = true;
    }),
];
pub const DOCS: [OptDoc; 11] = cli::docs(&FILTERS);

fn states(query: &mut Query, value: &OsStr) -> Result<(), String> {
    let query = given(query);
    for word in cli::words(value)? {
        let set = StateSet::parse(word.as_bytes()).map_err(|_| {
            format!("'{word}' is not a state{}", cli::hint(word, StateSet::NAMES.into_iter()))
        })?;
        query.states = Some(query.states.unwrap_or_default().with(set));
    }
    Ok(())
}

/// Takes ports and ranges now; service names are looked up later, in /etc/services.
fn ports(
    value: &OsStr,
    lists: fn(&mut Query) -> (&mut Vec<Ports>, &mut Vec<String>),
    query: &mut Query,
) -> Result<(), String> {
    let (ranges, names) = lists(query);
    for word in cli::words(value)? {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(first) || !is_number(last) {
            names.push(word.to_owned());
            continue;
        }
        match (cli::digits(first), cli::digits(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push(Ports { first, last }),
            _ => return Err(format!("'{word}' is not a port or a port range (A-B) up to 65535")),
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

fn given(query: &mut Query) -> &mut Query {
    query.is_given = true;
    query
}

/// The query, with its names looked up in /etc/services and /etc/passwd.
///
/// # Errors
/// A usage error if neither file has the name.
pub fn looked_up(query: &Query, kernel: &Kernel) -> Result<Query, Error> {
    let mut query = query.clone();
    let Unknown { lport, rport, users } = std::mem::take(&mut query.unknown);
    if !(lport.is_empty() && rport.is_empty()) {
        let services = Services::read(kernel)?;
        let file = kernel.etc_path("services");
        query.lport.extend(known_ports(&services, &file, "--lport", &lport)?);
        query.rport.extend(known_ports(&services, &file, "--rport", &rport)?);
    }
    let numbers: Option<Vec<u32>> = users.iter().map(|user| cli::digits(user)).collect();
    query.uids = match numbers {
        Some(uids) => uids,
        None => {
            let known = Users::read(kernel)?;
            users.iter().map(|user| uid(&known, user, kernel)).collect::<Result<_, _>>()?
        }
    };
    Ok(query)
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
            let reason = format!(
                "'{name}' is not a port, a port range (A-B) or a service in {}",
                file.display()
            );
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
        Error::usage("--uid", format!("'{user}' is not a user ID or a user in {}", file.display()))
    })
}
