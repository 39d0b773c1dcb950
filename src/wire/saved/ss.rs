//! The tables of ss(8) of iproute2: header, rows, and what its options add behind them.
//!
//! Columns: `[Netid] [State] Recv-Q Send-Q Local Address:Port Peer Address:Port [Process] [details]`. Netid is not there
//! if sockets of one kind were asked for, State if one state was.

use super::row::{
    Details, End, Holder, Holders, Host, Port, Rest, Row, end, holds_row, number, token,
};
use crate::wire::text::Fields;

/// Which of the optional columns a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub has_netid: bool,
    pub has_state: bool,
    /// Whether its header names the column of processes, as all do that write `0.0.0.0` for any IPv4 address.
    pub is_new: bool,
}

/// Whether a line is the first one of a table.
pub fn begins(line: &[u8]) -> bool {
    header(line).is_some() || guess(line).is_some() || is_notice(line)
}

/// What ss says on standard error, and costs no row.
pub(super) const NOTICES: [&[u8]; 17] = [
    b"RTNETLINK answers: ",
    b"SOCK_DESTROY answers: ",
    b"Cannot open netlink socket",
    b"Cannot bind netlink socket",
    b"Cannot getsockname",
    b"Cannot send dump request",
    b"It looks like such filter is not supported",
    b"ss: SELinux is not enabled",
    b"Failed to find cgroup2 mount",
    b"Failed to open cgroup2 ",
    b"Failed to get cgroup2 ID",
    b"Failed to mount cgroup2",
    b"Failed to setup cgroup2 directory",
    b"Failed to allocate memory for cgroup2 ",
    b"Failed to open mounts file",
    b"Failed to read value of symbolic link ",
    b"Failed to open directory ",
];

/// Whether it is what ss says on standard error, which lies in text that was made with 2>&1.
pub fn is_notice(line: &[u8]) -> bool {
    begins_notice(line) && !holds_row(line)
}

/// Whether a message has no line end, so that a row is behind it.
pub fn hides_row(line: &[u8]) -> bool {
    begins_notice(line) && holds_row(line)
}

fn begins_notice(line: &[u8]) -> bool {
    NOTICES.iter().any(|notice| line.starts_with(notice))
}

/// Reads a header.
pub fn header(line: &[u8]) -> Option<Layout> {
    let mut fields = Fields::new(line).peekable();
    let has_netid = fields.next_if(|field| field == b"Netid").is_some();
    let has_state = fields.next_if(|field| field == b"State").is_some();
    let is_header = fields.next()? == b"Recv-Q"
        && fields.next()? == b"Send-Q"
        && fields.next()? == b"Local"
        && fields.next()? == b"Address:Port"
        && fields.next()? == b"Peer";
    let last = fields.next().filter(|_| is_header)?.strip_prefix(b"Address:Port")?;
    let is_new = last == b"Process" || fields.next().is_some_and(|field| field == b"Process");
    (last.is_empty() || is_new).then_some(Layout { has_netid, has_state, is_new })
}

/// The layout of a table without a header, from one of its rows.
pub fn guess(line: &[u8]) -> Option<Layout> {
    if line.first().is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    let (first, rest) = token(line);
    let has_netid = is_netid(first);
    let next = if has_netid { token(rest).0 } else { first };
    let layout = Layout { has_netid, has_state: state(next).is_some(), is_new: true };
    row(line, layout).filter(|row| users(row) != Users::Broken).map(|_| layout)
}

/// Whether a word names a kind of sockets.
pub fn is_netid(word: &[u8]) -> bool {
    const NETIDS: [&[u8]; 21] = [
        b"tcp", b"udp", b"raw", b"u_str", b"u_dgr", b"u_seq", b"nl", b"p_raw", b"p_dgr", b"icmp6",
        b"icmp", b"mptcp", b"sctp", b"dccp", b"v_str", b"v_dgr", b"v_seq", b"xdp", b"tipc",
        b"udplite", b"???",
    ];
    NETIDS.contains(&word)
}

