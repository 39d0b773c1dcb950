//! NAMEs of rows.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::near;
use crate::error::{Error, Status};

/// An error for a word that is no option where no NAME is taken, for `reason`. Often it is one of several files, as a pattern of
/// a shell gives them.
pub fn unexpected(word: &OsStr, reason: &str) -> Error {
    let is_file = crate::sys::is_regular(Path::new(word));
    let hint = || format!("no option; to read the file: --from {}", word.display());
    Error::usage(word.as_bytes(), if is_file { hint() } else { reason.to_owned() })
}

/// An error for a NAME that is not one of `known`, with those that are near.
pub fn unknown_name<'a>(name: &OsStr, known: impl Iterator<Item = &'a str>) -> Error {
    /// A longer list would hide what is wrong.
    const MOST: usize = 20;
    if crate::sys::is_regular(Path::new(name)) {
        let hint = format!("no row of that name; to read the file: --from {}", name.display());
        return Error::usage(name.as_bytes(), hint);
    }
    if let Some(option) = filter_of_ss(name) {
        let hint = format!("no row of that name; conncount counts by it: {option}");
        return Error::usage(name.as_bytes(), hint);
    }
    let known: Vec<&str> = known.collect();
    let near = near(&name.to_string_lossy(), known.iter().copied());
    let reason = match near.as_slice() {
        [] if known.len() <= MOST => {
            format!("no row of that name; the names are {}", known.join(", "))
        }
        [] => "no row of that name; without a NAME all rows are printed".to_owned(),
        near => format!("no row of that name; did you mean {}?", near.join(", ")),
    };
    Error::usage(name.as_bytes(), reason)
}

/// The option in place of a filter of ss, as `sport = :443`.
fn filter_of_ss(name: &OsStr) -> Option<&'static str> {
    const OPTIONS: [(&str, &str); 4] = [
        ("sport", "--lport PORT"),
        ("dport", "--rport PORT"),
        ("src", "--laddr ADDR"),
        ("dst", "--raddr ADDR"),
    ];
    let word = name.to_str()?.split([' ', '=']).next()?;
    OPTIONS.iter().find(|(filter, _)| *filter == word).map(|(_, option)| *option)
}

/// The same where the kernel says which rows there are, and another one may have that of this name
/// (`is_elsewhere`: [`Status::NotThere`]), and where NAMEs may be patterns: a part of a name that is not near any has
/// one.
pub fn unknown_name_or_part<'a>(
    name: &OsStr,
    known: impl Iterator<Item = &'a str> + Clone,
    is_elsewhere: bool,
) -> Error {
    let text = name.to_string_lossy().to_ascii_lowercase();
    let is_part = |known: &str| known.to_ascii_lowercase().contains(&text);
    let error = if near(&text, known.clone()).is_empty() && known.clone().any(is_part) {
        let hint = format!("no row of that name; did you mean '*{text}*'?");
        Error::usage(name.as_bytes(), hint)
    } else {
        unknown_name(name, known)
    };
    match error {
        Error::Fault { text, .. } if is_elsewhere => {
            Error::Fault { status: Status::NotThere, text }
        }
        error => error,
    }
}

/// The rows that `names` pick of `known`, in the order given, each once; all of them without names.
/// Case does not matter.
///
/// # Errors
/// A usage error for a name that is not one of them.
pub fn pick(names: &[OsString], known: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    if names.is_empty() {
        return Ok(known.to_vec());
    }
    let mut picked = Vec::with_capacity(names.len());
    for name in names {
        let is_it = |known: &&&str| name.as_bytes().eq_ignore_ascii_case(known.as_bytes());
        match known.iter().find(is_it) {
            Some(row) if picked.contains(row) => {}
            Some(row) => picked.push(*row),
            None => return Err(unknown_name(name, known.iter().copied())),
        }
    }
    Ok(picked)
}
