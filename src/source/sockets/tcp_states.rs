//! How many TCP sockets are in each state.
//!
//! Nearly all the cost of a sock_diag dump is in filling answers, not in walking the table, and
//! nearly all sockets are in ESTABLISHED or TIME_WAIT. So the dump skips these two, and they
//! come by subtraction from numbers that the kernel keeps anyway:
//!
//! ```text
//! ESTABLISHED of a family = its inuse - its full sockets in the other states   (sockstat, sockstat6)
//! TIME_WAIT               = tw - the minisockets in FIN_WAIT2                  (both families together)
//! ```

use super::confirm;
use super::parts::Collector;
use super::sock_diag::{self, DumpRequest, Dumped};
use crate::error::Error;
use crate::model::{Family, Proto, Protocol, Socket, Sockstat, StateCounts, StateSet, TcpState};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::files::procfs::File;
use crate::source::netlink::{Failure, SOCK_DIAG, or_files};
use crate::sys::Netlink;
use crate::wire::inet_diag::InetDiag;
use crate::wire::tcp_info::TcpInfo;

/// The sockets by state, of those whose state is known.
impl Collector for StateCounts {
    #[inline]
    fn take(&mut self, socket: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
        if let Some(state) = socket.tcp_state() {
            self.add(socket.family, state);
        }
        Ok(())
    }

    fn merge(&mut self, other: StateCounts) {
        StateCounts::merge(self, &other);
    }
}

/// How to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// By netlink if it answers, else from /proc/net/tcp and tcp6.
    #[default]
    Auto,
    /// By netlink or not at all.
    Netlink,
    /// From /proc/net/tcp and tcp6.
    Procfs,
}

const ESTABLISHED: StateSet = StateSet::only(TcpState::ESTABLISHED);
const TIME_WAIT: StateSet = StateSet::only(TcpState::TIME_WAIT);
const FIN_WAIT2: StateSet = StateSet::only(TcpState::FIN_WAIT2);

/// Counts the sockets in each of the states of `wanted`; the other numbers are left at 0. With
/// `by_family` unset only the sum of both families is right for TIME_WAIT.
///
/// # Errors
/// If the source cannot be read or holds an unknown shape.
pub fn tcp_states(
    source: &Source,
    method: Method,
    wanted: StateSet,
    by_family: bool,
) -> Result<(StateCounts, Dumped), Error> {
    if method == Method::Netlink && !source.is_live() {
        return Err(crate::source::needs_live_kernel());
    }
    if method == Method::Procfs || !source.is_live() {
        let (counts, mut dumped) = from_rows(source, wanted)?;
        if by_family {
            dumped.doubts.ask_family();
        }
        return Ok((counts, dumped));
    }
    super::kernel_lists(wanted)?;
    // A walk goes over the table of the whole machine, however few sockets are a namespace's.
    if method == Method::Auto && super::are_there_none(source, Proto::Tcp, wanted) {
        return Ok((StateCounts::default(), Dumped::default()));
    }
    let asked = from_netlink(source, wanted, by_family);
    match method {
        Method::Auto => or_files(asked, |_| from_rows(source, wanted)),
        Method::Netlink | Method::Procfs => asked.map_err(Error::from),
    }
}

/// Counts rows of /proc/net/tcp and tcp6.
fn from_rows(source: &Source, wanted: StateSet) -> Result<(StateCounts, Dumped), Error> {
    super::files_list(source, wanted)?;
    let mut counts = StateCounts::default();
    let mut found = source.saved.is_empty();
    let mut dumped =
        confirm::read_tables(source, &[File::Tcp, File::Tcp6], &mut |place, record| {
            found |= record.table() == Some(Proto::Tcp);
            if let Some((Proto::Tcp, family, state)) = record.socket() {
                let state = TcpState::from_number(state).ok_or_else(|| {
                    place.error(format_args!("{state:02X} is none of the twelve states"))
                })?;
                counts.add(family, state);
            }
            Ok(())
        })?;
    let seen = StateSet::ALL.iter().filter(|state| counts.both(*state) > 0).collect();
    dumped.doubts.want([wanted, StateSet::default()], [seen; 2], true);
    match found {
        true => Ok((counts, dumped)),
        false => Err(crate::source::no_table(source, Proto::Tcp)),
    }
}

/// What a walk counts beside the sockets by state.
#[derive(Default)]
struct Walked {
    counts: StateCounts,
    /// Full sockets by family.
    full: [u64; 2],
    /// Minisockets in FIN_WAIT2, which `tw` of sockstat counts too.
    fin_wait2_minisockets: u64,
}

