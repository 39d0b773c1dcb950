//! Text for monitoring systems: always one line, without `|` and without markup.

/// `text` with everything escaped that a monitoring system, its web page or a terminal could interpret.
/// Linuxfabrik's plugins write `!` for `|`, too.
pub fn plain(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '|' => line.push('!'),
                '<' if letters.peek().is_some_and(|next| is_markup(*next)) => line += "&lt;",
                control if control.is_control() => {
                    line += &format!("\\x{:02x}", u32::from(control));
                }
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
/// label there even inside quotes.
pub fn label(text: &str) -> String {
    format!("'{}'", plain(text.as_bytes()).replace('\'', "''").replace('=', ":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_taken_for_something_else() {
        assert_eq!(plain(b"a|b\nc\x1b[m\xff\xc2\x9b"), "a!b\\x0ac\\x1b[m\\xff\\x9b");
        assert_eq!(plain(b"<b> </b> <!-- < 5 <= 6 <"), "&lt;b> &lt;/b> &lt;!-- < 5 <= 6 <");
        assert_eq!(label("tcp_TIME_WAIT"), "'tcp_TIME_WAIT'");
        assert_eq!(label("[process=o'neil|x]"), "'[process:o''neil!x]'");
    }
}
