//! Which tables of sockets the files hold, and which of them were asked for in vain.

use crate::model::{Family, Proto};

/// Tables by protocol and family: bit 2 * protocol + family each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Those that the files hold.
    held: u8,
    /// Those that were asked for, and are not among them.
    lacking: u8,
    /// Those that a text may have left out, as all of its rows are of the other family.
    doubtful: u8,
    /// Those of them that were asked for by name.
    asked: u8,
}

impl Listed {
    pub(super) const NONE: Listed = Listed { held: 0, lacking: 0, doubtful: 0, asked: 0 };

    /// A table of a kernel.
    pub(super) fn of_table(proto: Proto, family: Family) -> Listed {
        Listed { held: bit(proto, family), ..Listed::NONE }
    }

    /// The tables in a text of ss or netstat. `listed`: the families of its command, if that is known; `shown`: those of
    /// its rows; 1 for IPv4 and 2 for IPv6. That it has one of the protocol at all is asked elsewhere.
    pub(super) fn of_text(listed: Option<u8>, shown: u8) -> Listed {
        let of_both = |families: u8| families | families << 2;
        // Without any row, nobody knows of which family there are none.
        let held = listed.unwrap_or(if shown == 0 { 3 } else { shown });
        let doubtful = if listed.is_none() { 3 & !held } else { 0 };
        Listed { held: of_both(held), doubtful: of_both(doubtful), ..Listed::NONE }
    }

    pub(super) fn add(&mut self, other: Listed) {
        self.held |= other.held;
        self.lacking |= other.lacking;
        self.doubtful |= other.doubtful;
        self.asked |= other.asked;
    }

    /// Takes note that a table is asked for.
    pub(super) fn ask(&mut self, proto: Proto, family: Family, is_named: bool) {
        let bit = bit(proto, family);
        if self.held == 0 || self.held & bit != 0 {
            return;
        }
        match (self.doubtful & bit == 0, is_named) {
            (true, _) => self.lacking |= bit,
            (false, true) => self.asked |= bit,
            (false, false) => {}
        }
    }

    /// What is to be said of those that were asked for and are not there.
    pub(super) fn notes(self) -> impl Iterator<Item = String> {
        let all =
            Proto::ALL.into_iter().flat_map(|proto| Family::ALL.map(|family| (proto, family)));
        let lacking = all.filter(move |(proto, family)| self.lacking & bit(*proto, *family) != 0);
        let lacking = lacking.map(|(proto, family)| {
            let (name, title) = (proto.name(), proto.name().to_uppercase());
            let (version, end) = if family == Family::Inet6 { (6, "6") } else { (4, "") };
            format!(
                "--from: nothing that was given lists sockets of {title} over IPv{version}: give /proc/net/{name}{end}, too, or the \
                 text of ss or netstat for both families"
            )
        });
        let is_asked =
            move |family: &Family| Proto::ALL.iter().any(|it| self.asked & bit(*it, *family) != 0);
        let asked = Family::ALL.into_iter().filter(is_asked).map(|family| {
            let [own, other] = if family == Family::Inet6 { [6, 4] } else { [4, 6] };
            format!(
                "--from: no row is of IPv{own}, which the command may have left out (ss -{other}, netstat -{other}): save the text \
                 without -{other}, or name its command with --from-command"
            )
        });
        lacking.chain(asked)
    }
}

fn bit(proto: Proto, family: Family) -> u8 {
    1 << (2 * proto as u8 + family as u8)
}
