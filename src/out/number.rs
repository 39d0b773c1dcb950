//! Numbers and addresses as most formats write them.

use std::net::IpAddr;

/// Appends a number in decimal.
pub(super) fn push_int(buffer: &mut Vec<u8>, number: i128) {
    let mut digits = itoa::Buffer::new();
    // Formatting 64 bits is much cheaper, and nearly all numbers fit.
    let text = match i64::try_from(number) {
        Ok(number) => digits.format(number),
        Err(_) => digits.format(number),
    };
    buffer.extend_from_slice(text.as_bytes());
}

/// Appends thousandths as a decimal fraction: 1500 is `1.500`.
pub(super) fn push_millis(buffer: &mut Vec<u8>, thousandths: i128) {
    push_fraction(buffer, thousandths, 3);
}

/// Appends `number` / 10^`digits` with all its digits.
pub(super) fn push_fraction(buffer: &mut Vec<u8>, number: i128, digits: u32) {
    let unit = 10u128.pow(digits);
    let size = number.unsigned_abs();
    let sign = if number < 0 { "-" } else { "" };
    let (whole, part) = (size / unit, size % unit);
    let width = digits as usize;
    buffer.extend_from_slice(format!("{sign}{whole}.{part:0width$}").as_bytes());
}

pub(super) fn push_bool(buffer: &mut Vec<u8>, is_so: bool) {
    buffer.extend_from_slice(if is_so { b"true" } else { b"false" });
}

pub(super) fn push_addr(buffer: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        return buffer.extend_from_slice(address.to_string().as_bytes());
    };
    // The standard library takes several times as long.
    for (place, octet) in address.octets().into_iter().enumerate() {
        buffer.extend_from_slice(if place > 0 { b"." } else { b"" });
        buffer.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

pub(super) fn push_net(buffer: &mut Vec<u8>, address: IpAddr, length: u8) {
    push_addr(buffer, address);
    buffer.push(b'/');
    push_int(buffer, length.into());
}
