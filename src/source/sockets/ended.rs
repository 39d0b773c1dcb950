//! The ends of TCP sockets, which the kernel reports to anybody (net/core/sock_diag.c): one message for each socket
//! that is freed, with its last counters. The small sockets that stand for TIME_WAIT are not reported; the full
//! socket was, when they took its place.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::dump::of_answer;
use super::sock_diag::{self, DumpRequest};
use super::tcp_info;
use crate::error::Error;
use crate::model::{Socket, StateSet, TcpState};
use crate::source::multicast::{Multicast, Pace, Step};
use crate::source::netlink::{Answers, Failure, SOCK_DIAG};
use crate::sys::{self, Netlink};
use crate::track::tcp::Ended;
use crate::wire::inet_diag::{self, InetDiag};
use crate::wire::tcp_info::TcpInfo;

/// SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY.
const GROUPS: u32 = 0b101;
/// Some ten thousand messages; without CAP_NET_ADMIN the limit is net.core.rmem_max.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// A nap with such a buffer: it holds the messages of a tenth of a second.
const LONG_NAP: Duration = Duration::from_millis(10);

/// The ends of TCP sockets in the network namespace in which this was opened.
#[derive(Debug)]
pub struct Endings {
    from: Multicast,
    nap: Option<Duration>,
    /// To ask what took a socket's place; `None` where that is not possible.
    kernel: Option<Netlink>,
}

impl Endings {
    /// # Errors
    /// If the kernel is too old, or a sandbox forbids it.
    pub fn open() -> Result<Endings, Failure> {
        // An older kernel lets anybody join groups that it does not know.
        if sys::kernel_version() < (4, 4) {
            return Err(SOCK_DIAG.refused(Errno::OPNOTSUPP).into());
        }
        let refused = |errno| SOCK_DIAG.refused(errno);
        let socket = sock_diag::open()?;
        let size = socket.set_receive_buffer(BUFFER_BYTES).map_err(refused)?;
        socket.join(GROUPS).map_err(refused)?;
        let from = Multicast::of(SOCK_DIAG, socket);
        let nap = match size {
            BUFFER_BYTES.. => Some(LONG_NAP),
            Pace::BUFFER_BYTES.. => Some(Pace::NAP),
            _ => None,
        };
        Ok(Endings { from, nap, kernel: sock_diag::open().ok() })
    }

    /// How long a nap may last; `None` if the receive buffer is too small. See [`Pace`].
    pub fn nap(&self) -> Option<Duration> {
        self.nap
    }

    /// Reads one message if one is waiting; see [`Multicast::next`].
    ///
    /// # Errors
    /// The system's, except for losses.
    pub fn next(&mut self, each: &mut dyn FnMut(&Ended)) -> Result<Step, Error> {
        let request = DumpRequest::tcp(StateSet::default());
        let kernel = &mut self.kernel;
        self.from.next(&mut |message| {
            let answer = message
                .filter(|message| message.kind == inet_diag::BY_FAMILY)
                .and_then(|message| inet_diag::answer(message.payload));
            if let Some(answer) = answer
                && let Some(socket) = of_answer(&request, &answer)
                && let Some(info) = answer.info()
            {
                let info = crate::wire::tcp_info::tcp_info(info, socket.state);
                let awaits_fin = may_await_fin(&socket, &info)
                    && kernel.as_mut().is_some_and(|kernel| is_awaiting_fin(kernel, &answer));
                each(&tcp_info::ended(&socket, &info, awaits_fin));
            }
            Ok(())
        })
    }

    /// How many messages were lost and not reported yet.
    pub fn newly_lost(&mut self) -> u64 {
        self.from.newly_lost()
    }
}

/// Whether this end may have closed first, and been freed before the peer's FIN came. If that had come, it would
/// count as one byte to be read, unless a program has read the end. Within the machine, the other socket tells.
fn may_await_fin(socket: &Socket, info: &TcpInfo) -> bool {
    let (local, remote) = (socket.local.canonical(), socket.remote.canonical());
    socket.recv_queue_bytes == 0
        && info.acknowledged_numbers > info.sent_bytes
        && local != remote
        && !remote.is_loopback()
}

/// Whether a small socket in FIN_WAIT2 took the place of the one that was freed.
#[inline(never)]
fn is_awaiting_fin(kernel: &mut Netlink, freed: &InetDiag<'_>) -> bool {
    let mut is_it = false;
    // It is an error if there is none.
    let _ = Answers::of(SOCK_DIAG).ask(kernel, inet_diag::same_ends_request(freed), |message| {
        let answer = inet_diag::answer(message.payload)?;
        is_it = answer.state == TcpState::FIN_WAIT2.number() && !answer.is_full();
        Some(Ok(()))
    });
    is_it
}

impl AsFd for Endings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.stream.as_fd()
    }
}
