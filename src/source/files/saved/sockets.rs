//! Tables of sockets of ss and netstat.

use super::Text;
use crate::error::Error;
use crate::model::{Family, Proto};
use crate::source::files::lacking::Shown;
use crate::source::files::lines::Place;
use crate::source::files::record::{Each, Record};
use crate::source::files::sample::{Samples, is_connection};
use crate::source::files::tables::Doubts;
use crate::wire::saved::command::{self, Command};
use crate::wire::saved::netstat::{self, Line, Which};
use crate::wire::saved::row::{Columns, End, Host, Port, Rest, Row};
use crate::wire::saved::ss::{self, Layout, Users};
use crate::wire::saved::ss_version::Version;

/// How much of a table is kept until a row tells of which protocol it is.
const MOST_KEPT: usize = 4 << 20;
/// The longest row with line ends in the names of its processes.
const MOST_OPEN: usize = 64 << 10;
/// How many rows wait for one that tells the version.
const MOST_STARS: usize = 16 << 10;

/// A table of ss.
#[derive(Default)]
pub(super) struct Ss {
    command: Command,
    layout: Option<Layout>,
    /// The protocol, if the rows have no column for it: 6, 17, or 0 for one that connbox does not count.
    protocol: Option<u8>,
    /// Rows from before that was known, each with its line.
    kept: Vec<(u64, Box<[u8]>)>,
    kept_bytes: usize,
    /// The beginning of a row that goes on in the next line.
    open: Vec<u8>,
    /// Whether the row before may go on: the address of another kind of socket has a line end.
    was_foreign: bool,
    /// Whether a table was announced to those who read.
    is_begun: [bool; 2],
    doubts: Doubts,
    version: Version,
    /// Rows whose `*` has no family until another row tells the version, each with its line.
    stars: Vec<(u64, Box<[u8]>)>,
    /// The first row of a connection, if there was one: it comes again only if the text does.
    connection: Vec<u8>,
    sample: Samples,
    shown: Shown,
}

impl Ss {
    pub(super) fn new(command: Command) -> Ss {
        Ss { command, protocol: command.protocol, ..Ss::default() }
    }

    /// Takes a row once its protocol is known, and gives it.
    #[inline]
    fn give(&mut self, place: Place<'_>, row: &Row<'_>, each: &mut Each<'_>) -> Result<(), Error> {
        let proto = match row.protocol.or(self.protocol) {
            Some(6) => Proto::Tcp,
            Some(17) => Proto::Udp,
            _ => return Ok(()),
        };
        let Some(state) = row.state.or(self.command.state) else {
            return Err(place.error(NO_STATE));
        };
        if self.command.excludes(proto == Proto::Udp, row.is_v6, state) {
            self.doubts.add(Doubts::OTHER_COMMAND);
        }
        // Since iproute2 6.8 it lists sockets that are only bound, which other counts do not include.
        if proto == Proto::Tcp && state == 7 {
            if row.protocol.is_none() {
                self.shown.see_closed();
            }
            return Ok(());
        }
        let is_v6 = row.is_v6.unwrap_or_else(|| self.star());
        let family = if is_v6 { Family::Inet6 } else { Family::Inet };
        self.shown.see(proto, family, state);
        self.sample.see_server(proto, family, state, row);
        if !self.is_begun[proto as usize] {
            self.is_begun[proto as usize] = true;
            each(place, Record::Table(proto))?;
        }
        if row.state == Some(state) {
            return each(place, Record::Text(proto, family, row));
        }
        each(place, Record::Text(proto, family, &Row { state: Some(state), ..*row }))
    }

    /// Whether `*` is an address of IPv6.
    #[cold]
    fn star(&mut self) -> bool {
        // A name has no family.
        let has_name = self.doubts.has(Doubts::FAMILY);
        self.layout.is_some_and(|layout| !has_name && self.version.star(layout))
    }

    /// Takes a row of a table whose protocol is not known yet.
    #[cold]
    fn keep(
        &mut self,
        place: Place<'_>,
        row: &Row<'_>,
        line: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        self.protocol = told(row);
        if self.protocol.is_none() {
            self.kept_bytes += line.len();
            self.kept.push((place.line, line.into()));
            let is_too_much = self.kept_bytes > MOST_KEPT;
            return if is_too_much { Err(place.error(UNTOLD)) } else { Ok(()) };
        }
        if self.protocol == Some(17) {
            self.doubts.add(Doubts::UDP_BY_STATE);
        }
        let (kept, layout) = (std::mem::take(&mut self.kept), self.layout);
        for (line, text) in &kept {
            if let Some(row) = layout.and_then(|layout| ss::row(text, layout)) {
                self.give(Place { line: *line, ..place }, &row, each)?;
            }
        }
        self.give(place, row, each)
    }

