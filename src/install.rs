//! `connbox --install` and `--uninstall`: create and remove links with the applets' names.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::applet::{self, APPLETS};
use crate::error::{Error, reason, visible};
use crate::sys::{self, Linked, PathError};

/// Where lines of the report go: true for a trouble, which is an error.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(bool, &[u8]);

const INSTALL: &str = "--install";
const UNINSTALL: &str = "--uninstall";

/// A directory of links, and the names that the user wants.
struct Links {
    fd: OwnedFd,
    /// Without symbolic links.
    directory: PathBuf,
    names: Vec<&'static str>,
    /// Whether the user gave the names.
    are_named: bool,
    binary: PathBuf,
}

/// Makes relative symbolic links to this binary: `[--force] DIR [APPLET…]`. Without APPLETs it skips the names of
/// other programs on PATH. An existing file that is not our link is kept and reported, unless `--force` is given.
///
/// # Errors
/// If a link could not be made; the others are made nevertheless.
pub(crate) fn install(operands: &[OsString], tell: Tell<'_>) -> Result<(), Error> {
    let (forces, words): (Vec<_>, Vec<_>) = operands.iter().partition(|word| *word == "--force");
    let force = !forces.is_empty();
    let links = Links::of(INSTALL, "; --install takes only --force", &words)?;
    let target = relative(&links.directory, &links.binary);
    links.each(tell, |name| {
        let is_ours = sys::is_link_to_us(&links.fd, name)? == Some(true);
        if !links.are_named
            && !is_ours
            && let Some(other) = sys::other_program(name)
        {
            let (other, directory) = (shown(&other), shown(&links.directory));
            let cure = format!("to link it: connbox --install {directory} {name}");
            return Ok(Ok(format!("skipped {name}: {other} has this name; {cure}")));
        }
        let link = links.directory.join(name);
        Ok(match sys::link_to_us(&links.fd, name, &target, force)? {
            Linked::New => Ok(format!("linked {}", shown(&link))),
            Linked::Already => Ok(format!("linked already: {}", shown(&link))),
            Linked::Foreign => Err("exists and is not a link to connbox; --force replaces it"),
        })
    })
}

/// Removes the links with the applets' names that lead to this binary: `DIR [APPLET…]`.
///
/// # Errors
/// If a link could not be removed; the others are removed nevertheless.
pub(crate) fn uninstall(operands: &[OsString], tell: Tell<'_>) -> Result<(), Error> {
    let words: Vec<_> = operands.iter().collect();
    let mut links = Links::of(UNINSTALL, "", &words)?;
    // All are looked at before one goes: a link may lead to another.
    let (fd, binary) = (&links.fd, shown(&links.binary));
    let found: Vec<_> =
        links.names.iter().map(|name| (*name, sys::is_link_to_us(fd, name))).collect();
    let kept = format!("not a link to {binary}");
    if links.are_named {
        // The directory may have links of other names.
        for (name, _) in found.iter().filter(|(_, is_ours)| *is_ours == Ok(None)) {
            let link = shown(&links.directory.join(name));
            tell(false, format!("{link}: no link to {binary}").as_bytes());
        }
    } else if found.iter().all(|(_, is_ours)| *is_ours == Ok(None)) {
        let directory = shown(&links.directory);
        tell(false, format!("{directory} has no links to {binary}").as_bytes());
    }
    links.names = found.iter().filter(|(_, is)| *is != Ok(None)).map(|(name, _)| *name).collect();
    links.each(tell, |name| {
        let is_ours = found.iter().find(|row| row.0 == name).map_or(Ok(None), |row| row.1)?;
        let link = links.directory.join(name);
        if is_ours != Some(true) {
            return Ok(Ok(format!("kept {}: {kept}", shown(&link))));
        }
        sys::remove_link(&links.fd, name)?;
        Ok(Ok(format!("removed {}", shown(&link))))
    })
}

impl Links {
    /// What the operands of `option` mean.
    fn of(option: &str, hint: &str, words: &[&OsString]) -> Result<Links, Error> {
        let (directory, names) =
            words.split_first().ok_or_else(|| Error::usage(option, "needs a directory"))?;
        if let Some(word) = words.iter().find(|word| word.as_bytes().starts_with(b"-")) {
            return Err(Error::usage(word.as_bytes(), format_args!("no such option{hint}")));
        }
        let are_named = !names.is_empty();
        let names = applets(names)?;
        sys::refuse_borrowed_rights(directory.as_bytes())?;
        let (fd, directory) = open(directory)?;
        let binary = sys::own_binary().map_err(|error| Error::system("/proc/self/exe", error))?;
        Ok(Links { fd, directory, names, are_named, binary })
    }

    /// Deals with each name and tells what became of it.
    fn each(
        &self,
        tell: Tell<'_>,
        deal: impl Fn(&str) -> Result<Result<String, &'static str>, Errno>,
    ) -> Result<(), Error> {
        let mut is_troubled = false;
        for name in &self.names {
            let trouble = match deal(name) {
                Ok(Ok(line)) => {
                    tell(false, line.as_bytes());
                    continue;
                }
                Ok(Err(trouble)) => trouble.into(),
                Err(error) => reason(error),
            };
            let link = self.directory.join(name);
            tell(true, &[link.as_os_str().as_bytes(), b": ", trouble.as_bytes()].concat());
            is_troubled = true;
        }
        if is_troubled { Err(Error::Said) } else { Ok(()) }
    }
}

/// Opens the directory of the links, and gives its path without symbolic links.
fn open(directory: &OsStr) -> Result<(OwnedFd, PathBuf), Error> {
    sys::directory(Path::new(directory)).map_err(|error| match error {
        PathError::System(Errno::NOENT | Errno::NOTDIR) => {
            Error::failed(directory.as_bytes(), "no such directory")
        }
        error => error.at(directory.as_bytes()),
    })
}

/// A path of the report.
fn shown(path: &Path) -> String {
    visible(path.as_os_str().as_bytes())
}

/// The names to link: those given, or all, aliases included.
fn applets(words: &[&OsString]) -> Result<Vec<&'static str>, Error> {
    let mut names = Vec::new();
    for word in words {
        let name = word.to_string_lossy();
        let applet = applet::find(&name).ok_or_else(|| applet::unknown(word))?;
        let alias = applet.aliases.iter().find(|alias| **alias == name);
        let name = alias.map_or(applet.name, |alias| *alias);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.extend(
            APPLETS.iter().flat_map(|applet| {
                std::iter::once(applet.name).chain(applet.aliases.iter().copied())
            }),
        );
    }
    Ok(names)
}

/// The relative path from `directory` to `file`, both absolute and without symbolic links.
fn relative(directory: &Path, file: &Path) -> PathBuf {
    let from: Vec<Component<'_>> = directory.components().collect();
    let to: Vec<Component<'_>> = file.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_relative() {
        for (directory, file, way) in [
            ("/usr/bin", "/usr/bin/connbox", "connbox"),
            ("/usr/local/bin", "/usr/bin/connbox", "../../bin/connbox"),
            ("/", "/opt/connbox", "opt/connbox"),
        ] {
            assert_eq!(relative(Path::new(directory), Path::new(file)), Path::new(way));
        }
    }
}
