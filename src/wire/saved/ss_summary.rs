//! The text of `ss -s`, of old versions and new ones.
//!
//! ```text
//! Total: 152                                                            Total: 152 (kernel 160)
//! TCP:   14 (estab 3, closed 2, orphaned 0, timewait 1)                 TCP:   14 (…, synrecv 0, timewait 1/0), ports 0
//!
//! Transport Total     IP        IPv6
//! TCP       12        8         4
//! ```

use crate::wire::text::{Fields, unsigned};

/// One line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All sockets.
    Total(u64),
    Tcp(Tcp),
    /// A row of the table below: a protocol, and its sockets of IPv4 and IPv6.
    Row(&'a [u8], [u64; 2]),
    /// A header, a row without numbers, or a blank line.
    Other,
}

/// The line of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Allocated sockets, and minisockets in TIME_WAIT.
    pub total: u64,
    pub estab: u64,
    /// May be below zero: it counts TIME_WAIT in and out.
    pub closed: i64,
    pub orphaned: u64,
    pub timewait: u64,
    /// Old versions add what the slab allocator says of connection requests to the total; the kernel says 0.
    pub synrecv: u64,
}

impl Tcp {
    /// The allocated sockets.
    pub fn alloc(&self) -> Option<u64> {
        self.total.checked_sub(self.timewait)?.checked_sub(self.synrecv)
    }
}

/// Whether a line is the first one.
pub fn begins(line: &[u8]) -> bool {
    matches!(read(line), Some(Line::Total(_)))
}

/// Reads a line; `None` if it is not one of this text.
pub fn read(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = Fields::new(line);
    let Some(first) = fields.next() else { return Some(Line::Other) };
    match first {
        b"Total:" => {
            let total = unsigned(fields.next()?)?;
            let is_old = fields.next().is_none_or(|word| word == b"(kernel");
            is_old.then_some(Line::Total(total))
        }
        b"TCP:" => tcp(fields).map(Line::Tcp),
        b"Transport" => (fields.next()? == b"Total").then_some(Line::Other),
        b"*" => Some(Line::Other),
        _ => {
            let is_protocol = first.iter().all(u8::is_ascii_uppercase);
            let [all, inet, inet6] = [(); 3].map(|()| fields.next().and_then(unsigned));
            let (all, inet, inet6) = (all?, inet?, inet6?);
            let is_whole = is_protocol && fields.next().is_none();
            (is_whole && inet.checked_add(inet6)? == all).then_some(Line::Row(first, [inet, inet6]))
        }
    }
}

fn tcp(mut fields: Fields<'_>) -> Option<Tcp> {
    let mut tcp = Tcp { total: unsigned(fields.next()?)?, ..Tcp::default() };
    let mut seen = 0u8;
    loop {
        let name = fields.next()?;
        let word = fields.next()?;
        // `3,`, or `1)` and `14/0),` at the end.
        let end = word.iter().position(|byte| matches!(byte, b',' | b')' | b'/'))?;
        let (digits, rest) = word.split_at_checked(end)?;
        if name == b"closed" {
            tcp.closed = i64::try_from(crate::wire::text::number(digits)?).ok()?;
        } else {
            let number = unsigned(digits)?;
            *match name {
                b"(estab" => &mut tcp.estab,
                b"orphaned" => &mut tcp.orphaned,
                b"timewait" => &mut tcp.timewait,
                b"synrecv" => &mut tcp.synrecv,
                _ => return None,
            } = number;
        }
        seen = seen.checked_add(1)?;
        if rest.contains(&b')') {
            return (name == b"timewait" && seen >= 4).then_some(tcp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read() {
        let new = "TCP:   14 (estab 3, closed 2, orphaned 0, timewait 1)";
        let wanted = Tcp { total: 14, estab: 3, closed: 2, timewait: 1, ..Tcp::default() };
        assert_eq!(read(new.as_bytes()), Some(Line::Tcp(wanted)));
        let old =
            "TCP:   152 (estab 148, closed -1, orphaned 2, synrecv 3, timewait 14/0), ports 0";
        let Some(Line::Tcp(tcp)) = read(old.as_bytes()) else { panic!() };
        assert_eq!((tcp.total, tcp.estab, tcp.closed, tcp.orphaned), (152, 148, -1, 2));
        assert_eq!((tcp.synrecv, tcp.timewait, tcp.alloc()), (3, 14, Some(135)));
        assert_eq!(read(b"Total: 152"), Some(Line::Total(152)));
        assert_eq!(read(b"Total: 152 (kernel 160)"), Some(Line::Total(152)));
        assert_eq!(read(b"TCP\t  12        8         4        "), Some(Line::Row(b"TCP", [8, 4])));
        for other in
            ["", "Transport Total     IP        IPv6", "*\t  160       -         -        "]
        {
            assert_eq!(read(other.as_bytes()), Some(Line::Other));
        }
    }

    #[test]
    fn what_is_cut_or_wrong_is_no_line() {
        let whole =
            b"TCP:   152 (estab 148, closed 1, orphaned 2, synrecv 3, timewait 14/0), ports 0";
        let end = whole.iter().position(|byte| *byte == b')').unwrap();
        for length in 1..=whole.len() {
            assert_eq!(read(&whole[..length]).is_some(), length > end, "{length}");
        }
        for wrong in [
            "Total: x",
            "Total: 1 2",
            "TCP: inuse 1",
            "TCP\t 12 8 5",
            "TCP\t 12 8",
            "TCP\t 12 8 4 1",
            "tcp 12 8 4",
            "TCP:   1 (estab 3)",
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
