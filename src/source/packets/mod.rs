//! Packets of an interface or of a capture.

pub mod capture;
mod frame;
pub mod pcap_file;

pub use frame::{Frame, Seen, segment};
