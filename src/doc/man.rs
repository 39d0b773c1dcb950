//! Man pages in mdoc(7).

use super::{BOX_OPTIONS, explained, has_names, options};
use crate::applet::APPLETS;
use crate::cli::{OptDoc, Original};
use crate::frame::Applet;

/// The date of the pages: that of the release.
const DATE: &str = "November 21, 2026";

/// The table of an applet's keys, if it has a screen.
fn keys(applet: &Applet) -> String {
    if applet.keys.is_empty() {
        return String::new();
    }
    let mut text = ".Ss Keys\n.Bl -column \"Home, End\" \"what it does\"\n".to_owned();
    for (key, meaning) in applet.keys {
        text += &format!(".It {} Ta {}\n", escape(key), escape(meaning));
    }
    text + ".El\n"
}

/// The page of an applet, connbox-NAME(1).
pub fn applet(applet: &Applet) -> String {
    let page = format!("connbox-{}", applet.name);
    let mut text = head(&page, applet.about);
    let names = if has_names(applet) { ".Op Ar name ...\n" } else { "" };
    text += &format!(".Sh SYNOPSIS\n.Nm connbox {}\n.Op Ar option ...\n{names}", applet.name);
    for name in std::iter::once(&applet.name).chain(applet.aliases) {
        text += &format!(".Nm {name}\n.Op Ar option ...\n{names}");
    }
    text += ".Sh DESCRIPTION\n";
    for (place, paragraph) in applet.details.iter().enumerate() {
        text += if place > 0 { ".Pp\n" } else { "" };
        text += &paragraph_of(paragraph);
    }
    text += &format!(".Ss Rows\n{}", paragraph_of(applet.rows));
    text += ".Ss Columns\n.Bl -tag -width Ds\n";
    for column in applet.columns {
        text += &format!(
            ".It {} Pq {}\n{}",
            escape(column.name),
            column.kind.name(),
            paragraph_of(column.help)
        );
    }
    text += ".El\n";
    text += &keys(applet);
    if !applet.options.is_empty() {
        text +=
            ".Sh OPTIONS\nThe options that all applets share are described in\n.Xr connbox 1 .\n";
        text += applet.original.map(original_options).unwrap_or_default().as_str();
        text += &option_list(applet.options.iter().copied());
    }
    if !applet.filters.is_empty() {
        text += ".Ss Filters\nA socket counts if it matches all of them.\n";
        text += &option_list(applet.filters.iter().copied());
    }
    text += &format!(".Sh PRIVILEGES\n{}", paragraph_of(applet.needs));
    text += &match applet.original {
        None => EXIT_STATUS.to_owned(),
        Some(original) => format!(".Sh EXIT STATUS\n{}", paragraph_of(original.statuses)),
    };
    text += ".Sh EXAMPLES\n";
    for example in applet.examples {
        text += &format!(
            "{}:\n.Bd -literal -offset indent -compact\n{}\n.Ed\n",
            escape(example.about),
            escape(example.command)
        );
        text += ".Pp\n";
    }
    text.truncate(text.trim_end_matches(".Pp\n").len());
    text + &see_also(Some(applet))
}

/// The page of the box, connbox(1).
pub fn the_box() -> String {
    let mut text = head("connbox", "count and watch network connections");
    text += ".Sh SYNOPSIS\n.Nm connbox\n.Ar applet\n.Op Ar option ...\n.Op Ar name ...\n";
    for option in BOX_OPTIONS {
        text += &format!(".Nm connbox\n.Fl {}", escape(&option.name[1..]));
        text += &operands(option.operands);
        text += "\n";
    }
    text += BOX_DESCRIPTION;
    text += ".Ss Applets\n.Bl -tag -width Ds\n";
    for applet in APPLETS {
        text += &format!(".It Xr connbox-{} 1\n{}", applet.name, paragraph_of(applet.about));
    }
    text += ".El\n.Ss Options of the box\n.Bl -tag -width Ds\n";
    for option in BOX_OPTIONS {
        text += &format!(".It Fl {}", escape(&option.name[1..]));
        text += &operands(option.operands);
        text += &format!("\n{}", paragraph_of(option.help));
    }
    text += ".El\n";
    text += BOX_TEXTFILE;
    text += ".Sh OPTIONS\nAll applets share these options.\n";
    let none = Applet { options: &[], filters: &[], original: None, ..*APPLETS[0] };
    text += &option_list(options(&none));
    text += BOX_FORMATS;
    text += EXIT_STATUS;
    text += BOX_EXAMPLES;
    text + &see_also(None)
}

