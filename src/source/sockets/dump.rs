//! The sockets that are meant, one at a time, wherever they come from.

use std::net::IpAddr;

use super::sock_diag::{self, Dumped, Exchange, Request};
use crate::error::Error;
use crate::model::{Endpoint, Family, Proto, Query, Socket};
use crate::source::files::procfs::{self, File, Record};
use crate::source::netlink::{Failure, Refusal, or_files};
use crate::source::{Method, Source};
use crate::wire::bytecode::{self, Wanted};
use crate::wire::inet_diag::InetDiag;
use crate::wire::socket_row::Columns;

use rustix::io::Errno;

/// Calls `each` with every socket that `query` means. What the kernel can tell by itself is asked
/// of it, and checked again here: old kernels ignore what they do not know.
///
/// # Errors
/// If the source cannot be read, a dump is cut short, a row is of unknown shape, or `each` fails.
pub fn sockets(
    source: &Source,
    method: Method,
    query: &Query,
    mut each: impl FnMut(&Socket) -> Result<(), Error>,
) -> Result<Dumped, Error> {
    if method == Method::Netlink && !source.is_live() {
        return Err(crate::source::needs_live_kernel());
    }
    let mut wanted = |socket: &Socket| if query.has(socket) { each(socket) } else { Ok(()) };
    if method == Method::Procfs || !source.is_live() {
        return from_files(source, query.protos(), query.family, &mut wanted);
    }
    let mut dumped = Dumped::default();
    for &proto in query.protos() {
        if method == Method::Auto && source.is_one_of_all && super::are_there_none(source, proto) {
            continue;
        }
        let asked = sock_diag::open()
            .and_then(|mut kernel| from_kernel(&mut kernel, proto, query, &mut wanted));
        let one = match method {
            Method::Auto => {
                or_files(asked, |_| from_files(source, &[proto], query.family, &mut wanted))
            }
            Method::Netlink | Method::Procfs => asked.map_err(Error::from),
        };
        dumped.is_interrupted |= one?.is_interrupted;
    }
    Ok(dumped)
}

/// Dumps the sockets of one protocol that `query` may mean.
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn from_kernel(
    kernel: &mut impl Exchange,
    proto: Proto,
    query: &Query,
    each: &mut impl FnMut(&Socket) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let mut take = |answer: InetDiag<'_>| match of_answer(proto, &answer) {
        Some(socket) => each(&socket),
        None => Ok(()),
    };
    answers(kernel, proto, query, 0, &mut take)
}

/// The same, answers as they come, with the attributes that `extensions` ask for.
pub(super) fn answers(
    kernel: &mut impl Exchange,
    proto: Proto,
    query: &Query,
    extensions: u8,
    take: &mut impl FnMut(InetDiag<'_>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let (bytecode, states) = (program(query), query.states());
    let request = Request { proto, family: query.family, states, extensions, bytecode: &bytecode };
    match sock_diag::dump(kernel, &request, &mut *take) {
        // A kernel that does not take our program gives all, and we choose.
        Err(Failure::Refused(Refusal { errno: Errno::INVAL, is_partial: false, .. }))
            if !bytecode.is_empty() =>
        {
            sock_diag::dump(kernel, &Request { bytecode: &[], ..request }, take)
        }
        done => done,
    }
}

/// What of a question the kernel can apply.
fn program(query: &Query) -> Vec<u8> {
    let ports = |ranges: &[crate::model::Ports]| -> Vec<(u16, u16)> {
        ranges.iter().map(|range| (range.first, range.last)).collect()
    };
    let networks = |prefixes: &[crate::model::Prefix]| -> Vec<(IpAddr, u8)> {
        prefixes.iter().map(|prefix| (prefix.address, prefix.length)).collect()
    };
    bytecode::compile(&Wanted {
        local_ports: &ports(&query.lport),
        remote_ports: &ports(&query.rport),
        local_networks: &networks(&query.laddr),
        remote_networks: &networks(&query.raddr),
    })
}

/// A socket of sock_diag; `None` for one of an unknown family.
#[inline]
pub(super) fn of_answer(proto: Proto, answer: &InetDiag<'_>) -> Option<Socket> {
    let endpoint = |(address, port)| Endpoint { address, port };
    Some(Socket {
        proto,
        family: Family::from_number(answer.family)?,
        state: answer.state,
        timer: answer.timer,
        local: endpoint(answer.local()),
        remote: endpoint(answer.remote()),
        interface: answer.interface(),
        recv_queue_bytes: answer.recv_queue(),
        send_queue_bytes: answer.send_queue(),
        uid: answer.uid(),
        inode: answer.inode().into(),
        cookie: answer.cookie(),
        cgroup: answer.cgroup(),
    })
}

/// Reads the tables of `protos`, live or saved.
fn from_files(
    source: &Source,
    protos: &[Proto],
    family: Option<Family>,
    each: &mut dyn FnMut(&Socket) -> Result<(), Error>,
) -> Result<Dumped, Error> {
    let mut files = Vec::with_capacity(4);
    for proto in protos {
        let both = match proto {
            Proto::Tcp => [(Family::Inet, File::Tcp), (Family::Inet6, File::Tcp6)],
            Proto::Udp => [(Family::Inet, File::Udp), (Family::Inet6, File::Udp6)],
        };
        let is_wanted = |one: Family| family.is_none_or(|family| family == one);
        files.extend(both.into_iter().filter(|(one, _)| is_wanted(*one)).map(|(_, file)| file));
    }
    let mut has_table = source.saved.is_empty();
    procfs::read(source, &files, |place, record| {
        match record {
            Record::Header(proto) => has_table |= protos.contains(&proto),
            Record::Row(proto, family, row) if protos.contains(&proto) => {
                let columns = row.columns();
                let columns = columns.ok_or_else(|| place.error("not a row of a socket table"))?;
                each(&of_row(proto, family, &columns))?;
            }
            _ => {}
        }
        Ok(())
    })?;
    if has_table { Ok(Dumped::default()) } else { Err(crate::source::no_table(protos)) }
}

fn of_row(proto: Proto, family: Family, row: &Columns) -> Socket {
    let endpoint = |(address, port)| Endpoint { address, port };
    Socket {
        proto,
        family,
        state: row.state,
        timer: row.timer,
        local: endpoint(row.local),
        remote: endpoint(row.remote),
        interface: 0,
        recv_queue_bytes: row.recv_queue,
        send_queue_bytes: row.send_queue,
        uid: row.uid,
        inode: row.inode,
        cookie: 0,
        cgroup: None,
    }
}
