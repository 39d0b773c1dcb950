//! Which way the connections of this machine go: the sockets that listen, read before all others.

use crate::error::Error;
use crate::model::{Proto, Query, Socket, StateSet, TcpState};
use crate::source::{self, Method, Source};
use crate::track::Listeners;

/// Sockets by way: as `direction` says them, in the order of groups.
pub(crate) const DIRECTIONS: [&str; 3] = ["in", "listen", "out"];

/// The sockets that listen, by protocol.
#[derive(Debug)]
pub(crate) struct Listening([Listeners; 2]);

impl Listening {
    /// Reads them.
    ///
    /// # Errors
    /// If the table of sockets cannot be read.
    pub(crate) fn read(source: &Source, query: &Query) -> Result<Listening, Error> {
        if source.saved.iter().any(|path| path.as_os_str() == "-") {
            let reason = "standard input cannot be read twice, as direction and service want";
            return Err(Error::usage("--from", reason));
        }
        let mut listening = Listening(Default::default());
        for proto in Proto::ALL.into_iter().filter(|proto| query.protos().contains(proto)) {
            // A mask of LISTEN alone spares the kernel the walk of all connections.
            let state = match proto {
                Proto::Tcp => TcpState::LISTEN,
                Proto::Udp => TcpState::CLOSE,
            };
            let states = Some(StateSet::only(state));
            let all = Query { protos: vec![proto], states, ..Query::default() };
            source::sockets(source, Method::Auto, &all, |socket| {
                if socket.is_listening() {
                    listening.0[proto as usize].add(socket);
                }
                Ok(())
            })?;
        }
        Ok(listening)
    }

    /// `listen`; `in` if the other end opened the connection; else `out`.
    pub(crate) fn direction(&self, socket: &Socket) -> &'static str {
        let [inward, listen, outward] = DIRECTIONS;
        match socket.is_listening() {
            true => listen,
            false if self.0[socket.proto as usize].has_opened(socket) => outward,
            false => inward,
        }
    }
}