const BOX_DESCRIPTION: &str = "\
.Sh DESCRIPTION
One binary, many commands: it runs the applet that its first argument names, or the applet that the name of
a link to it names.
Every applet reads what the kernel shows to all users, prints rows of named columns in one of four
formats, and changes nothing.
.Pp
Without an applet it lists them.
.Fl -install
does not touch a file in the directory that is not a link to this binary, unless
.Fl -force
is given: it prints an error and ends with status 1.
";

const BOX_TEXTFILE: &str = "\
.Ss A file for node_exporter
.Fl -textfile
runs applets one after another and writes what they give as Prometheus text into
.Ar FILE ,
whose name must end in
.Pa .prom .
The file appears complete or not at all.
Where permissions allow, it takes over the owner and mode of the file that it replaces; the first one is
readable by all, subject to the umask.
The word
.Cm +
separates two applets with their options.
Without any applet, the default is
.Dl tcpstates + sockstat \\-\\-limits + snmpget\\-tcp + conncount
and, where the kernel tracks connections,
.Cm + conntrack :
here not an applet, but the metrics
.Ql connbox_conntrack_entries
and
.Ql connbox_conntrack_entries_limit .
An applet may be named several times with different options: each metric appears once, with all samples.
A repeated series is skipped, and an error says so.
.Pp
The metrics
.Ql connbox_collect_seconds
and
.Ql connbox_collect_success
have the label
.Ar applet ;
they say how long the applet took and whether it delivered everything it was asked for.
If an applet fails, an error says so, the numbers of the others are written, and the status is 1.
If the command line is wrong, nothing is written, and the status is 2; the options
.Fl -output , -interval
and formats other than
.Fl -prom
are not allowed there.
";

const BOX_FORMATS: &str = "\
.Ss Formats
.Bl -tag -width Ds
.It Fl -tsv
One row per line, columns separated by tabs, absent values as
.Ql - .
New columns are only ever added at the end.
.It Fl -shell
Assignments for
.Ic eval :
one per line for a table whose rows have fixed names, one row per line otherwise.
Names are in upper case; the kernel's MIB names keep their case.
Values are in double quotes and cannot run anything.
A character that is not allowed in a name becomes
.Ql _ ,
which also goes before a leading digit.
.It Fl -json
One nested object for a table whose rows have fixed names, JSON Lines otherwise and with
.Fl -interval .
.It Fl -prom
Prometheus text exposition 0.0.4; percents become ratios.
.El
.Ss Sources
.Fl -from
reads saved files of
.Pa /proc/net
(sockstat, sockstat6, snmp, netstat, tcp, tcp6): any of them, also several concatenated, since each line
shows which file it is from.
A line of any other form is an error that names the file and the line, and nothing is printed.
.Pp
.Fl -root
reads the files below another directory: a host's
.Pa /proc
that is mounted into a container, or a saved tree.
There
.Pa proc/1/net
is preferred to
.Pa proc/net ,
which in a mounted
.Pa /proc
belongs to the container.
Netlink is then not used.
.Pp
.Fl -netns
takes a name in
.Pa /run/netns ,
a process ID, or the path of a namespace file.
The word
.Cm all
means every network namespace of the machine (a namespace of that name is
.Pa /run/netns/all ) :
those in which this
.Pa /proc
shows a process, and those with a name in
.Pa /run/netns ,
each once.
Namespaces that only an open file or a socket keeps alive are not found.
Rows then begin (after the time of
.Fl -interval )
with the columns
.Ar netns ,
the name or, without one, the inode, and
.Ar resident ,
the readable process with the lowest PID in the namespace, as
.Ar PID Ns / Ns Ar NAME ;
connbox itself is not counted as one.
Rows are sorted by name; namespaces without a name follow, sorted by inode.
Rows of
.Xr connbox-conncount 1
and
.Xr connbox-closedcalc 1
that count the whole machine come last, once, with both columns absent.
Each snapshot looks for the namespaces again; one that vanishes during the snapshot is skipped.
Your own namespace needs no privilege; the others need CAP_SYS_ADMIN, and those of other users' processes
also need CAP_SYS_PTRACE.
One warning says how many cannot be entered, and the status is 1.
Several namespaces are read at the same time, one per processor.
A namespace whose
.Pa /proc/net/sockstat
counts no TCP sockets is not searched for TCP sockets; the same applies to UDP.
A connection request whose listener has closed is then not found.
Such a request lasts until its next SYN|ACK is due: one second at first, up to half a minute if the peer
stays silent.
.Pp
.Fl -output
writes a file beside
.Ar FILE
and renames it when it is complete; a pipe, a device or any other special file is written in place.
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev CONNBOX_ROOT
The directory for
.Fl -root ,
used if none of
.Fl -root , -from
and
.Fl -netns
is given.
.El
";

