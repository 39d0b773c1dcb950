//! The applets, and the one table of them: one file or folder each; no applet uses another.

mod closedcalc;
mod conncount;
mod conntrack;
pub mod conntrackd;
mod network_connections;
mod snmpget_tcp;
mod sockstat;
mod tcpstates;
mod tcptrack;

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
#[must_use]
pub fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.into_iter().find(|applet| applet.name == name || applet.aliases.contains(&name))
}
