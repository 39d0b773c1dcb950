//! The options that select sockets, the same in all applets with these options.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::time::Duration;

use rustix::io::Errno;

use crate::cli::{self, Opt, OptDoc};
use crate::error::{Error, Status};
use crate::model::{Choice, Family, Name, Needs, Network, Ports, Prefix, Query, StateSet};
use crate::source::files::names::{Services, Users};
use crate::source::{Source, sockets};
use crate::sys::{self, Kernel};

pub(crate) static FILTERS: [Opt<Query>; 16] = [
    Opt::<Query>::switch("ipv4", "IPv4 sockets only", |query| {
        family(query, Family::Inet);
    })
    .short('4'),
    Opt::<Query>::switch("ipv6", "IPv6 sockets only, v4-mapped ones included", |query| {
        family(query, Family::Inet6);
    })
    .short('6'),
    Opt::word(
        "state",
        "STATE[,...]",
        &StateSet::NAMES,
        "in these states or groups of states, in the spelling of any tool",
        states,
    ),
    Opt::value("lport", "PORT[,...]", "with this local port, range A-B or service", |p, v| {
        ports("--lport", v, |p| &mut p.lport, given(p))
    }),
    Opt::value("rport", "PORT[,...]", "with this remote port, range A-B or service", |p, v| {
        ports("--rport", v, |p| &mut p.rport, given(p))
    }),
    Opt::value(
        "laddr",
        "ADDR[%ZONE][/LEN][,...]",
        "with a local address in this network",
        |p, v| networks("--laddr", v, |p| &mut p.laddr, given(p)),
    ),
    Opt::value(
        "raddr",
        "ADDR[%ZONE][/LEN][,...]",
        "with a remote address in this network",
        |p, v| networks("--raddr", v, |p| &mut p.raddr, given(p)),
    ),
    Opt::value("iface", "NAME[,...]", "bound to this interface: its name or number", |p, v| {
        for (is_not, word) in words(v)? {
            given(p).names.push(name("--iface", is_not, word));
        }
        Ok(())
    }),
    Opt::value("uid", "USER|UID[,...]", "created by this user", |query, value| {
        for (is_not, user) in words(value)? {
            match cli::digits(user) {
                Some(uid) => given(query).uids.list(is_not).push(uid),
                None => given(query).names.push(name("--uid", is_not, user)),
            }
        }
        Ok(())
    }),
    Opt::value("inode", "INODE[,...]", "with this inode number", |query, value| {
        for (is_not, word) in words(value)? {
            // The kernel gives 0 for sockets without one.
            let inode = cli::digits(word).filter(|inode| *inode != 0);
            let inode = inode.ok_or_else(|| format!("'{word}' is not a positive integer"))?;
            given(query).inodes.list(is_not).push(inode);
        }
        Ok(())
    }),
    Opt::value("process", "NAME|PID[,...]", "held by this process", |query, value| {
        for (is_not, word) in cli::choices(value)? {
            given(query).processes.list(is_not).push(word.to_vec());
        }
        Ok(())
    }),
    Opt::value(
        "cgroup",
        "PATH[,...]",
        "created in this control group or below it",
        |query, value| {
            for (is_not, path) in cli::choices(value)? {
                if !path.starts_with(b"/") {
                    return Err(format!("'{}' does not begin with /", path.escape_ascii()));
                }
                let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
                given(query).cgroups.list(is_not).push(path);
            }
            Ok(())
        },
    ),
    Opt::value(
        "pod",
        "NAME[,...]",
        "created in this pod: NAMESPACE/NAME, NAME or UID",
        |query, value| homes(query, value, |query| &mut query.pods),
    ),
    Opt::value(
        "container",
        "NAME|ID[,...]",
        "created in this container: its name in the pod, or its ID or the first 12 digits",
        |query, value| homes(query, value, |query| &mut query.containers),
    ),
    Opt::value(
        "pods",
        "FILE",
        "take names of pods and containers from FILE: kubectl get pods -A -o json",
        |query, value| {
            query.pods_file = Some(cli::path(value)?);
            Ok(())
        },
    ),
    Opt::attached(
        "strict",
        "[=SECONDS]",
        "repeat for at most SECONDS (5) until the count is confirmed, fail otherwise",
        |query, value| strict(&mut query.strict, value),
    ),
];
pub(crate) static DOCS: [&OptDoc; FILTERS.len()] = cli::docs(&FILTERS);

