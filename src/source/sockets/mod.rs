//! The kernel's sockets: dumps by sock_diag, tables of /proc/net, counts by state.

mod confirm;
mod dump;
pub mod ended;
mod of_text;
mod parts;
pub mod sock_diag;
pub mod tcp_info;
mod tcp_states;
mod text_parts;
mod unmet;

use crate::error::Error;
use crate::model::{Family, Proto, Protocol, StateSet, TcpState};
use crate::source::Source;
use crate::source::files::counts;
use crate::sys;

pub use confirm::confirmed;
pub use dump::{collect, from_kernel, in_parts, sockets};
pub use parts::Collector;
pub use tcp_states::{Method, tcp_states};

/// Why files do not answer what is asked about interfaces.
pub const NO_INTERFACES: &str = "socket tables do not say which interface a socket is bound to";
/// Why files do not answer what is asked about bound sockets.
const NO_BOUND: &str = "socket tables do not list sockets that are only bound (BOUND_INACTIVE)";

/// The error for what files do not say and netlink would.
fn not_in_files(source: &Source, reason: &str) -> Error {
    match source.must_be_live(reason) {
        Err(error) => error,
        Ok(()) => Error::failed("/proc/net", format_args!("{reason}; only sock_diag does")),
    }
}

/// Refuses states that the files of /proc/net do not list.
fn files_list(source: &Source, states: StateSet) -> Result<(), Error> {
    let is_there = !states.has(TcpState::BOUND_INACTIVE);
    if is_there { Ok(()) } else { Err(not_in_files(source, NO_BOUND)) }
}

/// Refuses states that the running kernel does not list: it would answer that there are no such sockets.
fn kernel_lists(states: StateSet) -> Result<(), Error> {
    if !states.has(TcpState::BOUND_INACTIVE) || sys::kernel_version() >= (6, 8) {
        return Ok(());
    }
    Err(Error::failed(
        "BOUND_INACTIVE",
        "this kernel does not list sockets that are only bound (Linux 6.8 does)",
    ))
}

/// Whether this is one of all namespaces, and its tables hold no sockets of a protocol in these states, which is
/// known without a walk. A request socket needs a listener, which is in use; one whose listener has closed stays
/// until its next SYN|ACK is due (3 s seen, up to half a minute), and is not noticed here. Sockets that are only
/// bound are not in use.
fn are_there_none(source: &Source, proto: Proto, states: StateSet) -> bool {
    if !source.is_one_of_all || states.has(TcpState::BOUND_INACTIVE) {
        return false;
    }
    let Ok(sockstat) = counts::sockstat(source) else { return false };
    let protocol = match proto {
        Proto::Tcp => Protocol::Tcp,
        Proto::Udp => Protocol::Udp,
    };
    // What sockstat does not hold is not known to be 0.
    sockstat.tcp().is_ok_and(|tcp| proto == Proto::Udp || tcp.tw == 0)
        && !counts::lacks_ipv6(source, &sockstat)
        && Family::ALL.iter().all(|family| sockstat.inuse(protocol, *family) == 0)
}
