//! The sockets that match, one at a time, wherever they come from.

use super::confirm;
use super::of_text::Texts;
use super::parts::{self, Collector};
use super::sock_diag::{self, DumpRequest, Dumped, Exchange};
use super::text_parts;
use crate::error::Error;
use crate::model::{Endpoint, Family, Needs, Network, Ports, Proto, Query, Socket};
use crate::source::files::procfs::{File, Record};
use crate::source::netlink::{Failure, Refusal, or_files};
use crate::source::{Method, Source};
use crate::wire::bytecode::{self, Part, Wanted};
use crate::wire::inet_diag::{INFO_EXTENSION, InetDiag};
use crate::wire::socket_row::Columns;
use crate::wire::tcp_info::{TcpInfo, tcp_info};

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
    by_method(source, method, query, 0, &mut |socket, _| each(socket))
}

/// Has collectors that `new` makes take every socket that `query` means, and gives what they have taken:
/// threads share the dump of a large table.
pub fn collect<C: Collector>(
    source: &Source,
    method: Method,
    query: &Query,
    new: impl Fn() -> C + Sync,
) -> Result<(C, Dumped), Error> {
    let extensions = if C::WANTS_INFO { INFO_EXTENSION } else { 0 };
    let plain = |query: &Query, mut all: C| {
        let take = &mut |socket: &Socket, info: Option<&TcpInfo>| all.take(socket, info);
        let dumped = by_method(source, method, query, extensions, take)?;
        Ok((all, dumped))
    };
    if !source.saved.is_empty() && super::files_list(source, query.states()).is_ok() {
        return match text_parts::collect(source, query, &new) {
            Some(all) => Ok(all),
            None => plain(query, new()),
        };
    }
    let is_picky = !program(query, None).is_empty();
    let number = match method != Method::Procfs && query.protos().contains(&Proto::Tcp) {
        true => parts::number(source, query, is_picky, C::WANTS_INFO),
        false => 1,
    };
    if number < 2 {
        return plain(query, new());
    }
    super::kernel_lists(query.states())?;
    let of = |protos| Query { protos, ..query.clone() };
    // A kernel that does not take the program is asked for all, like one that refuses altogether.
    let shared = in_parts(number, sock_diag::open, &of(vec![Proto::Tcp]), &new);
    let (all, mut dumped) = or_files(shared, |_| plain(&of(vec![Proto::Tcp]), new()))?;
    let others: Vec<_> =
        query.protos().iter().copied().filter(|proto| *proto != Proto::Tcp).collect();
    if others.is_empty() {
        return Ok((all, dumped));
    }
    let (all, of_others) = plain(&of(others), all)?;
    dumped.add(of_others);
    Ok((all, dumped))
}

/// Dumps the TCP sockets that `query` means in `number` parts, as [`collect`] does with many.
///
/// # Errors
/// [`Failure`] if the kernel refuses, a dump is cut short, or a collector fails.
pub fn in_parts<K: Exchange, C: Collector>(
    number: u16,
    open: impl Fn() -> Result<K, Failure> + Sync,
    query: &Query,
    new: impl Fn() -> C + Sync,
) -> Result<(C, Dumped), Failure> {
    let extensions = if C::WANTS_INFO { INFO_EXTENSION } else { 0 };
    parts::dump(number, open, new, |part, kernel, collector| {
        let bytecode = program(query, Some(part));
        let request = request(Proto::Tcp, query, extensions, &bytecode);
        sock_diag::dump(kernel, &request, |answer| {
            // A kernel that ignores the program gives each thread all sockets.
            let [local, remote] = answer.ports();
            match part.has(local, remote) {
                true => {
                    give(&request, query, &answer, &mut |socket, info| collector.take(socket, info))
                }
                false => Ok(()),
            }
        })
    })
}

