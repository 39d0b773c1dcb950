//! Netlink messages and their attributes (include/uapi/linux/netlink.h).

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
    /// `nlmsg_pid`: the port of the socket whose request caused an event; 0 for the kernel.
    pub port: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// `NLM_F_DUMP_INTR`: the table changed during the dump, so entries may be missing or duplicated.
pub const INTERRUPTED: u16 = 0x10;
/// `NLM_F_CAPPED`: an error message contains only the header of the failed request.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes with more about the error follow.
const ACK_TLVS: u16 = 0x200;

/// An empty message.
pub const NOOP: u16 = 1;
/// The end of a dump, with an error number in its payload if the dump was cut short.
pub const DONE: u16 = 3;
/// An error (or an acknowledgement, if its number is 0).
pub const ERROR: u16 = 2;

/// The messages of one datagram. `None` stands for a truncated message and is the last item.
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
        port: u32_at(datagram, 12)?,
        payload,
    };
    // The last message may lack the padding that aligns the next one.
    let rest = datagram.get(align(length)?..).unwrap_or_default();
    Some((message, rest))
}

/// The error number (positive, as in errno.h) that an [`ERROR`] or [`DONE`] message carries; 0 is
/// none.
pub fn error_number(payload: &[u8]) -> Option<i32> {
    let number = payload.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes))?;
    number.checked_neg()
}

/// The kernel's message about an error (`NLMSGERR_ATTR_MSG`), if an [`ERROR`] or [`DONE`] message carries
/// one.
pub fn error_text<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    const MSG: u16 = 1;
    let behind_number = message.payload.get(4..)?;
    let attributes_start = match message.kind {
        _ if message.flags & ACK_TLVS == 0 => return None,
        DONE => 0,
        // An error repeats the request: its header, and all of it unless it is capped.
        _ if message.flags & CAPPED != 0 => HEADER,
        _ => align(usize::try_from(u32_at(behind_number, 0)?).ok()?)?,
    };
    let mut all = attributes(behind_number.get(attributes_start..)?);
    let (_, text) = all.find(|(kind, _)| *kind == MSG)?;
    Some(text.strip_suffix(b"\0").unwrap_or(text))
}

/// The attributes (`struct nlattr`) in `bytes`: type and value; the nested and byte-order flags are removed
/// from the type. A truncated attribute ends the iteration.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(align(length)?..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Writes the header of a request for a dump in front of `payload`.
pub fn dump_request(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    const REQUEST_AND_DUMP: u16 = 0x301;
    request(kind, REQUEST_AND_DUMP, sequence, payload)
}

/// Writes the header of a request for a single object in front of `payload`; the kernel acknowledges it, so
/// that the answer has an end.
pub fn single_request(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    const REQUEST_AND_ACK: u16 = 0x5;
    request(kind, REQUEST_AND_ACK, sequence, payload)
}

/// Gives a request its number.
pub fn number(request: &mut [u8], sequence: u32) {
    if let Some(place) = request.get_mut(8..12) {
        place.copy_from_slice(&sequence.to_ne_bytes());
    }
}

fn request(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER.saturating_add(payload.len())).unwrap_or(u32::MAX);
    let mut request = Vec::with_capacity(HEADER.saturating_add(payload.len()));
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&flags.to_ne_bytes());
    request.extend_from_slice(&sequence.to_ne_bytes());
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(payload);
    request
}

/// Appends an attribute with this value, and the padding.
pub fn push_attribute(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(value);
    buffer.resize(buffer.len().next_multiple_of(4), 0);
}

pub(super) fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// Netlink aligns messages and attributes to four bytes. A length shorter than its own header would not
/// advance; slicing refuses it before it gets here.
fn align(length: usize) -> Option<usize> {
    Some(length.checked_add(3)? & !3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut message = dump_request(kind, 7, payload);
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
        message
    }

    #[test]
    fn every_truncation_is_noticed_or_whole() {
        let whole = [message_of(20, 2, &[1; 72]), message_of(20, 2, &[2; 72])].concat();
        for end in 0..whole.len() {
            let all: Vec<_> = messages(&whole[..end]).collect();
            let cut = all.last().is_some_and(Option::is_none);
            assert_eq!(cut, end != 0 && end != whole.len() / 2, "{end}");
        }
    }

    #[test]
    fn the_kernels_sentence_is_found_wherever_it_stands() {
        let mut sentence = Vec::new();
        push_attribute(&mut sentence, 1, b"No such thing\0");
        let number = (-22i32).to_ne_bytes();
        let request = dump_request(20, 7, &[9; 5]);
        let padded = [&request[..], &[0; 3]].concat();
        for (kind, flags, between, wanted) in [
            (ERROR, 0x300, &request[..16], true),
            (ERROR, 0x200, &padded, true),
            (DONE, 0x200, &[], true),
            (ERROR, 0x100, &request[..16], false),
            (DONE, 2, &[], false),
        ] {
            let bytes = message_of(kind, flags, &[&number[..], between, &sentence].concat());
            let message = messages(&bytes).next().unwrap().unwrap();
            assert_eq!(error_number(message.payload), Some(22));
            assert_eq!(
                error_text(&message),
                wanted.then_some(&b"No such thing"[..]),
                "{kind} {flags:x}"
            );
        }
    }

    #[test]
    fn no_corruption_hangs_or_panics() {
        let mut sentence = vec![0; 4];
        push_attribute(&mut sentence, 1, b"text\0");
        let whole =
            [message_of(ERROR, 0x300, &[0; 40]), message_of(DONE, 0x200, &sentence)].concat();
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut bad = whole.clone();
                bad[place] = byte;
                assert!(messages(&bad).count() <= whole.len());
                for message in messages(&bad).flatten() {
                    let _ = error_number(message.payload);
                    let _ = error_text(&message);
                }
            }
        }
    }
}
