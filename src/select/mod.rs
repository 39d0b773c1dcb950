//! Selects and groups sockets: the filter options, what is looked up about a socket, and the keys.

pub(crate) mod facts;
pub(crate) mod grouping;
pub(crate) mod keys;
pub(crate) mod options;
pub(crate) mod socket_keys;
