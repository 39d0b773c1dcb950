//! Counting in groups: `--by`, `--top`, `--min` and `--sum`, the same in all applets with these options.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::keys::{AskedKey, Counted, Key};
use crate::cli::{self, Opt};
use crate::error::{self, Error};
use crate::frame::{Call, Report};
use crate::model::Needs;
use crate::model::{Groups, MOST_GROUPS, Tally};
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::files::rows::{self, Row};
use crate::source::files::tables::Doubts;

/// How rows are counted in groups: `--by`, `--top`, `--min` and `--sum`.
#[derive(Debug, Default)]
pub(crate) struct Grouping<K: Counted> {
    by: Vec<AskedKey<K>>,
    pub top: Option<usize>,
    pub min: Option<u64>,
    max: Option<usize>,
    sums: [bool; 2],
    /// `--pods`: a file with the names of pods.
    pub pods: Option<PathBuf>,
}

/// Arguments of an applet that counts in groups.
pub(crate) trait TakesGrouping {
    type Of: Counted;
    /// What `option` changes.
    fn grouping(&mut self, option: &'static str) -> &mut Grouping<Self::Of>;
}

pub(crate) const fn by<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::word("by", "KEY[,...]", A::Of::NAMES, help, |args, value| args.grouping("--by").add(value))
}

pub(crate) const fn sum<A: TakesGrouping>(value: &'static str, help: &'static str) -> Opt<A> {
    Opt::word("sum", value, A::Of::SUMS, help, |args, value| args.grouping("--sum").add_sums(value))
}

pub(crate) const fn top<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::value("top", "N", help, |args, value| {
        args.grouping("--top").top = Some(cli::number(value)?);
        Ok(())
    })
}

pub(crate) const fn min<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::value("min", "COUNT", help, |args, value| {
        args.grouping("--min").min = Some(cli::number(value)?);
        Ok(())
    })
}

/// Where the names of pods are.
pub(crate) const fn pods<A: TakesGrouping>() -> Opt<A> {
    const HELP: &str =
        "with --by pod or container, take names from FILE: kubectl get pods -A -o json";
    Opt::value("pods", "FILE", HELP, |args, value| {
        args.grouping("--pods").pods = Some(cli::path(value)?);
        Ok(())
    })
}

/// The longest list of groups that may be made.
pub(crate) const fn max<A: TakesGrouping>() -> Opt<A> {
    const HELP: &str = "fail if there are more than N groups (default 1000000)";
    Opt::value("max-groups", "N", HELP, |args, value| {
        args.grouping(MAX).max = Some(cli::number(value)?);
        Ok(())
    })
}

pub(crate) const MAX: &str = "--max-groups";

/// The error if there were more groups than allowed.
pub(crate) fn check(groups: &Groups) -> Result<(), Error> {
    if groups.is_beyond() {
        let reason =
            "the numbers of a group add up to more than 64 bits hold; some of them are damaged";
        return Err(Error::failed("--from", reason));
    }
    groups.excess().map_or(Ok(()), |most| {
        let groups = if most == 1 { "group" } else { "groups" };
        let cure = "allow more, or use fewer keys, shorter prefixes or a filter";
        Err(Error::failed(MAX, format_args!("there are more than {most} {groups}: {cure}")))
    })
}

impl<K: Counted> Grouping<K> {
    /// No groups yet, with the limit of `--max-groups`.
    pub(crate) fn groups(&self) -> Groups {
        Groups::at_most(self.max.unwrap_or(MOST_GROUPS))
    }

    /// Adds the keys of a comma-separated list; a repeated key is an error.
    fn add(&mut self, value: &OsStr) -> Result<(), String> {
        for word in cli::words(value)? {
            let part = AskedKey::parse(word)?;
            if self.has(part.key.name) {
                return Err(format!("'{word}' is given twice"));
            }
            self.by.push(part);
        }
        Ok(())
    }

