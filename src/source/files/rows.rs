//! Rows that the applet itself has printed, among the files of `--from`.

use std::os::fd::BorrowedFd;
use std::str::FromStr;

use super::again::Again;
use super::input::{STDIN, open_saved};
use super::lines::{Lines, Place};
use super::saved::words::Begun;
use super::tables::Doubts;
use crate::error::{self, Error};
use crate::model::hash::hash;
use crate::source::Source;
use crate::sys;
use crate::wire::own_rows::{Reader, Wrong, begins};
use crate::wire::saved::{Form, Known};
use crate::wire::text::unsigned;

pub use crate::wire::own_rows::{Known as Column, Role};

/// A row, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    place: Place<'a>,
    row: &'a crate::wire::own_rows::Row,
}

impl<'a> Row<'a> {
    /// An error about the row.
    pub fn error(&self, reason: impl std::fmt::Display) -> Error {
        self.place.error(reason)
    }

    /// The name of the file.
    pub fn file(&self) -> &'a [u8] {
        self.place.file
    }

    pub fn has(&self, column: &str) -> bool {
        self.row.get(column).is_some()
    }

    /// The names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        self.row.columns()
    }

    /// What stands in a column; `None` if nothing does.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn get(&self, column: &str) -> Result<Option<&'a [u8]>, Error> {
        let lacks = || self.error(format_args!("the rows have no column {column}"));
        self.row.get(column).ok_or_else(lacks)
    }

    /// The same, which must be there.
    ///
    /// # Errors
    /// If it is not.
    pub fn text(&self, column: &str) -> Result<&'a [u8], Error> {
        self.get(column)?.ok_or_else(|| self.error(format_args!("{column} is absent")))
    }

    /// What stands in a column, read as a number or an address.
    ///
    /// # Errors
    /// If there is no such column, or it holds something else.
    pub fn parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.get(column)? else { return Ok(None) };
        let is_plain = !text.starts_with(b"+");
        let parsed = std::str::from_utf8(text).ok().filter(|_| is_plain);
        let parsed = parsed.and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| self.wrong(column, text))
    }

    /// The same, which must be there.
    ///
    /// # Errors
    /// If it is not.
    pub fn number<T: FromStr>(&self, column: &str) -> Result<T, Error> {
        self.parsed(column)?.ok_or_else(|| self.error(format_args!("{column} is absent")))
    }

    /// A number with `digits` decimals, as that many parts.
    ///
    /// # Errors
    /// As [`Row::parsed`].
    pub fn fraction(&self, column: &str, digits: usize) -> Result<Option<i128>, Error> {
        let Some(text) = self.get(column)? else { return Ok(None) };
        let parts = || {
            let (whole, part) = std::str::from_utf8(text).ok()?.split_once('.')?;
            let is_whole = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            [whole, part].concat().parse().ok().filter(|_| is_whole && !whole.starts_with('+'))
        };
        parts().map(Some).ok_or_else(|| self.wrong(column, text))
    }

    /// A moment, in milliseconds since 1970.
    ///
    /// # Errors
    /// If there is no such column, or it holds something else.
    pub fn time(&self, column: &str) -> Result<i64, Error> {
        let text = self.text(column)?;
        let time = moment(text).and_then(|milliseconds| milliseconds.try_into().ok());
        time.ok_or_else(|| self.wrong(column, text))
    }

    /// The error for what does not fit its column.
    pub fn wrong(&self, column: &str, text: &[u8]) -> Error {
        let text = error::visible(text);
        self.error(format_args!("'{text}' does not fit the column {column}"))
    }
}

