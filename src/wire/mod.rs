//! Bytes to fields, and requests to bytes: pure and unable to panic; reading allocates nothing.
//!
//! Everything here takes `&[u8]` from the kernel, a file or a pipe, and returns `None` for an unknown form.
//! The lints enforce this.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod bytecode;
pub mod ctnetlink;
pub mod encoded;
pub mod flow_text;
pub mod inet_diag;
pub mod ipfix;
pub mod link;
pub mod netlink;
mod network;
pub mod own_rows;
pub mod packet;
pub mod pcap;
mod pcap_dialect;
mod pcap_interface;
mod pcapng_options;
mod printed;
pub mod ring;
mod row_template;
pub mod rows;
pub mod saved;
pub mod socket_row;
pub mod tcp_info;
pub mod text;
