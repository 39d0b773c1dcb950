//! Text for monitoring systems: always one line, without `|` and without markup.

use crate::error::{self, Error};

/// `text` with everything escaped that a monitoring system, its web page or a terminal could interpret.
/// Linuxfabrik's plugins write `!` for `|`, too.
pub(super) fn plain(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '|' => line.push('!'),
                '<' if letters.peek().is_some_and(|next| is_markup(*next)) => line += "&lt;",
                letter if error::is_hidden(letter) => line += &error::hidden(letter),
                letter => line.push(letter),
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    line
}

/// Whether `<` and this letter begin HTML markup.
fn is_markup(next: char) -> bool {
    next.is_alphabetic() || matches!(next, '/' | '!' | '?')
}

/// A quoted label of performance data. Quotes in it are doubled, and `=` is replaced, since Icinga 2 ends a
/// label there even inside quotes. So is `::`: Icinga 2 puts what stands before it before all later labels.
pub(super) fn label(text: &str) -> String {
    let text = plain(text.as_bytes()).replace('\'', "''").replace('=', ":");
    format!("'{}'", text.replace("::", ":_"))
}

/// Why names cannot be told apart in performance data, where monitoring systems would take two for one series.
pub(super) fn clash<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: Vec<_> = names.map(|name| (label(name), name)).collect();
    all.sort_unstable();
    all.windows(2).find_map(|pair| match pair {
        [(label, one), (same, other)] if label == same => {
            Some(format!("'{one}' and '{other}' have the same label in performance data: {label}"))
        }
        _ => None,
    })
}

/// Refuses counts of the file `name` whose labels performance data cannot tell apart.
pub(super) fn refuse_clash(name: &[u8], counts: &[(String, u64)]) -> Result<(), Error> {
    let clash = clash(counts.iter().map(|(label, _)| &**label));
    clash.map_or(Ok(()), |reason| Err(Error::failed(name, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_taken_for_something_else() {
        assert_eq!(plain(b"a|b\nc\x1b[m\xff\xc2\x9b"), "a!b\\x0ac\\x1b[m\\xff\\x9b");
        assert_eq!(plain("\u{202e}".as_bytes()), "\\u{202e}");
        assert_eq!(plain(b"<b> </b> <!-- < 5 <= 6 <"), "&lt;b> &lt;/b> &lt;!-- < 5 <= 6 <");
        assert_eq!(label("tcp_TIME_WAIT"), "'tcp_TIME_WAIT'");
        assert_eq!(label("[process=o'neil|x]"), "'[process:o''neil!x]'");
    }

    #[test]
    fn no_label_has_two_colons_in_a_row() {
        for (text, wanted) in [
            ("[laddr=::1]", "'[laddr:_:1]'"),
            ("[raddr=2001:db8::/32]", "'[raddr:2001:db8:_/32]'"),
            ("[laddr=::]", "'[laddr:_:]'"),
            ("[laddr=::ffff:10.0.0.1]", "'[laddr:_:ffff:10.0.0.1]'"),
            ("[laddr=fe80::1%eth0,lport==80]", "'[laddr:fe80:_1%eth0,lport:_80]'"),
            ("[process=a::b=:c]", "'[process:a:_b:_c]'"),
            ("[cgroup=/a::::b]", "'[cgroup:/a:_:_b]'"),
            ("[laddr=2001:db8:0:0:0:0:0:1]", "'[laddr:2001:db8:0:0:0:0:0:1]'"),
        ] {
            assert_eq!(label(text), wanted);
        }
        // Every text of up to eight of the letters that matter.
        for number in 0..4_u32.pow(8) {
            let letters = (0..8).map(|place| b":=|'"[(number >> (2 * place)) as usize & 3]);
            let text: String = letters.map(char::from).collect();
            assert!(!label(&text).contains("::"), "{text}");
        }
    }
}
