//! Any bytes as saved text of tools: no form and no row of any layout panics, each error names its place, and counting
//! by state agrees with reading whole sockets, for one thread and for a text that ends in a line.
#![no_main]

mod memory;

use connbox::error::{Error, Status};
use connbox::model::{Family, Query, StateSet};
use connbox::source::{self, Method, Source};
use connbox::wire::saved::command::Command;
use connbox::wire::saved::details::{details, each_holder};
use connbox::wire::saved::netstat::{self, Line};
use connbox::wire::saved::row::{Columns, Row};
use connbox::wire::saved::ss::{self, Layout};
use connbox::wire::saved::{Known, ss_summary};
use libfuzzer_sys::fuzz_target;
use memory::Memory;

thread_local! {
    static FILE: Memory = Memory::new("saved", 210);
}

fuzz_target!(|data: &[u8]| {
    for line in data.split(|byte| *byte == b'\n') {
        let _ = (Known::of(line), ss_summary::read(line));
        let _ = std::str::from_utf8(line).map(Command::parse);
        let bits = |number: u8| [number & 1 != 0, number & 2 != 0, number & 4 != 0, number & 8 != 0];
        for number in 0..16 {
            let [one, two, three, four] = bits(number);
            let layout = Layout { has_netid: one, has_state: two, is_new: three };
            if let Some(row) = ss::row(line, layout) {
                let _ = ss::users(&row);
                look(&row, line);
            }
            let columns = Columns { has_users: one, has_programs: two, has_timer: three, is_wide: four };
            if let Some(Line::Row(row)) = netstat::read(line, columns) {
                look(&row, line);
            }
        }
    }
    FILE.with(|file| {
        file.hold(data);
        const COMMANDS: [&str; 4] = ["", "ss -Htan", "ss -Hun state connected", "netstat -tanW"];
        let command = Command::parse(COMMANDS[data.len() % COMMANDS.len()]).unwrap_or_default();
        let source = Source { saved: vec![file.path.clone()], command, ..Source::default() };
        let counts = source::tcp_states(&source, Method::Auto, StateSet::ALL, true);
        let mut sockets = 0;
        let whole = source::sockets(&source, Method::Auto, &Query::default(), |_| {
            sockets += 1;
            Ok(())
        });
        match (counts, whole) {
            (Ok((counts, _)), Ok(_)) => {
                let sum: u64 = Family::ALL.iter().map(|family| counts.total(*family)).sum();
                assert_eq!(sum, sockets);
            }
            (Err(Error::Fault { status: Status::Failed, text }), _) => {
                assert!(text.starts_with(file.path.as_os_str().as_encoded_bytes()));
            }
            (Ok(_) | Err(_), _) => {}
        }
    });
});

/// What a row says is in its line.
fn look(row: &Row<'_>, line: &[u8]) {
    let details = details(row.rest);
    each_holder(details.holders, |holder| {
        assert!(holder.name.is_empty() || line.windows(holder.name.len()).any(|part| part == holder.name));
    });
    if let Some(path) = details.cgroup {
        assert!(path.is_empty() || line.windows(path.len()).any(|part| part == path));
    }
}
