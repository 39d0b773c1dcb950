//! What people see at a terminal, in files that people read: `tests/terminal/WIDTH.txt`, for four widths.

use crate::support::{self, terminal};

/// Lines of sh in the directory of the saved kernels.
const LINES: [&str; 9] = [
    "conncount --root own-lab-6.18",
    "tcpstates --explain --root own-lab-6.18 close-wait listen",
    "sockstat --limits --quiet-gaps --root made-limits",
    "snmpget-tcp --describe --root own-lab-6.18 '*Retrans*' CurrEstab",
    "conncount --by raddr,state,lport --sum recv_queue --top 6 --root own-lab-6.18",
    "conncount --by raddr,lport,rport,direction,state,service --top 3 --root own-lab-6.18",
    "conncount --by raddr --lport 1 --root own-lab-6.18",
    "tcpstates --by family --human --root own-lab-6.18 estab listen | cat",
    "tcptrack -T own-lab-6.18/pcap/mixed-v4-v6.pcap --top 4",
];

#[test]
fn tables_at_a_terminal_are_as_written() {
    if !support::needs("tables_at_a_terminal_are_as_written", &terminal::NEEDS) {
        return;
    }
    for columns in [40, 80, 120, 200] {
        let shown = LINES.iter().map(|line| {
            let text = terminal::run((columns, 24), line, &[("NO_COLOR", "1")]);
            format!("$ {line}\n{text}")
        });
        let text = shown.collect::<Vec<_>>().join("\n");
        support::same_as_file(&format!("tests/terminal/{columns}.txt"), &text);
    }
}
