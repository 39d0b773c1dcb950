//! Programs by which sock_diag filters sockets in the kernel (`struct inet_diag_bc_op` of
//! include/uapi/linux/inet_diag.h; inet_diag_bc_audit of net/ipv4/inet_diag.c says which programs it accepts).

use std::net::IpAddr;
use std::ops::Range;

/// What a socket must match: one entry of every list that is not empty. Or what it must not match: any entry of any
/// list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Ranges of local ports, first and last.
    pub local_ports: &'a [(u16, u16)],
    pub remote_ports: &'a [(u16, u16)],
    /// Networks of the local address: an IPv4 network also matches v4-mapped addresses.
    pub local_networks: &'a [Network],
    /// Networks of the remote address.
    pub remote_networks: &'a [Network],
    /// Indices of the interfaces to which sockets are bound.
    pub interfaces: &'a [u32],
}

impl Wanted<'_> {
    /// The tests of each list, entry by entry.
    fn lists(&self) -> [Vec<Vec<u8>>; 5] {
        let ports = |codes: (u8, u8), ranges: &[(u16, u16)]| -> Vec<Vec<u8>> {
            let one = |&(first, last): &(u16, u16)| {
                [port_test(codes.0, first), port_test(codes.1, last)].concat()
            };
            ranges.iter().map(one).collect()
        };
        let networks = |code, networks: &[Network]| -> Vec<Vec<u8>> {
            let one = |&(address, length, interface): &Network| {
                let on = interface.map(interface_test).unwrap_or_default();
                [network_test(code, address, length), on].concat()
            };
            networks.iter().map(one).collect()
        };
        [
            ports(LOCAL_PORT, self.local_ports),
            ports(REMOTE_PORT, self.remote_ports),
            networks(LOCAL_NETWORK, self.local_networks),
            networks(REMOTE_NETWORK, self.remote_networks),
            self.interfaces.iter().copied().map(interface_test).collect(),
        ]
    }
}

/// The address and length of a network, and the index of the interface to which sockets must be bound.
pub type Network = (IpAddr, u8, Option<u32>);

/// One of several parts of all sockets. Every socket is in exactly one part, and the parts are about equal in
/// size, whatever ports are in use. The ports form 64 bands; a socket's part is the sum of its two bands,
/// modulo the number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: u16,
    /// The number of parts: at most [`Part::MOST`].
    pub of: u16,
}

impl Part {
    /// The maximum number of parts.
    pub const MOST: u16 = BANDS;

    /// Whether a socket with these ports is in this part.
    #[inline]
    pub fn has(self, local: u16, remote: u16) -> bool {
        self.class(band(local).saturating_add(band(remote))) == self.number
    }

    /// The class of remote bands that, together with this local band, makes up the part.
    fn remote_class(self, local_band: u16) -> u16 {
        let distance = self.number.saturating_add(self.of).saturating_sub(self.class(local_band));
        self.class(distance)
    }

    #[inline]
    fn class(self, band: u16) -> u16 {
        band.checked_rem(self.of).unwrap_or(0)
    }
}

const BANDS: u16 = 64;
const BAND_PORTS: u16 = 1024;

fn band(port: u16) -> u16 {
    port / BAND_PORTS
}

const JUMP: u8 = 1;
const LOCAL_PORT: (u8, u8) = (2, 3);
const REMOTE_PORT: (u8, u8) = (4, 5);
const LOCAL_NETWORK: u8 = 7;
const REMOTE_NETWORK: u8 = 8;
/// Since Linux 4.8; older kernels refuse the program.
const INTERFACE: u8 = 9;

/// Where the program continues if an operation does not match.
#[derive(Clone, Copy)]
enum Else {
    /// At the next alternative of its list.
    NextAlternative,
    /// Nowhere: the socket is rejected.
    Reject,
}

/// Compiles a program that accepts what is `wanted` and not `unwanted`, and in the part, if several programs share the
/// sockets; it is empty if all are accepted. If the lists do not fit the kernel's 16-bit offsets, the program leaves
/// all of them out, but never the part.
pub fn compile(wanted: &Wanted<'_>, unwanted: &Wanted<'_>, part: Option<Part>) -> Vec<u8> {
    let (mut lists, mut excluded) = (wanted.lists(), unwanted.lists().concat());
    let of_part = part.map_or(0, part_length);
    let mut length = lists.iter().fold(of_part, |sum, list| sum.saturating_add(list_length(list)));
    for tests in &excluded {
        length = length.saturating_add(tests.len()).saturating_add(OPERATION);
    }
    if length > MOST_BYTES {
        (lists, excluded, length) = (Default::default(), Vec::new(), of_part);
    }
    let mut program = Vec::with_capacity(length);
    for list in &lists {
        push_list(&mut program, list, length);
    }
    for tests in &excluded {
        // What fails a test goes on behind the jump, which rejects.
        let next = program.len().saturating_add(tests.len()).saturating_add(OPERATION);
        push_tests(&mut program, tests, Else::NextAlternative, next, length);
        let [low, high] = offset(program.len(), length.saturating_add(OPERATION));
        program.extend_from_slice(&[JUMP, 4, low, high]);
    }
    part.iter().for_each(|part| push_part(&mut program, *part));
    program
}

