//! What files of the kernel and saved text hold: one record after another.

use super::lines::Place;
use crate::error::Error;
use crate::model::{Family, Proto};
use crate::wire::saved::row::Row;
use crate::wire::socket_row::SocketRow;

/// One line (or pair of lines) of any of the files.
#[derive(Debug)]
pub enum Record<'a> {
    /// A line of sockstat or sockstat6.
    Counts {
        /// The protocol, `TCP`.
        protocol: &'a [u8],
        /// Its fields; see [`crate::wire::text::counts`].
        fields: &'a [u8],
    },
    /// A pair of lines of snmp or netstat.
    Mib {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The names; see [`crate::wire::text::pairs`].
        names: &'a [u8],
        values: &'a [u8],
    },
    /// A line of names without its values, or of values without its names: the pair of a group is broken.
    Lone {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// What is missing.
        reason: &'static str,
    },
    /// The header of a table of sockets: there is one, even if it has no rows.
    Header(Proto),
    /// A row of a table of sockets.
    Row(Proto, Family, SocketRow<'a>),
    /// A saved text lists sockets of this protocol, even if there are none.
    Table(Proto),
    /// A row of a saved text, whose state is known.
    Text(Proto, Family, &'a Row<'a>),
}

impl Record<'_> {
    /// The socket of a row of any table: its protocol and family, and the kernel's number of its state.
    #[inline]
    pub fn socket(&self) -> Option<(Proto, Family, u8)> {
        match *self {
            Record::Row(proto, family, row) => Some((proto, family, row.state)),
            Record::Text(proto, family, row) => Some((proto, family, row.state?)),
            _ => None,
        }
    }

    /// Whose sockets a table lists that begins here.
    #[inline]
    pub fn table(&self) -> Option<Proto> {
        match *self {
            Record::Header(proto) | Record::Table(proto) => Some(proto),
            _ => None,
        }
    }
}

/// Takes a record. Readers are compiled once, and not for each of those who take.
pub(in crate::source) type Each<'a> = dyn FnMut(Place<'_>, Record<'_>) -> Result<(), Error> + 'a;
