//! The tables of netstat(8): net-tools, busybox and toybox.
//!
//! `Proto Recv-Q Send-Q Local Address Foreign Address State [User Inode] [PID/Program name] [Timer]`; the state of a UDP
//! socket without a peer is blank.

use std::net::IpAddr;

use super::row::{
    Columns, Details, End, Holder, Holders, Host, Named, Rest, Row, end, holds_row, number, port,
    token,
};
use crate::wire::text::{Fields, unsigned};

/// A line of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A title, and which sockets of the Internet follow, if any do.
    Title(Option<Which>),
    Header(Columns),
    Row(Row<'a>),
    /// What netstat says on standard error, which lies in text that was made with 2>&1: it does not see all processes.
    Notice,
    /// The same of what costs no row.
    Harmless,
}

/// Which sockets a title announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Without -a.
    NoServers,
    /// With -l.
    OnlyServers,
}

/// Whether a line is the first one of such a text. Rows without a header are told from those of ss by a state.
pub fn begins(line: &[u8]) -> bool {
    match read(line, Columns::default()) {
        Some(Line::Title(_) | Line::Header(_) | Line::Notice | Line::Harmless) => true,
        Some(Line::Row(row)) => row.state.is_some() && row.protocol != Some(0) && has_state(line),
        None => is_of_windows(line),
    }
}

/// Whether the sixth word is a state.
fn has_state(line: &[u8]) -> bool {
    Fields::new(line).nth(5).and_then(state).is_some()
}

/// What is wrong with a line that [`read`] does not take, if that is known.
pub fn fault(line: &[u8]) -> Option<&'static str> {
    const WINDOWS: &str =
        "text of the netstat of Windows, which is not read: only that of Linux is";
    const STATE: &str = "not a row of netstat: its sixth word is not a state of TCP";
    if is_of_windows(line) {
        return Some(WINDOWS);
    }
    has_strange_state(line).then_some(STATE)
}

/// Whether a line is like a row of TCP, but for a state that there is not. A row of ss without a state has no word of
/// capital letters there.
fn has_strange_state(line: &[u8]) -> bool {
    let mut fields = Fields::new(line);
    let is_tcp = fields.next().is_some_and(|word| matches!(word, b"tcp" | b"tcp6"));
    let has_queues =
        [fields.next(), fields.next()].into_iter().flatten().all(|word| number(word).is_some());
    let word = fields.nth(2).unwrap_or_default();
    let is_like_state = word.first().is_some_and(u8::is_ascii_uppercase);
    is_tcp && has_queues && is_like_state && state(word).is_none()
}

/// Reads a line; `None` if it is not one of this text.
pub fn read(line: &[u8], columns: Columns) -> Option<Line<'_>> {
    if let Some(title) = line.strip_prefix(b"Active ") {
        return self::title(title);
    }
    if is_notice(line) {
        return Some(if is_harmless(line) { Line::Harmless } else { Line::Notice });
    }
    match header(line) {
        Some(columns) => Some(Line::Header(columns)),
        None => row(line, columns).map(Line::Row),
    }
}

/// Reads a title behind its first word; `None` for an unknown one, as nobody knows what its rows are.
fn title(title: &[u8]) -> Option<Line<'_>> {
    /// What net-tools and busybox list beside sockets of the Internet, and macOS calls those of UNIX.
    const OTHERS: [&[u8]; 7] =
        [b"UNIX ", b"LOCAL (UNIX) ", b"IPX ", b"X.25 ", b"NET/ROM ", b"AX.25 ", b"ROSE "];
    if OTHERS.iter().any(|other| title.starts_with(other)) {
        return Some(Line::Title(None));
    }
    let kinds = title.strip_prefix(b"Internet connections")?;
    Some(Line::Title(Some(match kinds.trim_ascii_end() {
        b" (w/o servers)" => Which::NoServers,
        b" (only servers)" => Which::OnlyServers,
        _ => Which::All,
    })))
}

/// Whether it is the title or a row of the netstat of Windows: `  TCP    0.0.0.0:135    0.0.0.0:0    LISTENING`.
fn is_of_windows(line: &[u8]) -> bool {
    if line.trim_ascii_end() == b"Active Connections" {
        return true;
    }
    let mut fields = Fields::new(line);
    let is_protocol = fields.next().is_some_and(|word| matches!(word, b"TCP" | b"UDP"));
    let mut has_port = || fields.next().is_some_and(|word| word.contains(&b':'));
    is_protocol && has_port() && has_port()
}

