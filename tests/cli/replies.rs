//! Scripted answers of the kernel to a dump: whole and cut datagrams, errors with and without a message, lost
//! answers, interrupted dumps, and kernels that ignore or refuse a program.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use connbox::error::Error;
use connbox::model::{Family, Ports, Prefix, Proto, Query, Socket, StateSet};
use connbox::source::netlink::{Failure, Messages, Refusal, Wait};
use connbox::source::sockets::in_parts;
use connbox::source::sockets::sock_diag::{self, DumpRequest, Dumped, Exchange};
use connbox::source::{Collector, confirmed, from_kernel};
use connbox::wire::netlink::{DONE, ERROR, dump_request, messages, push_attribute};
use connbox::wire::tcp_info::TcpInfo;
use rustix::io::Errno;

/// A kernel that answers from a script: one list of datagrams (or errors) per request.
#[derive(Default)]
struct Script {
    answers: VecDeque<Vec<Result<Vec<u8>, Errno>>>,
    current: VecDeque<Result<Vec<u8>, Errno>>,
    datagram: Vec<u8>,
    requests: Vec<Vec<u8>>,
}

impl Script {
    fn new(answers: Vec<Vec<Result<Vec<u8>, Errno>>>) -> Script {
        Script { answers: answers.into(), ..Script::default() }
    }
}

impl Exchange for Script {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        self.requests.push(request.to_vec());
        self.current = self.answers.pop_front().expect("an unexpected request").into();
        Ok(())
    }

    /// That of the answers which come next.
    fn number(&mut self) -> u32 {
        let next = self.answers.front().and_then(|datagrams| datagrams.first()?.as_ref().ok());
        let last = next.and_then(|datagram| messages(datagram).flatten().last());
        last.map_or(1, |message| message.sequence)
    }
}

impl Messages for Script {
    fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
        self.datagram = self.current.pop_front().expect("an unexpected receive")?;
        Ok(&self.datagram)
    }
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = dump_request(kind, sequence, payload);
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message
}

/// A socket 10.0.0.N:port → 10.9.0.N:999 in ESTABLISHED.
fn socket(sequence: u32, flags: u16, last: u8, port: u16) -> Vec<u8> {
    let mut payload = [0; 72];
    payload[..2].copy_from_slice(&[2, 1]);
    payload[4..6].copy_from_slice(&port.to_be_bytes());
    payload[6..8].copy_from_slice(&999u16.to_be_bytes());
    payload[8..12].copy_from_slice(&[10, 0, 0, last]);
    payload[24..28].copy_from_slice(&[10, 9, 0, last]);
    payload[68] = 7;
    message(20, flags, sequence, &payload)
}

fn done(sequence: u32) -> Vec<u8> {
    message(DONE, 2, sequence, &[0; 4])
}

fn error(sequence: u32, errno: i32, sentence: Option<&[u8]>) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend_from_slice(&[0; 16]);
    if let Some(sentence) = sentence {
        push_attribute(&mut payload, 1, &[sentence, b"\0"].concat());
    }
    message(ERROR, if sentence.is_some() { 0x300 } else { 0x100 }, sequence, &payload)
}

/// The local ports that a dump of all TCP sockets gives.
fn ports(script: &mut Script) -> (Result<Dumped, Refusal>, Vec<u16>) {
    let mut ports = Vec::new();
    let result = sock_diag::dump(script, &DumpRequest::tcp(StateSet::ALL), |answer| {
        ports.push(answer.local().1);
        Ok(())
    });
    let refused = |failure| match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Stopped(error) => panic!("{error:?}"),
    };
    (result.map_err(refused), ports)
}

#[test]
fn answers_come_in_datagrams_of_any_number() {
    let all: Vec<_> = (1..=7).map(|port| socket(1, 2, 1, port)).collect();
    for size in 1..=7 {
        let mut datagrams: Vec<_> = all.chunks(size).map(|some| Ok(some.concat())).collect();
        datagrams.push(Ok(done(1)));
        let (result, ports) = ports(&mut Script::new(vec![datagrams]));
        assert_eq!((result, ports), (Ok(Dumped::default()), (1..=7).collect()));
    }
}

