//! Names of numbers, each looked up once.

use std::sync::{Mutex, PoisonError};

/// Names that were looked up already, by number: threads share them.
pub(super) type Names = Mutex<Vec<(u32, Option<Vec<u8>>)>>;

/// Calls `each` with the name of a number, which `find` finds the first time.
pub(super) fn with_name<T>(
    names: &Names,
    number: u32,
    each: impl FnOnce(Option<&[u8]>) -> T,
    find: impl FnOnce(u32) -> Option<Vec<u8>>,
) -> T {
    let mut known = names.lock().unwrap_or_else(PoisonError::into_inner);
    let place = known.iter().position(|(other, _)| *other == number).unwrap_or_else(|| {
        known.push((number, find(number)));
        known.len() - 1
    });
    each(known.get(place).and_then(|(_, name)| name.as_deref()))
}
