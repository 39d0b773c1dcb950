//! What a line may be that fits no form.

use super::{netstat, ss};

/// What such a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit<'a> {
    /// A message of the tool, or of the shell that ran it.
    Message,
    /// One behind the name of a host, which this is, with all that divides them.
    OfHost(&'a [u8]),
    /// The name of a host above its lines, as ansible prints it.
    Host,
}

/// Says what a line is. `is_line`: whether some form has such a line.
#[cold]
pub fn unfit<'a>(line: &'a [u8], is_line: impl Fn(&[u8]) -> bool) -> Option<Unfit<'a>> {
    if is_message(line) {
        return Some(Unfit::Message);
    }
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-@".contains(byte);
    let end = line.iter().position(|byte| !is_of_name(byte)).filter(|end| *end > 0)?;
    let rest = line.get(end..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"|"))?;
    // A blank may be the first one of a row.
    let behind = rest.strip_prefix(b" ").unwrap_or(rest);
    if line.ends_with(b">>") || line.ends_with(b"=> {") {
        return Some(Unfit::Host);
    }
    let name = line.get(..line.len().checked_sub(behind.len())?)?;
    is_line(behind).then_some(Unfit::OfHost(name))
}

/// Whether ss, netstat or a shell says in a line, or within it, that something went wrong: those that cost nothing are
/// stepped over where they have lines of their own.
fn is_message(line: &[u8]) -> bool {
    const LOSSES: [&[u8]; 4] = [
        b"netlink receive error ",
        b"EOF on netlink",
        b"Message truncated",
        b"Dump was interrupted",
    ];
    const TOOLS: [&[u8]; 2] = [b"ss: ", b"netstat: "];
    let has = |part: &&[u8]| memchr::memmem::find(line, part).is_some();
    TOOLS.iter().any(|tool| line.starts_with(tool))
        || line.ends_with(b"not found") && TOOLS.iter().any(has)
        || LOSSES.iter().chain(&ss::NOTICES).chain(&netstat::HARMLESS).any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Unfit<'_>> {
        unfit(line.as_bytes(), |rest| rest.starts_with(b"ESTAB") || rest.starts_with(b"  sl "))
    }

    #[test]
    fn names_of_hosts_are_told_from_other_words() {
        for (line, name) in [
            ("web1: ESTAB 0 0", "web1: "),
            ("web-1.example.org:ESTAB 0 0", "web-1.example.org:"),
            ("root@10.0.0.1| ESTAB", "root@10.0.0.1| "),
            ("web1 | ESTAB", "web1 | "),
            ("web1:   sl  local_address", "web1: "),
        ] {
            assert_eq!(of(line), Some(Unfit::OfHost(name.as_bytes())), "{line}");
        }
        for line in ["web1 | CHANGED | rc=0 >>", "web1 | UNREACHABLE! => {"] {
            assert_eq!(of(line), Some(Unfit::Host), "{line}");
        }
        for line in ["", ":", ": ESTAB", "web1", "web1 ESTAB", "web1: LISTEN", "Tcp: 1 200", "a>>"]
        {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn messages_are_known_wherever_they_lie() {
        for line in [
            "ss: cannot open netlink",
            "bash: line 1: ss: command not found",
            "sh: 1: netstat: not found",
            "ESTAB 0 0 10.0.0.1:2RTNETLINK answers: Invalid argument",
            "tcp 0 0 10.0warning, got duplicate tcp line.",
            "warning, got bogus tcp line.",
            "netlink receive error No buffer space available (105)",
        ] {
            assert_eq!(of(line), Some(Unfit::Message), "{line}");
        }
        assert_eq!(of("root: not found"), None);
    }
}
