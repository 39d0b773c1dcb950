//! Rows of `connbox snmpget-tcp`: TSV with its header, or the object of `--json`.

use crate::wire::rows;
use crate::wire::text::{self, Fields};

/// Whether a line is the first one. With `--oid`, numbers wrap as SNMP's do, and are not those of the kernel.
pub fn begins(line: &[u8]) -> bool {
    let mut columns = Fields::new(line);
    let is_header = columns.next() == Some(b"name") && columns.next() == Some(b"value");
    is_header && !columns.any(|column| column == b"oid")
        || [&b"{\"Tcp"[..], b"{\"MPTcpExt"].iter().any(|first| line.starts_with(first))
}

/// Calls `each` with the names and numbers of a line; `None` if it is not one of them.
pub fn line(
    line: &[u8],
    scratch: &mut [Vec<u8>; 2],
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Option<()> {
    let mut take = |name: &[u8], value: Option<&[u8]>| {
        // A counter that the kernel did not have is absent.
        let Some(value) = value else { return Some(()) };
        let is_own = name.starts_with(b"Tcp") || name.starts_with(b"MPTcpExt");
        text::number(value).filter(|_| is_own && text::is_name(name))?;
        each(name, value);
        Some(())
    };
    if line.starts_with(b"{") {
        return rows::json(line, scratch, &mut take);
    }
    let mut cells = line.split(|byte| *byte == b'\t');
    let (name, value) = (cells.next()?, cells.next()?);
    take(name, Some(value).filter(|value| *value != b"-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_pairs_of_names_and_numbers() {
        let all = |text: &str| {
            let mut all = Vec::new();
            line(text.as_bytes(), &mut Default::default(), &mut |name, value| {
                all.push(format!("{}={}", name.escape_ascii(), value.escape_ascii()));
            })?;
            Some(all.join(" "))
        };
        for (text, wanted) in [
            ("TcpInSegs\t5", Some("TcpInSegs=5")),
            ("TcpMaxConn\t-1\tnetns", Some("TcpMaxConn=-1")),
            ("TcpInSegs\t-", Some("")),
            ("{\"TcpInSegs\":5,\"TcpExtTW\":null}", Some("TcpInSegs=5")),
            ("TcpInSegs", None),
            ("total\t152", None),
            ("TCP_alloc\t152", None),
            ("TcpInSegs\tx", None),
            ("{\"TcpInSegs\":\"x\"}", None),
        ] {
            assert_eq!(all(text).as_deref(), wanted, "{text}");
        }
        for (text, wanted) in [
            ("name\tvalue", true),
            ("name\tvalue\tmeaning", true),
            ("name\tvalue\toid\ttype", false),
            ("{\"TcpInSegs\":5}", true),
            ("{\"TCP\":{\"inuse\":5}}", false),
            ("name", false),
        ] {
            assert_eq!(begins(text.as_bytes()), wanted, "{text}");
        }
    }
}
