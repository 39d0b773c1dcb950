//! Programs by which sock_diag picks sockets in the kernel (`struct inet_diag_bc_op` of
//! include/uapi/linux/inet_diag.h; inet_diag_bc_audit of net/ipv4/inet_diag.c says what it takes).

use std::net::IpAddr;

/// What the sockets must have: of every list that is not empty one entry must fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Ranges of our ports, first and last.
    pub local_ports: &'a [(u16, u16)],
    /// Ranges of the other end's ports.
    pub remote_ports: &'a [(u16, u16)],
    /// Networks of our address: an IPv4 one fits v4-mapped addresses too.
    pub local_networks: &'a [(IpAddr, u8)],
    /// Networks of the other end's address.
    pub remote_networks: &'a [(IpAddr, u8)],
}

/// The codes of the operations.
const JUMP: u8 = 1;
const LOCAL_PORT: (u8, u8) = (2, 3);
const REMOTE_PORT: (u8, u8) = (4, 5);
const LOCAL_NETWORK: u8 = 7;
const REMOTE_NETWORK: u8 = 8;

/// Where an operation goes on if it does not hold.
#[derive(Clone, Copy)]
enum Else {
    /// To the next alternative of its list.
    NextAlternative,
    /// Nowhere: the socket is not wanted.
    Reject,
}

/// Compiles `wanted`; an empty program if nothing is wanted, or if it would be longer than the
/// kernel's 16-bit offsets reach.
#[must_use]
pub fn compile(wanted: &Wanted<'_>) -> Vec<u8> {
    let ports = |codes: (u8, u8), ranges: &[(u16, u16)]| -> Vec<Vec<u8>> {
        let one = |&(first, last): &(u16, u16)| {
            [port_test(codes.0, first), port_test(codes.1, last)].concat()
        };
        ranges.iter().map(one).collect()
    };
    let networks = |code, networks: &[(IpAddr, u8)]| -> Vec<Vec<u8>> {
        networks.iter().map(|&(address, length)| network_test(code, address, length)).collect()
    };
    let lists = [
        ports(LOCAL_PORT, wanted.local_ports),
        ports(REMOTE_PORT, wanted.remote_ports),
        networks(LOCAL_NETWORK, wanted.local_networks),
        networks(REMOTE_NETWORK, wanted.remote_networks),
    ];
    let length: usize = lists.iter().map(|list| list_length(list)).sum();
    if length > MOST_BYTES {
        return Vec::new();
    }
    let mut program = Vec::with_capacity(length);
    for list in &lists {
        push_list(&mut program, list, length);
    }
    program
}

/// What an offset of 16 bits and an attribute's length allow, with room to reject.
const MOST_BYTES: usize = 0xff00;
/// The length of a bare operation.
const OPERATION: usize = 4;

/// A port is at least (or at most) `port`: two operations, of which the second holds the port.
fn port_test(code: u8, port: u16) -> Vec<u8> {
    let [low, high] = port.to_ne_bytes();
    vec![code, 8, 0, 0, 0, 0, low, high]
}

/// An address is in a network: an operation and a `struct inet_diag_hostcond`.
fn network_test(code: u8, address: IpAddr, length: u8) -> Vec<u8> {
    const ANY_PORT: [u8; 4] = (-1i32).to_ne_bytes();
    let (family, size, bytes) = match address {
        IpAddr::V4(address) => (2, 16, address.octets().to_vec()),
        IpAddr::V6(address) => (10, 28, address.octets().to_vec()),
    };
    let head: &[u8] = &[code, size, 0, 0, family, length, 0, 0];
    [head, &ANY_PORT, &bytes].concat()
}

/// The length of the operations for a list: a jump over the rest behind each entry but the last.
fn list_length(list: &[Vec<u8>]) -> usize {
    let entries: usize = list.iter().map(Vec::len).sum();
    entries.saturating_add(OPERATION.saturating_mul(list.len().saturating_sub(1)))
}

fn push_list(program: &mut Vec<u8>, list: &[Vec<u8>], whole: usize) {
    let end = program.len().saturating_add(list_length(list));
    for (place, tests) in list.iter().enumerate() {
        let is_last = place.saturating_add(1) == list.len();
        let otherwise = if is_last { Else::Reject } else { Else::NextAlternative };
        let next = program.len().saturating_add(tests.len()).saturating_add(OPERATION);
        push_tests(program, tests, otherwise, next, whole);
        if !is_last {
            let jump = u16::try_from(end.saturating_sub(program.len())).unwrap_or_default();
            let [low, high] = jump.to_ne_bytes();
            program.extend_from_slice(&[JUMP, 4, low, high]);
        }
    }
}

/// Appends operations, and fills in where each goes on if it does not hold.
fn push_tests(program: &mut Vec<u8>, mut tests: &[u8], otherwise: Else, next: usize, whole: usize) {
    while let &[code, length, _, _, ..] = tests {
        let Some((test, rest)) = tests.split_at_checked(length.into()) else { return };
        let target = match otherwise {
            Else::NextAlternative => next,
            Else::Reject => whole.saturating_add(OPERATION),
        };
        let offset = u16::try_from(target.saturating_sub(program.len())).unwrap_or_default();
        let [low, high] = offset.to_ne_bytes();
        program.extend_from_slice(&[code, length, low, high]);
        program.extend_from_slice(test.get(OPERATION..).unwrap_or_default());
        tests = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What inet_diag_bc_audit asks of a program.
    fn is_sound(program: &[u8]) -> bool {
        let mut starts = vec![];
        let mut place = 0;
        while place < program.len() {
            starts.push(place);
            place += usize::from(program[place + 1]);
        }
        starts.push(place);
        let whole = program.len();
        place == whole
            && starts[..starts.len() - 1].iter().all(|&start| {
                let no = usize::from(u16::from_ne_bytes([program[start + 2], program[start + 3]]));
                let target = start + no;
                no >= 4 && no % 4 == 0 && (target == whole + 4 || starts.contains(&target))
            })
    }

    #[test]
    fn nothing_wanted_is_no_program() {
        assert!(compile(&Wanted::default()).is_empty());
    }

    #[test]
    fn one_port_is_two_comparisons_that_reject() {
        let program = compile(&Wanted { local_ports: &[(443, 443)], ..Wanted::default() });
        let [low, high] = 443u16.to_ne_bytes();
        assert_eq!(program, [2, 8, 20, 0, 0, 0, low, high, 3, 8, 12, 0, 0, 0, low, high]);
    }

    #[test]
    fn lists_of_any_length_are_sound() {
        let ports: Vec<_> = (0..40).map(|n| (n * 10, n * 10 + 5)).collect();
        let networks: Vec<(IpAddr, u8)> =
            vec![("10.0.0.0".parse().unwrap(), 8), ("2001:db8::".parse().unwrap(), 32)];
        for count in 0..ports.len() {
            let wanted = Wanted {
                local_ports: &ports[..count],
                remote_ports: &ports[..count / 2],
                local_networks: &networks[..count % 3],
                remote_networks: &networks[..(count + 1) % 3],
            };
            assert!(is_sound(&compile(&wanted)), "{count}");
        }
    }

    #[test]
    fn a_program_too_long_for_its_offsets_is_left_to_user_space() {
        let ports: Vec<_> = (0..10_000).map(|port| (port, port)).collect();
        assert!(compile(&Wanted { local_ports: &ports, ..Wanted::default() }).is_empty());
    }
}
