//! Selects and groups sockets: the filter options, what is looked up about a socket, and the keys.

pub(crate) mod facts;
pub(crate) mod gaps;
pub(crate) mod grouping;
mod holders;
pub(crate) mod interfaces;
pub(crate) mod keys;
pub(crate) mod listeners;
mod names;
pub(crate) mod options;
pub(crate) mod passing;
pub(crate) mod socket_keys;
