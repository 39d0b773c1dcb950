//! Words of options that no socket in saved files has met.

use crate::model::{Network, Query, Socket};
use crate::source::files::saved::words::Words;

/// What a word means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Process(&'a [u8]),
    /// What was not found, and the interface's number among the words of the text.
    Interface(&'static str, u32),
    User(u32),
    Inode(u64),
}

/// Those of `--process`, `--iface`, `--uid` and `--inode`, and the zones of networks. A control group is looked for among
/// the paths that were read.
#[derive(Default)]
pub(super) struct Unmet<'a>(Vec<Word<'a>>);

impl<'a> Unmet<'a> {
    pub(super) fn of(query: &'a Query) -> Unmet<'a> {
        let mut all: Vec<_> =
            query.processes.iter().map(|word| Word::Process(word.as_slice())).collect();
        let bound = |index: &u32| Word::Interface("--iface: no bound socket", *index);
        all.extend(query.interfaces.iter().map(bound));
        for (what, networks) in
            [("--laddr: no bound socket", &query.laddr), ("--raddr: no bound socket", &query.raddr)]
        {
            let zone = |network: &Network| Some(Word::Interface(what, network.zone?));
            all.extend(networks.iter().filter_map(zone));
        }
        all.extend(query.uids.iter().map(|uid| Word::User(*uid)));
        all.extend(query.inodes.iter().map(|inode| Word::Inode(*inode)));
        Unmet(all)
    }

    /// Takes a socket, whatever else is asked about it.
    #[inline]
    pub(super) fn meet(&mut self, socket: &Socket) {
        if !self.0.is_empty() {
            self.drop_met(socket);
        }
    }

    #[inline(never)]
    fn drop_met(&mut self, socket: &Socket) {
        self.0.retain(|word| match *word {
            Word::Process(_) => true,
            Word::Interface(_, index) => socket.interface != index,
            Word::User(uid) => socket.owner_uid() != Some(uid),
            Word::Inode(inode) => socket.inode != inode,
        });
    }

    /// Takes a process, of which `is_it` says whether a word means it.
    pub(super) fn meet_process(&mut self, mut is_it: impl FnMut(&[u8]) -> bool) {
        self.0.retain(|word| !matches!(word, Word::Process(word) if is_it(word)));
    }

    /// Adds the sockets that another reader has taken.
    pub(super) fn add(&mut self, other: &Unmet<'_>) {
        self.0.retain(|word| other.0.contains(word));
    }

    /// The words, each behind what was not found.
    pub(super) fn all(&self, words: &Words) -> Vec<(&'static str, Vec<u8>)> {
        let say = |word: &Word<'_>| match *word {
            Word::Process(word) => ("--process: no process", word.to_vec()),
            Word::Interface(what, index) => {
                (what, words.with(index, |name| name.unwrap_or_default().to_vec()))
            }
            Word::User(uid) => ("--uid: no socket", uid.to_string().into_bytes()),
            Word::Inode(inode) => ("--inode: no socket", inode.to_string().into_bytes()),
        };
        self.0.iter().map(say).collect()
    }
}
