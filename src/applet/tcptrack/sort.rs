//! The orders of rows. Pure.

use std::cmp::Ordering;

use super::row::Row;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Rate,
    Bytes,
    Idle,
    Rx,
    Tx,
    State,
    Client,
    Server,
    /// In order of appearance.
    Unsorted,
    /// Groups by the number of their connections.
    Count,
    /// Groups by their keys.
    Name,
    /// By what tells rows apart for Prometheus.
    Labels,
}

impl Sort {
    /// The orders by name, in the sequence of the key `s`.
    pub(super) const ALL: [(&str, Sort); 9] = [
        ("rate", Sort::Rate),
        ("bytes", Sort::Bytes),
        ("idle", Sort::Idle),
        ("rx", Sort::Rx),
        ("tx", Sort::Tx),
        ("state", Sort::State),
        ("client", Sort::Client),
        ("server", Sort::Server),
        ("none", Sort::Unsorted),
    ];

    /// The orders of groups.
    const OF_GROUPS: [(&str, Sort); 6] = [
        ("rate", Sort::Rate),
        ("bytes", Sort::Bytes),
        ("rx", Sort::Rx),
        ("tx", Sort::Tx),
        ("count", Sort::Count),
        ("name", Sort::Name),
    ];

    /// The orders of connections, or of groups, as their columns stand from left to right.
    pub(super) fn columns(is_grouped: bool) -> &'static [Sort] {
        use Sort::{Bytes, Client, Count, Idle, Name, Rate, Rx, Server, State, Tx};
        match is_grouped {
            false => &[Client, Server, State, Idle, Rate, Rx, Tx, Bytes],
            true => &[Name, Count, Rate, Rx, Tx, Bytes],
        }
    }

    pub(super) fn orders(is_grouped: bool) -> &'static [(&'static str, Sort)] {
        if is_grouped { &Sort::OF_GROUPS } else { &Sort::ALL }
    }

    pub(super) fn name(self) -> &'static str {
        let mut all = Sort::ALL.iter().chain(&Sort::OF_GROUPS);
        all.find(|(_, sort)| *sort == self).map_or("", |(name, _)| name)
    }

    /// Numbers in descending order, names in ascending order.
    pub(super) fn compare(self, a: &Row, b: &Row) -> Ordering {
        let rx = |row: &Row| (row.rx_bytes_per_second, row.rx_bytes_total);
        let tx = |row: &Row| (row.tx_bytes_per_second, row.tx_bytes_total);
        let order = match self {
            Sort::Rate => b.bytes_per_second().cmp(&a.bytes_per_second()),
            Sort::Bytes => b.bytes_total().cmp(&a.bytes_total()),
            Sort::Idle => b.idle.cmp(&a.idle),
            Sort::Rx => rx(b).cmp(&rx(a)),
            Sort::Tx => tx(b).cmp(&tx(a)),
            Sort::State => a.state.cmp(&b.state),
            Sort::Client => a.client.cmp(&b.client),
            Sort::Server => a.server.cmp(&b.server),
            Sort::Unsorted => Ordering::Equal,
            Sort::Count => b.count().cmp(&a.count()),
            Sort::Name => a.cells().cmp(b.cells()),
            Sort::Labels => a.labels().cmp(&b.labels()),
        };
        order.then(a.id.cmp(&b.id))
    }
}
