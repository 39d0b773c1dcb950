//! Which versions of ss can have printed a table. Those before iproute2 4.14 write `*` for any address of IPv4, and IPv6
//! without brackets; later ones write `*` for a socket of IPv6 that takes both.

use super::row::{Host, Row};
use super::ss::Layout;

/// What is known of the version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version {
    /// Whether something was seen that only old versions write, or only new ones.
    told: [bool; 2],
    /// Whether `*` was taken for an address of IPv4, as old versions write it, or of IPv6.
    taken: [bool; 2],
}

impl Version {
    /// What a header tells, and the families that its command lists, see [`super::command::Command::listed_families`]:
    /// `*` is of no other one.
    pub fn of(header: Option<Layout>, families: Option<u8>) -> Version {
        let is_new = header.is_some_and(|layout| layout.is_new);
        Version { told: [families == Some(1), is_new || families == Some(2)], taken: [false; 2] }
    }

    /// Looks at a row.
    #[inline]
    pub fn see(&mut self, row: &Row<'_>) {
        for (end, other) in [(&row.local, &row.remote), (&row.remote, &row.local)] {
            match end.host {
                Host::Address(address) if address.is_ipv6() => self.tell(end.is_bracketed),
                Host::Address(address) if address.is_unspecified() => self.tell(true),
                // New ones write 0.0.0.0 there.
                Host::Address(_) if other.host == Host::Any => self.tell(false),
                _ => {}
            }
        }
    }

    #[inline]
    fn tell(&mut self, is_new: bool) {
        mark(&mut self.told, is_new);
    }

    /// Whether rows must tell what `*` is.
    pub fn is_open(&self) -> bool {
        self.told == [false; 2]
    }

    /// Whether `*` is an address of IPv6, as far as is known.
    pub fn star(&mut self, layout: Layout) -> bool {
        let [is_old, is_new] = self.told;
        let is_v6 = is_new || !is_old && layout.is_new;
        mark(&mut self.taken, is_v6);
        is_v6
    }

    /// Adds what another thread has seen.
    pub fn add(&mut self, other: Version) {
        let either = |[a, b]: [bool; 2], [c, d]: [bool; 2]| [a | c, b | d];
        self.told = either(self.told, other.told);
        self.taken = either(self.taken, other.taken);
    }

    /// Whether `*` may have been taken for the wrong one.
    pub fn is_doubtful(&self) -> bool {
        let [by_old, by_new] = self.taken;
        match self.told {
            [false, false] => by_old || by_new,
            [is_old, is_new] => by_old && is_new || by_new && is_old,
        }
    }
}

#[inline]
fn mark([old, new]: &mut [bool; 2], is_new: bool) {
    *(if is_new { new } else { old }) = true;
}
