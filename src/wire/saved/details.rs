//! What options of the tool have added to a row, whichever tool it was.

use super::row::{Details, Holder, Holders, Named, Rest};
use super::{netstat, ss};

/// What is behind the ends of a row.
pub fn details(rest: Rest<'_>) -> Details<'_> {
    match rest {
        Rest::Ss(text) => ss::details(text),
        Rest::Netstat(text, columns) => netstat::details(text, columns),
    }
}

/// Calls `each` with every process of a row.
pub fn each_holder<'a>(holders: Holders<'a>, mut each: impl FnMut(Holder<'a>)) {
    match holders {
        Holders::None => {}
        Holders::One(holder) => each(holder),
        Holders::Of(mut text) => {
            while let Some((holder, rest)) = ss::holder(text) {
                each(holder);
                text = rest;
            }
        }
    }
}

/// What is said where a word was taken for a name that is shown cut.
pub const CUT_NAMES: &str = "--process: ss shows 15 bytes of a name, and netstat what its column takes: a longer word counts all whose \
     name is its beginning";

/// Whether a word is the number or the name of a process that a row shows, or the name that it shows a part of.
pub fn is_named(word: &[u8], holder: &Holder<'_>, rest: Rest<'_>) -> Named {
    if word == holder.name || *word == *holder.pid.to_string().into_bytes() {
        return Named::Yes;
    }
    match rest {
        Rest::Ss(_) if ss::shown_name(word) == holder.name => Named::SoFar,
        Rest::Ss(_) => Named::No,
        Rest::Netstat(..) => netstat::is_named(word, holder),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Columns;
    use super::*;

    #[test]
    fn a_name_that_is_cut_is_that_of_a_longer_word() {
        use Named::{No, SoFar, Yes};
        let (of_ss, of_netstat) = (Rest::Ss(b""), Rest::Netstat(b"", Columns::default()));
        for (word, pid, name, rest, named) in [
            ("victoria-metrics-prod", 9830, "victoria-metric", of_ss, SoFar),
            ("victoria-metric", 9830, "victoria-metric", of_ss, Yes),
            ("victoria-metrics-prod", 9830, "victoria-metri", of_ss, No),
            ("victoria-metri", 9830, "victoria-metric", of_ss, No),
            ("victoria-logs-prod", 9830, "victoria-metric", of_ss, No),
            // ss ends a name at its first bracket.
            ("(sd-pam)", 7, "(sd-pam", of_ss, SoFar),
            ("9830", 9830, "x", of_ss, Yes),
            ("web", 1, "", of_ss, No),
            ("victoria-metrics-prod", 9830, "./victoria-met", of_netstat, SoFar),
            ("./victoria-metrics-prod", 9830, "./victoria-met", of_netstat, SoFar),
            ("/opt/victoria-metrics-prod", 9830, "./victoria-met", of_netstat, No),
            ("victoria-metrics-prod", 9830, "victoria-metri", of_netstat, SoFar),
            ("victoria-metrics-prod", 983, "victoria-metri", of_netstat, No),
            ("victoria-met", 983, "./victoria-met", of_netstat, Yes),
            ("victoria-logs-prod", 9830, "./victoria-met", of_netstat, No),
            ("nginx: master process", 18438, "nginx: master", of_netstat, SoFar),
            ("nginx", 18438, "nginx: master", of_netstat, No),
            // What stands behind the slash of a title is not a name.
            ("sbin-tool", 9830, "sshd: /usr/sbi", of_netstat, No),
            ("anything", 9830, "./some/folder/", of_netstat, No),
        ] {
            let holder = Holder { pid, name: name.as_bytes() };
            assert_eq!(is_named(word.as_bytes(), &holder, rest), named, "{word} {name}");
        }
    }
}