/// The kernel's number of a state.
#[inline]
pub fn state(word: &[u8]) -> Option<u8> {
    const STATES: [(&[u8], u8); 13] = [
        (b"ESTAB", 1),
        (b"TIME-WAIT", 6),
        (b"LISTEN", 10),
        (b"UNCONN", 7),
        (b"CLOSE-WAIT", 8),
        (b"SYN-SENT", 2),
        (b"SYN-RECV", 3),
        (b"FIN-WAIT-1", 4),
        (b"FIN-WAIT-2", 5),
        (b"LAST-ACK", 9),
        (b"CLOSING", 11),
        (b"CLOSE", 7),
        (b"BOUND-INACTIVE", 13),
    ];
    STATES.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

/// The end of a socket of which only the protocol matters.
const NOWHERE: End<'static> =
    End { host: Host::Any, zone: b"", port: Port::Any, is_bracketed: false };

/// Reads a row. Of a socket that is neither of TCP nor of UDP only that is read.
#[inline]
pub fn row(line: &[u8], layout: Layout) -> Option<Row<'_>> {
    let (mut rest, mut protocol) = (line, None);
    if layout.has_netid {
        let (word, behind) = token(rest);
        rest = behind;
        protocol = Some(match word {
            b"tcp" => 6,
            b"udp" => 17,
            word => return is_netid(word).then_some(foreign()),
        });
    }
    let mut shown = None;
    if layout.has_state {
        let (word, behind) = token(rest);
        rest = behind;
        shown = Some(state(word)?);
    }
    let (recv_queue, rest) = token(rest);
    let (send_queue, rest) = token(rest);
    let (local, rest) = token(rest);
    let (remote, rest) = token(rest);
    let (recv_queue, send_queue) = (number(recv_queue)?, number(send_queue)?);
    let (local, remote) = match (end(local), end(remote)) {
        (Some(local), Some(remote)) => (local, remote),
        // Sockets of netlink, packets and the like have no such ends.
        _ if protocol.is_none() && (remote == b"*" || local == b"*") => return Some(foreign()),
        _ => return None,
    };
    let is_v6 = match (local.host, remote.host) {
        (Host::Address(address), _) | (_, Host::Address(address)) => Some(address.is_ipv6()),
        _ => None,
    };
    let rest = Rest::Ss(rest);
    Some(Row { protocol, is_v6, state: shown, recv_queue, send_queue, local, remote, rest })
}

/// A row of a socket that connbox does not count.
fn foreign() -> Row<'static> {
    Row {
        protocol: Some(0),
        is_v6: None,
        state: None,
        recv_queue: 0,
        send_queue: 0,
        local: NOWHERE,
        remote: NOWHERE,
        rest: Rest::Ss(b""),
    }
}

/// What begins the list of processes.
const USERS: &[u8] = b"users:(";

/// How the list of processes of a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// As it should, or there is none.
    Whole,
    /// Within a name, which has a line end: the row goes on in the next line.
    Open,
    Broken,
}

/// Looks at the list of processes of a row.
pub fn users(row: &Row<'_>) -> Users {
    let Rest::Ss(text) = row.rest else { return Users::Whole };
    let Some(mut users) = text.trim_ascii_start().strip_prefix(USERS) else { return Users::Whole };
    while let Some((_, rest)) = holder(users) {
        users = rest;
    }
    let is_name = users.strip_prefix(b",").unwrap_or(users).starts_with(b"(\"");
    match users.first() {
        Some(b')') => Users::Whole,
        _ if is_name && !users.contains(&b')') => Users::Open,
        _ => Users::Broken,
    }
}

/// The longest name that the kernel keeps. Others come from elsewhere, and have no line ends.
const COMM_BYTES: usize = 15;

/// What a row shows of a name: what the kernel keeps, up to the first closing bracket.
pub fn shown_name(name: &[u8]) -> &[u8] {
    let kept = name.get(..COMM_BYTES).unwrap_or(name);
    kept.split(|byte| *byte == b')').next().unwrap_or_default()
}

