//! Text that tools print and people save: which form a line begins. The readers of the forms are beside this file.
//!
//! A new form is one variant of [`Form`], one line of [`FORMS`], and one line of `reader` in
//! `source/files/saved/mod.rs` (or in the reader of the applet that takes it).

pub mod command;
pub mod details;
pub mod netstat;
pub mod nstat;
pub mod row;
pub mod ss;
pub mod ss_summary;
pub mod ss_version;
pub mod statistics;
pub mod unfit;

use super::flow_text::{self, Line};
use super::own_rows;

/// A form of saved text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `ss -s`.
    SsSummary,
    /// A table of sockets of netstat.
    Netstat,
    /// A table of sockets of ss.
    Ss,
    /// conntrack in any form, or /proc/net/nf_conntrack.
    Flows,
    /// `nstat -az`, and `-j`.
    Nstat,
    /// `netstat -s`.
    Statistics,
    /// Rows of connbox itself.
    Rows,
}

impl Form {
    /// Whether an applet reads it.
    pub fn is_for(self, applet: &str) -> bool {
        FORMS.iter().any(|known| known.form == self && known.is_for(applet))
    }
}

/// What is known of a form.
#[derive(Debug)]
pub struct Known {
    pub form: Form,
    /// What it is, for messages and the manual: `the summary of ss -s`.
    pub what: &'static str,
    /// The applets that read it, sorted.
    pub applets: &'static [&'static str],
    /// The command that saves it well, for the manual.
    pub save: &'static str,
    /// What it answers and what not, for the manual.
    pub answers: &'static str,
    /// Whether a line begins it.
    begins: fn(&[u8]) -> bool,
}

/// All forms. Of several that a line could begin the first one counts.
pub static FORMS: [Known; 7] = [
    Known {
        form: Form::SsSummary,
        what: "the summary of ss -s",
        applets: &["closedcalc", "conncount"],
        save: "ss -s",
        answers: "The rows of the summary, those of --transport, and unhashed, which follows from them. synrecv is absent: \
            old versions print an estimate, new ones nothing.",
        begins: ss_summary::begins,
    },
    Known {
        form: Form::Netstat,
        what: "a table of netstat",
        applets: SOCKETS,
        save: "netstat -tuanpeW",
        answers: "That of net-tools, busybox or toybox, any mix of -t -u -a -l -n -p -e -o -W. States, families, \
            addresses and ports; with -p the one process that netstat shows, by its argv[0] (keys and filters say so, with status 1); with -e inodes, and with -n users. Control \
            groups and interfaces are never in it. Without -W an IPv6 address that fills its column may be cut: a \
            warning counts them, and keys and filters on addresses are errors; where --from-command names -W, none is. Busybox has no -p in many builds. \
            Text of Windows is an error.",
        begins: netstat::begins,
    },
    Known {
        form: Form::Ss,
        what: "a table of ss",
        applets: SOCKETS,
        save: "ss -tuanpe",
        answers: "That of iproute2 3 to 6, with or without header, columns Netid and State, and the lines and words of -p \
            -e -o -i -m -O. States, families, addresses, ports, interfaces and queues; with -p every process that holds a \
            socket (as root: others see only their own); with -e users, inodes and control groups. Where a table has neither \
            the column Netid nor a state that only TCP has, or no column State, --from-command names the command that made \
            it; -H prints nothing where there is no socket, which is an answer only with --from-command. Sockets that are only bound, which ss 6.8 lists, are not counted. ss -M without Netid looks like TCP.",
        begins: ss::begins,
    },
    Known {
        form: Form::Flows,
        what: "flows of connection tracking",
        applets: &["conntrack"],
        save: "conntrack -L -o extended,id,labels,ktimestamp 2>&1",
        answers: "That of conntrack 1.0 to 1.4.9 and of connbox: -L, -G and -E in every form of -o, save and xml included, and \
            /proc/net/nf_conntrack and ip_conntrack. A mark is not in -o save, labels are there only with -o labels (those \
            without a name never), IDs only with -o id, fields of ICMP not in XML; of the status, lines tell whether a flow is \
            assured, offloaded or unreplied. Where the tool said that it printed more, a warning says so; what it says lies within a row of a long list (2>&1), which is put together again. Which families it lists, a text seldom tells; see below. \
            -L expect and -C expect read the lines of conntrack -L expect; not \
            its XML, nor /proc/net/nf_conntrack_expect, which shows neither masks nor masters.",
        begins: flow_text::begins,
    },
    Known {
        form: Form::Nstat,
        what: "the counters of nstat",
        applets: COUNTERS,
        save: "nstat -az",
        answers: "The rows of nstat and, of -j, its JSON: all counters, and no levels and constants (CurrEstab). Without -a the \
            numbers are what was added since it ran before; a warning says so if none of them is 0.",
        begins: nstat::begins,
    },
    Known {
        form: Form::Statistics,
        what: "the statistics of netstat -s",
        applets: COUNTERS,
        save: "netstat -st",
        answers: "That of net-tools 1.60 to 2.10, -s or -st: each sentence about TCP becomes the kernel's field again. It \
            leaves out most counters that are 0: they are absent. A sentence that names no counter is skipped with a warning, \
            and the status is 1.",
        begins: statistics::begins,
    },
    Known {
        form: Form::Rows,
        what: "rows of connbox",
        applets: &[
            "closedcalc",
            "conncount",
            "conntrack",
            "network-connections",
            "snmpget-tcp",
            "sockstat",
            "tcpstates",
            "tcptrack",
        ],
        save: "conncount --by raddr,state --json",
        answers: "What an applet has printed as TSV with --header or as JSON (--json, --json=array), it reads again and prints \
            in any format. They stand alone: not behind other text, nor beside files of it. Of conntrack, rows of flows and events are read, and \
            of its JSON the lines. A NAME, a key of --by, a column of --sum, \
            --limits or --explain needs the rows or columns of this name. network-connections applies thresholds and rules anew, to the \
            keys of the rows. Groups with more keys than --by names, or longer prefixes, and groups of several files are added up, with a note; single numbers \
            of several files cannot be, and are refused. Of the filters of sockets, --state, -4 and -6, --lport and --rport look into columns of these names, \
            and -t and -u into proto; -4 and -6 warn, with status 1, where all rows are of the other family. Rows without a column proto count as TCP, and a note says so, or a warning with status 1 where \
            UDP has all their states, too; -t alone and -u alone are refused, and -t -u takes them as they are, as those without \
            any key need (conncount). The warnings that came with the rows are not in them, nor what a filter, \
            --top or --min left out: an answer from rows is as complete as the rows are, and cannot say how complete that is. In TSV \
            a name that is '-' or empty is absent, which JSON keeps apart, and ct_status of conntrack is '-' both where no bit is set and where it is not known: it is read as the former. JSON Lines without a row are an empty file, which is an error; an array is []. Not read \
            are rows of --interval, those of --netns all (but with the key netns), and those of snmpget-tcp --oid, whose numbers wrap.",
        begins: own_rows::begins,
    },
];