/// Takes names of pods or containers.
fn homes(
    query: &mut Query,
    value: &OsStr,
    choice: fn(&mut Query) -> &mut Choice<Vec<u8>>,
) -> Result<(), String> {
    query.needs = query.needs.with(Needs::PODS);
    for (is_not, word) in cli::choices(value)? {
        choice(given(query)).list(is_not).push(word.to_vec());
    }
    Ok(())
}

/// Reads the value of `--strict`.
pub(crate) fn strict(patience: &mut Option<Duration>, value: Option<&OsStr>) -> Result<(), String> {
    const USUAL: Duration = Duration::from_secs(5);
    *patience = Some(value.map_or(Ok(USUAL), cli::seconds)?);
    Ok(())
}

fn states(query: &mut Query, value: &OsStr) -> Result<(), String> {
    let query = given(query);
    for (is_not, word) in words(value)? {
        let set = StateSet::parse(word.as_bytes()).map_err(|_| {
            match cli::hint(word, StateSet::NAMES.into_iter()) {
                hint if hint.is_empty() => {
                    format!(
                        "'{word}' is not a state; the states are {}",
                        StateSet::NAMES.join(", ")
                    )
                }
                hint => format!("'{word}' is not a state{hint}"),
            }
        })?;
        match is_not {
            true => query.other_states = query.other_states.with(set),
            false => query.states = Some(query.states.unwrap_or_default().with(set)),
        }
    }
    match query.states().is_empty() {
        true => Err(format!("'{}' leaves no state", value.display())),
        false => Ok(()),
    }
}

/// The words of [`cli::choices`] as text.
pub(crate) fn words(value: &OsStr) -> Result<Vec<(bool, &str)>, String> {
    let text = |(is_not, word)| {
        let word = std::str::from_utf8(word);
        word.map(|word| (is_not, word)).map_err(|_| format!("'{}' is not text", value.display()))
    };
    cli::choices(value)?.into_iter().map(text).collect()
}

/// A name to look up.
fn name(option: &'static str, is_not: bool, text: &str) -> Name {
    Name { option, is_not, prefix: None, text: text.to_owned() }
}

/// Reads a port or a range of ports, `A-B` or `A:B`; `None` for what may be the name of a service.
///
/// # Errors
/// If the numbers are not ports, or no range.
pub(crate) fn range(word: &str) -> Result<Option<Ports>, String> {
    let (first, last) = word.split_once(['-', ':']).unwrap_or((word, word));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return Ok(None);
    }
    match (cli::digits(first), cli::digits(last)) {
        (Some(first), Some(last)) if first <= last => Ok(Some(Ports { first, last })),
        _ => Err(format!("'{word}' is not a port or a port range (A-B) up to 65535")),
    }
}

/// Takes ports and ranges now; service names are looked up later, in /etc/services.
fn ports(
    option: &'static str,
    value: &OsStr,
    ranges: fn(&mut Query) -> &mut Choice<Ports>,
    query: &mut Query,
) -> Result<(), String> {
    for (is_not, word) in words(value)? {
        match range(word)? {
            Some(range) => ranges(query).list(is_not).push(range),
            None => query.names.push(name(option, is_not, word)),
        }
    }
    Ok(())
}

/// Takes networks now; the interfaces of zones are looked up later, in the network namespace.
fn networks(
    option: &'static str,
    value: &OsStr,
    list: fn(&mut Query) -> &mut Choice<Network>,
    query: &mut Query,
) -> Result<(), String> {
    for (is_not, word) in words(value)? {
        let (text, zone) = split_zone(word);
        let prefix = Prefix::parse(&text).map_err(|reason| format!("'{word}': {reason}"))?;
        match zone {
            None => list(query).list(is_not).push(prefix.into()),
            Some("") => return Err(format!("'{word}': no zone follows the %")),
            Some(zone) => {
                query.names.push(Name { prefix: Some(prefix), ..name(option, is_not, zone) });
            }
        }
    }
    Ok(())
}

/// Takes the zone out of `fe80::1%eth0/64`, `[fe80::1%eth0]`, or `[fe80::1]%eth0`, as ss(8) writes it.
fn split_zone(word: &str) -> (Cow<'_, str>, Option<&str>) {
    let Some((address, rest)) = word.split_once('%') else { return (word.into(), None) };
    // An interface's name has no slash.
    let end = rest.find('/').unwrap_or(rest.len());
    let (zone, length) = rest.split_at(end);
    let is_open = address.starts_with('[') && !address.ends_with(']');
    match zone.strip_suffix(']').filter(|_| is_open) {
        Some(zone) => ([address, "]", length].concat().into(), Some(zone)),
        None => ([address, length].concat().into(), Some(zone)),
    }
}

