//! Programs by which sock_diag picks sockets in the kernel (`struct inet_diag_bc_op` of
//! include/uapi/linux/inet_diag.h; inet_diag_bc_audit of net/ipv4/inet_diag.c says what it takes).

use std::net::IpAddr;
use std::ops::Range;

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
    /// The part, of sockets that several programs share.
    pub part: Option<Part>,
}

/// One of several parts of all sockets: every socket is in exactly one of them, and each has about as many,
/// whatever ports are in use. The ports make 64 bands; a socket's part is the sum of its two bands, modulo
/// the number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's number, from 0.
    pub number: u16,
    /// How many parts there are: at most [`Part::MOST`].
    pub of: u16,
}

impl Part {
    /// How many parts there may be.
    pub const MOST: u16 = BANDS;

    /// Whether a socket with these ports is in this part.
    #[inline]
    pub fn has(self, local: u16, remote: u16) -> bool {
        self.class(band(local).saturating_add(band(remote))) == self.number
    }

    /// Which class of bands of remote ports belongs to a band of local ones.
    fn remote_class(self, local_band: u16) -> u16 {
        let distance = self.number.saturating_add(self.of).saturating_sub(self.class(local_band));
        self.class(distance)
    }

    #[inline]
    fn class(self, band: u16) -> u16 {
        band.checked_rem(self.of).unwrap_or(0)
    }
}

/// How many bands there are.
const BANDS: u16 = 64;
/// How many ports a band has.
const BAND_PORTS: u16 = 1024;

fn band(port: u16) -> u16 {
    port / BAND_PORTS
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

/// Compiles `wanted`; an empty program if nothing is wanted. What would be longer than the kernel's 16-bit
/// offsets reach is skipped, but never the part.
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
    let mut lists = [
        ports(LOCAL_PORT, wanted.local_ports),
        ports(REMOTE_PORT, wanted.remote_ports),
        networks(LOCAL_NETWORK, wanted.local_networks),
        networks(REMOTE_NETWORK, wanted.remote_networks),
    ];
    let part = wanted.part.map_or(0, part_length);
    let mut length = lists.iter().fold(part, |sum, list| sum.saturating_add(list_length(list)));
    if length > MOST_BYTES {
        (lists, length) = (Default::default(), part);
    }
    let mut program = Vec::with_capacity(length);
    for list in &lists {
        push_list(&mut program, list, length);
    }
    wanted.part.iter().for_each(|part| push_part(&mut program, *part));
    program
}

/// What an offset of 16 bits and an attribute's length allow, with room to reject.
const MOST_BYTES: usize = 0xff00;
/// The length of a bare operation.
const OPERATION: usize = 4;

/// The length of a comparison with a port.
const PORT_TEST: usize = 8;

/// The length of a tree over N bands: a comparison between each two of them, and a jump for each.
fn tree_length(bands: usize) -> usize {
    let comparisons = PORT_TEST.saturating_mul(bands.saturating_sub(1));
    comparisons.saturating_add(OPERATION.saturating_mul(bands))
}

/// The length of a part's program: a tree over the local port, and one over the remote port for each class
/// of bands.
fn part_length(part: Part) -> usize {
    let trees = usize::from(part.of).saturating_add(1);
    tree_length(BANDS.into()).saturating_mul(trees)
}

/// Appends the program of a part, which is the last.
fn push_part(program: &mut Vec<u8>, part: Part) {
    let (start, tree) = (program.len(), tree_length(BANDS.into()));
    let whole = start.saturating_add(part_length(part));
    push_tree(program, LOCAL_PORT.0, 0..BANDS, &|band| {
        let trees_before = usize::from(part.remote_class(band)).saturating_add(1);
        start.saturating_add(tree.saturating_mul(trees_before))
    });
    for class in 0..part.of {
        push_tree(program, REMOTE_PORT.0, 0..BANDS, &|band| match part.class(band) == class {
            true => whole,
            false => whole.saturating_add(OPERATION),
        });
    }
}

