//! Lines of bash on a saved kernel: the tools and connbox read the same files.

use std::path::Path;
use std::sync::OnceLock;

use super::worlds;
use crate::support;

/// net-tools only reads /proc, so it gets a different /proc in its own mount namespace. `$WORLD` is the saved
/// kernel.
const PRELUDE: &str = "
    in_world() {
        unshare $UNSHARE sh -c 'mount --bind \"$WORLD/proc\" /proc && exec \"$@\"' sh \"$@\"
    }
    netstat() { in_world netstat \"$@\"; }
";

/// Runs one unchanged line of bash in `world`: a path of /proc/net refers to the saved file.
pub fn bash(world: &Path, line: &str) -> String {
    let world = world.to_str().unwrap();
    let line = line.replace("/proc/net/", &format!("{world}/proc/net/"));
    let mut command = support::command("bash");
    command.args(["-o", "pipefail", "-c", &format!("{PRELUDE}\n{line}")]);
    // PROC_ROOT makes ss and nstat read the saved files, CONNBOX_ROOT does so for connbox.
    command.env("WORLD", world).env("PROC_ROOT", format!("{world}/proc"));
    command.env("CONNBOX_ROOT", world).env("UNSHARE", unshare_options().unwrap_or_default());
    command.env("NSTAT_HISTORY", env!("CARGO_TARGET_TMPDIR").to_owned() + "/nstat-history");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{line}: {:?} {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// How to get a mount namespace here, if at all: root needs no user namespace.
fn unshare_options() -> Option<&'static str> {
    static OPTIONS: OnceLock<Option<&str>> = OnceLock::new();
    *OPTIONS.get_or_init(|| {
        ["--mount", "--user --map-root-user --mount"].into_iter().find(|options| {
            let mut command = support::command("unshare");
            command.args(options.split(' ')).args(["sh", "-c", "mount --bind /proc /proc"]);
            command.output().is_ok_and(|output| output.status.success())
        })
    })
}

/// Whether net-tools can be given a different /proc; if not, the test is skipped visibly.
pub fn can_mount(test: &str) -> bool {
    if !support::needs(test, &["unshare", "mount"]) {
        return false;
    }
    let can = unshare_options().is_some();
    if !can {
        support::lacks(test, "mount namespaces", "netstat cannot be made to read the saved files");
    }
    can
}

/// Checks that an old line and the new one print the same text in every world, and that it is not empty.
pub fn same(old: &str, new: &str) {
    for world in worlds::all() {
        let (theirs, ours) = (bash(&world, old), bash(&world, new));
        assert!(!theirs.trim().is_empty(), "{old} prints nothing in {world:?}");
        assert_eq!(theirs, ours, "{old}\nand\n{new}\nin {world:?}");
    }
}