/// The limit of 16-bit offsets and of an attribute's length, less the room for a rejecting jump.
const MOST_BYTES: usize = 0xff00;
/// The length of an operation without operands.
const OPERATION: usize = 4;

/// The length of a port comparison.
const PORT_TEST: usize = 8;

/// The length of a tree over N bands: N - 1 comparisons and N jumps.
fn tree_length(bands: usize) -> usize {
    let comparisons = PORT_TEST.saturating_mul(bands.saturating_sub(1));
    comparisons.saturating_add(OPERATION.saturating_mul(bands))
}

/// The length of a part's program: one tree over the local port, and one over the remote port per class of
/// bands.
fn part_length(part: Part) -> usize {
    let trees = usize::from(part.of).saturating_add(1);
    tree_length(BANDS.into()).saturating_mul(trees)
}

/// Appends the program of a part; nothing may follow it.
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

/// Appends a tree that compares a port with the bounds of `bands`; each leaf jumps to the place that `target`
/// gives for its band.
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

/// The distance in bytes from one place to a later one.
fn offset(from: usize, to: usize) -> [u8; 2] {
    u16::try_from(to.saturating_sub(from)).unwrap_or_default().to_ne_bytes()
}

/// Tests whether a port is at least (or at most) `port`: two operations, the second of which holds the port.
fn port_test(code: u8, port: u16) -> Vec<u8> {
    let [low, high] = port.to_ne_bytes();
    vec![code, 8, 0, 0, 0, 0, low, high]
}

/// Tests whether an address is in a network: one operation and a `struct inet_diag_hostcond`.
fn network_test(code: u8, address: IpAddr, length: u8) -> Vec<u8> {
    const ANY_PORT: [u8; 4] = (-1i32).to_ne_bytes();
    let (family, size, bytes) = match address {
        IpAddr::V4(address) => (2, 16, address.octets().to_vec()),
        IpAddr::V6(address) => (10, 28, address.octets().to_vec()),
    };
    let head: &[u8] = &[code, size, 0, 0, family, length, 0, 0];
    [head, &ANY_PORT, &bytes].concat()
}

/// The socket is bound to an interface: an operation and the index.
fn interface_test(index: u32) -> Vec<u8> {
    [[INTERFACE, 8, 0, 0], index.to_ne_bytes()].concat()
}

/// The length of a list's operations: each entry except the last is followed by a jump over the rest.
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