/// Reads an entry `("NAME",pid=1,fd=2)` of a list, or `("NAME",1,2)` of old versions, and gives what is behind it. A
/// name may hold anything: ss cuts it at the first closing bracket.
pub fn holder(text: &[u8]) -> Option<(Holder<'_>, &[u8])> {
    let text = text.strip_prefix(b",").unwrap_or(text).strip_prefix(b"(\"")?;
    let close = text.iter().position(|byte| *byte == b')')?;
    let (entry, rest) = (text.get(..close)?, text.get(close.checked_add(1)?..)?);
    let quote = entry.windows(2).rposition(|pair| pair == b"\",")?;
    let numbers = entry.get(quote.checked_add(2)?..)?;
    let numbers = numbers.strip_prefix(b"pid=").unwrap_or(numbers);
    let pid = number(numbers.split(|byte| *byte == b',').next()?)?;
    let name = entry.get(..quote)?;
    let is_name = name.len() <= COMM_BYTES || !name.contains(&b'\n');
    is_name.then_some((Holder { pid, name }, rest))
}

/// Reads what is behind the two ends. What is not known is skipped: the counters of -i and -m may stand there, too.
pub fn details(text: &[u8]) -> Details<'_> {
    let (mut details, mut text) = (Details::default(), text);
    loop {
        text = text.trim_ascii_start();
        if let Some(users) = text.strip_prefix(USERS) {
            details.holders = Holders::Of(users);
            text = users;
            while let Some((_, rest)) = holder(text) {
                text = rest;
            }
            text = text.strip_prefix(b")").unwrap_or(text);
            continue;
        }
        if let Some(path) = text.strip_prefix(b"cgroup:") {
            let (path, rest) = path.split_at_checked(path_end(path)).unwrap_or_default();
            details.cgroup = details.cgroup.or(Some(path.trim_ascii_end()));
            text = rest;
            continue;
        }
        let (word, rest) = token(text);
        if word.is_empty() {
            return details;
        }
        text = rest;
        details.is_v6_only |= word == b"v6only:1";
        details.is_minisocket |= word.starts_with(b"timer:(timewait");
        if let Some(inode) = word.strip_prefix(b"ino:") {
            details.inode = details.inode.or(crate::wire::text::unsigned(inode));
            // The user with the number 0 is not shown.
            details.uid = details.uid.or(Some(0));
        } else if let Some(uid) = word.strip_prefix(b"uid:") {
            details.uid = number(uid);
        }
    }
}