    fn add_sums(&mut self, value: &OsStr) -> Result<(), String> {
        let places: Vec<_> = K::SUMS.iter().copied().zip(0usize..).collect();
        for word in cli::words(value)? {
            let place = cli::choose(&places, OsStr::new(word))?;
            self.sums[place] = true;
        }
        Ok(())
    }

    /// Puts `key` before all other keys, unless it is one of them.
    pub(crate) fn lead_with(&mut self, name: &str) {
        let key = K::KEYS.iter().find(|key| key.name == name && !self.has(name));
        self.by.splice(..0, key.map(|key| AskedKey { key, lengths: None }));
    }

    /// Puts the key of this name after all other keys, unless it is one of them.
    pub(crate) fn end_with_name(&mut self, name: &str) {
        let key = K::KEYS.iter().find(|key| key.name == name && !self.has(name));
        key.into_iter().for_each(|key| self.end_with(key));
    }

    /// Puts `key` after all other keys.
    pub(crate) fn end_with(&mut self, key: &'static Key<K>) {
        self.by.push(AskedKey { key, lengths: None });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.by.iter().any(|part| part.key.name == name)
    }

    pub(crate) fn has_keys(&self) -> bool {
        !self.by.is_empty()
    }

    pub(crate) fn has_sums(&self) -> bool {
        self.sums.contains(&true)
    }

    /// Whether there are keys, or limits that need some: then `--netns all` is one more, else it has its own rows.
    pub(crate) fn limits_groups(&self) -> bool {
        self.has_keys() || self.min.is_some() || self.max.is_some()
    }