impl Walked {
    #[inline]
    fn add(&mut self, request: &DumpRequest<'_>, socket: &InetDiag<'_>) -> Result<(), Error> {
        let family = Family::from_number(socket.family);
        let (Some(family), Some(state)) = (family, TcpState::of_socket(request.state(socket)))
        else {
            return Err(strange(socket));
        };
        self.counts.add(family, state);
        if state == TcpState::BOUND_INACTIVE {
            // Not in use.
        } else if socket.is_full() {
            self.full[family as usize] += 1;
        } else if state == TcpState::FIN_WAIT2 {
            self.fin_wait2_minisockets += 1;
        }
        Ok(())
    }
}

/// The error for a socket that belongs to none of the numbers: nothing could be had by subtraction.
#[cold]
fn strange(socket: &InetDiag<'_>) -> Error {
    let InetDiag { family, state, .. } = socket;
    Error::failed(
        SOCK_DIAG.name,
        format_args!("a socket of family {family} in state {state}, which are not known"),
    )
}

fn from_netlink(
    source: &Source,
    wanted: StateSet,
    by_family: bool,
) -> Result<(StateCounts, Dumped), Failure> {
    let mut socket = sock_diag::open()?;
    let mut walked = Walked::default();
    let query = DumpRequest::tcp(to_walk(wanted));
    let dumped = sock_diag::dump(&mut socket, &query, |answer| walked.add(&query, &answer))?;
    let subtract = wanted.has(TcpState::ESTABLISHED) || wanted.has(TcpState::TIME_WAIT);
    if !subtract {
        return Ok((walked.counts, dumped));
    }
    // Right after the walk, so that little can change in between.
    let is_sound = |sockstat: &Sockstat| {
        sockstat.tcp().is_ok_and(|tcp| !tcp.is_below_zero())
            && !counts::lacks_ipv6(source, sockstat)
    };
    let counts = match counts::sockstat(source).ok().filter(is_sound) {
        Some(sockstat) => by_subtraction(walked, &sockstat, &mut socket, wanted, by_family),
        None => by_dump(&mut socket, wanted),
    };
    counts.map(|counts| (counts, dumped)).map_err(Failure::midway)
}

/// The states that must be walked to know those of `wanted`.
fn to_walk(wanted: StateSet) -> StateSet {
    let two = ESTABLISHED.with(TIME_WAIT);
    if wanted.has(TcpState::ESTABLISHED) {
        StateSet::ALL.with(wanted).without(two)
    } else if wanted.has(TcpState::TIME_WAIT) {
        wanted.without(two).with(FIN_WAIT2)
    } else {
        wanted
    }
}

fn by_subtraction(
    walked: Walked,
    sockstat: &Sockstat,
    socket: &mut Netlink,
    wanted: StateSet,
    by_family: bool,
) -> Result<StateCounts, Failure> {
    let mut counts = walked.counts;
    // Both are read one after the other, and the difference of what changed meanwhile is no socket.
    let rest = |all: i128, others: u64| u64::try_from(all - i128::from(others)).unwrap_or_default();
    if wanted.has(TcpState::ESTABLISHED) {
        for family in Family::ALL {
            let inuse = sockstat.inuse(Protocol::Tcp, family);
            counts.set(family, TcpState::ESTABLISHED, rest(inuse, walked.full[family as usize]));
        }
    }
    if wanted.has(TcpState::TIME_WAIT) {
        let both = rest(sockstat.tw.unwrap_or_default(), walked.fin_wait2_minisockets);
        let mut inet6 = 0;
        // The one that costs a second walk: spared where there is nothing to split.
        if by_family && both > 0 {
            let query = DumpRequest { family: Some(Family::Inet6), ..DumpRequest::tcp(TIME_WAIT) };
            sock_diag::dump(socket, &query, |_| {
                inet6 += 1;
                Ok(())
            })?;
        }
        counts.set(Family::Inet, TcpState::TIME_WAIT, both.saturating_sub(inet6));
        counts.set(Family::Inet6, TcpState::TIME_WAIT, inet6);
    }
    Ok(counts)
}

/// Counts by a dump of every socket, where sockstat cannot be read.
fn by_dump(socket: &mut Netlink, wanted: StateSet) -> Result<StateCounts, Failure> {
    let mut walked = Walked::default();
    let query = DumpRequest::tcp(StateSet::ALL.with(wanted));
    sock_diag::dump(socket, &query, |answer| walked.add(&query, &answer))?;
    Ok(walked.counts)
}