    fn row(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        let Some(layout) = self.layout else { return Ok(false) };
        let is_indented = line.first().is_some_and(u8::is_ascii_whitespace);
        let Some(row) = ss::row(line, layout).filter(|_| !is_indented) else { return Ok(false) };
        match ss::users(&row) {
            Users::Whole => {}
            Users::Broken => return Ok(false),
            Users::Open => {
                self.open.clear();
                self.open.extend_from_slice(line);
                return Ok(true);
            }
        }
        self.was_foreign = row.protocol == Some(0);
        self.version.see(&row);
        let is_name = |end: &End<'_>| matches!(end.host, Host::Name(_));
        if row.is_v6.is_none() && [row.local, row.remote].iter().any(is_name) {
            self.doubts.add(Doubts::FAMILY);
        }
        self.sample.see(&row, self.protocol);
        if self.connection == line {
            self.doubts.add(Doubts::TWICE);
        } else if self.connection.is_empty() && is_connection(&row, self.protocol) {
            self.connection.extend_from_slice(line);
        }
        let is_star = row.is_v6.is_none() && !self.was_foreign && !self.doubts.has(Doubts::FAMILY);
        if is_star && self.version.is_open() && self.stars.len() < MOST_STARS {
            self.stars.push((place.line, line.into()));
            return Ok(true);
        }
        self.take(place, &row, line, each).map(|()| true)
    }

    /// Takes a row whose family is known, as far as it ever will be.
    fn take(
        &mut self,
        place: Place<'_>,
        row: &Row<'_>,
        line: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        match self.protocol {
            Some(known) if row.protocol.is_none() && !row.may_be_of(known) => {
                let is_named = self.command.protocol.is_some();
                Err(place.error(if is_named { command::OTHER } else { UNTOLD }))
            }
            None if row.protocol.is_none() => self.keep(place, row, line, each),
            _ => self.give(place, row, each),
        }
    }

    /// Takes a line that is not a row: what -i and -m add, or the rest of a row.
    #[cold]
    fn other(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        if line.starts_with(b"\t") {
            return Ok(self.layout.is_some());
        }
        if ss::is_notice(line) {
            return Ok(true);
        }
        if self.layout.is_none() {
            let header = ss::header(line);
            self.layout = header.or_else(|| ss::guess(line));
            self.version = Version::of(header, self.command.listed_families());
            let Some(layout) = self.layout else { return Ok(false) };
            if !layout.has_state && self.command.state.is_none() {
                return Err(place.error(NO_STATE));
            }
            if !layout.has_netid && self.protocol == Some(0) {
                self.was_foreign = true;
            }
            self.is_begun = super::announce(&self.command, place, each)?;
            return if header.is_some() { Ok(true) } else { self.row(place, line, each) };
        }
        // A header would begin another table, and what begins like a row must be one.
        let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_another = super::begins_another(line) || ss::hides_row(line);
        Ok(self.was_foreign && !is_another && !ss::is_netid(word))
    }

    /// Reads a text that holds nothing.
    pub(super) fn nothing(
        &mut self,
        place: Place<'_>,
        each: &mut Each<'_>,
    ) -> Result<Doubts, Error> {
        self.is_begun = super::announce(&self.command, place, each)?;
        let mut doubts = Doubts::of_ss(&self.command, self.command.has, self.shown);
        doubts.add(Doubts::of_choice(&self.command, self.shown));
        Ok(doubts)
    }
}

impl Text for Ss {
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        if !self.open.is_empty() {
            if self.open.len() > MOST_OPEN {
                return Err(place.error("a row of ss whose list of processes does not end"));
            }
            let mut whole = std::mem::take(&mut self.open);
            whole.push(b'\n');
            whole.extend_from_slice(line);
            // What is not a row is an error here, whatever another line could begin.
            return match self.row(place, &whole, each)? {
                true => Ok(true),
                false => {
                    Err(place.error("not the rest of a row of ss, whose list of processes is open"))
                }
            };
        }
        Ok(self.row(place, line, each)? || self.other(place, line, each)?)
    }

    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<Doubts, Error> {
        if !self.open.is_empty() {
            self.doubts.add(Doubts::CUT);
        }
        for (line, text) in std::mem::take(&mut self.stars) {
            let Some(row) = self.layout.and_then(|layout| ss::row(&text, layout)) else { continue };
            self.take(Place { line, ..place }, &row, &text, each)?;
        }
        let lacks_rows =
            self.layout.is_some_and(|layout| !layout.has_netid) && self.protocol.is_none();
        let first = self.kept.first().map(|(line, _)| *line);
        if let Some(line) = first.or(lacks_rows.then_some(place.line)) {
            return Err(Place { line, ..place }.error(UNTOLD));
        }
        if self.version.is_doubtful() {
            self.doubts.add(Doubts::STAR);
        }
        if self.layout.is_some() {
            if self.shown.contradicts(&self.command) {
                self.doubts.add(Doubts::OTHER_COMMAND);
            }
            let listed = [!matches!(self.protocol, Some(0 | 17)), self.is_begun[1]];
            self.doubts.add(Doubts::of_ss(&self.command, listed, self.shown));
        }
        self.sample.is_of_all = self.shown.is_of_all(None);
        self.doubts.add(Doubts::of_choice(&self.command, self.shown));
        Ok(self.doubts)
    }

    fn sample(&self) -> Option<&Samples> {
        Some(&self.sample)
    }
}

