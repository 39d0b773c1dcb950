//! The texts of connbox(1), in mdoc(7).

pub(super) const DESCRIPTION: &str = "\
.Sh DESCRIPTION
One binary, many commands: it runs the applet that its first argument names, or the applet that the name of
a link to it names.
Every applet prints rows of named columns in one of four formats, and changes nothing that it counts.
Most read what the kernel shows to all users; what needs a privilege
.Po
.Nm conntrack Fl L
and
.Fl E ,
.Nm conntrackd ,
.Nm tcptrack Fl i
and
.Fl -conntrack ,
other users' processes, other network namespaces
.Pc
says so in the manual of the applet.
.Pp
Without an applet it lists them.
.Fl -install
prints which links it made, and skips the applets whose names other programs on
.Ev PATH
have (such as conntrack or tcptrack), unless you name them: scripts would get our applet instead, which
refuses commands that change anything.
It does not touch a file in the directory that is not a link to this binary, unless
.Fl -force
is given: it prints an error and ends with status 1.
.Fl -uninstall
removes the links that have the names of applets and lead to this binary, and nothing else.
";

pub(super) const TEXTFILE: &str = "\
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
.Dl tcpstates + sockstat \\-\\-limits + snmpget\\-tcp + conncount \\-\\-quiet\\-gaps
and, where the kernel tracks connections,
.Cm + conntrack :
here not an applet, but the metrics
.Ql connbox_conntrack_entries
and
.Ql connbox_conntrack_entries_limit .
An applet may be named several times with different options: each metric appears once, with all samples.
A repeated series is skipped, and an error says so; several filters of conncount, for one, are rules of
.Xr connbox-network-connections 1 .
.Fl -quiet-gaps
before the first applet holds for all of them.
Where /proc does not tell whether connections are tracked, ctnetlink is asked; if it refuses, the success of
conntrack is 0.
.Pp
The metrics
.Ql connbox_collect_seconds
and
.Ql connbox_collect_success
have the labels applet and file, the path of
.Ar FILE ;
they say how long the applet took and whether it delivered everything it was asked for.
If an applet fails, an error says so, the numbers of the others are written, and the status is 1; so it is with an
interface, or a row of the kernel, that is not there now.
If the command line is wrong, that of an applet included, nothing is written, and the status is 2; the options
.Fl -output , -interval
and formats other than
.Fl -prom ,
and streams that do not end, are not allowed there.
.Pp
With
.Fl -interval ,
before or after
.Ar FILE ,
it writes the file again every
.Ar SECONDS ,
until a signal ends it or the file cannot be written: for containers, which have no
.Xr cron 8 .
A message is printed again only after it was gone or has changed.
.Pp
Several files must not share a series: node_exporter keeps that of one file, and drops the others in silence.
Series are the same if their names and labels are; those of the two metrics above never are.
An applet must not stand in two files, unless a label tells its numbers apart, as a key of \\-\\-by may.
A filter is not a label: two counts by conncount with different filters are the same series.
";

