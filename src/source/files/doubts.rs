//! What is to be said about files that were read.

use std::borrow::Cow;

use super::file::File;
use super::lacking::{
    FILTER, Lacking, NO_FAMILY, SERVERS, Shown, TWICE, all, say_left_out, say_may_lack, servers,
};
use super::listed::Listed;
use crate::model::{Family, Proto, StateSet};
use crate::wire::saved::command::{self, Command};
use crate::wire::saved::details;
use crate::wire::saved::netstat::Which;

/// What may be wrong with tables that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    flags: u32,
    /// How many addresses of saved text may be cut.
    pub(super) cut: u64,
    /// The tables that the files hold.
    listed: Listed,
    /// Which files of a folder are empty, bit N for file N.
    empty: u8,
    /// By protocol, the states that are not in saved text; `None` without such a text.
    lacking: [Option<Lacking>; 2],
    /// Whether such states were asked for by name.
    is_named: bool,
}

/// What a note means for the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// They are what such input usually gives, and nothing says that they are wrong.
    Note,
    /// They are of what was seen of the holders of sockets.
    Gap,
    /// They lack something, or are probably wrong: the status says so, and a check does not know them.
    Lack,
}

/// The flags of the doubts: numbered by the compiler, since two branches that number by hand take the same bit.
#[derive(Clone, Copy)]
enum Flag {
    Twice,
    Skipped,
    Untold,
    Misfit,
    Cut,
    UdpByState,
    Family,
    Hidden,
    Tools,
    NoZeros,
    Assumed,
    Unseen,
    Snapshots,
    OneHolder,
    AskedFamily,
    ByCommand,
    RowsTwice,
    Filtered,
    AskedFilter,
    NoPeers,
    OtherCommand,
    CutNames,
    ServersOfTcp,
    ServersOfUdp,
    Star,
}

impl Doubts {
    /// Saved files hold the same table twice.
    pub(super) const TWICE: Doubts = Doubts::flag(Flag::Twice);
    /// The same rows of connbox came twice.
    pub(crate) const ROWS_TWICE: Doubts = Doubts::flag(Flag::RowsTwice);
    /// Tables of other protocols were skipped.
    pub(super) const SKIPPED: Doubts = Doubts::flag(Flag::Skipped);
    /// Of tables that look alike, some were taken for those of UDP, and others for something else.
    pub(super) const UNTOLD: Doubts = Doubts::flag(Flag::Untold);
    /// A kernel's tables have other numbers of rows than its sockstat says.
    pub(in crate::source) const MISFIT: Doubts = Doubts::flag(Flag::Misfit);
    /// A saved text ends in the middle of a line.
    pub(super) const CUT: Doubts = Doubts::flag(Flag::Cut);
    /// A table of ss without a column for it is taken for one of UDP.
    pub(super) const UDP_BY_STATE: Doubts = Doubts::flag(Flag::UdpByState);
    /// Rows of saved text do not tell their family for certain.
    pub(super) const FAMILY: Doubts = Doubts::flag(Flag::Family);
    /// The same of `*` alone, which matters only where families, or addresses that may be any, are asked for.
    pub(in crate::source) const STAR: Doubts = Doubts::flag(Flag::Star);
    /// Rows of saved text lack processes that were not to be seen.
    pub(in crate::source) const HIDDEN: Doubts = Doubts::flag(Flag::Hidden);
    /// Several tools list sockets.
    pub(super) const TOOLS: Doubts = Doubts::flag(Flag::Tools);
    /// Text of nstat has no counter that is 0.
    pub(super) const NO_ZEROS: Doubts = Doubts::flag(Flag::NoZeros);
    /// Tables that look like those of UDP count as such, as nothing says otherwise.
    pub(super) const ASSUMED: Doubts = Doubts::flag(Flag::Assumed);
    /// Netstat said that it could not see all processes: a doubt only where they are asked for.
    pub(in crate::source) const UNSEEN: Doubts = Doubts::flag(Flag::Unseen);
    /// A file has several texts of netstat.
    pub(super) const SNAPSHOTS: Doubts = Doubts::flag(Flag::Snapshots);
    /// Netstat has shown one process of each socket.
    pub(in crate::source) const ONE_HOLDER: Doubts = Doubts::flag(Flag::OneHolder);
    /// [`Doubts::FAMILY`] where families are asked for.
    const ASKED_FAMILY: Doubts = Doubts::flag(Flag::AskedFamily);
    /// A command left out sockets by a filter.
    const FILTERED: Doubts = Doubts::flag(Flag::Filtered);
    /// The same where a filter is asked for.
    const ASKED_FILTER: Doubts = Doubts::flag(Flag::AskedFilter);
    /// `--from-command` says it.
    const BY_COMMAND: Doubts = Doubts::flag(Flag::ByCommand);
    /// Other ends are asked for, and the text may have none: it lacks all states of connections.
    const NO_PEERS: Doubts = Doubts::flag(Flag::NoPeers);
    /// A text is not of the command that was named.
    pub(in crate::source) const OTHER_COMMAND: Doubts = Doubts::flag(Flag::OtherCommand);
    /// A word of `--process` was compared with a name that is cut.
    pub(in crate::source) const CUT_NAMES: Doubts = Doubts::flag(Flag::CutNames);
    /// Sockets that listen are in a table of them alone, and in one of all.
    pub(super) const SERVERS: [Doubts; 2] =
        [Doubts::flag(Flag::ServersOfTcp), Doubts::flag(Flag::ServersOfUdp)];

