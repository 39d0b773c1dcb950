//! Which sockets are meant, and in which groups: the options that pick them, what is known of them, keys.

pub(crate) mod facts;
pub(crate) mod grouping;
pub(crate) mod keys;
pub(crate) mod options;
pub(crate) mod socket_keys;
