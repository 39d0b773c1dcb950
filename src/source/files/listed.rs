//! Which tables of sockets the files hold, and which of them were asked for in vain.

use crate::model::{Family, Proto};

/// Tables by protocol and family: bit 2 * protocol + family each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Those that the files hold.
    held: u8,
    /// Those that were asked for, and are not among them.
    lacking: u8,
}

impl Listed {
    pub(super) const NONE: Listed = Listed { held: 0, lacking: 0 };

    /// A table of a kernel.
    pub(super) fn of_table(proto: Proto, family: Family) -> Listed {
        Listed { held: bit(proto, family), ..Listed::NONE }
    }

    /// The tables in a text of ss or netstat. `families`: those of its command, 1 for IPv4 and 2 for IPv6; 0 for both.
    /// That it has one of the protocol at all is asked elsewhere.
    pub(super) fn of_families(families: u8) -> Listed {
        let families = if families == 0 { 3 } else { families };
        Listed { held: families | families << 2, ..Listed::NONE }
    }

    pub(super) fn add(&mut self, other: Listed) {
        self.held |= other.held;
        self.lacking |= other.lacking;
    }

    /// Takes note that a table is asked for.
    pub(super) fn ask(&mut self, proto: Proto, family: Family) {
        let bit = bit(proto, family);
        if self.held != 0 && self.held & bit == 0 {
            self.lacking |= bit;
        }
    }

    /// What is to be said of those that were asked for and are not there.
    pub(super) fn notes(self) -> impl Iterator<Item = String> {
        let all =
            Proto::ALL.into_iter().flat_map(|proto| Family::ALL.map(|family| (proto, family)));
        let lacking = all.filter(move |(proto, family)| self.lacking & bit(*proto, *family) != 0);
        lacking.map(|(proto, family)| {
            let (name, title) = (proto.name(), proto.name().to_uppercase());
            let (version, end) = if family == Family::Inet6 { (6, "6") } else { (4, "") };
            format!(
                "--from: nothing that was given lists sockets of {title} over IPv{version}: give /proc/net/{name}{end}, too, or the \
                 text of ss or netstat for both families"
            )
        })
    }
}

fn bit(proto: Proto, family: Family) -> u8 {
    1 << (2 * proto as u8 + family as u8)
}
