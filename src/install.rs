//! `connbox --install`: creates links with the applets' names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::applet::{self, APPLETS};
use crate::error::{Error, reason};
use crate::sys;

/// Makes relative symbolic links to this binary: `[--force] DIR [APPLET…]`. An existing file that is not
/// our link is kept and reported, unless `--force` is given.
///
/// # Errors
/// If a link could not be made; the others are made nevertheless.
pub fn install(operands: &[OsString], say: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let is_force = |word: &&OsString| word.as_os_str() == "--force";
    let force = operands.iter().any(|word| is_force(&word));
    let mut words = operands.iter().filter(|word| !is_force(word));
    let directory = words.next().ok_or_else(|| Error::usage("--install", "needs a directory"))?;
    if let Some(option) =
        operands.iter().find(|word| word.as_bytes().starts_with(b"-") && !is_force(word))
    {
        return Err(Error::usage(
            option.as_bytes(),
            "no such option; --install takes only --force",
        ));
    }
    let names = applets(words)?;
    let path = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let directory = std::fs::canonicalize(directory)
        .map_err(|_| Error::failed(directory.as_bytes(), "no such directory"))?;
    let binary = sys::own_binary().map_err(|error| Error::system("/proc/self/exe", error))?;
    let target = relative(&directory, &binary);
    let mut is_troubled = false;
    for name in names {
        let link = directory.join(name);
        if let Err(reason) = make_link(&target, &binary, &link, force) {
            say(&[path(&link), b": ".to_vec(), reason.into_bytes()].concat());
            is_troubled = true;
        }
    }
    if is_troubled { Err(Error::Said) } else { Ok(()) }
}

/// The names to link: those given, or all, aliases included.
fn applets<'a>(words: impl Iterator<Item = &'a OsString>) -> Result<Vec<&'static str>, Error> {
    let mut names = Vec::new();
    for word in words {
        let name = word.to_string_lossy();
        let applet = applet::find(&name).ok_or_else(|| applet::unknown(word))?;
        let alias = applet.aliases.iter().find(|alias| **alias == name);
        names.push(alias.map_or(applet.name, |alias| *alias));
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

/// Makes one link. The error is the reason why that failed.
fn make_link(target: &Path, binary: &Path, link: &Path, force: bool) -> Result<(), String> {
    use rustix::io::Errno;
    match rustix::fs::symlink(target, link) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) if std::fs::canonicalize(link).is_ok_and(|there| there == *binary) => {
            Ok(())
        }
        Err(Errno::EXIST) if !force => {
            Err("exists and is not a link to connbox; --force replaces it".into())
        }
        Err(Errno::EXIST) => replace(target, link).map_err(reason),
        Err(error) => Err(reason(error)),
    }
}

/// Replaces an existing file by the link, in one step. A directory is never replaced.
fn replace(target: &Path, link: &Path) -> Result<(), rustix::io::Errno> {
    let name = link.file_name().unwrap_or(OsStr::new("link"));
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = link.with_file_name(temporary);
    rustix::fs::symlink(target, &temporary)?;
    rustix::fs::rename(&temporary, link).inspect_err(|_| {
        let _ = rustix::fs::unlink(&temporary);
    })
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
