//! Saved text of tools among the files of `--from`: finds out which form it is, and has its reader take the lines.

mod counters;
pub(in crate::source) mod sockets;
mod ss_summary;
pub mod words;

use super::lines::Place;
use super::record::{Each, Record};
use super::sample::Samples;
use super::split_row::SplitRow;
use super::tables::{COMPARED, Doubts, Pass, mixed};
use crate::error::{self, Error};
use crate::model::Proto;
use crate::source::Source;
use crate::wire::flow_text;
use crate::wire::own_rows;
use crate::wire::saved::command::Command;
use crate::wire::saved::statistics;
use crate::wire::saved::unfit::{self, Unfit};
use crate::wire::saved::{Form, Known};
use crate::wire::text;

/// Reads a form, one line after another.
pub(in crate::source) trait Text {
    /// Takes a line, and gives the records that are known by then; `false` if it is not a line of the form.
    ///
    /// # Errors
    /// If the text contradicts itself, or `each` fails.
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error>;

    /// Ends the text, before another one or at the end of the file.
    ///
    /// # Errors
    /// If something is missing, or `each` fails.
    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<Doubts, Error>;

    /// What it has listed, if the tool prints one text after another: a bit for each protocol and for those that listen.
    fn snapshot(&self) -> u8 {
        0
    }

    /// Some of the sockets that it lists.
    fn sample(&self) -> Option<&Samples> {
        None
    }
}

/// The reader of a form: one line for each.
fn reader(form: Form, command: Command) -> Box<dyn Text> {
    let command = command.about(form);
    match form {
        Form::SsSummary => Box::new(ss_summary::Summary::default()),
        Form::Ss => Box::new(sockets::Ss::new(command)),
        Form::Netstat => Box::new(sockets::Netstat::new(command)),
        Form::Nstat => Box::new(counters::Nstat::default()),
        Form::Statistics => Box::new(counters::Statistics::default()),
        Form::Flows => Box::new(Skipped::of(|line| flow_text::line(line).is_some())),
        Form::Rows => Box::new(Skipped::of(own_rows::begins)),
    }
}

/// Announces tables of the protocols that a command asked for, since there may be no row of them; gives which.
fn announce(command: &Command, place: Place<'_>, each: &mut Each<'_>) -> Result<[bool; 2], Error> {
    for (proto, is_asked) in Proto::ALL.into_iter().zip(command.has) {
        if is_asked {
            each(place, Record::Table(proto))?;
        }
    }
    Ok(command.has)
}

/// A text that none of the readers of this pass takes.
struct Skipped {
    /// Whether a line belongs to it.
    has: fn(&[u8]) -> bool,
    split: SplitRow,
}

impl Skipped {
    fn of(has: fn(&[u8]) -> bool) -> Skipped {
        Skipped { has, split: SplitRow::default() }
    }
}

impl Text for Skipped {
    fn line(&mut self, _: Place<'_>, line: &[u8], _: &mut Each<'_>) -> Result<bool, Error> {
        let line = self.split.whole(line);
        Ok((self.has)(&line) || self.split.begin(&line).is_some())
    }

    fn end(&mut self, _: Place<'_>, _: &mut Each<'_>) -> Result<Doubts, Error> {
        Ok(Doubts::default())
    }
}

/// The saved text in one file.
pub(super) struct Saved<'a> {
    source: &'a Source,
    /// The command that made it.
    command: Command,
    /// The form that is read at the moment.
    now: Option<Now>,
    /// The first text that the applet does not read, and its line.
    foreign: Option<(&'static Known, u64)>,
    /// Whether its first line only opens an object of JSON.
    is_pretty: bool,
    /// Whether anything was read that the applet may want.
    has_own: bool,
    /// Whether a line was read that is not blank, and of no text.
    is_begun: bool,
    /// What the texts before have listed.
    snapshots: u8,
}

/// A text that is read.
struct Now {
    known: &'static Known,
    /// Whether the applet reads it. If not, its records go nowhere, as does what is wrong with it.
    is_own: bool,
    text: Box<dyn Text>,
    /// Its lines so far, and a sum over the first ones.
    lines: u64,
    sum: u64,
}

impl Now {
    #[inline]
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        let is_taken = match self.is_own {
            true => self.text.line(place, line, each)?,
            false => self.text.line(place, line, &mut |_, _| Ok(())).unwrap_or(true),
        };
        if is_taken {
            self.lines += 1;
            if self.lines <= COMPARED {
                self.sum = mixed(self.sum, line);
            }
        }
        Ok(is_taken)
    }

    /// Whether it lists sockets.
    fn has_sockets(&self) -> bool {
        matches!(self.known.form, Form::Ss | Form::Netstat)
    }
}