/// Calls `each` with the rows of all saved files, and gives what is to be said about them; `None` if the files are
/// something else than rows, or there are none.
///
/// # Errors
/// If a file cannot be read or holds something else than rows of this table, or `each` fails.
pub fn read(
    source: &Source,
    each: &mut dyn FnMut(Row<'_>) -> Result<(), Error>,
) -> Result<Option<Doubts>, Error> {
    let (mut lines, mut doubts) = (Lines::new(128 * 1024), Doubts::default());
    let mut again = Again::default();
    for (place, path) in source.saved.iter().enumerate() {
        let mut file = None;
        let (name, fd) = open_saved(path, &mut file)?;
        let beginning = lines.begin(fd, name)?;
        if !begin_rows(beginning) {
            if place > 0 {
                return Err(Error::failed(name, NOT_ROWS));
            }
            if !sys::is_file(fd) || name == STDIN {
                let bytes = beginning.to_vec();
                source.words.put_back(Begun { bytes, fd: file });
            }
            return Ok(None);
        }
        doubts.add(read_one(source, &mut lines, &mut again, (fd, name), each)?);
    }
    if again.is_twice() {
        doubts.add(Doubts::ROWS_TWICE);
    }
    Ok((!source.saved.is_empty()).then_some(doubts))
}

/// The same where the table always has a row.
///
/// # Errors
/// As [`read`], and if there is no row.
pub fn read_some(
    source: &Source,
    each: &mut dyn FnMut(Row<'_>) -> Result<(), Error>,
) -> Result<Option<Doubts>, Error> {
    let mut is_any = false;
    let doubts = read(source, &mut |row| {
        is_any = true;
        each(row)
    })?;
    if doubts.is_some() && !is_any {
        return Err(Error::failed(source.saved_names(), "there is no row below the header"));
    }
    Ok(doubts)
}

/// What is wrong with a second row of a number that has no sum.
pub const TWICE: &str = "appears a second time: numbers of several machines cannot be added up";

/// What is wrong with rows of groups where those of all sockets are wanted, and what helps.
pub const OF_GROUPS: &str = "rows of groups: name their keys with --by";

const NOT_ROWS: &str =
    "is not rows of connbox as the file before it is: rows are added to nothing else";

/// Whether a text begins as rows do. A form of another tool that begins as they do is told by its reader.
fn begin_rows(text: &[u8]) -> bool {
    let first = text.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = first.trim_ascii_end();
    let is_other = || Known::of(first).is_some_and(|known| known.form != Form::Rows);
    begins(first) && !is_other()
}

fn read_one(
    source: &Source,
    lines: &mut Lines,
    again: &mut Again,
    (fd, file): (BorrowedFd<'_>, &[u8]),
    each: &mut dyn FnMut(Row<'_>) -> Result<(), Error>,
) -> Result<Doubts, Error> {
    let mut reader = Reader::of(&source.columns);
    let cut = lines.each_whole(fd, file, |place, line| {
        let rows = reader.line(line).map_err(|wrong| place.error(reason(&wrong, source.applet)))?;
        if !rows.is_empty() {
            again.add(rows.iter().map(told).fold(0, u64::wrapping_add));
        }
        rows.iter().try_for_each(|row| each(Row { place, row }))
    })?;
    let is_cut = cut.is_some() || reader.is_open();
    Ok(if is_cut { Doubts::CUT } else { Doubts::default() })
}

/// A sum over what a row tells, in whatever form and order it does.
fn told(row: &crate::wire::own_rows::Row) -> u64 {
    hash(row.told().map(hash).fold(0, u64::wrapping_add))
}

fn reason(wrong: &Wrong, applet: &str) -> String {
    match wrong {
        Wrong::Column(name) if matches!(&name[..], b"time" | b"per_second") => {
            "rows of several moments (--interval): take those of one, without the time".to_owned()
        }
        Wrong::Column(name) if matches!(&name[..], b"resident") => {
            "rows of several network namespaces (--netns all): take those of one".to_owned()
        }
        Wrong::Column(name) => {
            let name = error::visible(name);
            format!("rows of connbox, but not of {applet}, which has no column '{name}'")
        }
        Wrong::Twice(name) => format!("{name} stands there twice"),
        Wrong::Cells => {
            "not a row of the table: the header has another number of columns".to_owned()
        }
        Wrong::Shape => "neither a header nor a row of connbox".to_owned(),
    }
}

/// The milliseconds since 1970 of `2026-11-29T04:05:06.789Z`.
pub(in crate::source) fn moment(text: &[u8]) -> Option<u64> {
    const FORM: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
    let is_like = |(form, byte): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        sign => byte == sign,
    };
    if text.len() != FORM.len() || !FORM.iter().zip(text).all(is_like) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| unsigned(text.get(range)?)?.try_into().ok();
    let parts: [i64; 6] =
        [part(0..4)?, part(5..7)?, part(8..10)?, part(11..13)?, part(14..16)?, part(17..19)?];
    let [_, month, day, hour, minute, second] = parts;
    let is_there = (1..=12).contains(&month) && (1..=31).contains(&day);
    let is_time = hour < 24 && minute < 60 && second < 60;
    let seconds = u64::try_from(sys::unix_of_utc(parts)).ok().filter(|_| is_there && is_time)?;
    seconds.checked_mul(1000)?.checked_add(unsigned(text.get(20..23)?)?)
}
