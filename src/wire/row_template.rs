//! The form of the rows of socket tables, as the kernel prints them.

/// The form of a row after its number: `H` stands for a hexadecimal digit, `N` for a digit or a blank, `?`
/// for any byte, anything else for itself. Up to the first digit of the inode, with the widths that
/// `tcp4_seq_show` and `tcp6_seq_show` give their fields.
pub(super) const ROW: Template<96> = Template::new(
    b": HHHHHHHH:HHHH HHHHHHHH:HHHH HH HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN\
    ????????",
);
/// The same for IPv6.
pub(super) const ROW6: Template<144> = Template::new(
    b": HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH:HHHH HH \
    HHHHHHHH:HHHHHHHH HH:HHHHHHHH HHHHHHHH NNNNNNNNNNNNNNNN????????",
);

/// The required bytes of a row. There may be a million rows: masks for each byte let the compiler test
/// sixteen bytes at once.
pub(super) struct Template<const LENGTH: usize> {
    /// The bytes that stand for themselves.
    literal: [u8; LENGTH],
    /// 0xff for a byte that stands for itself.
    is_literal: [u8; LENGTH],
    /// 0xff for a hexadecimal digit.
    is_hex: [u8; LENGTH],
    /// 0xff for a digit or a blank.
    is_number: [u8; LENGTH],
}

impl<const LENGTH: usize> Template<LENGTH> {
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "at compile time")]
    const fn new(text: &[u8; LENGTH]) -> Template<LENGTH> {
        let [mut literal, mut is_literal, mut is_hex, mut is_number] = [[0; LENGTH]; 4];
        let mut place = 0;
        while place < LENGTH {
            match text[place] {
                b'H' => is_hex[place] = 0xff,
                b'N' => is_number[place] = 0xff,
                b'?' => {}
                byte => (literal[place], is_literal[place]) = (byte, 0xff),
            }
            place += 1;
        }
        Template { literal, is_literal, is_hex, is_number }
    }

    /// Whether the bytes fit.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the template must be a constant where it is used")]
    pub(super) fn fits(&self, row: &[u8; LENGTH]) -> bool {
        let literal = self.literal.iter().zip(&self.is_literal);
        let masks = literal.zip(self.is_hex.iter().zip(&self.is_number));
        let wrong = row.iter().zip(masks).fold(0, |wrong, (byte, masks)| {
            let ((literal, is_literal), (is_hex, is_number)) = masks;
            // Each is 0 if the byte is one.
            let digit = (byte ^ b'0').saturating_sub(9);
            let letter = (byte | 0x20).wrapping_sub(b'a').saturating_sub(5);
            let blank = byte ^ b' ';
            wrong
                | ((byte ^ literal) & is_literal)
                | (digit.min(letter) & is_hex)
                | (digit.min(blank) & is_number)
        });
        wrong == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_tell_every_byte_at_every_place() {
        const TEXT: &[u8; 8] = b"HN:?NHN ";
        let template = Template::new(TEXT);
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut word = *b"f :A9c0 ";
                word[place] = byte;
                let fits = match TEXT[place] {
                    b'H' => byte.is_ascii_hexdigit(),
                    b'N' => byte.is_ascii_digit() || byte == b' ',
                    b'?' => true,
                    literal => byte == literal,
                };
                assert_eq!(template.fits(&word), fits, "{place} {byte:#x}");
            }
        }
    }
}