/// What a line is.
pub(super) enum Is {
    /// One of a saved text, and taken.
    Taken,
    /// The first one of a saved text, and taken: what came before has ended.
    Begin,
    /// Not one of saved text.
    Other,
}

impl<'a> Saved<'a> {
    pub(super) fn of(source: &'a Source, file: &[u8]) -> Saved<'a> {
        let command = source.command_of(file);
        Saved {
            source,
            command,
            now: None,
            foreign: None,
            is_pretty: false,
            has_own: false,
            is_begun: false,
            snapshots: 0,
        }
    }

    /// Whether a text is read at the moment.
    pub(super) fn is_reading(&self) -> bool {
        self.now.is_some()
    }

    /// Whether the file holds any.
    pub(super) fn is_any(&self) -> bool {
        self.has_own || self.foreign.is_some()
    }

    /// Takes a line if it is one of a text.
    ///
    /// # Errors
    /// If the line fits neither the text that is read, nor begins another one.
    pub(super) fn line(
        &mut self,
        place: Place<'_>,
        line: &[u8],
        pass: &mut Pass,
        each: &mut Each<'_>,
    ) -> Result<Is, Error> {
        if let Some(now) = &mut self.now
            && now.line(place, line, each)?
        {
            return Ok(Is::Taken);
        }
        self.other(place, line, pass, each)
    }

    /// Takes a line that is not one of the text which is read.
    #[cold]
    fn other(
        &mut self,
        place: Place<'_>,
        line: &[u8],
        pass: &mut Pass,
        each: &mut Each<'_>,
    ) -> Result<Is, Error> {
        let is_blank = line.trim_ascii().is_empty();
        // A group of the kernel's without fields is two such lines: no text of netstat began with the first.
        let is_group = place.line > 1 && statistics::may_be_of_kernel(line);
        if is_group && place.line == 2 && self.now.is_some() {
            (self.now, self.foreign, self.has_own) = (None, None, false);
            return Ok(Is::Taken);
        }
        let Some(known) = Known::of(line).filter(|_| !(is_blank || is_group && self.now.is_none()))
        else {
            let Some(Now { known, .. }) = &self.now else {
                // Where each line has the name of a host, the first one has.
                let is_first = !is_blank && !std::mem::replace(&mut self.is_begun, true);
                let reason = if is_first { unfit(line) } else { None };
                return reason.map_or(Ok(Is::Other), |reason| Err(place.error(reason)));
            };
            if is_blank {
                return Ok(Is::Taken);
            }
            if !begins_kernel_file(line) {
                self.finish(place.file, false)?;
                let reason = unfit(line).unwrap_or_else(|| ["not a line of ", known.what].concat());
                return Err(place.error(reason));
            }
            self.end(place, pass, each)?;
            return Ok(Is::Other);
        };
        if known.form == Form::Rows {
            return Err(not_for(place, known, self.source.applet));
        }
        self.end(place, pass, each)?;
        let is_own = known.is_for(self.source.applet);
        if !is_own {
            self.is_pretty |= self.foreign.is_none() && line.trim_ascii() == b"{";
            self.foreign.get_or_insert((known, place.line));
        } else if matches!(known.form, Form::Ss | Form::Netstat) {
            pass.listed_by(known.form);
            // Of several files, it may be that of another one.
            if self.command.is_not_of(known.form) && self.source.saved.len() == 1 {
                pass.tables.doubts.add(Doubts::OTHER_COMMAND);
            }
        }
        self.has_own |= is_own;
        let mut now =
            Now { known, is_own, text: reader(known.form, self.command), lines: 0, sum: 0 };
        if !now.line(place, line, each)? {
            return Err(place.error(format_args!("not a line of {}", known.what)));
        }
        self.now = Some(now);
        Ok(Is::Begin)
    }

    /// Ends the text that is read.
    pub(super) fn end(
        &mut self,
        place: Place<'_>,
        pass: &mut Pass,
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        if let Some(mut now) = self.now.take().filter(|now| now.is_own) {
            pass.tables.doubts.add(now.text.end(place, each)?);
            // Short tables of two machines may be alike: both may have the same few servers.
            let samples = now.text.sample();
            let sample = samples.map(|all| &all.connections).filter(|sample| !sample.is_empty());
            let tells = now.has_sockets() && (now.lines >= COMPARED || sample.is_some());
            let is_twice = tells && pass.end_of_text(now.sum ^ now.lines);
            let listed = now.text.snapshot();
            let is_snapshot = self.snapshots & listed != 0;
            if !is_twice && is_snapshot {
                pass.tables.doubts.add(Doubts::SNAPSHOTS);
            }
            if let Some(sample) = sample {
                pass.compare_sample(sample.clone(), !is_snapshot);
            }
            if let Some(samples) = samples.cloned() {
                pass.compare_servers(samples, !is_snapshot);
            }
            self.snapshots |= listed;
        }
        Ok(())
    }

    /// Takes a file in which there is nothing; gives whether that is an answer, as of `ss -H`, which prints no header.
    ///
    /// # Errors
    /// If `each` fails.
    pub(super) fn nothing(
        &mut self,
        place: Place<'_>,
        pass: &mut Pass,
        each: &mut Each<'_>,
    ) -> Result<bool, Error> {
        let command = self.command.about(Form::Ss);
        if !(command.has_no_header && Form::Ss.is_for(self.source.applet)) {
            return Ok(false);
        }
        pass.tables.doubts.add(sockets::Ss::new(command).nothing(place, each)?);
        Ok(true)
    }

    /// Refuses a file that holds nothing but what other applets read. `has_own`: whether it also holds kernel files.
    pub(super) fn finish(&self, file: &[u8], has_own: bool) -> Result<(), Error> {
        match self.foreign {
            Some((_, line)) if self.is_pretty && !(has_own || self.has_own) => {
                Err(Place { file, line }.error(PRETTY))
            }
            Some((known, line)) if !(has_own || self.has_own) => {
                Err(not_for(Place { file, line }, known, self.source.applet))
            }
            _ => Ok(()),
        }
    }
}

/// The reason for an object that `nstat -jp` could have begun, and jq.
const PRETTY: &str = "JSON over several lines: that of nstat is for snmpget-tcp, and rows of connbox are read one on each \
     line, as jq -c . writes them";

/// The error for a text that an applet does not read.
pub(in crate::source) fn not_for(place: Place<'_>, known: &Known, applet: &str) -> Error {
    let applets = match known.applets {
        [one] => [one, " reads it"].concat(),
        [others @ .., last] => [&others.join(", "), " and ", last, " read it"].concat(),
        [] => "no applet reads it".to_owned(),
    };
    if known.form == Form::Rows {
        return place.error(
            "rows of connbox: they are read by the applet that printed them, and not behind other text",
        );
    }
    place.error(format_args!("{}: {applets}, {applet} does not", known.what))
}

/// What else an empty file may be to an applet.
#[cold]
pub(super) fn empty_of_ss(applet: &str) -> &'static str {
    match Form::Ss.is_for(applet) {
        true => {
            "; if it is of ss -H, which prints nothing where no socket matches, name the command: --from-command \
             \"ss -Htan\""
        }
        false => "",
    }
}

