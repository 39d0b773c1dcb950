//! The counts of /proc/net/sockstat and sockstat6 (net/ipv4/proc.c, net/ipv6/proc.c).

use super::Family;

/// The TCP numbers of /proc/net/sockstat and sockstat6 (net/ipv4/proc.c), in sockets. All are levels, which a
/// fault of the kernel may bring below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpSockstat {
    /// `TCP: inuse`: hashed full IPv4 sockets of this network namespace.
    pub inuse: i128,
    /// `TCP6: inuse`: hashed full IPv6 sockets of this network namespace; 0 if IPv6 is disabled.
    pub inuse6: i128,
    /// `TCP: orphan`: full sockets without an owner, machine-wide.
    pub orphan: i128,
    /// `TCP: tw`: minisockets (TIME_WAIT and orphaned FIN_WAIT2) of this network namespace.
    pub tw: i128,
    /// `TCP: alloc`: all full sockets of either family, machine-wide.
    pub alloc: i128,
}

impl TcpSockstat {
    /// What `ss -s` and the documentation call closed: `alloc - (inuse + inuse6 - tw)`. It counts every
    /// minisocket as a closed socket, and may be negative.
    pub fn closed(&self) -> i128 {
        self.unhashed() + self.tw
    }

    /// The sockets in no table, neither connected nor listening: `alloc - inuse - inuse6`. Exact if no
    /// other network namespace has TCP sockets.
    pub fn unhashed(&self) -> i128 {
        self.alloc - self.inuse - self.inuse6
    }

    /// Whether one of the levels is below zero, so that nothing can be calculated from them.
    pub fn is_below_zero(&self) -> bool {
        let TcpSockstat { inuse, inuse6, orphan, tw, alloc } = *self;
        [inuse, inuse6, orphan, tw, alloc].into_iter().any(i128::is_negative)
    }

    /// Adds another namespace of the same machine: numbers of a namespace are summed, numbers of the
    /// machine take the later reading.
    fn add_namespace(&mut self, other: &TcpSockstat) {
        self.inuse += other.inuse;
        self.inuse6 += other.inuse6;
        self.tw += other.tw;
        self.orphan = other.orphan;
        self.alloc = other.alloc;
    }
}

/// The TCP numbers of a machine, from those of its namespaces, which cannot be read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The sums over the namespaces.
    pub tcp: TcpSockstat,
    /// The least and the most that `alloc` was meanwhile.
    alloc: Option<[i128; 2]>,
    /// How many sockets namespaces have that came meanwhile: `alloc` counts them, the sums do not.
    pub unread: i128,
}

impl Machine {
    /// How many sockets do not matter in a difference, nor does a tenth of it.
    const FEW: i128 = 10;

    /// Adds a namespace.
    pub fn add(&mut self, tcp: &TcpSockstat) {
        self.tcp.add_namespace(tcp);
        self.note(tcp);
    }

    /// Notes `alloc`, as it is after the last namespace.
    pub fn note(&mut self, TcpSockstat { alloc, .. }: &TcpSockstat) {
        let [least, most] = self.alloc.unwrap_or([*alloc; 2]);
        self.alloc = Some([least.min(*alloc), most.max(*alloc)]);
    }

    /// By how many sockets `alloc` differed meanwhile.
    pub fn moved(&self) -> i128 {
        self.alloc.map_or(0, |[least, most]| most - least)
    }

    /// Whether sockets that were not read would matter.
    pub fn may_lack_many(&self) -> bool {
        self.tcp.unhashed() > Machine::FEW
    }

    /// Why a difference of `alloc` and sums over the namespaces is no number; `None` if it is one.
    pub fn doubt(&self, difference: i128) -> Option<String> {
        let (moved, unread) = (self.moved(), self.unread);
        let is_sound = difference >= 0 && moved.max(unread) <= Machine::FEW.max(difference / 10);
        (!is_sound).then(|| {
            format!(
                "closed and unhashed are not known: while the network namespaces were read, one after another, \
                 sockets came and went (alloc differed by {moved}, and new namespaces have {unread}); repeat the call"
            )
        })
    }
}

/// A protocol of sockstat that counts its sockets (or fragment queues) as `inuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RAW, RAW6.
    Raw,
    /// UDP, UDP6.
    Udp,
    /// TCP, TCP6.
    Tcp,
    /// FRAG, FRAG6.
    Frag,
}

/// The counts that connbox calculates with; `None` if the file lacks them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockstat {
    /// `sockets: used`: sockets of every kind in this network namespace.
    pub used: Option<i128>,
    /// `TCP: orphan`.
    pub orphan: Option<i128>,
    /// `TCP: tw`.
    pub tw: Option<i128>,
    /// `TCP: alloc`.
    pub alloc: Option<i128>,
    inuse: [[Option<i128>; 2]; 4],
}