const EXIT_STATUS: &str = "\
.Sh EXIT STATUS
0 on success, also if the reader closes the pipe early; 1 if something failed or was skipped; 2 if the
command line was wrong; 127 if there is no such applet.
";

/// How the options differ for an applet with the name of an existing tool.
fn original_options(original: &Original) -> String {
    let mut text = format!(
        "The applet has the name of {}, so of these it takes only the long forms, except for\n",
        escape(original.tool)
    );
    let letters = [(original.help, "help"), (original.version, "version")];
    let letters = letters.map(|(letter, long)| match letter {
        Some(letter) => format!(".Fl {letter} , -{long}"),
        None => format!(".Fl -{long}"),
    });
    text += &format!("{}\nand\n{} .\n", letters[0], letters[1]);
    if !original.refused.is_empty() {
        let refused: Vec<_> =
            original.refused.iter().map(|(long, _)| format!(".Fl -{}", escape(long))).collect();
        text += &format!("It does not take\n{} .\n", refused.join(" ,\n"));
    }
    for (long, name) in original.renamed {
        let (long, name) = (escape(long), escape(name));
        text += &format!(
            ".Fl -{long}\nis an option of that tool; the common option is\n.Fl -{name} .\n"
        );
    }
    text + "The applet's own options may be abbreviated.\n"
}
const BOX_EXAMPLES: &str = "\
.Sh EXAMPLES
The default numbers, every minute, from
.Xr cron 8 :
.Dl * * * * * root connbox \\-\\-textfile /var/lib/prometheus/node\\-exporter/connbox.prom
.Pp
The same with the connections of one service by peer:
.Bd -literal -offset indent -compact
connbox --textfile /var/lib/prometheus/node-exporter/connbox.prom \\e
    tcpstates + conncount --lport 443 --by raddr --top 20
.Ed
";

fn head(page: &str, about: &str) -> String {
    let title = page.to_uppercase();
    format!(
        ".Dd {DATE}\n.Dt {title} 1\n.Os connbox {}\n.Sh NAME\n.Nm {page}\n.Nd {}\n",
        env!("CARGO_PKG_VERSION"),
        escape(about)
    )
}

fn option_list(options: impl Iterator<Item = OptDoc>) -> String {
    let mut text = String::from(".Bl -tag -width Ds\n");
    for option in options {
        let short = option.short.map(String::from);
        let longs = option.longs().map(|long| format!("-{}", escape(long)));
        let names: Vec<_> = short.into_iter().chain(longs).collect();
        let value = option.value.map(|value| format!(" Ar {}", escape(value))).unwrap_or_default();
        text += &format!(
            ".It Fl {}{value}\n{}",
            names.join(" , Fl "),
            paragraph_of(&explained(&option))
        );
    }
    text + ".El\n"
}

/// The operands of an option of the box: `[A [B...]]` in mdoc macros.
fn operands(text: &str) -> String {
    let text = text.replace('[', "[ ").replace(']', " ]");
    let word = |word: &str| match word {
        "[" => " Oo".to_owned(),
        "]" => " Oc".to_owned(),
        "+" => " Cm +".to_owned(),
        "--force" => " Fl -force".to_owned(),
        word => format!(" Ar {}", escape(&word.replace("...", " ..."))),
    };
    text.split_whitespace().map(word).collect()
}

/// A paragraph: one sentence per line, with a full stop at its end.
fn paragraph_of(text: &str) -> String {
    let text = escape(text);
    let mut lines = text.replace(". ", ".\n");
    let ends = |sign: &[char]| lines.ends_with(sign);
    if !ends(&['.', ':', '?']) {
        lines.push('.');
    }
    lines.push('\n');
    lines
}

/// Escapes what mdoc would interpret: a backslash, and a dot or apostrophe at the start of a line.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.strip_prefix(['.', '\'']) {
        Some(_) => format!("\\&{text}"),
        None => text,
    }
}

fn see_also(own: Option<&Applet>) -> String {
    let mut pages: Vec<(String, u8)> =
        vec![("ss".into(), 8), ("proc".into(), 5), ("sock_diag".into(), 7)];
    pages.extend(own.map(|_| ("connbox".to_owned(), 1)));
    let others = APPLETS.iter().filter(|applet| own.is_none_or(|own| own.name != applet.name));
    pages.extend(others.map(|applet| (format!("connbox-{}", applet.name), 1)));
    pages.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let count = pages.len();
    let mut text = String::from(".Sh SEE ALSO\n");
    for (place, (page, section)) in pages.into_iter().enumerate() {
        let comma = if place + 1 < count { " ," } else { "" };
        text += &format!(".Xr {page} {section}{comma}\n");
    }
    text
}
