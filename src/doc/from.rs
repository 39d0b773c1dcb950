//! The texts of connbox-from(7) beside the forms, in mdoc(7).

pub(super) const SAVED_TEXT: &str = "\
.Sh DESCRIPTION
.Fl -from Ar FILE
of the applets reads what other tools, and the applets themselves, have printed on any machine, and what was copied from
.Pa /proc/net .
It may be repeated, a file may be
.Ql \\-
for standard input, and one file may hold several texts behind one another.
Which form a text has, its content says.
.Bl -tag -width Ds
.It files of /proc/net
Save them with
.Ql cat /proc/net/tcp /proc/net/tcp6 .
.Pa sockstat , sockstat6 , snmp , netstat , tcp , tcp6 , udp
and
.Pa udp6 ,
with their headers.
For all applets that count sockets or counters.
They do not tell processes, control groups and interfaces.
";

pub(super) const SAVED_TEXT_END: &str = "\
.El
.Ss The folder of a sosreport
For
.Ar FILE
may stand the folder of a sosreport (sos 3 or 4).
Of it, an applet takes what it reads: copies in
.Pa proc/net ,
and what commands printed, in
.Pa sos_commands/networking
and
.Pa sos_commands/conntrack .
Of what tells the same it takes the first that is there: of sockets the table of ss, of netstat, or of
.Pa proc/net ;
of flows the list of conntrack, or that of
.Pa proc/net ;
of counters those of
.Pa proc/net ,
of nstat, or of netstat.
A copy in
.Pa proc/net
that is empty counts as one that is not there; if it is one of several that are read together, a warning names it, and
the status is 1.
A file that does not begin as its command prints, since the command failed, is skipped with a warning.
Of several tables of one tool, the one whose command lists most is read.
The options in a file's name, as in
.Pa netstat_-W_-neopa ,
count as those of
.Fl -from-command .
With
.Fl -netns Cm all ,
files
.Pa ip_netns_exec_NAME_*
are namespaces, and the machine's own is
.Ql host ;
one of that name is
.Ql /run/netns/host .
.Ss What a text does not tell
A key or filter that a text does not answer is an error, and names the option of the tool that adds the answer.
A text that another applet reads is an error that names this applet; rows of connbox are read by the applet that printed them.
Where a table of ss lacks a column,
.Fl -from-command Ar COMMAND
takes the command that made it:
.Bd -literal -offset indent
ss \\-Htn state time\\-wait > tw.txt
conncount \\-\\-from tw.txt \\-\\-from\\-command \"ss \\-Htn state time\\-wait\" \\-\\-by raddr
.Ed
.Pp
It may also be one of netstat, for which it tells
.Fl W ,
and
.Fl a
or
.Fl l
where the title is missing.
A protocol that it asks for, and of which the text has no row, has 0 sockets.
The families and the filter that it names count, too: who asks for another family, or filters by ports, addresses or
holders what a filter has chosen before, gets a warning and status 1.
Without it, so does who asks by name or address for a family of which a text has no row, but rows of the other one.
It is one command, without a pipe.
A text with rows that it does not list is not of it: a warning says so, and the status is 1.
An empty file is an error, unless the command is one of ss with
.Fl H ,
which prints nothing where no socket matches: then there are 0.
.Pp
Names of ports are looked up in
.Pa /etc/services .
Names of hosts stay text: they are values of the keys
.Cm laddr
and
.Cm raddr ,
and in no network.
Of processes, a text has the names that the tool shows: a path for
.Fl -process
is an error.
Names are cut: ss cuts them at 15 bytes and at a closing bracket, and netstat at its column.
A longer word of
.Fl -process
stands for all whose name is its beginning, with a note.
Of pods and containers it has the UID and the ID: their names are an error unless
.Fl -pods
.Ar FILE
or
.Pa /var/log/containers
gives names, and a warning and status 1 say so of one that matches nothing beside pods without a name.
The keys
.Cm direction
and
.Cm service
go by the sockets that listen in the text: save it with
.Fl a ,
as without these a warning says so, and the status is 1.
.Pp
States that were not listed are no zeros: without
.Fl a ,
ss leaves out LISTEN, TIME-WAIT and SYN-RECV, and netstat LISTEN.
Netstat always prints a header: where it is gone, as after
.Xr grep 1 ,
each state may be, too, of which there is no row.
Of UDP both leave out what has no peer (UNCONN, CLOSE), or, with
.Fl l ,
what has one (ESTABLISHED).
Who asks for such a state gets a warning and status 1, unless the title of netstat or
.Fl -from-command
says that it was listed.
What ss left out by
.Cm exclude
or a filter, no row tells: such a text looks like one of
.Fl a ,
and what is missing counts 0 unless
.Fl -from-command
names the command.
A text with sockets in LISTEN alone, as of
.Ql ss \\-ltn ,
or of UDP in CLOSE alone, as of
.Ql ss \\-lun ,
tells nothing of other ends:
.Fl -raddr ,
.Fl -rport
and the keys of these names get a warning and status 1.
Texts that share the states out, as those of
.Ql netstat \\-tn
and
.Ql netstat \\-tln ,
lack only what all of them lack.
Nor is a family a zero of which no file has a table: who asks for it
.Po
.Fl 6 ,
.Cm tcp6 ,
.Fl -laddr Ns =::1 ,
the key
.Cm family
.Pc
gets a warning and status 1, as for
.Pa /proc/net/tcp
alone.
So does who asks for a family of flows
.Po
.Fl f ,
an address,
.Fl p Cm icmpv6
.Pc
of which no text has a row: without
.Fl f ,
conntrack before 1.4.7 lists IPv4 alone, and
.Ql conntrack \\-L expect
of any version does; with it, every version lists one.
Both families are in
.Pa nf_conntrack ,
known by this name or the zones in its lines, which begin with ipv4 or ipv6.
A text of IPv4, and one of
.Ql conntrack \\-L \\-f ipv6 ,
which may hold no flow, complete each other.
The same goes for a protocol of flows where all of a text are of another one, as
.Fl p
lists one.
.Pp
An address
.Ql *
of ss is any address of IPv4 in text of old versions, and a socket of IPv6 in that of iproute2 4.14 and later.
The header, other rows, or
.Fl 4
or
.Fl 6
in
.Fl -from-command
tell which; where nothing does, who asks for families, or for addresses that may be any, gets a warning and status 1.
So does who asks for a control group, pod or container of a text in which ss could not name some group
.Pq Ql unreachable:ID .
.Pp
A line that fits nothing is an error with file and line.
What a tool has said on standard error, and 2>&1 has put between the rows, is skipped where it costs none; else the error
names it, as it does lines of several hosts, of pdsh or ansible: the text of each host is a file of its own.
A text that ends in the middle of a line gives the rows before it, a warning, and status 1.
Tables of the same sockets by several tools count twice, and so do several tables of netstat in one file: a warning
says so, and the status is 1, as for the same table given twice, if it has a connection or 16 lines, and for tables that
share half of their connections, or where one lists only sockets that listen, half of which another one has beside its
connections.
Of each table 16 connections are compared: a table of a few that another one of thousands has, too, may go unnoticed.
So it is with a list of flows, of whose protocols 16 flows each are compared with those of other files; within one file, a list
is noticed that has half of the first 16 flows again.
.Sh EXAMPLES
What is connected to a machine where nothing can be installed:
.Bd -literal -offset indent -compact
ssh host ss \\-tan | conncount \\-\\-from \\- \\-\\-by raddr \\-\\-top 10
.Ed
.Pp
Who forgets to close, from a file that somebody sent:
.Bd -literal -offset indent -compact
conncount \\-\\-from ss.txt \\-\\-state close\\-wait \\-\\-by process,pid
.Ed
.Pp
Count once, and look at it from several sides:
.Bd -literal -offset indent -compact
conncount \\-\\-by raddr,lport,state \\-\\-json > groups
conncount \\-\\-from groups \\-\\-by raddr/24 \\-\\-top 10
conncount \\-\\-from groups \\-\\-state time\\-wait \\-\\-by lport
.Ed
";