    /// Whether anything was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.has_keys()
            || self.has_sums()
            || self.top.is_some()
            || self.min.is_some()
            || self.max.is_some()
    }

    /// Whether all keys are among `names`.
    pub(crate) fn is_among(&self, names: &[&str]) -> bool {
        self.by.iter().all(|part| names.contains(&part.key.name))
    }

    /// What must be known for all keys.
    pub(crate) fn needs(&self) -> Needs {
        let of = |part: &AskedKey<K>| match part.lengths {
            Some(_) => part.key.needs.with(Needs::NETWORKS),
            None => part.key.needs,
        };
        self.by.iter().fold(Needs::NONE, |needs, part| needs.with(of(part)))
    }

    /// Whether `--min` is given without keys; it then has no groups to filter.
    pub(crate) fn lacks_keys(&self) -> bool {
        self.min.is_some() && !self.has_keys()
    }

    /// Whether `--max-groups` is given.
    pub(crate) fn has_limit(&self) -> bool {
        self.max.is_some()
    }

    /// The same for `--max-groups`.
    pub(crate) fn limits_nothing(&self) -> bool {
        self.max.is_some() && !self.has_keys()
    }

    /// Whether `--top` stands alone and so counts the network namespaces of `--netns all`; the call is told.
    pub(crate) fn picks_namespaces(&self, call: &mut Call) -> Result<bool, Error> {
        let is_alone = !self.has_keys()
            && !self.has_sums()
            && self.min.is_none()
            && self.max.is_none()
            && self.pods.is_none();
        let is_so = is_alone && self.top.is_some() && call.is_of_all_namespaces();
        if is_so {
            call.pick_namespaces(self.top)?;
        }
        Ok(is_so)
    }

    /// Refuses options that have no meaning without keys.
    pub(crate) fn refuse_without_keys(&self) -> Result<(), Error> {
        cli::refuse([
            (self.top.is_some() && !self.has_keys(), "--top", NEEDS_KEYS),
            (self.limits_nothing(), MAX, NEEDS_KEYS),
            (self.lacks_keys(), "--min", NEEDS_KEYS),
        ])
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        self.by.iter().map(|part| part.key.column).chain(K::NUMBERS.iter().copied()).collect()
    }

    /// Which of the sums are shown.
    pub(crate) fn shown(&self) -> Vec<(&'static str, bool)> {
        let sums = K::NUMBERS.iter().skip(1).zip(self.sums);
        sums.map(|(column, is_given)| (column.name, is_given || K::SUMS.is_empty())).collect()
    }

    /// Writes the key of `one` to `buffer`; groups are sorted by these bytes.
    #[inline]
    pub(crate) fn key(&self, buffer: &mut Vec<u8>, one: K::One<'_>) {
        buffer.clear();
        self.by.iter().for_each(|part| part.push(buffer, one));
    }

    /// Whether the only key is this one, without prefix lengths.
    pub(crate) fn is_plainly(&self, name: &str) -> bool {
        matches!(&self.by[..], [part] if part.key.name == name && part.lengths.is_none())
    }

    /// The values of the keys in what [`Grouping::key`] wrote.
    pub(crate) fn values<'a>(&self, mut key: &'a [u8]) -> Vec<Value<'a>> {
        self.by.iter().map(|part| part.value(&mut key)).collect()
    }

    /// The groups, of which those are one that the format cannot tell apart.
    fn merged(&self, groups: &Groups, out: &Out) -> Groups {
        groups.merged(&|mut key, written| {
            for part in &self.by {
                out.label(written, &part.value(&mut key));
                // Every format escapes a line end in a label, or replaces it.
                written.push(b'\n');
            }
        })
    }

    /// Reads groups from saved rows, and says what follows from that they are sums; `None` if the files are no rows.
    /// `tally` gives what a row stands for, unless it is not wanted: see [`Grouping::tally`].
    ///
    /// # Errors
    /// If a row does not tell a key or a sum.
    pub(crate) fn saved(
        &self,
        source: &Source,
        report: &mut Report,
        tally: &dyn Fn(&Row<'_>) -> Result<Option<Tally>, Error>,
    ) -> Result<Option<Groups>, Error> {
        let (mut groups, mut key, mut rows, mut is_joined) = (self.groups(), Vec::new(), 0, false);
        let doubts = rows::read(source, &mut |row| {
            let tally = tally(&row)?;
            // A row that is left out tells, too, that its table does not answer.
            self.must_have_keys(&row)?;
            let Some(tally) = tally else { return Ok(()) };
            self.saved_key(&mut key, &row)?;
            groups.add_all(&key, tally);
            if row.has(COUNT) {
                rows += 1;
                is_joined |= row.columns().any(|name| self.lacks(name));
            }
            Ok(())
        })?;
        let Some(doubts) = doubts else { return Ok(None) };
        cli::refuse([(self.pods.is_some(), "--pods", NAMED)])?;
        report.notes(doubts.notes());
        // Equal keys are also those of a shorter prefix.
        if is_joined || rows > groups.len() && !doubts.has(Doubts::ROWS_TWICE) {
            report.note(JOINED);
        }
        Ok(Some(groups))
    }

    /// What a saved row of a group stands for.
    pub(crate) fn tally(&self, row: &Row<'_>) -> Result<Tally, Error> {
        if !row.has(COUNT) && row.has("name") {
            return Err(row.error("rows of the summary: they are read without --by and filters"));
        }
        let mut tally = Tally { count: row.number(COUNT)?, ..Tally::default() };
        let sums = K::NUMBERS.iter().skip(1).zip(&mut tally.sums).zip(self.sums);
        for ((column, sum), is_asked) in sums {
            if is_asked || K::SUMS.is_empty() {
                *sum = row.number(column.name)?;
            }
        }
        Ok(tally)
    }

    /// Refuses a saved row without the column of a key.
    fn must_have_keys(&self, row: &Row<'_>) -> Result<(), Error> {
        let lacking = self.by.iter().find(|part| !row.has(part.key.column.name));
        lacking.map_or(Ok(()), |part| {
            let (key, column) = (part.key.name, part.key.column.name);
            Err(row
                .error(format_args!("the rows have no column {column}: save them with --by {key}")))
        })
    }

    /// Writes the key of a saved row to `buffer`.
    fn saved_key(&self, buffer: &mut Vec<u8>, row: &Row<'_>) -> Result<(), Error> {
        buffer.clear();
        for part in &self.by {
            let column = part.key.column.name;
            let cell = row.get(column)?;
            part.push_saved(buffer, cell).map_err(|reason| {
                let cell = error::visible(cell.unwrap_or_default());
                row.error(format_args!("'{cell}' in the column {column} is {reason}"))
            })?;
        }
        Ok(())
    }

    /// Whether a column is of a key that was not asked for.
    fn lacks(&self, column: &str) -> bool {
        K::KEYS.iter().any(|key| key.column.name == column)
            && self.by.iter().all(|part| part.key.column.name != column)
    }

    /// Writes the rows of the groups, the largest first. Without keys there is exactly one group, possibly
    /// empty.
    ///
    /// # Errors
    /// If there were more groups than allowed: nothing is written.
    pub(crate) fn rows(&self, groups: &Groups, out: &mut Out) -> Result<(), Error> {
        self.rows_lacking(groups, out).map(|_| ())
    }

    /// The same; returns of how many members of the groups not all numbers are known: in groups with sums, which lack
    /// them, and in groups whose sums are absent.
    pub(crate) fn rows_lacking(&self, groups: &Groups, out: &mut Out) -> Result<[u64; 2], Error> {
        check(groups)?;
        let merged =
            self.by.iter().any(|part| part.key.is_text()).then(|| self.merged(groups, out));
        let groups = merged.as_ref().unwrap_or(groups);
        check(groups)?;
        let mut sorted = groups.sorted(self.min.unwrap_or(1), self.top.unwrap_or(usize::MAX));
        if self.by.is_empty() && sorted.is_empty() {
            sorted.push((&[], Tally::default()));
        }
        let mut values = Vec::with_capacity(self.by.len() + 3);
        let mut lacking = [0; 2];
        for (mut key, tally) in sorted {
            let known = tally.known();
            lacking[usize::from(known == [None; 2])] += tally.lacking;
            values.clear();
            values.extend(self.by.iter().map(|part| part.value(&mut key)));
            let numbers = std::iter::once(Some(tally.count)).chain(known);
            let value =
                |number: Option<u64>| number.map_or(Value::Absent, |n| Value::Int(n.into()));
            values.extend(numbers.map(value).take(K::NUMBERS.len()));
            out.row_of(&values)?;
        }
        Ok(lacking)
    }
}