const COUNTERS: &[&str] = &["snmpget-tcp"];
const SOCKETS: &[&str] = &["conncount", "network-connections", "tcpstates"];

impl Known {
    /// The form that a line begins.
    pub fn of(line: &[u8]) -> Option<&'static Known> {
        FORMS.iter().find(|known| (known.begins)(line))
    }

    /// Whether a text begins as one that an applet reads: its first line that is neither blank nor a message of the tool.
    pub fn begins_for(text: &[u8], applet: &str) -> bool {
        // A line of flows may look like a row of another form.
        let begins = |line| FORMS.iter().any(|known| known.is_for(applet) && (known.begins)(line));
        first_line(text).is_some_and(begins)
    }

    /// The same for the lines of `conntrack -L expect`.
    pub fn begins_with_expectations(text: &[u8]) -> bool {
        first_line(text).is_some_and(flow_text::begins_expectations)
    }

    /// Whether an applet reads it. A run without an applet (a test) reads all.
    pub fn is_for(&self, applet: &str) -> bool {
        applet.is_empty() || self.applets.contains(&applet)
    }
}

/// The first line that is neither blank nor a message of the tool.
fn first_line(text: &[u8]) -> Option<&[u8]> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find(|line| {
        let of_flows = || flow_text::line(line);
        let is_notice = ss::is_notice(line) || netstat::is_notice(line);
        !is_notice && !matches!(of_flows(), Some(Line::Nothing | Line::Message(_)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_listed_once_with_its_applets_sorted() {
        for (place, known) in FORMS.iter().enumerate() {
            assert!(FORMS.iter().skip(place + 1).all(|other| other.form != known.form));
            assert!(known.applets.is_sorted() && !known.applets.is_empty(), "{}", known.what);
        }
    }

    #[test]
    fn kernel_files_begin_no_form() {
        for line in [
            "",
            "sockets: used 152",
            "TCP: inuse 27 orphan 0 tw 1 alloc 31 mem 2",
            "TCP6: inuse 7",
            "Tcp: RtoAlgorithm RtoMin RtoMax",
            "Tcp: 1 200 120000",
            "TcpExt: SyncookiesSent",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            "   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100",
        ] {
            assert!(Known::of(line.as_bytes()).is_none(), "{line}");
        }
    }
}
