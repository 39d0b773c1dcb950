//! The kernel's sockets: dumps by sock_diag, tables of /proc/net, counts by state.

mod confirm;
mod dump;
pub mod sock_diag;
pub mod tcp_info;
mod tcp_states;

pub use confirm::confirmed;
pub use dump::{from_kernel, sockets};
pub use tcp_states::{Method, tcp_states};
