//! Which sockets are meant, and in which groups: the options that pick them, what is known of them, the
//! cells of keys.

pub(crate) mod cells;
pub(crate) mod facts;
pub(crate) mod options;
