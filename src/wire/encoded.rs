//! Files that hold a text or a capture in another form, by their first bytes.

/// How a file may begin, what it is then, and the command that makes of it what can be read.
const FORMS: [(&[u8], &str, &str); 6] = [
    (b"\x1f\x8b", "compressed by gzip", "zcat"),
    (b"\xfd7zXZ\0", "compressed by xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "zstdcat"),
    (b"BZh", "compressed by bzip2", "bzcat"),
    (b"\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
];

/// The mark before a text of UTF-8, as some editors write it.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// What stands in the first header of an archive of tar, and where.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Why a file that begins so cannot be read as it is, and the cure; `option` is the one that reads standard input.
pub fn reason(beginning: &[u8], option: &str) -> Option<String> {
    if beginning.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return Some(
            "is an archive of tar: unpack it, and name a file of it, or the folder of a sosreport"
                .into(),
        );
    }
    let (_, what, tool) = FORMS.iter().find(|(first, ..)| beginning.starts_with(first))?;
    Some(format!("is {what}: pipe it through {tool}, and read that with {option}"))
}