const NO_STATE: &str = "this table of ss does not say in which state its sockets are: name the command that made it, \
     --from-command \"ss -Htn state STATE\"";
const UNTOLD: &str = "this table of ss does not say whether its sockets are of TCP or of UDP: name the command that \
     made it, --from-command \"ss -tn\" or \"ss -un\"";

/// The protocol of a row without a column for it: only TCP has most states and timers, and raw sockets have numbers of
/// protocols for ports.
pub(in crate::source) fn told(row: &Row<'_>) -> Option<u8> {
    let is_tcp = |state| !matches!(state, 1 | 7);
    let has_port = |port| matches!(port, Port::Number(256..));
    match (row.protocol, row.state) {
        (Some(number), _) => Some(number),
        (None, Some(state)) if is_tcp(state) => Some(6),
        (None, Some(7)) if has_port(row.local.port) => Some(17),
        _ => None,
    }
}

/// A text of netstat.
#[derive(Default)]
pub(super) struct Netstat {
    command: Command,
    columns: Columns,
    /// Whether its command cuts no address.
    is_wide: bool,
    /// Whether the rows are of other kinds of sockets.
    is_other: bool,
    /// Which sockets the title announces.
    title: Option<Which>,
    has_header: bool,
    has_rows: bool,
    /// See [`Text::snapshot`].
    listed: u8,
    sample: Samples,
    /// Whether the tables were announced that the command asked for.
    is_announced: bool,
    is_begun: [bool; 2],
    shown: Shown,
    doubts: Doubts,
}

impl Netstat {
    pub(super) fn new(command: Command) -> Netstat {
        let columns = Columns { is_wide: command.is_wide, ..Columns::default() };
        let (is_wide, title) = (command.is_wide, command.title());
        Netstat { command, columns, is_wide, title, ..Netstat::default() }
    }
}

impl Text for Netstat {
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        let line = match netstat::read(line, self.columns) {
            Some(line) => line,
            None => match netstat::fault(line) {
                Some(reason) => return Err(place.error(reason)),
                None if netstat::is_lost(line) => return Ok(false),
                None => return Ok(self.is_other && !super::begins_another(line)),
            },
        };
        let is_of_internet = !matches!(line, Line::Title(None) | Line::Notice | Line::Harmless);
        if is_of_internet && !std::mem::replace(&mut self.is_announced, true) {
            self.is_begun = super::announce(&self.command, place, each)?;
        }
        match line {
            // A second text, as netstat -c prints one after another.
            Line::Title(Some(_)) | Line::Header(_) if self.has_rows => return Ok(false),
            Line::Title(which) => {
                self.is_other = which.is_none();
                self.title = which.or(self.title);
            }
            Line::Header(columns) => {
                self.columns = Columns { is_wide: self.is_wide, ..columns };
                (self.has_header, self.is_other) = (true, false);
            }
            Line::Notice => self.doubts.add(Doubts::UNSEEN),
            Line::Harmless => {}
            Line::Row(row) => {
                self.has_rows = true;
                let proto = match row.protocol {
                    Some(6) => Proto::Tcp,
                    Some(17) => Proto::Udp,
                    _ => return Ok(true),
                };
                self.sample.see(&row, None);
                let state = row.state.unwrap_or_default();
                if self.command.excludes(proto == Proto::Udp, row.is_v6, state) {
                    self.doubts.add(Doubts::OTHER_COMMAND);
                }
                let family = if row.is_v6 == Some(true) { Family::Inet6 } else { Family::Inet };
                self.shown.see(proto, family, state);
                self.sample.see_server(proto, family, state, &row);
                // -l lists sockets of UDP without a peer.
                let is_listening = matches!(row.state, Some(7 | 10));
                self.listed |= 1 << (proto as u8 * 2 + u8::from(is_listening));
                let is_cut = |end: &&End<'_>| end.host == Host::Cut;
                self.doubts.cut +=
                    [&row.local, &row.remote].into_iter().filter(is_cut).count() as u64;
                if let Rest::Netstat(_, columns) = row.rest {
                    self.columns = columns;
                }
                if !self.is_begun[proto as usize] {
                    self.is_begun[proto as usize] = true;
                    each(place, Record::Table(proto))?;
                }
                each(place, Record::Text(proto, family, &row))?;
            }
        }
        Ok(true)
    }

    fn end(&mut self, _: Place<'_>, _: &mut Each<'_>) -> Result<Doubts, Error> {
        // What the title says is of the protocols that were asked for: -u leaves out no state of TCP.
        let (title, has_header) = (self.title, self.has_header);
        self.doubts.add(Doubts::of_netstat(title, has_header, self.is_begun, self.shown));
        self.sample.is_of_all = self.shown.is_of_all(title);
        self.doubts.add(Doubts::of_choice(&self.command, self.shown));
        Ok(self.doubts)
    }

    fn sample(&self) -> Option<&Samples> {
        Some(&self.sample)
    }

    fn snapshot(&self) -> u8 {
        self.listed
    }
}