fn family(query: &mut Query, family: Family) {
    let before = given(query).family.replace(family);
    query.has_two_families |= before.is_some_and(|other| other != family);
}

fn given(query: &mut Query) -> &mut Query {
    query.is_given = true;
    query
}

/// Refuses a query that no socket can match.
///
/// # Errors
/// A usage error.
pub(crate) fn must_be_possible(query: &Query) -> Result<(), Error> {
    query.contradiction().map_or(Ok(()), |(option, reason)| Err(Error::usage(option, reason)))
}

/// The query, with its names looked up in /etc/services, in /etc/passwd and in the network namespace.
///
/// # Errors
/// A usage error if no socket can match, if neither file has a name, or if there is no such interface now
/// ([`Status::NotThere`]).
pub(crate) fn looked_up(query: &Query, source: &Source) -> Result<Query, Error> {
    must_be_possible(query)?;
    let (mut query, kernel) = (query.clone(), &source.kernel);
    let (mut services, mut users) = (None, None);
    for Name { option, is_not, prefix, text } in std::mem::take(&mut query.names) {
        match option {
            "--lport" | "--rport" => {
                if services.is_none() {
                    services = Some(Services::read(kernel)?);
                }
                let list = if option == "--lport" { &mut query.lport } else { &mut query.rport };
                push_ports(list.list(is_not), services.as_ref(), &text, option, kernel)?;
            }
            "--uid" => {
                if users.is_none() {
                    users = Some(Users::read(kernel)?);
                }
                query.uids.list(is_not).push(uid(users.as_ref(), &text, kernel)?);
            }
            _ => {
                let index = interface(source, option, &text)?;
                let is_number = source.saved.is_empty() && index != NO_INTERFACE;
                if is_number && sys::interface_name(index).is_none() {
                    query.unknown_interfaces.push(index);
                }
                push_interface(&mut query, (option, is_not), prefix, index);
                if index == NO_INTERFACE {
                    query.missing_interfaces.push((option, text, is_not));
                }
            }
        }
    }
    // Two interfaces that are not there are not the same, and one that is may be another in the next namespace.
    let knows_interfaces = query.missing_interfaces.is_empty() && !source.is_one_of_all;
    if knows_interfaces || !query.needs.has(Needs::INTERFACES) {
        must_be_possible(&query)?;
    }
    Ok(query)
}

fn push_interface(
    query: &mut Query,
    (option, is_not): (&str, bool),
    prefix: Option<Prefix>,
    index: u32,
) {
    query.needs = query.needs.with(Needs::INTERFACES);
    let list = if option == "--laddr" { &mut query.laddr } else { &mut query.raddr };
    match prefix {
        None => query.interfaces.list(is_not).push(index),
        Some(prefix) => list.list(is_not).push(Network { prefix, zone: Some(index) }),
    }
}

/// The index of an interface that is not there, to which no socket is bound: the kernel's have 31 bits.
const NO_INTERFACE: u32 = u32::MAX;

/// The index of an interface by its name, else by its number, which ss(8) also writes `if7`.
fn interface(source: &Source, option: &str, name: &str) -> Result<u32, Error> {
    if !source.saved.is_empty() {
        return Ok(source.words.number(name.as_bytes()));
    }
    source.must_be_live(sockets::NO_INTERFACES)?;
    let errno = match sys::interface_index(name) {
        Ok(index) => return Ok(index),
        Err(errno) => errno,
    };
    let number = cli::digits(name.strip_prefix("if").unwrap_or(name)).unwrap_or(0);
    match errno {
        _ if number > 0 => Ok(number),
        // Each namespace has interfaces of its own.
        Errno::NODEV if source.is_one_of_all => Ok(NO_INTERFACE),
        Errno::NODEV => {
            let reason = format_args!("'{name}' is not an interface of this network namespace");
            Err(Error::of(Status::NotThere, option, reason))
        }
        errno => Err(Error::system(name, errno)),
    }
}