/// Where the path of a control group ends, which may have blanks.
fn path_end(text: &[u8]) -> usize {
    const NEXT: [&[u8]; 6] = [b" v6only:", b" cgroup:", b" <->", b" -->", b" <--", b" ---"];
    let is_next = |place: &usize| {
        let rest = text.get(*place..).unwrap_or_default();
        NEXT.iter().any(|next| rest.starts_with(next))
    };
    (0..text.len()).find(is_next).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(has_netid: bool, has_state: bool) -> Layout {
        Layout { has_netid, has_state, is_new: true }
    }

    fn rest_of<'a>(row: &Row<'a>) -> &'a [u8] {
        let Rest::Ss(text) = row.rest else { panic!() };
        text
    }

    #[test]
    fn headers_tell_the_columns() {
        let read = |line: &str| header(line.as_bytes());
        let whole = "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process";
        assert_eq!(read(whole), Some(layout(true, true)));
        assert_eq!(read(&whole[6..]), Some(layout(false, true)));
        assert_eq!(read(&whole[13..]), Some(layout(false, false)));
        assert_eq!(read(&whole.replace("Port P", "PortP")), Some(layout(true, true)));
        let old = read(&whole.replace("Process", "")).unwrap();
        assert!(!old.is_new && old.has_netid);
        for cut in 0..whole.len() - 8 {
            assert_eq!(read(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(read("State Recv-Q Send-Q Local Address:Port Peer Address:Portx"), None);
    }

    #[test]
    fn rows_without_a_header_tell_their_columns_or_are_none() {
        let read = |line: &str| guess(line.as_bytes());
        let ends = "0 0 127.0.0.1:40106 127.0.0.1:7000";
        assert_eq!(read(&format!("tcp TIME-WAIT {ends}")), Some(layout(true, true)));
        assert_eq!(
            read(&format!("ESTAB {ends} users:((\"a\",pid=1,fd=2))")),
            Some(layout(false, true))
        );
        assert_eq!(read(&format!("udp {ends}")), Some(layout(true, false)));
        assert_eq!(read(ends), Some(layout(false, false)));
        for wrong in [
            "",
            "tcp",
            "ESTAB",
            "FOO 0 0 1.2.3.4:1 1.2.3.4:2",
            "0 0 127.0.0.1:1",
            "0 x 1.1.1.1:1 1.1.1.1:2",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn details_come_from_any_mix_of_options() {
        let line = b"ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"x\",pid=9,fd=9\",pid=16261,fd=72),(\"(sd-pam\",pid=7,fd=3)) \
            timer:(keepalive,119min,0) uid:1000 ino:42 sk:1001 cgroup:/x.slice/a b v6only:1 <-> skmem:(r0,rb1) ts sack";
        let row = row(line, layout(false, true)).unwrap();
        assert_eq!(users(&row), Users::Whole);
        let details = super::details(rest_of(&row));
        let mut all = Vec::new();
        super::super::details::each_holder(details.holders, |holder| {
            all.push((holder.pid, holder.name))
        });
        assert_eq!(all, [(16261, &b"x\",pid=9,fd=9"[..]), (7, b"(sd-pam")]);
        assert_eq!((details.uid, details.inode), (Some(1000), Some(42)));
        assert_eq!(details.cgroup, Some(&b"/x.slice/a b"[..]));
        assert!(details.is_v6_only && !details.is_minisocket);
        let of = |text: &'static str| super::details(text.as_bytes());
        assert_eq!((of(" ino:7 sk:1").uid, of(" sk:1").uid), (Some(0), None));
        assert!(of(" timer:(timewait,7.904ms,0) ino:0 sk:5b").is_minisocket);
        assert_eq!(of(" ino:1 cgroup:unreachable:c4 <->").cgroup, Some(&b"unreachable:c4"[..]));
        assert_eq!(of(" cgroup:/a cgroup:/a   ").cgroup, Some(&b"/a"[..]));
        // Old versions.
        let mut one = None;
        let old = of(" users:((\"sshd\",1234,3))").holders;
        super::super::details::each_holder(old, |holder| one = Some(holder));
        assert_eq!(one, Some(Holder { pid: 1234, name: b"sshd" }));
    }

    #[test]
    fn a_name_with_a_line_end_leaves_its_row_open() {
        let whole = b"ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 users:((\"n\nl\",pid=16265,fd=72),(\"\",pid=2,fd=3)) ino:1";
        let place = whole.iter().position(|byte| *byte == b'\n').unwrap();
        let read = |text| row(text, layout(false, true)).unwrap();
        assert_eq!(users(&read(&whole[..place])), Users::Open);
        let row = read(whole);
        assert_eq!(users(&row), Users::Whole);
        let mut names = Vec::new();
        super::super::details::each_holder(super::details(rest_of(&row)).holders, |holder| {
            names.push(holder.name)
        });
        assert_eq!(names, [&b"n\nl"[..], b""]);
        for broken in [
            "users:(",
            "users:((\"a\",pid=1,fd=2)",
            "users:((\"a\",pid=1,fd=2) ino:1",
            "users:((\"a\",pid=x,fd=2))",
            "users:((\"web\",pid=1,fd=2\nESTAB 0 0 1.1.1.1:1 2.2.2.2:2 users:((\"a\",pid=1,fd=2))",
        ] {
            let line = ["ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 ", broken].concat();
            let row = super::row(line.as_bytes(), layout(false, true)).unwrap();
            assert_eq!(users(&row), Users::Broken, "{broken}");
        }
    }

    #[test]
    fn other_kinds_of_sockets_are_foreign() {
        for line in [
            "u_str ESTAB 0 0 /p/with blank.sock 9023778 * 9023777",
            "nl UNCONN 0 0 4:16435 *",
            "??? UNCONN 0 0 a b",
        ] {
            assert_eq!(
                row(line.as_bytes(), layout(true, true)).unwrap().protocol,
                Some(0),
                "{line}"
            );
        }
        for line in ["UNCONN 0 0 rtnl:kernel *", "UNCONN 0 0 *:eth0 *"] {
            assert_eq!(
                row(line.as_bytes(), layout(false, true)).unwrap().protocol,
                Some(0),
                "{line}"
            );
        }
    }
}
