//! What options of the tool have added to a row, whichever tool it was.

use super::row::{Details, Holder, Holders, Rest};
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
