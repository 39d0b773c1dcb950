//! What is to be said about a count: what could not be seen, words that match nothing, and changes during the dump.

use std::sync::atomic::Ordering;

use super::facts::Shared;
use crate::error::{self, Error};
use crate::frame::Report;
use crate::model::{Choice, Needs, Query};
use crate::source::files::saved::words::Words;
use crate::source::processes::cgroup::{self, Cgroups};
use crate::source::processes::pods::{self, Which};
use crate::source::sockets::sock_diag::Dumped;

impl Shared {
    /// Warns of what may be wrong with a count: words that match nothing, holders that could not be seen, a table
    /// that changed during the dump.
    pub(crate) fn note_gaps(
        &self,
        query: &Query,
        dumped: Dumped,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.remarks(query, report.accepts_gaps)?.iter().for_each(|remark| report.note(remark));
        if let Some(words) = &self.words {
            self.note_unmet(words, query, report);
        }
        if let Some(gap) = self.gap(query) {
            report.gap(&gap);
        }
        self.interfaces.note(query, report);
        note_interrupted(dumped, report);
        Ok(())
    }

    /// The warning if something could not be seen that a count depends on.
    pub(crate) fn gap(&self, query: &Query) -> Option<String> {
        let (option, choice) = asked_homes(query).next().unwrap_or(("--cgroup", &query.cgroups));
        // One that cannot be reached is in some group below the root.
        let counted = |by_root| match choice.none.is_empty() {
            true if by_root && option == "--cgroup" => "counted only by --cgroup /".to_owned(),
            true => ["counted by no ", option].concat(),
            false => ["not excluded by ", option].concat(),
        };
        if let Some(obstacle) = self.hidden_cgroups(query) {
            let outcome = if is_of_root(query) { "" } else { ", and " };
            let counted = if is_of_root(query) { String::new() } else { counted(true) };
            return Some(
                [&obstacle, ": their sockets are shown as 'unreachable'", outcome, &counted]
                    .concat(),
            );
        }
        if self.has_untold.load(Ordering::Relaxed) {
            const UNTOLD: &str = "/proc/net does not show the control group of sockets that no process holds: they \
                are shown as '-', and ";
            return Some([UNTOLD, &*counted(false)].concat());
        }
        self.holders.gap(query).or_else(|| self.avoided.as_ref()?.gap(query))
    }

    /// Why the control groups of sockets, or those that are asked for, may not be known.
    fn hidden_cgroups(&self, query: &Query) -> Option<String> {
        let has_unreachable = self.has_unreachable.load(Ordering::Relaxed);
        if self.words.is_some() {
            // Of such a row itself, nothing is wrong.
            let is_missed = has_unreachable && query.looks_at_cgroups() && !is_of_root(query);
            return is_missed.then(|| UNNAMED.to_owned());
        }
        let all = self.cgroups.as_ref();
        let is_any_unknown =
            || all.is_some_and(|all| query.cgroups.iter().any(|path| !all.has(path)));
        // What is outside of a part of the tree is not below a group that is in it; all are below the root.
        let is_outside = all.is_some_and(|all| !all.is_partial) && !query.cgroups.is_empty();
        let is_missed = match is_of_root(query) {
            true => has_unreachable && query.needs.has(Needs::CGROUPS),
            false => is_any_unknown() || has_unreachable && !is_outside,
        };
        if is_missed { cgroup::obstacle(all) } else { None }
    }

