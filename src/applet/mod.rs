//! The applets and the one table that lists them: one file or folder each; no applet uses another.

mod closedcalc;
mod conncount;
mod conntrack;
pub mod conntrackd;
mod network_connections;
mod snmpget_tcp;
mod sockstat;
mod tcpstates;
mod tcptrack;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::cli;
use crate::error::{Error, Status};
use crate::frame::Applet;

/// All applets, sorted by name.
pub static APPLETS: [&Applet; 9] = [
    &closedcalc::APPLET,
    &conncount::APPLET,
    &conntrack::APPLET,
    &conntrackd::APPLET,
    &network_connections::APPLET,
    &snmpget_tcp::APPLET,
    &sockstat::APPLET,
    &tcpstates::APPLET,
    &tcptrack::APPLET,
];

/// The applet that answers to `name`.
pub fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.into_iter().find(|applet| applet.name == name || applet.aliases.contains(&name))
}

/// An error for a name that no applet answers to.
pub(crate) fn unknown(name: &OsStr) -> Error {
    let known =
        APPLETS.iter().flat_map(|applet| std::iter::once(&applet.name).chain(applet.aliases));
    let hint = match cli::hint(&name.to_string_lossy(), known.copied()) {
        hint if hint.is_empty() => "; connbox --list names them".to_owned(),
        hint => hint,
    };
    Error::of(Status::NoApplet, name.as_bytes(), format_args!("no such applet{hint}"))
}
