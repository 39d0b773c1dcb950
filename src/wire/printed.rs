//! Addresses and ports as the tables of /proc/net print them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The byte order of the machine that wrote a table: the kernel prints addresses as numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// 127.0.0.1 is 7F000001.
    Big,
    /// 127.0.0.1 is 0100007F.
    Little,
}

impl Default for ByteOrder {
    /// That of this machine.
    fn default() -> ByteOrder {
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little }
    }
}

/// `0100007F` and `1F41`: the address as words in the byte order of the machine, the port.
pub(super) fn endpoint(address: &[u8], port: &[u8], order: ByteOrder) -> Option<(IpAddr, u16)> {
    let bytes = |word: &[u8]| match order {
        ByteOrder::Big => hex(word).map(u32::to_be_bytes),
        ByteOrder::Little => hex(word).map(u32::to_le_bytes),
    };
    let port = u16::try_from(hex(port)?).ok()?;
    let (words, &[]) = address.as_chunks::<8>() else { return None };
    let address = match *words {
        [word] => IpAddr::V4(Ipv4Addr::from(bytes(&word)?)),
        [a, b, c, d] => {
            let mut all = [0; 16];
            for (place, word) in all.as_chunks_mut::<4>().0.iter_mut().zip([a, b, c, d]) {
                *place = bytes(&word)?;
            }
            IpAddr::V6(Ipv6Addr::from(all))
        }
        _ => return None,
    };
    Some((address, port))
}

/// A hexadecimal number of at most 32 bits.
pub(super) fn hex(token: &[u8]) -> Option<u32> {
    if token.is_empty() || token.len() > 8 {
        return None;
    }
    token.iter().try_fold(0u32, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(value << 4 | digit)
    })
}