/// Asks by netlink or reads files, as `method` says.
fn by_method(
    source: &Source,
    method: Method,
    query: &Query,
    extensions: u8,
    // Compiled once: a call costs far less than an answer of the kernel.
    mut each: &mut Each<'_>,
) -> Result<Dumped, Error> {
    if method == Method::Netlink && !source.is_live() {
        return Err(crate::source::needs_live_kernel());
    }
    if method == Method::Procfs || !source.is_live() {
        return from_files(source, query.protos(), query, each);
    }
    super::kernel_lists(query.states())?;
    let mut dumped = Dumped::default();
    for &proto in query.protos() {
        if method == Method::Auto && super::are_there_none(source, proto, query.states()) {
            continue;
        }
        let asked = sock_diag::open()
            .and_then(|mut kernel| ask(&mut kernel, proto, query, extensions, &mut each));
        let one = match method {
            Method::Auto => or_files(asked, |_| from_files(source, &[proto], query, each)),
            Method::Netlink | Method::Procfs => asked.map_err(Error::from),
        };
        dumped.add(one?);
    }
    Ok(dumped)
}

/// Dumps the sockets of one protocol that `query` means.
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn from_kernel(
    kernel: &mut impl Exchange,
    proto: Proto,
    query: &Query,
    each: &mut impl FnMut(&Socket) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    ask(kernel, proto, query, 0, &mut |socket, _| each(socket))
}

/// The same with the attributes that `extensions` ask for.
fn ask(
    kernel: &mut impl Exchange,
    proto: Proto,
    query: &Query,
    extensions: u8,
    each: &mut impl FnMut(&Socket, Option<&TcpInfo>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let bytecode = program(query, None);
    let request = request(proto, query, extensions, &bytecode);
    let mut take = |answer: InetDiag<'_>| give(&request, query, &answer, each);
    match sock_diag::dump(kernel, &request, &mut take) {
        // A kernel that does not take our program gives all, and we choose.
        Err(Failure::Refused(Refusal { errno: Errno::INVAL, is_partial: false, .. }))
            if !bytecode.is_empty() =>
        {
            sock_diag::dump(kernel, &DumpRequest { bytecode: &[], ..request }, take)
        }
        done => done,
    }
}

fn request<'a>(proto: Proto, query: &Query, extensions: u8, bytecode: &'a [u8]) -> DumpRequest<'a> {
    DumpRequest { proto, family: query.family, states: query.states(), extensions, bytecode }
}

/// Gives the socket of an answer if it matches.
#[inline]
fn give(
    request: &DumpRequest<'_>,
    query: &Query,
    answer: &InetDiag<'_>,
    each: &mut impl FnMut(&Socket, Option<&TcpInfo>) -> Result<(), Error>,
) -> Result<(), Error> {
    let socket = of_answer(request, answer).filter(|socket| query.has(socket));
    let Some(socket) = socket else { return Ok(()) };
    let info = if request.extensions == 0 { None } else { answer.info() };
    each(&socket, info.map(|info| tcp_info(info, socket.state)).as_ref())
}

/// What of a question the kernel can apply.
fn program(query: &Query, part: Option<Part>) -> Vec<u8> {
    let ports = |ranges: &[Ports]| -> Vec<(u16, u16)> {
        ranges.iter().map(|range| (range.first, range.last)).collect()
    };
    let networks = |networks: &[Network]| -> Vec<bytecode::Network> {
        let one = |Network { prefix, zone }: &Network| (prefix.address, prefix.length, *zone);
        networks.iter().map(one).collect()
    };
    let Query { lport, rport, laddr, raddr, interfaces, .. } = query;
    bytecode::compile(
        &Wanted {
            local_ports: &ports(&lport.any),
            remote_ports: &ports(&rport.any),
            local_networks: &networks(&laddr.any),
            remote_networks: &networks(&raddr.any),
            interfaces: &interfaces.any,
        },
        &Wanted {
            local_ports: &ports(&lport.none),
            remote_ports: &ports(&rport.none),
            local_networks: &networks(&laddr.none),
            remote_networks: &networks(&raddr.none),
            interfaces: &interfaces.none,
        },
        part,
    )
}

