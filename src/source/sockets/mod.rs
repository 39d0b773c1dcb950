//! The kernel's sockets: dumps by sock_diag, tables of /proc/net, counts by state.

mod confirm;
mod dump;
mod parts;
pub mod sock_diag;
pub mod tcp_info;
mod tcp_states;

use crate::model::{Family, Proto, Protocol};
use crate::source::Source;
use crate::source::files::procfs;

pub use confirm::confirmed;
pub use dump::{collect, from_kernel, in_parts, sockets};
pub use parts::Collector;
pub use tcp_states::{Method, tcp_states};

/// Whether there are no sockets of a protocol in the namespace's tables, but for those that are bound and
/// no more. A request socket needs a listener, which is in use; one whose listener has just closed lives
/// for a second more at most.
pub fn are_there_none(source: &Source, proto: Proto) -> bool {
    let Ok(sockstat) = procfs::sockstat(source) else { return false };
    let protocol = match proto {
        Proto::Tcp => Protocol::Tcp,
        Proto::Udp => Protocol::Udp,
    };
    // What sockstat does not hold is not known to be 0.
    sockstat.tcp().is_ok_and(|tcp| proto == Proto::Udp || tcp.tw == 0)
        && Family::ALL.iter().all(|family| sockstat.inuse(protocol, *family) == 0)
}
