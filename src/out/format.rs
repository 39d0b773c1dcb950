//! The formats, and the one table of the options that select them.

/// The form of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns between tabs.
    #[default]
    Tsv,
    /// Only the numbers, between tabs.
    Bare,
    /// Assignments for `eval`.
    Shell,
    /// The same in fish's language.
    Fish,
    /// One object for a table whose rows have fixed names, one object per row otherwise.
    Json,
    /// One array with one object per row, whatever the table.
    JsonArray,
    /// Text exposition 0.0.4.
    Prometheus,
    /// Aligned columns for people: what a terminal gets if no format is named.
    Table,
    /// The text of the original tool: made by the applet, see [`super::Out::text`].
    Original,
}

/// How people select a format: its option, which without the dashes is also the word of `--format`.
#[derive(Clone, Copy, Debug)]
pub struct FormatOption {
    pub option: &'static str,
    pub format: Format,
    pub help: &'static str,
}

/// The switches, the words of `--format` and [`Format::option`] follow from these rows.
pub const FORMATS: [FormatOption; 7] = [
    FormatOption {
        option: "--tsv",
        format: Format::Tsv,
        help: "columns between tabs (the default, except at a terminal)",
    },
    FormatOption {
        option: "--human",
        format: Format::Table,
        help: "a table for people, with units (the default at a terminal)",
    },
    FormatOption { option: "--shell", format: Format::Shell, help: "assignments for eval" },
    FormatOption { option: "--fish", format: Format::Fish, help: "assignments for fish" },
    FormatOption {
        option: "--json",
        format: Format::Json,
        help: "JSON; --json=array: all rows in one array",
    },
    FormatOption { option: "--prom", format: Format::Prometheus, help: "Prometheus text" },
    FormatOption { option: "--json=array", format: Format::JsonArray, help: "" },
];

/// How many of [`FORMATS`], the first ones, have a switch; the others are variants that `=` attaches to one.
pub const SWITCHES: usize = FORMATS.len() - 1;

impl FormatOption {
    pub const fn word(&self) -> &'static str {
        self.option.split_at(2).1
    }
}

impl Format {
    /// The option that selects it, for messages.
    pub fn option(self) -> &'static str {
        match self {
            Format::Bare => "--value",
            // No option selects it: it is the default of its applets.
            Format::Original => "the applet's own text",
            _ => FORMATS.iter().find(|row| row.format == self).map_or("", |row| row.option),
        }
    }
}