/// Whether a line that cannot be read is neither a row of sockets beside those of the Internet, nor a part of one: it
/// begins like a row of TCP or UDP, as other systems write them, or like a title.
pub fn is_lost(line: &[u8]) -> bool {
    [&b"tcp"[..], b"udp", b"Active "].iter().any(|word| line.starts_with(word))
}

/// Whether it is what netstat says on standard error.
pub fn is_notice(line: &[u8]) -> bool {
    const NOTICES: [&[u8]; 3] = [
        b"(Not all processes could be identified",
        b" will not be shown, you would",
        // That of busybox.
        b"netstat: showing only processes with your user ID",
    ];
    is_harmless(line) || NOTICES.iter().any(|notice| line.starts_with(notice)) && !holds_row(line)
}

/// What costs no row that connbox counts, unless it is of TCP or UDP: a repeated row, or sockets of other kinds.
pub(super) const HARMLESS: [&[u8]; 3] =
    [b"warning, got duplicate ", b"warning, got bogus ", b"netstat: no support for "];

fn is_harmless(line: &[u8]) -> bool {
    const COUNTED: [&[u8]; 4] = [b"tcp line", b"udp line", b"(tcp)'", b"(udp)'"];
    let has = |part: &&[u8]| memchr::memmem::find(line, part).is_some();
    let [duplicate, others @ ..] = HARMLESS;
    let is_counted = COUNTED.iter().any(has);
    let is_begun = line.starts_with(duplicate)
        || !is_counted && others.iter().any(|one| line.starts_with(one));
    // Without its line end, a row is behind it.
    is_begun && !holds_row(line)
}

fn header(line: &[u8]) -> Option<Columns> {
    let mut fields = Fields::new(line);
    (fields.next()? == b"Proto").then_some(())?;
    let is = ["Recv-Q", "Send-Q", "Local", "Address", "Foreign", "Address", "State"]
        .iter()
        .all(|name| fields.next() == Some(name.as_bytes()));
    let has = |name: &[u8]| fields.clone().any(|field| field == name);
    is.then(|| Columns {
        has_users: has(b"User"),
        has_programs: has(b"PID/Program"),
        has_timer: has(b"Timer"),
        is_wide: false,
    })
}

fn row(line: &[u8], mut columns: Columns) -> Option<Row<'_>> {
    let (word, rest) = token(line);
    let (protocol, is_v6) = match word {
        b"tcp" => (6, false),
        b"tcp6" => (6, true),
        b"udp" => (17, false),
        b"udp6" => (17, true),
        b"raw" | b"raw6" | b"udpl" | b"udpl6" | b"udplite" | b"udplite6" | b"icmp" | b"icmp6"
        | b"sctp" | b"dccp" => (0, false),
        _ => return None,
    };
    let (recv_queue, rest) = token(rest);
    let (send_queue, rest) = token(rest);
    let (recv_queue, send_queue) = (number(recv_queue)?, number(send_queue)?);
    let (local, rest) = token(rest);
    let (remote, rest) = token(rest);
    let (word, behind) = token(rest);
    let (shown, rest) = match state(word) {
        Some(number) => (number, behind),
        None if protocol == 6 => return None,
        None => (7, rest),
    };
    columns.is_wide |= local.len() > FULL || remote.len() > FULL;
    let is_full = |token: &[u8]| token.len() == FULL && !columns.is_wide;
    let read = |token| match end(token) {
        // What is left of an address may be one, too.
        Some(end) if is_full(token) && (is_v6 || matches!(end.host, Host::Name(_))) => {
            match end.host {
                Host::Address(IpAddr::V4(_)) => Some(end),
                _ => Some(End { host: Host::Cut, ..end }),
            }
        }
        None if is_full(token) && is_v6 => cut(token),
        end => end,
    };
    let (local, remote) = match protocol {
        // Busybox writes numbers that mean nothing behind the addresses of raw sockets.
        0 => (end(b"*:*")?, end(b"*:*")?),
        _ => (read(local)?, read(remote)?),
    };
    // Busybox has one word for both families.
    let has_v6 = |end: &End<'_>| matches!(end.host, Host::Address(address) if address.is_ipv6());
    let is_v6 = Some(is_v6 || has_v6(&local) || has_v6(&remote));
    let rest = Rest::Netstat(rest, columns);
    let (protocol, state) = (Some(protocol), Some(shown));
    Some(Row { protocol, is_v6, state, recv_queue, send_queue, local, remote, rest })
}