fn push_ports(
    list: &mut Vec<Ports>,
    services: Option<&Services>,
    name: &str,
    option: &str,
    kernel: &Kernel,
) -> Result<(), Error> {
    let known = |proto| services.and_then(|services| services.port(name, proto));
    let before = list.len();
    for port in ["tcp", "udp"].into_iter().filter_map(known) {
        list.push(Ports { first: port, last: port });
    }
    if list.len() > before {
        // Both protocols have nearly every service on the same port.
        list.dedup();
        return Ok(());
    }
    Err(no_service(option, name, kernel))
}

/// The error for a word that is not a port.
pub(crate) fn no_service(option: &str, name: &str, kernel: &Kernel) -> Error {
    let file = kernel.etc_path("services");
    let reason =
        format!("'{name}' is not a port, a port range (A-B) or a service in {}", file.display());
    Error::usage(option, reason)
}

fn uid(users: Option<&Users>, user: &str, kernel: &Kernel) -> Result<u32, Error> {
    users.and_then(|users| users.uid(user)).ok_or_else(|| {
        let file = kernel.etc_path("passwd");
        Error::usage("--uid", format!("'{user}' is not a user ID or a user in {}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_control_groups_are_lists_without_empty_words() {
        let given = |option: &str, value: &str| {
            let mut query = Query::default();
            cli::set(&FILTERS, &mut query, option, Some(OsStr::new(value))).map(|()| query)
        };
        assert_eq!(given("process", "web,80").unwrap().processes.any, [&b"web"[..], b"80"]);
        let paths = given("cgroup", "/a/,!/b/,/").unwrap().cgroups;
        assert_eq!((paths.any, paths.none), (vec![b"/a".to_vec(), vec![]], vec![b"/b".to_vec()]));
        for value in ["", ",", "a,", ",a", "a,,b"] {
            assert!(given("process", value).is_err(), "{value:?}");
            assert!(given("cgroup", &value.replace('a', "/a").replace('b', "/b")).is_err());
            assert!(given("process", &value.replace('a', "!a").replace('b', "!")).is_err());
        }
        assert!(given("cgroup", "/a,b").is_err());
    }

    #[test]
    fn a_word_behind_a_mark_must_not_match() {
        let given = |words: &[(&str, &str)]| {
            let mut query = Query::default();
            let mut set = |(option, value): &(&str, &str)| {
                cli::set(&FILTERS, &mut query, option, Some(OsStr::new(value)))
            };
            words.iter().try_for_each(&mut set).map(|()| query)
        };
        let query = given(&[("lport", "8000:9000,!8080"), ("lport", "!22-23"), ("uid", "!0")]);
        let query = query.unwrap();
        let of = |first, last| Ports { first, last };
        assert_eq!(query.lport.any, [of(8000, 9000)]);
        assert_eq!(query.lport.none, [of(8080, 8080), of(22, 23)]);
        assert_eq!((query.uids.any, query.uids.none), (vec![], vec![0]));
        let query = given(&[("rport", "!http"), ("raddr", "!fe80::1%eth0"), ("iface", "!lo")]);
        assert!(query.unwrap().names.iter().all(|name| name.is_not));
        let states = given(&[("state", "!listen"), ("state", "connected,!time-wait")]).unwrap();
        assert_eq!(states.states().iter().count(), 9);
        for (option, value, reason) in [
            (
                "lport",
                "!22,80",
                "lport: '!22,80': a ! belongs to the word behind it; to exclude all of them, write one before each",
            ),
            (
                "lport",
                "!",
                "lport: '!': a ! excludes the word behind it, and there is none; write !WORD",
            ),
            ("lport", "!!22", "!22"),
            (
                "lport",
                "9000:8000",
                "lport: '9000:8000' is not a port or a port range (A-B) up to 65535",
            ),
            ("state", "listen,!listen", "state: 'listen,!listen' leaves no state"),
            ("state", "!all", "state: '!all' leaves no state"),
            (
                "raddr",
                "!10.0.0.0/33",
                "raddr: '10.0.0.0/33': the prefix is longer than the address",
            ),
        ] {
            match given(&[(option, value)]) {
                Err(error) => assert_eq!(error, reason),
                Ok(query) => assert_eq!(query.names[0].text, reason),
            }
        }
    }

    #[test]
    fn what_no_socket_can_match_is_refused() {
        use crate::model::Proto::{Tcp, Udp};
        let contradiction = |protos: &[crate::model::Proto], words: &str| {
            let mut query = Query { protos: protos.to_vec(), ..Query::default() };
            for word in words.split(' ') {
                let (option, value) = word.split_once('=').unzip();
                let option = option.unwrap_or(word);
                cli::set(&FILTERS, &mut query, option, value.map(OsStr::new)).unwrap();
            }
            let result = looked_up(&query, &Source::default());
            let is_refused = result.is_err_and(|error| error.status() == Status::Usage);
            query.contradiction().map(|(option, _)| (option, is_refused))
        };
        for (protos, words, option) in [
            (&[][..], "ipv4 ipv6", "--ipv6"),
            (&[Tcp, Udp], "ipv6 ipv4", "--ipv6"),
            (&[Udp], "state=listen", "--state"),
            (&[Udp], "state=!established state=!close", "--state"),
            (&[], "ipv4 raddr=::1", "--raddr"),
            (&[], "ipv4 laddr=::1,fe80::1%lo", "--laddr"),
            (&[], "lport=80,443 lport=!443,!80", "--lport"),
            (&[], "rport=http rport=!http", "--rport"),
            (&[], "laddr=10.0.0.1 laddr=!10.0.0.1", "--laddr"),
            (&[], "iface=lo iface=!lo", "--iface"),
            (&[], "uid=0 uid=!0", "--uid"),
            (&[], "lport=80,85-90 lport=!80-89,!85-99", "--lport"),
            (&[], "raddr=10.1.2.3/8 raddr=!10.0.0.0/8", "--raddr"),
            (&[], "laddr=10.1.2.3,fe80::1 laddr=!10.0.0.0/8,!::/0", "--laddr"),
            (&[], "inode=7 inode=!7", "--inode"),
            (&[], "process=web process=!web", "--process"),
            (&[], "cgroup=/a cgroup=!/a", "--cgroup"),
            (&[], "pod=a/b pod=!a/b", "--pod"),
            (&[], "container=c container=!c", "--container"),
        ] {
            assert_eq!(contradiction(protos, words), Some((option, true)), "{words}");
        }
        for (protos, words) in [
            (&[][..], "ipv4 ipv4"),
            (&[Tcp, Udp], "state=listen"),
            (&[Udp], "state=established"),
            (&[Udp], "state=!established"),
            (&[], "ipv6 raddr=10.0.0.1"),
            (&[], "ipv4 raddr=::1,10.0.0.1"),
            (&[], "ipv4 raddr=!::1"),
            (&[], "lport=80-90 lport=!80"),
            (&[], "lport=http,80 lport=!80"),
            (&[], "raddr=fe80::1%lo raddr=!fe80::2%lo"),
            (&[], "uid=!0"),
            (&[], "raddr=10.0.0.0/8 raddr=!10.1.2.3"),
            (&[], "raddr=10.0.0.1 raddr=!::/0"),
            (&[], "raddr=fe80::1 raddr=!fe80::1%lo"),
        ] {
            assert_eq!(contradiction(protos, words), None, "{words}");
        }
        for words in ["lport=http,!80", "lport=80,http,!80", "uid=root,!0", "uid=0,!root"] {
            let mut query = Query::default();
            let (option, value) = words.split_once('=').unwrap();
            cli::set(&FILTERS, &mut query, option, Some(OsStr::new(value))).unwrap();
            let error = looked_up(&query, &Source::default()).unwrap_err();
            assert_eq!(error.status(), Status::Usage, "{words}");
        }
    }

    #[test]
    fn a_zone_is_taken_out_wherever_people_write_it() {
        for (word, address, zone) in [
            ("fe80::1", "fe80::1", None),
            ("fe80::/10", "fe80::/10", None),
            ("fe80::1%eth0", "fe80::1", Some("eth0")),
            ("[fe80::1%eth0]", "[fe80::1]", Some("eth0")),
            ("[fe80::1]%eth0", "[fe80::1]", Some("eth0")),
            ("fe80::%eth0/10", "fe80::/10", Some("eth0")),
            ("fe80::/10%eth0", "fe80::/10", Some("eth0")),
            ("[fe80::%eth0]/10", "[fe80::]/10", Some("eth0")),
            ("127.0.0.53%lo", "127.0.0.53", Some("lo")),
            ("fe80::1%a%b", "fe80::1", Some("a%b")),
            ("fe80::1%", "fe80::1", Some("")),
            ("[fe80::1%eth0", "[fe80::1", Some("eth0")),
            ("%", "", Some("")),
        ] {
            assert_eq!(split_zone(word), (address.into(), zone), "{word}");
        }
    }
}