#[test]
fn what_answers_another_request_is_passed_over() {
    let datagram = [socket(9, 2, 1, 5), socket(1, 2, 1, 6), done(9), done(1)].concat();
    assert_eq!(ports(&mut Script::new(vec![vec![Ok(datagram)]])).1, [6]);
}

#[test]
fn an_interrupted_dump_is_marked() {
    let datagram = [socket(1, 0x12, 1, 5), done(1)].concat();
    let (result, ports) = ports(&mut Script::new(vec![vec![Ok(datagram)]]));
    assert_eq!(
        (result, ports),
        (Ok(Dumped { is_interrupted: true, ..Dumped::default() }), vec![5])
    );
}

#[test]
fn every_cut_datagram_is_an_error() {
    let whole = [socket(1, 2, 1, 5), socket(1, 2, 1, 6)].concat();
    for length in 1..whole.len() {
        let (result, seen) =
            ports(&mut Script::new(vec![vec![Ok(whole[..length].to_vec()), Ok(done(1))]]));
        let is_whole = length == whole.len() / 2;
        assert_eq!(result.is_ok(), is_whole, "{length}");
        if let Err(refusal) = result {
            assert_eq!((refusal.errno, refusal.is_partial), (Errno::BADMSG, !seen.is_empty()));
        }
    }
}

#[test]
fn a_length_that_is_not_aligned_moves_to_the_next_message() {
    // 89 bytes, then three bytes of padding that do not count.
    let mut odd = socket(1, 2, 1, 5);
    odd[..4].copy_from_slice(&89u32.to_ne_bytes());
    odd.extend_from_slice(&[1, 0xee, 0xee, 0xee]);
    let datagram = [odd, socket(1, 2, 1, 6), done(1)].concat();
    assert_eq!(ports(&mut Script::new(vec![vec![Ok(datagram)]])).1, [5, 6]);
    // Nonsensical lengths end the walk.
    for length in (0u32..16).chain([u32::MAX, u32::MAX - 3, 1 << 31]) {
        let mut bad = socket(1, 2, 1, 5);
        bad[..4].copy_from_slice(&length.to_ne_bytes());
        let (result, _) = ports(&mut Script::new(vec![vec![Ok(bad), Ok(done(1))]]));
        assert_eq!(result.unwrap_err().errno, Errno::BADMSG, "{length}");
    }
}

#[test]
fn an_interrupted_call_is_made_again() {
    let interrupted = || Err(Errno::INTR);
    let datagrams =
        vec![interrupted(), Ok(socket(1, 2, 1, 5)), interrupted(), interrupted(), Ok(done(1))];
    assert_eq!(ports(&mut Script::new(vec![datagrams])), (Ok(Dumped::default()), vec![5]));
}

#[test]
fn lost_answers_are_no_count() {
    for errno in [Errno::NOBUFS, Errno::MSGSIZE, Errno::IO] {
        let (result, _) = ports(&mut Script::new(vec![vec![Ok(socket(1, 2, 1, 5)), Err(errno)]]));
        let refusal = result.unwrap_err();
        assert_eq!((refusal.errno, refusal.is_partial), (errno, true));
    }
    // An error number in the last message, too.
    let cut = message(DONE, 2, 1, &(-105i32).to_ne_bytes());
    let (result, _) = ports(&mut Script::new(vec![vec![Ok(cut)]]));
    assert_eq!(result.unwrap_err().errno, Errno::NOBUFS);
}

/// A receive after the row on which the callback failed would find the script empty, and panic.
#[test]
fn a_failure_of_what_takes_the_rows_stops_the_dump_and_comes_back() {
    for rows_before in 0..3 {
        let rows: Vec<_> = (1..=4).map(|port| socket(1, 2, 1, port)).collect();
        let (mut script, mut taken) = (Script::new(vec![vec![Ok(rows.concat())]]), 0);
        let result = sock_diag::dump(&mut script, &DumpRequest::tcp(StateSet::ALL), |_| {
            taken += 1;
            if taken > rows_before { Err(Error::ClosedPipe) } else { Ok(()) }
        });
        assert!(matches!(result, Err(Failure::Stopped(Error::ClosedPipe))), "{result:?}");
        assert_eq!(taken, rows_before + 1);
    }
    let filter = Query { protos: vec![Proto::Udp], ..Query::default() };
    let mut script = Script::new(vec![vec![Ok(socket(1, 2, 1, 5))]]);
    let result = from_kernel(&mut script, Proto::Udp, &filter, &mut |_| Err(Error::ClosedPipe));
    assert!(matches!(result, Err(Failure::Stopped(Error::ClosedPipe))), "{result:?}");
    assert_eq!(script.requests.len(), 1, "the other family was requested");
}