/// Appends a tree of comparisons of a port with the bounds of `bands`; its leaves jump to where `target`
/// says for the band.
fn push_tree(program: &mut Vec<u8>, code: u8, bands: Range<u16>, target: &dyn Fn(u16) -> usize) {
    let here = program.len();
    let half = bands.end.saturating_sub(bands.start) / 2;
    if half == 0 {
        let [low, high] = offset(here, target(bands.start));
        program.extend_from_slice(&[JUMP, 4, low, high]);
        return;
    }
    let middle = bands.start.saturating_add(half);
    let upper = tree_length(bands.end.saturating_sub(middle).into());
    let [low, high] = offset(here, here.saturating_add(PORT_TEST).saturating_add(upper));
    let [port_low, port_high] = middle.saturating_mul(BAND_PORTS).to_ne_bytes();
    program.extend_from_slice(&[code, 8, low, high, 0, 0, port_low, port_high]);
    push_tree(program, code, middle..bands.end, target);
    push_tree(program, code, bands.start..middle, target);
}

/// The bytes of the way from one place to another that stands behind it.
fn offset(from: usize, to: usize) -> [u8; 2] {
    u16::try_from(to.saturating_sub(from)).unwrap_or_default().to_ne_bytes()
}

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
            let [low, high] = offset(program.len(), end);
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
        let [low, high] = offset(program.len(), target);
        program.extend_from_slice(&[code, length, low, high]);
        program.extend_from_slice(test.get(OPERATION..).unwrap_or_default());
        tests = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    /// What inet_diag_bc_run makes of a program for a socket of these addresses and ports.
    fn accepts(program: &[u8], local: (IpAddr, u16), remote: (IpAddr, u16)) -> bool {
        let (mut place, mut left) = (0, program.len());
        while left > 0 {
            let operation = &program[place..];
            let port = || u16::from_ne_bytes([operation[6], operation[7]]);
            let holds = match operation[0] {
                JUMP => false,
                2 => local.1 >= port(),
                3 => local.1 <= port(),
                4 => remote.1 >= port(),
                5 => remote.1 <= port(),
                LOCAL_NETWORK => is_in(local.0, &operation[4..]),
                REMOTE_NETWORK => is_in(remote.0, &operation[4..]),
                other => panic!("operation {other}"),
            };
            let step = match holds {
                true => operation[1].into(),
                false => usize::from(u16::from_ne_bytes([operation[2], operation[3]])),
            };
            if step == left + 4 {
                return false;
            }
            (place, left) = (place + step, left - step);
        }
        true
    }

    /// Whether an address is in the network of a `struct inet_diag_hostcond`, of its own family.
    fn is_in(address: IpAddr, condition: &[u8]) -> bool {
        let (family, bytes) = match address {
            IpAddr::V4(address) => (2, address.octets().to_vec()),
            IpAddr::V6(address) => (10, address.octets().to_vec()),
        };
        let bit = |bytes: &[u8], bit: usize| bytes[bit / 8] >> (7 - bit % 8) & 1;
        condition[0] == family
            && (0..condition[1].into()).all(|at| bit(&bytes, at) == bit(&condition[8..], at))
    }

    fn part_programs(of: u16, wanted: &Wanted<'_>) -> Vec<Vec<u8>> {
        let parts = (0..of).map(|number| Part { number, of });
        parts.map(|part| compile(&Wanted { part: Some(part), ..*wanted })).collect()
    }

    /// The first ports of the ranges within which all ports are the same to a program.
    fn bounds(program: &[u8]) -> BTreeSet<u16> {
        let (mut bounds, mut place) = (BTreeSet::from([0]), 0);
        while place < program.len() {
            if [2, 4].contains(&program[place]) {
                bounds.insert(u16::from_ne_bytes([program[place + 6], program[place + 7]]));
            }
            place += usize::from(program[place + 1]);
        }
        bounds
    }

    const V4: [IpAddr; 2] = [
        IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3)),
        IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 7, 9)),
    ];
    const V6: [IpAddr; 2] = [
        IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    ];

    /// A listener has the remote port 0, and a socket that is not bound yet the local one.
    #[test]
    fn every_pair_of_ports_is_in_exactly_one_part() {
        for of in 1..=8 {
            let programs = part_programs(of, &Wanted::default());
            let mut ports: BTreeSet<u16> = programs.iter().flat_map(|one| bounds(one)).collect();
            assert_eq!(ports, (0..64).map(|band| band * 1024).collect());
            // With the last port of each band they stand for all ports, and their pairs for all pairs.
            ports.extend(ports.clone().iter().map(|first| first.wrapping_sub(1)));
            for (local, remote) in
                ports.iter().flat_map(|local| ports.iter().map(|remote| (*local, *remote)))
            {
                let number = (local / 1024 + remote / 1024) % of;
                for [ours, theirs] in [V4, V6] {
                    let is_in =
                        |program: &Vec<u8>| accepts(program, (ours, local), (theirs, remote));
                    let accepted: Vec<u16> =
                        (0..of).filter(|one| is_in(&programs[usize::from(*one)])).collect();
                    assert_eq!(accepted, [number], "{local} {remote} of {of}");
                }
                let has = |number| Part { number, of }.has(local, remote);
                assert!((0..of).all(|one| has(one) == (one == number)), "{local} {remote}");
            }
        }
    }

    #[test]
    fn every_single_port_is_in_exactly_one_part() {
        for of in [2, 3, 8] {
            let programs = part_programs(of, &Wanted::default());
            for port in 0..=u16::MAX {
                for (local, remote) in [(port, 0), (0, port), (port, 65535), (65535, port)] {
                    let is_in =
                        |program: &&Vec<u8>| accepts(program, (V4[0], local), (V4[1], remote));
                    assert_eq!(programs.iter().filter(is_in).count(), 1, "{local} {remote}");
                }
            }
        }
    }

    #[test]
    fn programs_of_parts_are_sound_and_as_long_as_those_that_were_measured() {
        for of in (1..=8).chain([Part::MOST]) {
            for program in part_programs(of, &Wanted::default()).into_iter().take(8) {
                assert!(is_sound(&program), "{of}");
                assert_eq!(program.len(), 760 * usize::from(of + 1));
            }
        }
        assert_eq!(part_programs(2, &Wanted::default())[0].len(), 2280);
        assert_eq!(part_programs(4, &Wanted::default())[0].len(), 3800);
    }

    #[test]
    fn a_part_of_what_is_wanted_is_wanted_and_in_the_part() {
        let wanted = Wanted {
            local_ports: &[(0, 0), (80, 90), (443, 40_000)],
            remote_ports: &[(0, 1024), (30_000, 65_535)],
            local_networks: &[("10.0.0.0".parse().unwrap(), 8), (V6[0], 64)],
            remote_networks: &[("192.168.0.0".parse().unwrap(), 16), (V6[1], 0)],
            part: None,
        };
        let (all, programs) = (compile(&wanted), part_programs(3, &wanted));
        assert!(programs.iter().all(|program| is_sound(program)));
        let ports: Vec<u16> = (0..=65_535).step_by(1021).chain([80, 90, 91, 443, 65_535]).collect();
        let mut found = 0;
        for (local, remote) in
            ports.iter().flat_map(|local| ports.iter().map(|remote| (*local, *remote)))
        {
            for [ours, theirs] in [V4, V6, [V4[1], V4[0]], [V6[1], V6[0]]] {
                let (local, remote) = ((ours, local), (theirs, remote));
                let is_wanted = accepts(&all, local, remote);
                let parts = programs.iter().filter(|one| accepts(one, local, remote)).count();
                assert_eq!(parts, usize::from(is_wanted), "{local:?} {remote:?}");
                found += parts;
            }
        }
        assert!(found > 1000, "nearly nothing was wanted: {found}");
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
                part: None,
            };
            assert!(is_sound(&compile(&wanted)), "{count}");
        }
    }

    #[test]
    fn a_program_too_long_for_its_offsets_is_left_to_user_space() {
        let ports: Vec<_> = (0..10_000).map(|port| (port, port)).collect();
        let wanted = Wanted { local_ports: &ports, ..Wanted::default() };
        assert!(compile(&wanted).is_empty());
        assert_eq!(part_programs(2, &wanted), part_programs(2, &Wanted::default()));
    }
}