/// Appends operations, and fills in where each continues if it does not match.
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

    /// Whether inet_diag_bc_audit would accept the program.
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

    /// Whether inet_diag_bc_run would accept a socket with these addresses and ports.
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

    /// Whether an address is in the network of a `struct inet_diag_hostcond` of the same family.
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
        parts.map(|part| compile(wanted, &NOTHING, Some(part))).collect()
    }

    const NOTHING: Wanted<'_> = Wanted {
        local_ports: &[],
        remote_ports: &[],
        local_networks: &[],
        remote_networks: &[],
        interfaces: &[],
    };

    /// The ports at which the program's ranges begin: between two of them, it treats all ports alike.
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

    /// A listener has remote port 0, and a socket that is not bound yet has local port 0.
    #[test]
    fn every_pair_of_ports_is_in_exactly_one_part() {
        for of in 1..=8 {
            let programs = part_programs(of, &NOTHING);
            let mut ports: BTreeSet<u16> = programs.iter().flat_map(|one| bounds(one)).collect();
            assert_eq!(ports, (0..64).map(|band| band * 1024).collect());
            // With the last port of each band, these represent all ports, and their pairs all pairs.
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
            let programs = part_programs(of, &NOTHING);
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
            for program in part_programs(of, &NOTHING).into_iter().take(8) {
                assert!(is_sound(&program), "{of}");
                assert_eq!(program.len(), 760 * usize::from(of + 1));
            }
        }
        assert_eq!(part_programs(2, &NOTHING)[0].len(), 2280);
        assert_eq!(part_programs(4, &NOTHING)[0].len(), 3800);
    }

    #[test]
    fn a_part_of_what_is_wanted_is_wanted_and_in_the_part() {
        let wanted = Wanted {
            local_ports: &[(0, 0), (80, 90), (443, 40_000)],
            remote_ports: &[(0, 1024), (30_000, 65_535)],
            local_networks: &[("10.0.0.0".parse().unwrap(), 8, None), (V6[0], 64, None)],
            remote_networks: &[("192.168.0.0".parse().unwrap(), 16, None), (V6[1], 0, None)],
            interfaces: &[],
        };
        let (all, programs) = (compile(&wanted, &NOTHING, None), part_programs(3, &wanted));
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
        assert!(found > 1000, "almost no socket matched: {found}");
    }

    #[test]
    fn nothing_wanted_is_no_program() {
        assert!(compile(&NOTHING, &NOTHING, None).is_empty());
    }

    #[test]
    fn one_port_is_two_comparisons_that_reject() {
        let wanted = Wanted { local_ports: &[(443, 443)], ..NOTHING };
        let program = compile(&wanted, &NOTHING, None);
        let [low, high] = 443u16.to_ne_bytes();
        assert_eq!(program, [2, 8, 20, 0, 0, 0, low, high, 3, 8, 12, 0, 0, 0, low, high]);
    }

    #[test]
    fn one_port_that_is_unwanted_is_two_comparisons_and_a_jump_that_rejects() {
        let unwanted = Wanted { local_ports: &[(22, 22)], ..NOTHING };
        let program = compile(&NOTHING, &unwanted, None);
        let wanted = [2, 8, 20, 0, 0, 0, 22, 0, 3, 8, 12, 0, 0, 0, 22, 0, JUMP, 4, 8, 0]
            .map(|byte: u8| byte);
        if cfg!(target_endian = "little") {
            assert_eq!(program, wanted);
        }
    }

    /// Each combination of lists accepts what the wanted ones accept and none of the unwanted ones does.
    #[test]
    fn what_is_unwanted_is_rejected_and_nothing_else() {
        let network = |text: &str, length| (text.parse().unwrap(), length, None);
        let networks =
            [network("10.0.0.0", 8), network("2001:db8::", 32), network("192.168.7.9", 32)];
        let lists = |set: u8| Wanted {
            local_ports: if set & 1 != 0 { &[(22, 22), (100, 200)] } else { &[] },
            remote_ports: if set & 2 != 0 { &[(0, 99), (200, 200)] } else { &[] },
            local_networks: if set & 4 != 0 { &networks[..2] } else { &[] },
            remote_networks: if set & 8 != 0 { &networks[2..] } else { &[] },
            interfaces: &[],
        };
        let ports = [0, 21, 22, 23, 99, 100, 200, 201, 65_535];
        for (set, but) in (0..16).flat_map(|set| (0..16).map(move |but| (set, but))) {
            let (wanted, unwanted) = (lists(set), lists(but));
            let program = compile(&wanted, &unwanted, None);
            assert!(is_sound(&program), "{set} {but}");
            let part = Part { number: 1, of: 2 };
            let of_part = compile(&wanted, &unwanted, Some(part));
            assert!(is_sound(&of_part), "{set} {but}");
            for (local, remote) in
                ports.iter().flat_map(|one| ports.iter().map(|other| (*one, *other)))
            {
                for [ours, theirs] in [V4, V6, [V4[1], V4[0]], [V6[1], V6[0]]] {
                    let (one, other) = ((ours, local), (theirs, remote));
                    // Of what is unwanted, each list alone.
                    let is_unwanted = [1, 2, 4, 8].iter().any(|bit| {
                        but & bit != 0
                            && accepts(&compile(&lists(*bit), &NOTHING, None), one, other)
                    });
                    let is_it =
                        accepts(&compile(&wanted, &NOTHING, None), one, other) && !is_unwanted;
                    assert_eq!(
                        accepts(&program, one, other),
                        is_it,
                        "{set} {but} {one:?} {other:?}"
                    );
                    let is_part = is_it && part.has(local, remote);
                    assert_eq!(accepts(&of_part, one, other), is_part, "{set} {but} {one:?}");
                }
            }
        }
    }

    #[test]
    fn lists_of_any_length_are_sound() {
        let ports: Vec<_> = (0..40).map(|n| (n * 10, n * 10 + 5)).collect();
        let networks: [Network; 2] =
            [("10.0.0.0".parse().unwrap(), 8, None), ("fe80::".parse().unwrap(), 10, Some(2))];
        for count in 0..ports.len() {
            let wanted = Wanted {
                local_ports: &ports[..count],
                remote_ports: &ports[..count / 2],
                local_networks: &networks[..count % 3],
                remote_networks: &networks[..(count + 1) % 3],
                interfaces: &[1, 2, 3][..count % 4],
            };
            for (wanted, unwanted) in [(&wanted, &NOTHING), (&NOTHING, &wanted), (&wanted, &wanted)]
            {
                assert!(is_sound(&compile(wanted, unwanted, None)), "{count}");
            }
        }
    }

    #[test]
    fn a_program_too_long_for_its_offsets_is_left_to_user_space() {
        let ports: Vec<_> = (0..10_000).map(|port| (port, port)).collect();
        let wanted = Wanted { local_ports: &ports, ..NOTHING };
        assert!(compile(&wanted, &NOTHING, None).is_empty());
        assert!(compile(&NOTHING, &wanted, None).is_empty());
        assert_eq!(part_programs(2, &wanted), part_programs(2, &NOTHING));
    }
}