#[test]
fn the_kernels_sentence_reaches_the_user() {
    let script = |sentence| Script::new(vec![vec![Ok(error(1, 1, sentence))]]);
    let text = |sentence| match Error::from(ports(&mut script(sentence)).0.unwrap_err()) {
        Error::Fault { text, .. } => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(None), "sock_diag: Operation not permitted");
    let said = text(Some(b"not in a sandbox"));
    assert_eq!(said, "sock_diag: Operation not permitted: not in a sandbox");
    // Numbers that are not an errno, and payloads that are not a number.
    for payload in [&[][..], &[1], &[0, 0, 0, 0x80], &i32::MAX.to_ne_bytes()] {
        let (result, _) = ports(&mut Script::new(vec![vec![Ok(message(ERROR, 0, 1, payload))]]));
        assert!(result.is_err(), "{payload:?}");
    }
}

fn filter() -> Query {
    Query {
        lport: vec![Ports { first: 5, last: 6 }].into(),
        raddr: vec![Prefix::parse("10.9.0.0/24").unwrap().into()].into(),
        ..Query::default()
    }
}

/// The local ports of the sockets that match `filter`, and the requests made.
fn picked(script: &mut Script, filter: &Query, proto: Proto) -> Vec<u16> {
    let mut ports = Vec::new();
    let mut take = |socket: &Socket| {
        if filter.has(socket) {
            ports.push(socket.local.port);
        }
        Ok(())
    };
    from_kernel(script, proto, filter, &mut take).unwrap();
    ports
}

#[test]
fn a_kernel_that_ignores_the_program_is_checked() {
    let all = [socket(1, 2, 1, 5), socket(1, 2, 1, 7), socket(1, 2, 2, 6), done(1)].concat();
    let mut script = Script::new(vec![vec![Ok(all)]]);
    assert_eq!(picked(&mut script, &filter(), Proto::Tcp), [5, 6]);
    assert!(script.requests[0].len() > 76, "no program was sent");
}

#[test]
fn a_kernel_that_refuses_the_program_is_asked_for_all() {
    let all = [socket(1, 2, 1, 5), socket(1, 2, 1, 7), done(1)].concat();
    let refused = error(1, 22, Some(b"no such operation"));
    let mut script = Script::new(vec![vec![Ok(refused)], vec![Ok(all)]]);
    assert_eq!(picked(&mut script, &filter(), Proto::Tcp), [5]);
    assert_eq!(script.requests[1].len(), 76, "the program was sent again");
}

#[test]
fn udp_and_single_families_are_asked_for_by_family() {
    let family = |script: &Script| -> Vec<_> {
        script.requests.iter().map(|request| (request[4], request[16], request[17])).collect()
    };
    let answer = |sequence| vec![Ok([socket(sequence, 2, 1, 5), done(sequence)].concat())];
    let mut script = Script::new(vec![answer(1), answer(2)]);
    assert_eq!(
        picked(&mut script, &Query { protos: vec![Proto::Udp], ..filter() }, Proto::Udp),
        [5, 5]
    );
    assert_eq!(family(&script), [(20, 2, 17), (20, 10, 17)]);
    let mut script = Script::new(vec![answer(1)]);
    let only = Query { family: Some(Family::Inet), ..filter() };
    assert_eq!(picked(&mut script, &only, Proto::Tcp), [5]);
    assert_eq!(family(&script), [(20, 2, 6)]);
}

#[derive(Default)]
struct LocalPorts(Vec<u16>);

impl Collector for LocalPorts {
    fn take(&mut self, socket: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
        if socket.local.port == 13 {
            return Err(Error::ClosedPipe);
        }
        self.0.push(socket.local.port);
        Ok(())
    }