/// Why a line is of no form, if it is known.
#[cold]
pub(in crate::source) fn unfit(line: &[u8]) -> Option<String> {
    const MESSAGE: &str = "a message of ss, netstat or the shell, which 2>&1 has put here, and rows may be missing or broken: save \
        the text without it";
    const OF_ANSIBLE: &str = "a line of ansible with the name of a host: give the text of each host as a file of its own, without \
        such lines";
    Some(match unfit::unfit(line, begins_another)? {
        Unfit::Message => MESSAGE.to_owned(),
        Unfit::Host => OF_ANSIBLE.to_owned(),
        Unfit::OfHost(name) => format!(
            "the line begins with the name of a host, as pdsh and clush write it: give the text of each host as a file of its own, \
             without the name: sed -n 's/^{}//p'",
            error::visible(name)
        ),
    })
}

/// Whether a line begins a text or a file of the kernel.
fn begins_another(line: &[u8]) -> bool {
    Known::of(line).is_some() || begins_kernel_file(line)
}

/// Whether a line is the first one of a file of the kernel.
fn begins_kernel_file(line: &[u8]) -> bool {
    const FIRST: [&[u8]; 4] = [b"sockets: used ", b"TCP6: inuse ", b"Ip: Forwarding ", b"TcpExt: "];
    text::begins_header(line) || FIRST.iter().any(|first| line.starts_with(first))
}
