//! Patterns for names, as shells have them for files.

/// Whether `pattern`, in which `*` is any run of bytes and `?` any byte, matches all of `text`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to continue if the text after the last star does not match: the star takes one more byte.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, start)) => {
                    retry = Some((star, start + 1));
                    p = star + 1;
                    t = start + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, fits) in [
            ("*retrans*", "tcpretranssegs", true),
            ("tcp*", "tcpinsegs", true),
            ("*segs", "tcpinsegs", true),
            ("in?egs", "insegs", true),
            ("insegs", "tcpinsegs", false),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbxcx", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }
}