    fn merge(&mut self, other: LocalPorts) {
        self.0.extend(other.0);
    }
}

/// The local ports of a dump that threads share. The kernel of each part answers with what `answers` gives for
/// the part's number.
fn shared(
    parts: u16,
    answers: impl Fn(u16) -> Vec<Result<Vec<u8>, Errno>> + Sync,
) -> Result<(Vec<u16>, bool), Failure> {
    let opened = AtomicU16::new(0);
    let open = || {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        // A thread may do several parts.
        let scripts = (0..parts).map(|_| answers(number)).collect();
        Ok(Script::new(scripts))
    };
    let (mut taken, dumped) = in_parts(parts, open, &Query::default(), LocalPorts::default)?;
    taken.0.sort_unstable();
    Ok((taken.0, dumped.is_interrupted))
}

#[test]
fn kernels_that_ignore_the_program_of_a_part_give_each_socket_once() {
    let ports: Vec<u16> = (1..60).map(|band| band * 1021).collect();
    for parts in 1..=8 {
        let all = || ports.iter().flat_map(|port| socket(1, 2, 1, *port)).collect::<Vec<_>>();
        let taken = shared(parts, |_| vec![Ok([all(), done(1)].concat())]).unwrap();
        assert_eq!(taken, (ports.clone(), false), "{parts}");
    }
}

#[test]
fn a_part_that_fails_is_a_failure_of_the_whole() {
    let refused = |errno| shared(2, move |_| vec![Ok(error(1, errno, None))]).unwrap_err();
    for errno in [Errno::INVAL, Errno::PERM] {
        let Failure::Refused(refusal) = refused(errno.raw_os_error()) else { panic!("stopped") };
        // Then the caller asks for everything again, or reads files.
        assert_eq!((refusal.errno, refusal.is_partial), (errno, false));
    }
    let cut = |_| vec![Ok(socket(1, 2, 1, 5)), Err(Errno::NOBUFS)];
    // Ports 5 and 999 are in part 0.
    let Err(Failure::Refused(refusal)) = shared(2, cut) else { panic!("not refused") };
    assert_eq!((refusal.errno, refusal.is_partial), (Errno::NOBUFS, true));
    let stopped = shared(4, |_| vec![Ok([socket(1, 2, 1, 13), done(1)].concat())]);
    assert!(matches!(stopped, Err(Failure::Stopped(Error::ClosedPipe))), "{stopped:?}");
    let none = in_parts(2, || Err::<Script, _>(refused(1)), &Query::default(), LocalPorts::default);
    assert!(none.is_err());
}

/// What --strict does with dumps that are interrupted or not.
#[test]
fn strict_counts_until_two_agree() {
    let saved = connbox::source::Source { saved: vec!["-".into()], ..Default::default() };
    let dump = |ports: &[u16], flags| {
        let sockets = ports.iter().map(|port| socket(1, flags, 1, *port));
        vec![Ok(sockets.chain([done(1)]).collect::<Vec<_>>().concat())]
    };
    let settle = |answers: Vec<Vec<_>>| {
        // The last one changes for ever.
        let patience = Some(Duration::from_secs(if answers.len() == 5 { 0 } else { 60 }));
        let mut script = Script::new(answers);
        let result = confirmed(&saved, patience, || {
            let (result, ports) = ports(&mut script);
            Ok((ports.len(), result.unwrap()))
        });
        (result.map(|(count, _)| count), script.requests.len())
    };
    let (count, dumps) = settle(vec![dump(&[1], 0x12), dump(&[1, 2], 0x12), dump(&[3], 0x12)]);
    assert_eq!((count.unwrap(), dumps), (1, 3));
    let (count, dumps) = settle(vec![dump(&[1], 0x12), dump(&[1, 2], 2)]);
    assert_eq!((count.unwrap(), dumps), (2, 2));
    let growing = (1..=5u16).map(|most| dump(&(1..=most).collect::<Vec<_>>(), 0x12)).collect();
    let (count, dumps) = settle(growing);
    let Err(Error::Fault { text, .. }) = count else { panic!("{count:?}") };
    assert!(text.starts_with(b"--strict: the sockets changed"), "{text:?}");
    assert_eq!(dumps, 2);
}