/// A socket of sock_diag; `None` for one of an unknown family.
#[inline]
pub(super) fn of_answer(request: &DumpRequest<'_>, answer: &InetDiag<'_>) -> Option<Socket> {
    let endpoint = |(address, port)| Endpoint { address, port };
    Some(Socket {
        proto: request.proto,
        family: Family::from_number(answer.family)?,
        state: request.state(answer),
        timer: answer.timer,
        is_v6_only: answer.is_v6_only(),
        local: endpoint(answer.local()),
        remote: endpoint(answer.remote()),
        interface: answer.interface(),
        recv_queue_bytes: answer.recv_queue(),
        send_queue_bytes: answer.send_queue(),
        uid: answer.uid(),
        inode: answer.inode().into(),
        cookie: answer.cookie(),
        cgroup: answer.cgroup(),
        holder: 0,
        names: [0; 2],
    })
}

type Each<'a> = dyn FnMut(&Socket, Option<&TcpInfo>) -> Result<(), Error> + 'a;

/// Reads the sockets of `protos` that `query` means, live or saved.
fn from_files(
    source: &Source,
    protos: &[Proto],
    query: &Query,
    each: &mut Each<'_>,
) -> Result<Dumped, Error> {
    let is_saved = !source.saved.is_empty();
    if query.needs.has(Needs::INTERFACES) && !is_saved {
        return Err(super::not_in_files(source, super::NO_INTERFACES));
    }
    if protos.contains(&Proto::Tcp) {
        super::files_list(source, query.states())?;
    }
    let mut files = Vec::with_capacity(4);
    for proto in protos {
        let both = match proto {
            Proto::Tcp => [(Family::Inet, File::Tcp), (Family::Inet6, File::Tcp6)],
            Proto::Udp => [(Family::Inet, File::Udp), (Family::Inet6, File::Udp6)],
        };
        let is_wanted = |one: Family| query.family.is_none_or(|family| family == one);
        files.extend(both.into_iter().filter(|(one, _)| is_wanted(*one)).map(|(_, file)| file));
    }
    let mut texts = Texts::new(source, query);
    let mut has_table = [!is_saved; 2];
    let mut dumped = confirm::read_tables(source, &files, &mut |place, record| {
        match record {
            Record::Header(proto) => {
                has_table[proto as usize] = true;
                if is_saved {
                    texts.refuse_tables()?;
                }
            }
            Record::Table(proto) => has_table[proto as usize] = true,
            Record::Text(proto, family, row) if protos.contains(&proto) => {
                let socket = texts.socket(place, proto, family, row)?;
                if query.has(&socket) {
                    each(&socket, None)?;
                }
            }
            Record::Row(proto, family, row) if protos.contains(&proto) => {
                let columns = row.columns(source.byte_order);
                let columns = columns.ok_or_else(|| place.error("not a row of a socket table"))?;
                let socket = of_row(proto, family, &columns);
                texts.see(&socket);
                if query.has(&socket) {
                    each(&socket, None)?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    dumped.doubts = texts.finish(dumped.doubts)?;
    match protos.iter().find(|proto| !has_table[**proto as usize]) {
        None => Ok(dumped),
        Some(proto) => Err(crate::source::no_table(source, *proto)),
    }
}

fn of_row(proto: Proto, family: Family, row: &Columns) -> Socket {
    let endpoint = |(address, port)| Endpoint { address, port };
    Socket {
        timer: row.timer,
        recv_queue_bytes: row.recv_queue,
        send_queue_bytes: row.send_queue,
        uid: row.uid,
        inode: row.inode,
        ..Socket::of(proto, family, row.state, endpoint(row.local), endpoint(row.remote))
    }
}