/// The length of an address and port that fill their column.
pub const FULL: usize = 23;

/// The end of an address that is no longer one.
fn cut(token: &[u8]) -> Option<End<'_>> {
    let colon = token.iter().rposition(|byte| *byte == b':')?;
    let (address, port_text) = (token.get(..colon)?, token.get(colon.checked_add(1)?..)?);
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let is_address = address.iter().all(is_part);
    is_address.then_some(End {
        host: Host::Cut,
        zone: b"",
        port: port(port_text)?,
        is_bracketed: false,
    })
}

/// The kernel's number of a state.
fn state(word: &[u8]) -> Option<u8> {
    const STATES: [(&[u8], u8); 11] = [
        (b"ESTABLISHED", 1),
        (b"SYN_SENT", 2),
        (b"SYN_RECV", 3),
        (b"FIN_WAIT1", 4),
        (b"FIN_WAIT2", 5),
        (b"TIME_WAIT", 6),
        (b"CLOSE", 7),
        (b"CLOSE_WAIT", 8),
        (b"LAST_ACK", 9),
        (b"LISTEN", 10),
        (b"CLOSING", 11),
    ];
    STATES.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

/// Reads what is behind the state.
pub fn details(text: &[u8], columns: Columns) -> Details<'_> {
    let (mut details, mut text) = (Details::default(), text);
    if columns.has_users {
        let (user, rest) = token(text);
        let (inode, rest) = token(rest);
        // A name would have to be looked up where the text was made.
        (details.uid, details.inode) = (number(user), unsigned(inode));
        text = rest;
    }
    if columns.has_programs {
        let text = text.trim_ascii();
        // The timer stands behind the name, which may have blanks.
        let end = text.windows(2).rposition(|pair| pair == b" (").filter(|_| columns.has_timer);
        let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_ascii();
        let end = text.iter().rposition(|byte| *byte == b' ').filter(|_| columns.has_timer);
        let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_ascii();
        let slash = text.iter().position(|byte| *byte == b'/');
        let pid = slash.and_then(|slash| number(text.get(..slash)?));
        let name = slash.and_then(|slash| text.get(slash.checked_add(1)?..));
        if let (Some(pid), Some(name)) = (pid, name) {
            details.holders = Holders::One(Holder { pid, name });
        }
    }
    details
}