pub(super) const FORMATS: &str = "\
.Ss Formats
.Bl -tag -width Ds
.It Fl -tsv
One row per line, columns separated by tabs, absent values as
.Ql - .
New columns are only ever added at the end.
It is the default, except at a terminal.
.It Fl -human
A table for people, which is what a terminal gets if no format is named; see below.
.It Fl -shell
Assignments for
.Ic eval :
one per line for a table whose rows have fixed names, one row per line otherwise.
Names are in upper case; the kernel's MIB names keep their case.
Values are in double quotes and cannot run anything.
A character that is not allowed in a name becomes
.Ql _ ,
which also goes before a leading digit.
.It Fl -fish
The same for fish:
.Ql connbox conncount --fish | source .
.It Fl -json
One nested object for a table whose rows have fixed names, JSON Lines otherwise and with
.Fl -interval .
.Fl -json Ns Cm =array
writes one array with one object per row, whatever the table.
.It Fl -prom
Prometheus text exposition 0.0.4; percents become ratios.
.El
.Pp
Names come from outside.
TSV writes a tab, a line end and a backslash in them as
.Ql \\et , \\en , \\er
and
.Ql \\e\\e ,
and what a terminal could obey (other control characters, those of the order of text) as
.Ql \\ex1b
or
.Ql \\eu{202e} ;
values for shells have
.Ql \\&?
for all of these but the backslash.
JSON and Prometheus text are UTF\\-8: a byte that is not becomes
.Ql \\exff ,
two hexadecimal digits from 80 to ff, and a backslash before such digits, or before
.Ql x5c ,
becomes
.Ql \\ex5c ,
so that different names stay different.
Groups of
.Fl -by
whose columns a format cannot tell apart are one row, with the sum; so are samples of one series in Prometheus text.
.Ss Tables at a terminal
Where standard output is a terminal and no option names a format, columns are aligned by what the terminal shows, a
heading names them with their units, numbers are on the right, and bytes are written as
.Ql 1.9 MB ,
in steps of 1024 and rounded down.
Percents and rates have one decimal.
A table that is too wide breaks its headings, omits columns without a value, wraps sentences at words or puts them
below their row, cuts headings and then texts, and says how many columns it lacks;
.Fl -wide
shows everything.
What goes into a pipe or a file is TSV, byte for byte what
.Fl -tsv
writes;
.Fl -human
writes the table there, too.
.Pp
With
.Fl -interval ,
a table whose rows have fixed names becomes one line per sample, with a heading on every screen.
Any other one, and that of
.Fl -by ,
is drawn over the one before, with the change beside each number, and
.Ql new
beside those of a row that the last sample did not have; with
.Fl -wide
it stands below.
.Pp
Colors mean trouble: CLOSE_WAIT, 100 and more connections in SYN_RECV, and 80 percent of a limit are yellow, 95
percent are red; absent values are dim.
.Fl -color Ns = Ns Cm always
colors a table that is not at a terminal, and selects it if no format is named.
.Ss Sources
.Fl -from
reads saved files of
.Pa /proc/net
(sockstat, sockstat6, snmp, netstat, tcp, tcp6, udp, udp6): any of them, also several concatenated, since each
line shows which file it is from.
A line of any other form is an error that names the file and the line, and nothing is printed; so is an empty
file.
Tables of raw, ping and UDP\\-Lite sockets look like those of UDP, and are told by the file's name (raw6, icmp.txt).
Without it the form tells most; where tables look alike and do not fit one another, a warning says so, and the status is
1; a lone one counts as UDP, with a remark.
Nothing tells UDP\\-Lite from UDP unless both are there: without a name, such tables count as UDP, with a remark where
no table of TCP is beside them.
A table, or a list of flows, that is given twice counts twice, with a warning and status 1.
.Pp
Tables of sockets that a big-endian machine has saved (s390x, SPARC) need
.Fl -byte-order Cm big :
127.0.0.1 is 7F000001 in them, and 0100007F in those of a little-endian machine.
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
Where /proc has no net, because it was mounted with subset=pid, self/net is read.
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
shows a process or a thread, and those with a name in
.Pa /run/netns ,
each once.
Namespaces that only an open file or a socket keeps alive are not found.
Rows then begin (after the time of
.Fl -interval )
with the columns
.Ar netns ,
which is
.Cm host
for the machine's first one, else the name or, without one, the inode, and
.Ar resident ,
the readable process (or thread of a process elsewhere) with the lowest ID in the namespace, as
.Ar PID Ns / Ns Ar NAME
(in Prometheus text without the PID, so that a restart makes no new series);
connbox itself is not counted as one.
Another namespace whose name is host is shown by its inode.
The first one comes first; the others are sorted by name; namespaces without a name follow, sorted by inode.
.Fl -skip-empty
skips namespaces whose numbers are all 0, not counting limits, constants and numbers of the machine.
.Fl -top Ar N
shows the
.Ar N
namespaces whose first number is the largest, that one first, so that
.Dl conncount --netns all --top 5 timewait
names those with the most sockets in TIME_WAIT; with
.Fl -by
it counts groups.
There
.Ar netns
is the first key, without
.Ar resident ,
and the order is that of the groups.
Rows of
.Xr connbox-conncount 1
and
.Xr connbox-closedcalc 1
that count the whole machine come last, once, with both columns absent.
Each snapshot looks for the namespaces again; one that vanishes during the snapshot is skipped.
Your own namespace needs no privilege; the others need CAP_SYS_ADMIN, and those of other users' processes
also need CAP_SYS_PTRACE.
One warning says how many cannot be entered, and the status is 1; also if processes cannot be seen, whose
namespaces then are not found: /proc is mounted with
.Cm hidepid= ,
or this is not the machine's first PID namespace.
A namespace is found if a thread lives in it, or if its file is mounted
.Po
in
.Pa /run/netns
or elsewhere, as in
.Pa /run/docker/netns
.Pc .
One that only a descriptor or a socket keeps is not found.
Several namespaces are read at the same time, one per processor.
A namespace whose
.Pa /proc/net/sockstat
counts no TCP sockets is not searched for TCP sockets; the same applies to UDP.
A connection request whose listener has closed is then not found.
Such a request lasts until its next SYN|ACK is due: one second at first, up to half a minute if the peer
stays silent.
.Pp
.Fl -output
gives the file its name when it is complete; a pipe, a device or any other special file is written in place.
";

pub(super) const EXAMPLES: &str = "\
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

pub(super) const BUGS: &str = "\
.Sh BUGS
The kernel gives sockets and flows one after another, and does not tell if its tables change meanwhile: a count of
many sockets that come and go can be off by a few.
.Fl -strict
repeats it until it is confirmed.
If processes cannot be seen or namespaces cannot be entered, a warning says so, the status is 1, and the numbers are
incomplete.
";