    /// Which values of options match nothing on the machine; with `accepts_gaps`, nothing of what can be seen of it.
    ///
    /// # Errors
    /// If the processes cannot be read.
    fn remarks(&self, query: &Query, accepts_gaps: bool) -> Result<Vec<String>, Error> {
        let mut remarks = Vec::new();
        for number in &query.unknown_interfaces {
            remarks.push(format!("--iface: this network namespace has no interface {number}"));
        }
        let mut add = |what: &str, word: &[u8]| {
            remarks.push([what, " found for '", &error::visible(word), "'"].concat());
        };
        for holders in [&self.holders].into_iter().chain(&self.avoided) {
            holders
                .unknown_words(accepts_gaps)?
                .for_each(|word| add("--process: no process", word));
        }
        if let Some(all) = self.cgroups.as_ref().filter(|all| !all.is_partial && !all.is_part) {
            for path in query.cgroups.iter().filter(|path| !all.has(path)) {
                add("--cgroup: no control group", path);
            }
            for (choice, which, what) in homes(query) {
                for word in choice.iter() {
                    if self.lacks_home(all, which, word)? {
                        add(what, word);
                    }
                }
            }
        }
        Ok(remarks)
    }

    /// Notes which values of options match nothing in saved text.
    fn note_unmet(&self, words: &Words, query: &Query, report: &mut Report) {
        let mut note = |what: &str, word: &[u8]| {
            report.note(&format!("{what} found for '{}'{}", error::visible(word), words.place()));
        };
        words.unmet().iter().for_each(|(what, word)| note(what, word));
        if !query.looks_at_cgroups() {
            return;
        }
        let groups = words.groups();
        for wanted in query.cgroups.iter() {
            if !wanted.is_empty() && !groups.iter().any(|path| cgroup::is_below(path, wanted)) {
                note("--cgroup: no control group", wanted);
            }
        }
        let (Some(pods), mut unnamed) = (&self.pods, Vec::new()) else { return };
        for (choice, which, what) in homes(query) {
            let is_met = |word: &[u8]| groups.iter().any(|path| pods.is_named(path, which, word));
            let unmet = choice.iter().filter(|word| !is_met(word));
            unmet.clone().for_each(|word| note(what, word));
            let is_name = unmet.clone().any(|word| !pods::is_number(which, word));
            let mut numbers = groups.iter().filter_map(|path| pods.number_of_unnamed(path, which));
            if let Some(number) = numbers.next().filter(|_| is_name) {
                unnamed.push(number);
            }
        }
        for number in unnamed {
            report.lack(&format!(
                "--from: nothing gives the name of {}, which may be asked for: --pods=FILE takes names from kubectl get pods \
                 -A -o json",
                error::visible(&number)
            ));
        }
    }

    /// Whether certainly no control group is of a pod or container that `word` means.
    fn lacks_home(&self, all: &Cgroups, which: Which, word: &[u8]) -> Result<bool, Error> {
        let Some(pods) = &self.pods else { return Ok(false) };
        let is_it = |path: &[u8]| pods.is_named(path, which, word);
        if all.paths().any(is_it) {
            return Ok(false);
        }
        // Those of cgroup v1 are not among them.
        if pods.has_old_groups { self.holders.is_none_in(is_it) } else { Ok(true) }
    }
}

const UNNAMED: &str =
    "--from: the text does not name all control groups: some were gone, or out of sight";

/// The options that name pods and containers, each with what is said where there is none.
fn homes(query: &Query) -> [(&Choice<Vec<u8>>, Which, &'static str); 2] {
    [
        (&query.pods, Which::Pod, "--pod: no pod"),
        (&query.containers, Which::Container, "--container: no container"),
    ]
}

/// The options that look at control groups and are given.
fn asked_homes(query: &Query) -> impl Iterator<Item = (&'static str, &Choice<Vec<u8>>)> {
    let all =
        [("--cgroup", &query.cgroups), ("--pod", &query.pods), ("--container", &query.containers)];
    all.into_iter().filter(|(_, choice)| !choice.is_empty())
}

/// Whether `--cgroup /` counts the sockets of all groups, whatever their names.
fn is_of_root(query: &Query) -> bool {
    query.cgroups.any.iter().any(Vec::is_empty) && query.cgroups.none.is_empty()
}

/// Says that the kernel noticed a change during a dump, and what is wrong with tables that were read.
pub(crate) fn note_interrupted(dumped: Dumped, report: &mut Report) {
    let changed = "the sockets changed during the dump: the count may be off; --strict repeats it";
    report.notes(dumped.notes(changed));
}
