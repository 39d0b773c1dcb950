//! Interfaces that are asked for and that a network namespace does not have, of one or of all.

use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::frame::Report;
use crate::model::{MissingInterface, Query};

/// The note with `--netns all`: 0 may be right there, or the name wrong.
pub(crate) const NO_INTERFACE: &str =
    "some network namespaces have no interface of that name: no socket there is bound to it";

/// The interfaces that none of the network namespaces had so far; `None` before the first of them.
#[derive(Debug, Default)]
pub(crate) struct MissingInterfaces(Mutex<Option<Vec<MissingInterface>>>);

impl MissingInterfaces {
    /// Takes what one namespace does not have, and says so.
    pub(super) fn note(&self, query: &Query, report: &mut Report) {
        // That no socket is bound to one excludes none.
        if query.missing_interfaces.iter().any(|(.., is_not)| !is_not) {
            report.note(NO_INTERFACE);
        }
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *missing {
            None => *missing = Some(query.missing_interfaces.clone()),
            Some(missing) => missing.retain(|one| query.missing_interfaces.contains(one)),
        }
    }

    /// Whether each interface is one of some network namespace, once all of them were counted.
    ///
    /// # Errors
    /// A usage error if not: the name is wrong, and 0 would be no answer.
    pub(crate) fn check(&self) -> Result<(), Error> {
        const WHY: &str = "is not an interface of any network namespace that can be entered";
        let missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing.iter().flatten().try_for_each(|(option, name, _)| {
            Err(Error::usage(*option, format_args!("'{name}' {WHY}")))
        })
    }
}
