//! What saved texts of flows and of expectations have in common: how their lines are read, whether all are there, and
//! of which families.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::Error;
use crate::model::Family;
use crate::source::files::lines::{Lines, Place};
use crate::source::files::procfs::STDIN;
use crate::sys;

/// Calls `each` with the whole lines of a saved text; gives its name, and the error for a last line that is cut.
///
/// # Errors
/// If the text cannot be read, or `each` fails.
pub(super) fn each_line<'a>(
    lines: &mut Lines,
    path: &'a Path,
    each: impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
) -> Result<(&'a [u8], Option<Error>), Error> {
    match path.as_os_str().as_bytes() {
        b"-" => Ok((STDIN, lines.each_whole(sys::stdin(), STDIN, each)?)),
        name => {
            let file = sys::open_input(path).map_err(|error| Error::system(name, error))?;
            Ok((name, lines.each_whole(file.as_fd(), name, each)?))
        }
    }
}

/// How many flows or expectations a text shows, and how many the tool said that it had printed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) number: u64,
    said: Option<u64>,
    /// Whether there was a header of connbox, which comes without rows where there are none.
    has_header: bool,
    /// The families of them, as [`bit`] has them.
    families: u8,
    /// The lowest and the highest number of their protocols.
    protocols: Option<[u8; 2]>,
    /// Whether it is the kernel's own list, of both families.
    pub(super) is_of_kernel: bool,
}

impl Shown {
    /// Takes one of a family.
    #[inline]
    pub(super) fn see(&mut self, family: u8) {
        self.number += 1;
        self.families |= bit(family);
    }

    /// Takes the protocol of one.
    #[inline]
    pub(super) fn see_protocol(&mut self, protocol: u8) {
        let [lowest, highest] = self.protocols.unwrap_or([protocol; 2]);
        self.protocols = Some([lowest.min(protocol), highest.max(protocol)]);
    }

    /// Takes what the tool said.
    pub(super) fn say(&mut self, count: u64) {
        self.said = Some(self.said.unwrap_or(0).saturating_add(count));
    }

    /// Takes a header of connbox.
    pub(super) fn begin(&mut self) {
        self.has_header = true;
    }

    /// Why there may be more of them; `none` is for a text without any.
    pub(super) fn doubt(&self, name: &[u8], what: &str, none: &str) -> Option<Error> {
        let number = self.number;
        match self.said {
            Some(said) if said != number => {
                let reason =
                    format!("holds {number} {what}, but the tool said that it printed {said}");
                Some(Error::failed(name, reason))
            }
            None if number == 0 && !self.has_header => Some(Error::failed(name, none)),
            _ => None,
        }
    }
}

/// The bit of a family by its number.
#[inline]
pub fn bit(family: u8) -> u8 {
    if family == Family::Inet.number() { 1 } else { 2 }
}

/// Of which families texts list flows or expectations. A text of one family alone does not say that it is: what
/// conntrack says of its number is the same with and without `-f`. So it is with protocols and `-p`.
#[derive(Clone, Debug, Default)]
pub struct Families {
    /// How many texts list one family alone, as far as is known: IPv4 and IPv6.
    alone: [usize; 2],
    /// How many list nothing.
    empty: usize,
    /// The families that are listed.
    listed: u8,
    /// The protocol of each text that lists one alone.
    only: Vec<u8>,
}

impl Families {
    /// Takes a text.
    pub(super) fn add(&mut self, shown: &Shown) {
        self.listed |= shown.families;
        let protocols = shown.protocols.filter(|_| !shown.is_of_kernel);
        self.only.extend(protocols.filter(|[one, last]| one == last).map(|[one, _]| one));
        match shown.families {
            _ if shown.is_of_kernel => {}
            0 => self.empty += 1,
            1 => self.alone[0] += 1,
            2 => self.alone[1] += 1,
            _ => {}
        }
    }

    /// Whether texts may lack a family: those of the other one have no text beside them that completes them.
    pub fn may_lack(&self, family: Family) -> bool {
        let Families { alone: [v4, v6], empty, .. } = *self;
        let (own, other) = if family == Family::Inet { (v4, v6) } else { (v6, v4) };
        // Of a single text without any, nobody knows which family was to be listed.
        other > own + empty || empty == 1 && own + other == 0
    }

    /// The protocol that texts list alone, if they may lack those that are asked for.
    pub fn only(&self, is_asked: impl Fn(u8) -> bool) -> Option<u8> {
        let count =
            |is_it: &dyn Fn(u8) -> bool| self.only.iter().filter(|one| is_it(**one)).count();
        let completing = count(&is_asked) + self.empty;
        let is_alone = |one: &u8| !is_asked(*one) && count(&|other| other == *one) > completing;
        self.only.iter().copied().find(is_alone)
    }

    /// The family that may be missing beside those that are listed.
    pub fn missing(&self) -> Option<Family> {
        let is_listed = |family: &Family| self.listed & bit(family.number()) != 0;
        let is_missing = |family: &Family| !is_listed(family) && self.may_lack(*family);
        Family::ALL.into_iter().find(is_missing).filter(|_| self.listed != 0)
    }
}

/// What is to be said of a family that may be missing. `what`: `flows` or `expectations`; `reason`: why; `table`: the
/// words of the command that chooses the table.
pub fn say_family(family: Family, what: &str, reason: &str, table: &str) -> String {
    let version = if family == Family::Inet { 4 } else { 6 };
    format!(
        "--from: one of the texts may not list {what} of IPv{version} ({reason}): give the text of conntrack -L \
         {table}-f ipv{version} 2>&1, too"
    )
}

/// Text without the entities of XML.
pub(super) fn unescaped(text: Option<&[u8]>, is_xml: bool) -> Option<Cow<'_, [u8]>> {
    const ENTITIES: [(&[u8], u8); 5] =
        [(b"amp;", b'&'), (b"lt;", b'<'), (b"gt;", b'>'), (b"quot;", b'"'), (b"apos;", b'\'')];
    let text = text?;
    if !is_xml || !text.contains(&b'&') {
        return Some(text.into());
    }
    let (mut whole, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, after)) = rest.split_first() {
        let entity =
            ENTITIES.into_iter().find(|(name, _)| *first == b'&' && after.starts_with(name));
        whole.push(entity.map_or(*first, |(_, byte)| byte));
        rest = entity.and_then(|(name, _)| after.get(name.len()..)).unwrap_or(after);
    }
    Some(whole.into())
}
