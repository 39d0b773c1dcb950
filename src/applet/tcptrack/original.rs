//! What differs from the tool whose name the applet bears.

use crate::cli::Original;

pub(super) const ORIGINAL: Original = Original {
    tool: "tcptrack",
    help: Some('h'),
    version: Some('v'),
    renamed: &[],
    refused: &[
        ("rate", "speeds are columns already"),
        ("from-command", "no text of ss is read"),
        ("byte-order", "no table of sockets is read"),
        ("root", "tcptrack reads the running kernel"),
        ("explain", "there is nothing to explain"),
    ],
    status_of_help: 0,
    status_of_usage: 2,
    status_of_failure: 1,
    statuses: "0 on success, also after q or Ctrl-C on the screen, and after Ctrl-C with -T - and --ended; 1 after a failure, such as an unknown interface or a \
        missing privilege, and if rows that are written lack processes that cannot be seen (a warning names \
        the reason and the cure; --quiet-gaps accepts that; the screen shows it as a warning); 2 after a wrong command line or filter, where the original tcptrack has 0; 128 \
        plus the signal's number after SIGTERM, SIGHUP or SIGQUIT on the screen. Other rows end as those of any applet: Ctrl-C \
        ends the process, which a shell calls 130, and stops its script as well.",
};
