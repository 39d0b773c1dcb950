//! What a capture gives up after its start. What it then cannot do is tried in src/sys/sandbox.rs.

use std::io::{BufRead, BufReader};

use super::rows::wait;
use crate::world::{World, rights_of};

const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SYS_PTRACE: u64 = 1 << 19;

#[test]
fn a_capture_shows_processes_and_can_do_nothing_else() {
    let Some(world) = World::quiet("capture_sandbox") else { return };
    let mut script = world.companion("transfer");
    let words = ["tcptrack", "-i", "lo", "--interval", "0.3", "--tsv"];
    let (out, running) = world.connbox_running(&words);
    wait("the sandbox", || rights_of(running.pid()).2 == 2);
    let rights = (CAP_DAC_READ_SEARCH | CAP_SYS_PTRACE, 1, 2);
    assert_eq!(rights_of(running.pid()), rights);
    script.go();
    // Threads and files of /proc tell the processes.
    let found = BufReader::new(out)
        .lines()
        .take(500)
        .find(|line| line.as_ref().unwrap().contains(&format!("\tcompanion\t{}", script.pid())));
    assert!(found.is_some());
    drop(running);
    let (_out, running) = world.connbox_running(&[&words[..], &["--no-sandbox"]].concat());
    let (capabilities, bound, filters) = rights_of(running.pid());
    assert!(capabilities & !rights.0 != 0 && [bound, filters] == [0, 0]);
    let ran = world.connbox(&["tcptrack", "--once", "--no-sandbox"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (2, "tcptrack: --no-sandbox: needs -i\n"));
}

/// A file that is written at the end needs what it needs.
#[test]
fn a_capture_may_end_in_a_file() {
    let Some(world) = World::quiet("capture_output") else { return };
    let file = std::env::temp_dir().join(format!("connbox-capture-{}", std::process::id()));
    let words = ["tcptrack", "-i", "lo", "--once", "--rate-interval", "0.1", "--header"];
    world.connbox(&[&words[..], &["--output", file.to_str().unwrap()]].concat()).clean();
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("client\t"));
    std::fs::remove_file(file).unwrap();
}