    const fn flag(flag: Flag) -> Doubts {
        let (flags, lacking) = (1 << flag as u32, [None; 2]);
        Doubts { flags, cut: 0, listed: Listed::NONE, empty: 0, lacking, is_named: false }
    }

    /// `listed`: which protocols a text lists.
    fn of_states(listed: [bool; 2], lacking: impl Fn(Proto) -> Lacking) -> Doubts {
        let lacking = Proto::ALL.map(|proto| listed[proto as usize].then(|| lacking(proto)));
        Doubts { lacking, ..Doubts::default() }
    }

    /// A table of a kernel.
    pub(super) fn of_table(proto: Proto, family: Family) -> Doubts {
        Doubts { listed: Listed::of_table(proto, family), ..Doubts::default() }
    }

    /// The tables that a text holds, and whether there may be more in them.
    pub(in crate::source) fn of_choice(command: &Command, shown: Shown) -> Doubts {
        let filter = if command.has_filter { Doubts::FILTERED } else { Doubts::default() };
        Doubts { listed: Listed::of_text(command.listed_families(), shown.families), ..filter }
    }

    /// Takes note that sockets of a family are asked for: where no file can hold them they are no 0. `is_named`: whether
    /// that is by its name or an address, so that they are no 0 where a text may have left them out, either.
    pub(crate) fn ask(&mut self, proto: Proto, family: Family, is_named: bool) {
        // Of an empty file, and of rows that tell no family, more is said.
        let is_empty = |file: &File| self.empty >> *file as u8 & 1 == 1;
        let is_it = |file: &&File| file.table() == Some((proto, family));
        if !File::ALL.iter().find(is_it).is_some_and(is_empty) {
            let is_said = self.has(Doubts::FAMILY) || self.has(Doubts::ASKED_FAMILY);
            self.listed.ask(proto, family, is_named && !is_said);
        }
    }

    /// Takes note that sockets are chosen by addresses, holders or the like.
    pub(in crate::source) fn ask_filter(&mut self) {
        if self.has(Doubts::FILTERED) {
            self.remove(Doubts::FILTERED);
            self.add(Doubts::ASKED_FILTER);
        }
    }

    /// What is to be said of tables that were asked for and are not there.
    pub(crate) fn notes_of_tables(self) -> impl Iterator<Item = (Weight, Cow<'static, str>)> {
        self.listed.notes().map(|text| (Weight::Lack, Cow::Owned(text)))
    }

    /// A file of a folder is empty.
    pub(super) fn of_empty(file: File) -> Doubts {
        Doubts { empty: 1 << file as u8, ..Doubts::default() }
    }

    /// What is to be said of empty files.
    pub(crate) fn notes_of_empty(self) -> impl Iterator<Item = (Weight, Cow<'static, str>)> {
        let files = File::ALL.into_iter().filter(move |file| self.empty >> *file as u8 & 1 == 1);
        files.map(|file| {
            let text = format!("--from: proc/net/{} is empty or cannot be read: what it held is missing; copy it with cat, as tar \
                copies files of /proc with their size of 0", file.name());
            (Weight::Lack, Cow::Owned(text))
        })
    }

    /// What is to be said of the states in a text of ss. `listed`: which protocols it lists.
    pub(in crate::source) fn of_ss(command: &Command, listed: [bool; 2], shown: Shown) -> Doubts {
        let Some(mask) = command.states else {
            return Doubts::of_states(listed, |proto| Lacking::guess(proto, shown, true));
        };
        // ss calls TCP_NEW_SYN_RECV SYN-RECV, too.
        let mask = u32::from(mask);
        let states = StateSet::of_mask(mask | (mask >> 3 & 1) << 12);
        let left_out = |proto| Lacking::left_out(all(proto).without(states));
        let mut doubts = Doubts::of_states(listed, left_out);
        // Who names the command knows what it leaves out; who gives a folder does not.
        if !command.is_of_name {
            doubts.add(Doubts::BY_COMMAND);
        }
        doubts
    }

