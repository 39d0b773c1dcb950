//! The sections of connbox(1) on files and the environment: what is promised about those that are written and read.

pub(super) const WRITTEN: &str = "\
.Ss Files that are written
The file of
.Fl -output
or
.Fl -textfile
has no name until it is complete, and no other user can open it.
To replace another file, it gets a random name that begins with
.Pa .connbox\\-
and ends in
.Pa .tmp ,
and is renamed at once: a run that ends early leaves nothing, unless
.Dv SIGKILL
or a crash hits that moment.
On a file system that cannot hold a file without a name, such as NFS, the text is kept in memory until it is
complete; if it is longer than 1 MiB, it is in a file with such a name, which a signal then leaves behind.
No later run uses or removes that file.
.Pp
The new file takes over owner, group, mode and access control list of the one that it replaces.
If permissions do not allow that, its mode is narrower: nobody can read it who could not read the old one.
.Pp
In a sticky directory that others may write, as
.Pa /tmp ,
.Fl -output , -textfile , -install
and the log of
.Xr connbox-conntrackd 1
follow no links of other users in any part of the path, write into no pipes and logs of other users, and do
not give a new file to the owner of the one that it replaces.
The owner of the directory may have links, pipes and logs there.
The sysctls
.Va fs.protected_symlinks ,
.Va fs.protected_fifos
and
.Va fs.protected_regular
do not change this.
.Pp
A pipe that no process reads is an error after five seconds.
A file that would be larger than
.Ic ulimit -f
allows is an error.
.Pp
If the program has more rights than its caller, because its file has the set-user-ID or set-group-ID bit or
capabilities, it refuses to write files or links, and it refuses
.Ev CONNBOX_ROOT .
";

/// The variables that are read.
pub(super) const ENVIRONMENT: &str = "\
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
.It Ev NO_COLOR
If it is set and not empty, tables have no colors unless
.Fl -color Ns = Ns Cm always
asks for them.
.It Ev TERM
With
.Ql dumb ,
or without a value, tables have no colors and are not drawn over the one before.
.El
";

/// The environment of an applet, whose page refers to connbox(1).
pub(super) const ENVIRONMENT_ELSEWHERE: &str = "\
.Sh ENVIRONMENT
.Ev CONNBOX_ROOT , NO_COLOR
and
.Ev TERM :
see
.Xr connbox 1 .
";

/// The end of the files of an applet.
pub(super) const FILES_ELSEWHERE: &str = "\
For names, for files that are written and for
.Fl -root
see
.Xr connbox 1 .
";

/// The files that are read.
pub(super) const READ: &str = "\
.Sh FILES
Numbers come from
.Pa /proc
and from netlink, names from
.Pa /etc/services , /etc/passwd
and
.Pa /etc/hosts .
The page of each applet lists the others;
.Fl -explain
names that of each row.
.Pp
The files of
.Fl -from , -config , -test
and
.Fl -read
may be pipes, whose writer is waited for.
All others, such as those below
.Fl -root ,
must be regular files.
";