/// Whether a word is the name of a process, whose first argument the row shows: a name or a path, and of either as much
/// as its column takes.
pub fn is_named(word: &[u8], holder: &Holder<'_>) -> Named {
    /// What a column of `18438/nginx: master` takes.
    const FULL: usize = 19;
    // A slash in a title with blanks is not one of its program's path.
    let is_path = !word.contains(&b'/') && !holder.name.contains(&b' ');
    let base = holder.name.rsplit(|byte| *byte == b'/').next().filter(|_| is_path);
    let name = base.unwrap_or(holder.name);
    let digits = holder.pid.checked_ilog10().unwrap_or_default() as usize;
    let is_cut = holder.name.len().saturating_add(digits).saturating_add(2) >= FULL;
    match word.strip_prefix(name) {
        Some(b"") => Named::Yes,
        Some(_) if is_cut && !name.is_empty() => Named::SoFar,
        _ => Named::No,
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Port;
    use super::*;

    fn read_row(line: &str) -> Row<'_> {
        let Some(Line::Row(row)) = read(line.as_bytes(), Columns::default()) else {
            panic!("{line}")
        };
        row
    }

    #[test]
    fn titles_headers_and_notices_are_known() {
        let read = |line: &'static str| read(line.as_bytes(), Columns::default());
        assert_eq!(
            read("Active Internet connections (servers and established)"),
            Some(Line::Title(Some(Which::All)))
        );
        assert_eq!(read("Active UNIX domain sockets (w/o servers)"), Some(Line::Title(None)));
        let header = "Proto Recv-Q Send-Q Local Address           Foreign Address         State       User       \
            Inode      PID/Program name     Timer";
        let all = Columns { has_users: true, has_programs: true, has_timer: true, is_wide: false };
        assert_eq!(read(header), Some(Line::Header(all)));
        assert_eq!(
            read("Proto Recv-Q Send-Q Local Address Foreign Address State"),
            Some(Line::Header(Columns::default()))
        );
        assert_eq!(read("Proto RefCnt Flags       Type       State         I-Node   Path"), None);
        assert!(begins(b" will not be shown, you would have to be root to see it all.)"));
    }

    #[test]
    fn rows_have_the_family_of_their_tool() {
        for (line, protocol, is_v6, state) in [
            (
                "tcp        0      0 127.0.0.1:7000          0.0.0.0:*               LISTEN     ",
                6,
                false,
                10,
            ),
            (
                "tcp6       0      0 203.0.113.211:7008      127.0.0.1:40010         ESTABLISHED",
                6,
                true,
                1,
            ),
            (
                "tcp        0      0 ::1:5360                ::1:40000               TIME_WAIT",
                6,
                true,
                6,
            ),
            (
                "udp        0      0 127.0.0.1:8082          0.0.0.0:*                          ",
                17,
                false,
                7,
            ),
            (
                "udp6       0      0 ::1:53                  ::1:54                  ESTABLISHED",
                17,
                true,
                1,
            ),
        ] {
            let row = read_row(line);
            assert_eq!(
                (row.protocol, row.is_v6, row.state),
                (Some(protocol), Some(is_v6), Some(state)),
                "{line}"
            );
            assert_eq!(begins(line.as_bytes()), has_state(line.as_bytes()), "{line}");
        }
        assert_eq!(read_row("raw 0 0 ::1%3025689245:58 ::%32:* 58").protocol, Some(0));
        for wrong in [
            "tcp 0 0 127.0.0.1:7000 0.0.0.0:*",
            "tcp 0 0 127.0.0.1:7000 0.0.0.0:* LISTENING",
            "tcp x 0 a b LISTEN",
        ] {
            assert_eq!(read(wrong.as_bytes(), Columns::default()), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_that_fills_its_column_may_be_cut() {
        let row = read_row(
            "tcp6       0      0 2001:db8:1:2:3:4:5:6:80 2001:db8:aaaa:bb:1:6000 ESTABLISHED",
        );
        assert_eq!((row.local.host, row.local.port), (Host::Cut, Port::Number(80)));
        assert_eq!((row.remote.host, row.remote.port), (Host::Cut, Port::Number(6000)));
        let short = read_row("tcp6 0 0 2001:db8:1:2:3:4:5:6:8 :::* LISTEN");
        assert_ne!(short.local.host, Host::Cut);
        let wide = read_row(
            "tcp6 0 0 2001:db8:1111:2222:3333:4444:5555:6666:80 2001:db8:aaaa:bb::1:600 ESTABLISHED",
        );
        assert!(wide.local.host != Host::Cut && wide.remote.host != Host::Cut);
        // Busybox does not cut, and says tcp.
        assert_ne!(
            read_row("tcp 0 0 2001:db8:1:2:3:4:5:6:80 ::1:6000 ESTABLISHED").local.host,
            Host::Cut
        );
    }

    #[test]
    fn programs_are_found_before_the_timer() {
        let columns =
            Columns { has_users: true, has_programs: true, has_timer: true, is_wide: false };
        let read = |text: &'static str| super::details(text.as_bytes(), columns);
        let one = |pid, name| Holders::One(Holder { pid, name });
        let details = read("    1000       9028068    18439/a b 7/c  LIST  off (0.00/0/0)");
        assert_eq!((details.uid, details.inode), (Some(1000), Some(9028068)));
        assert_eq!(details.holders, one(18439, b"a b 7/c  LIST"));
        assert_eq!(read(" 0 0 -    timewait (59.27/0/0)").holders, Holders::None);
        assert_eq!(read(" root 7 18438/nginx: master  off (0.00/0/0)").uid, None);
        assert_eq!(
            read(" root 7 18438/nginx: master  off (0.00/0/0)").holders,
            one(18438, b"nginx: master")
        );
    }
}