    /// The same for netstat, whose title says it. `has_header`: no option of netstat leaves out both.
    pub(super) fn of_netstat(
        title: Option<Which>,
        has_header: bool,
        listed: [bool; 2],
        shown: Shown,
    ) -> Doubts {
        Doubts::of_states(listed, |proto| match title {
            None if !has_header => Lacking::filtered(proto, shown),
            None => Lacking::guess(proto, shown, false),
            Some(Which::All) => Lacking::default(),
            Some(Which::NoServers) => Lacking::left_out(servers(proto)),
            Some(Which::OnlyServers) => Lacking::left_out(all(proto).without(servers(proto))),
        })
    }

    /// Takes note that the other ends of those that are wanted are asked for, before [`Doubts::want`]; both by protocol.
    pub(in crate::source) fn ask_peers(&mut self, wanted: [StateSet; 2], seen: [StateSet; 2]) {
        let lacks = |proto| {
            let connected = wanted[proto as usize].and(all(proto)).and(StateSet::CONNECTED);
            let Lacking { left_out, may_lack } = self.lacking[proto as usize].unwrap_or_default();
            let lacking = left_out.with(may_lack).without(seen[proto as usize]);
            !connected.is_empty() && connected.without(lacking).is_empty()
        };
        if Proto::ALL.into_iter().any(lacks) {
            self.add(Doubts::NO_PEERS);
        }
    }

    /// Keeps of the states that were left out those that are wanted and were not seen for all that, both by protocol.
    pub(crate) fn want(&mut self, wanted: [StateSet; 2], seen: [StateSet; 2], is_named: bool) {
        let has_no_peers = self.has(Doubts::NO_PEERS);
        for proto in Proto::ALL {
            let (wanted, seen) = (wanted[proto as usize].and(all(proto)), seen[proto as usize]);
            if wanted.and(servers(proto)).is_empty() {
                self.remove(Doubts::SERVERS[proto as usize]);
            }
            let Some(lacking) = &mut self.lacking[proto as usize] else { continue };
            *lacking = lacking.and(wanted.without(seen));
            // Few machines have connections of UDP: without any, a text is of -a as likely as of -l. Who asks for other ends
            // asks for these alone.
            if proto == Proto::Udp && wanted == all(proto) && !has_no_peers {
                lacking.may_lack = lacking.may_lack.and(servers(proto));
            }
        }
        self.is_named = is_named;
    }

    /// Takes note that the sockets that listen are asked for, if they are among those that [`Doubts::want`] has kept.
    pub(in crate::source) fn ask_servers(&mut self) {
        let lacks = |proto| {
            let Lacking { left_out, may_lack } = self.lacking[proto as usize].unwrap_or_default();
            !left_out.with(may_lack).and(servers(proto)).is_empty()
        };
        self.is_named |= Proto::ALL.into_iter().any(lacks);
    }

    /// What is to be said of states.
    fn notes_of_states(self) -> impl Iterator<Item = (Weight, Cow<'static, str>)> {
        let has_no_peers = self.has(Doubts::NO_PEERS);
        let is_known = !self.is_named && !has_no_peers && self.has(Doubts::BY_COMMAND);
        let weigh = move |weight| match (has_no_peers, self.is_named) {
            (true, _) => Weight::Lack,
            (false, true) => weight,
            (false, false) => Weight::Note,
        };
        Proto::ALL
            .into_iter()
            .flat_map(move |proto| {
                let Lacking { left_out, may_lack } =
                    self.lacking[proto as usize].unwrap_or_default();
                [
                    (!left_out.is_empty() && !is_known).then(|| {
                        let text = say_left_out(proto, left_out);
                        (weigh(Weight::Lack), Cow::Owned(text))
                    }),
                    (!may_lack.is_empty())
                        .then(|| (weigh(Weight::Lack), Cow::Owned(say_may_lack(proto, may_lack)))),
                ]
            })
            .flatten()
    }

    pub(in crate::source) fn add(&mut self, other: Doubts) {
        self.flags |= other.flags;
        self.cut += other.cut;
        self.listed.add(other.listed);
        self.empty |= other.empty;
        self.lacking = Proto::ALL.map(|proto| {
            match (self.lacking[proto as usize], other.lacking[proto as usize]) {
                (Some(one), Some(two)) => Some(one.with(two, proto)),
                (one, two) => one.or(two),
            }
        });
        self.is_named |= other.is_named;
    }