/// Refuses `--pods` where nothing needs the names of pods, and where standard input would be read twice.
pub(crate) fn check_pods(call: &Call, file: Option<&Path>, needs: Needs) -> Result<(), Error> {
    const VAIN: &str = "needs pod or container, as a key of --by or a filter, whose names it gives";
    const TWICE: &str = "standard input can be read only once; save it to a file, and name that";
    let is_input = |path: &Path| path.as_os_str() == "-";
    let common = call.common();
    let is_twice = file.is_some_and(is_input)
        && (common.interval.is_some() || common.from.iter().any(|path| is_input(path)));
    let is_in_vain = file.is_some() && !needs.has(Needs::PODS);
    cli::refuse([(is_in_vain, "--pods", VAIN), (is_twice, "--pods", TWICE)])
}

/// Why rows of an earlier run take no names of pods.
pub(crate) const NAMED: &str = "cannot be combined with rows of connbox, which hold names already: give it when the sockets are counted";

const COUNT: &str = "count";

/// What is said where saved rows have more keys than are asked for.
const JOINED: &str = "--from: rows are added up by fewer keys than they have: what --top, --min or a filter had left out of \
    them is not counted";

/// Why an option that is about groups is refused.
pub(crate) const NEEDS_KEYS: &str = "needs --by";