impl Sockstat {
    /// Adds one field of one line; unused fields are skipped. Returns `false` if the field was given
    /// before: nobody can know which value is right.
    pub fn add(&mut self, protocol: &[u8], item: &[u8], value: i128) -> bool {
        let Some(place) = self.place(protocol, item) else { return true };
        place.replace(value).is_none()
    }

    fn place(&mut self, protocol: &[u8], item: &[u8]) -> Option<&mut Option<i128>> {
        match (protocol, item) {
            (b"sockets", b"used") => Some(&mut self.used),
            (b"TCP", b"orphan") => Some(&mut self.orphan),
            (b"TCP", b"tw") => Some(&mut self.tw),
            (b"TCP", b"alloc") => Some(&mut self.alloc),
            (_, b"inuse") => {
                let (name, family) = match protocol.strip_suffix(b"6") {
                    Some(name) => (name, Family::Inet6),
                    None => (protocol, Family::Inet),
                };
                let protocol = match name {
                    b"RAW" => Protocol::Raw,
                    b"UDP" => Protocol::Udp,
                    b"TCP" => Protocol::Tcp,
                    b"FRAG" => Protocol::Frag,
                    _ => return None,
                };
                Some(&mut self.inuse[protocol as usize][family as usize])
            }
            _ => None,
        }
    }

    /// `inuse` of a protocol; 0 without its line: the family is disabled, or the protocol is not built into
    /// the kernel.
    pub fn inuse(&self, protocol: Protocol, family: Family) -> i128 {
        self.inuse[protocol as usize][family as usize].unwrap_or_default()
    }

    /// Whether there is any number of IPv6.
    pub fn has_ipv6(&self) -> bool {
        self.inuse.iter().any(|both| both[Family::Inet6 as usize].is_some())
    }

    /// The TCP numbers.
    ///
    /// # Errors
    /// The name of the missing field: without it, the others have no meaning.
    pub fn tcp(&self) -> Result<TcpSockstat, &'static str> {
        Ok(TcpSockstat {
            inuse: self.inuse[Protocol::Tcp as usize][Family::Inet as usize].ok_or("TCP inuse")?,
            inuse6: self.inuse(Protocol::Tcp, Family::Inet6),
            orphan: self.orphan.ok_or("TCP orphan")?,
            tw: self.tw.ok_or("TCP tw")?,
            alloc: self.alloc.ok_or("TCP alloc")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_example_gives_12_and_11() {
        let seed = TcpSockstat { alloc: 48, inuse: 27, inuse6: 10, tw: 1, orphan: 0 };
        assert_eq!((seed.closed(), seed.unhashed()), (12, 11));
    }

    #[test]
    fn namespaces_add_up_to_the_machine() {
        let mut sums = Machine::default();
        for (inuse, inuse6, tw, alloc) in [(2, 1, 5, 9), (3, 0, 0, 10)] {
            sums.add(&TcpSockstat { inuse, inuse6, tw, alloc, orphan: 4 });
        }
        let machine = sums.tcp;
        let whole = TcpSockstat { inuse: 5, inuse6: 1, tw: 5, alloc: 10, orphan: 4 };
        assert_eq!((machine, machine.unhashed(), machine.closed()), (whole, 4, 9));
    }

    #[test]
    fn a_difference_of_numbers_that_move_is_no_number() {
        let alloc = |alloc| TcpSockstat { alloc, ..TcpSockstat::default() };
        for (allocs, difference, is_known) in [
            (&[][..], 0, true),
            (&[500, 500], 8, true),
            (&[500, 500], -1, false),
            (&[500, 510], 8, true),
            (&[510, 499], 8, false),
            (&[500, 900, 500], 500, false),
            (&[500, 550], 500, true),
        ] {
            let mut machine = Machine::default();
            allocs.iter().for_each(|number| machine.note(&alloc(*number)));
            assert_eq!(machine.doubt(difference).is_none(), is_known, "{allocs:?} {difference}");
        }
        for (unread, difference, is_known) in
            [(10, 12, true), (11, 12, false), (50, 500, true), (300, 500, false)]
        {
            let machine = Machine { unread, ..Machine::default() };
            assert_eq!(machine.doubt(difference).is_none(), is_known, "{unread} {difference}");
        }
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let number = i128::from(u64::MAX);
        let most = TcpSockstat { inuse: number, inuse6: number, ..TcpSockstat::default() };
        assert_eq!(most.closed(), -2 * number);
    }
}