    pub(in crate::source) fn remove(&mut self, other: Doubts) {
        self.flags &= !other.flags;
    }

    /// Takes note that families are asked for.
    pub(crate) fn ask_family(&mut self) {
        if self.has(Doubts::FAMILY) || self.has(Doubts::STAR) {
            self.remove(Doubts::FAMILY);
            self.add(Doubts::ASKED_FAMILY);
        }
    }

    pub(crate) fn has(self, other: Doubts) -> bool {
        self.flags & other.flags != 0
    }

    /// What is to be said about them, each with what it means for the numbers.
    pub(crate) fn notes(self) -> impl Iterator<Item = (Weight, Cow<'static, str>)> {
        let notes = NOTES.iter().filter(move |(doubt, ..)| self.has(*doubt));
        let notes = notes.map(|(_, weight, note)| (*weight, Cow::Borrowed(*note)));
        let servers = Doubts::SERVERS.into_iter().any(|doubt| self.has(doubt));
        let servers = servers.then_some((Weight::Lack, Cow::Borrowed(SERVERS)));
        let cut = (self.cut > 0).then(|| {
            let text = format!("--from: addresses that fill their column, and may be cut: {} (netstat -W cuts none)", self.cut);
            (Weight::Note, Cow::Owned(text))
        });
        notes
            .chain(servers)
            .chain(cut)
            .chain(self.notes_of_tables())
            .chain(self.notes_of_empty())
            .chain(self.notes_of_states())
    }
}

const NOTES: [(Doubts, Weight, &str); 18] = [
    (Doubts::CUT_NAMES, Weight::Note, details::CUT_NAMES),
    (Doubts::OTHER_COMMAND, Weight::Lack, command::OTHER),
    (Doubts::FILTERED, Weight::Note, FILTER),
    (Doubts::ASKED_FILTER, Weight::Lack, FILTER),
    (Doubts::TWICE, Weight::Lack, TWICE),
    (Doubts::ROWS_TWICE, Weight::Lack, "--from: the same rows are given twice: they count twice"),
    (
        Doubts::SKIPPED,
        Weight::Note,
        "--from: tables of raw, ping and UDP-Lite sockets are skipped: they are not UDP",
    ),
    (
        Doubts::UNTOLD,
        Weight::Lack,
        "--from: the count of UDP sockets may be wrong: tables of UDP, raw, ping and UDP-Lite sockets look the same, \
         and nothing tells which of them was read; give each table as a file with the kernel's name: --from udp \
         --from udp6",
    ),
    (
        Doubts::ASSUMED,
        Weight::Note,
        "--from: tables of raw, ping and UDP-Lite sockets look like those of UDP: what was read counts as UDP; give each \
         table as a file with the kernel's name: --from udp --from udp6",
    ),
    (
        Doubts::CUT,
        Weight::Lack,
        "--from: a saved text ends in the middle of a line: what this line and those after it said is missing",
    ),
    (
        Doubts::UDP_BY_STATE,
        Weight::Note,
        "--from: a table of ss without the column Netid is taken for one of UDP: --from-command \"ss -uan\" says so",
    ),
    (Doubts::FAMILY, Weight::Note, NO_FAMILY),
    (Doubts::ASKED_FAMILY, Weight::Lack, NO_FAMILY),
    (
        Doubts::SNAPSHOTS,
        Weight::Lack,
        "--from: several tables of netstat in one file: if they are of the same machine (netstat -c), its sockets count \
         more than once",
    ),
    (
        Doubts::HIDDEN,
        Weight::Gap,
        "--from: saved text does not show the process of each socket (the kernel's own have none, and users other than \
         root see only their own): they are shown as '-', and counted by no --process",
    ),
    (
        Doubts::ONE_HOLDER,
        Weight::Gap,
        "--from: netstat shows one process of each socket, by its first argument: no --process counts others that hold \
         it, nor those that go by another name; ss -tanp shows all",
    ),
    (
        Doubts::TOOLS,
        Weight::Lack,
        "--from: tables of sockets of several tools: if they are of the same machine, its sockets count twice",
    ),
    (
        Doubts::NO_ZEROS,
        Weight::Note,
        "--from: text of nstat without any 0: without -a its numbers are what was added since it ran before; nstat -az \
         saves all",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_doubt_has_a_flag_of_its_own() {
        let flags: std::collections::BTreeSet<_> =
            NOTES.iter().map(|(doubt, ..)| doubt.flags).collect();
        assert_eq!(flags.len(), NOTES.len());
    }
}
