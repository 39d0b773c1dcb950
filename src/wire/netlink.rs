//! Netlink messages and sock_diag's answers (include/uapi/linux/netlink.h, inet_diag.h).

/// The length of a message's header, `struct nlmsghdr`, in bytes.
pub const HEADER: usize = 16;

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: the number of the request that this answers.
    pub sequence: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// The end of a dump, with an error number in its payload if the dump was cut short.
pub const DONE: u16 = 3;
/// An error (or an acknowledgement, if its number is 0).
pub const ERROR: u16 = 2;

/// The messages of one datagram. An item of `None` is a message that its datagram cuts short, and
/// the last item.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Option<Message<'_>>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let (message, rest) = match message(datagram) {
            Some((message, rest)) => (Some(message), rest),
            None => (None, [].as_slice()),
        };
        datagram = rest;
        Some(message)
    })
}

fn message(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let payload = datagram.get(HEADER..length)?;
    let message = Message {
        kind: u16_at(datagram, 4)?,
        flags: u16_at(datagram, 6)?,
        sequence: u32_at(datagram, 8)?,
        payload,
    };
    // The last message may come without the padding that aligns the next one.
    let rest = datagram.get(align(length)?..).unwrap_or_default();
    Some((message, rest))
}

/// The error number (positive, as in errno.h) that an [`ERROR`] or [`DONE`] message carries; 0 is
/// none.
#[must_use]
pub fn error_number(payload: &[u8]) -> Option<i32> {
    let number = payload.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes))?;
    number.checked_neg()
}

/// What connbox reads of `struct inet_diag_msg`: one socket of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InetDiag<'a> {
    /// The socket's family: 2 AF_INET, 10 AF_INET6 (v4-mapped ones included).
    pub family: u8,
    /// The state's number.
    pub state: u8,
    /// Which timer runs: 3 marks the minisockets that stand for TIME_WAIT and orphaned FIN_WAIT2.
    pub timer: u8,
    /// The attributes behind the fixed part.
    attributes: &'a [u8],
}

impl InetDiag<'_> {
    /// Whether the socket is a full one, which the kernel counts in `inuse`, and neither a
    /// minisocket nor a connection request. A Fast Open child in SYN_RECV is told from a request
    /// by the attribute INET_DIAG_SHUTDOWN, which full sockets alone have (since Linux 3.8).
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        const MINISOCKET_TIMER: u8 = 3;
        const SYN_RECV: u8 = 3;
        match self.state {
            SYN_RECV => attributes(self.attributes).any(|(kind, _)| kind == SHUTDOWN),
            _ => self.timer != MINISOCKET_TIMER,
        }
    }
}

/// The length of `struct inet_diag_msg` in bytes.
const INET_DIAG_MSG: usize = 72;
/// The attribute INET_DIAG_SHUTDOWN.
const SHUTDOWN: u16 = 8;

/// Reads one answer to a sock_diag dump of TCP sockets.
#[must_use]
#[inline]
pub fn inet_diag(payload: &[u8]) -> Option<InetDiag<'_>> {
    let (fixed, attributes) = payload.split_at_checked(INET_DIAG_MSG)?;
    let &[family, state, timer, _retransmits] = fixed.first_chunk::<4>()?;
    Some(InetDiag { family, state, timer, attributes })
}

/// The attributes (`struct nlattr`) in `bytes`: type and value; the nested and byte-order flags
/// are taken off the type. A cut one ends the iteration.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(align(length)?..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The older request for a dump of TCP sockets, message type `TCPDIAG_GETSOCK`, header included:
/// it walks the kernel's table once for both families.
#[must_use]
pub fn tcpdiag_request(states: u32, sequence: u32) -> [u8; 76] {
    const TCPDIAG_GETSOCK: u16 = 18;
    let mut request = [0; 76];
    put_header(&mut request, TCPDIAG_GETSOCK, sequence);
    // struct inet_diag_req: family, two lengths, ext, the 48 bytes of an id, states, dbs.
    put(&mut request, 68, &states.to_ne_bytes());
    request
}

/// The request for a dump of the TCP sockets of one family, message type `SOCK_DIAG_BY_FAMILY`,
/// header included.
#[must_use]
pub fn sock_diag_request(family: u8, states: u32, sequence: u32) -> [u8; 72] {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const IPPROTO_TCP: u8 = 6;
    let mut request = [0; 72];
    put_header(&mut request, SOCK_DIAG_BY_FAMILY, sequence);
    put(&mut request, 16, &[family, IPPROTO_TCP]);
    put(&mut request, 20, &states.to_ne_bytes());
    request
}

fn put_header(request: &mut [u8], kind: u16, sequence: u32) {
    const REQUEST_AND_DUMP: u16 = 0x301;
    let length = u32::try_from(request.len()).unwrap_or_default();
    put(request, 0, &length.to_ne_bytes());
    put(request, 4, &kind.to_ne_bytes());
    put(request, 6, &REQUEST_AND_DUMP.to_ne_bytes());
    put(request, 8, &sequence.to_ne_bytes());
}

/// Writes `bytes` at `place`; the places above are all within their requests (tested).
fn put(request: &mut [u8], place: usize, bytes: &[u8]) {
    for (target, byte) in request.iter_mut().skip(place).zip(bytes) {
        *target = *byte;
    }
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// Netlink aligns messages and attributes to four bytes. A length too short for its own header
/// would not move on, so it is refused by the slices before it comes here.
fn align(length: usize) -> Option<usize> {
    Some(length.checked_add(3)? & !3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(state: u8, attributes: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; INET_DIAG_MSG];
        payload[0] = 2;
        payload[1] = state;
        payload.extend_from_slice(attributes);
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend_from_slice(&[20, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(&payload);
        message
    }

    #[test]
    fn a_datagram_of_two_answers_gives_both() {
        let datagram = [answer(3, &[5, 0, 8, 0, 3, 0, 0, 0]), answer(3, &[])].concat();
        let sockets: Vec<_> =
            messages(&datagram).map(|m| inet_diag(m.unwrap().payload).unwrap()).collect();
        assert_eq!(sockets.iter().map(InetDiag::is_full).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn every_truncation_is_noticed_or_whole() {
        let whole = [answer(1, &[]), answer(2, &[])].concat();
        for end in 0..whole.len() {
            let all: Vec<_> = messages(&whole[..end]).collect();
            let cut = all.last().is_some_and(Option::is_none);
            assert_eq!(cut, end != 0 && end != whole.len() / 2, "{end}");
        }
    }

    #[test]
    fn no_corruption_hangs_or_panics() {
        let whole = [answer(1, &[5, 0, 8, 0, 3, 0, 0, 0]), answer(3, &[])].concat();
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut bad = whole.clone();
                bad[place] = byte;
                assert!(messages(&bad).count() <= whole.len());
                for message in messages(&bad).flatten() {
                    let _ = inet_diag(message.payload).is_some_and(|socket| socket.is_full());
                    let _ = error_number(message.payload);
                }
            }
        }
    }

    #[test]
    fn requests_are_laid_out_as_the_kernel_reads_them() {
        let request = tcpdiag_request(0x0e, 9);
        assert_eq!(request[..4], 76u32.to_ne_bytes());
        assert_eq!(request[68..72], 0x0eu32.to_ne_bytes());
        let request = sock_diag_request(10, 0x40, 9);
        assert_eq!(request[16..18], [10, 6]);
        assert_eq!(request[20..24], 0x40u32.to_ne_bytes());
    }
}
