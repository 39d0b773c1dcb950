//! The options that name saved files and text.

use std::ffi::OsStr;

use super::{Common, path};
use crate::wire::saved::command::Command;

/// Adds a file of `--from`.
pub(super) fn from(common: &mut Common, value: &OsStr) -> Result<(), String> {
    let path = path(value)?;
    if path.as_os_str() == "-" && common.from.contains(&path) {
        return Err("- was given twice: standard input can be read only once".into());
    }
    common.from.push(path);
    Ok(())
}

/// Takes the command of `--from-command`.
pub(super) fn command(common: &mut Common, value: &OsStr) -> Result<(), String> {
    let text = value.to_string_lossy();
    let command = Command::parse(&text).map_err(|reason| format!("'{text}' {reason}"))?;
    if common.from_command.replace(command).is_some() {
        return Err("is given twice: one command is that of all texts; read the others in a run of their own".into());
    }
    Ok(())
}
