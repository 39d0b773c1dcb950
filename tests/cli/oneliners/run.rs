//! Lines of bash in a saved kernel: the tools and connbox see the same files.

use std::path::Path;
use std::sync::OnceLock;

use super::worlds;
use crate::support;

/// net-tools reads no other place than /proc, so it gets another /proc, in a mount namespace of its
/// own. `$WORLD` is the saved kernel.
const PRELUDE: &str = "
    in_world() {
        unshare $UNSHARE sh -c 'mount --bind \"$WORLD/proc\" /proc && exec \"$@\"' sh \"$@\"
    }
    netstat() { in_world netstat \"$@\"; }
";

/// Runs one line of bash in `world`, as it stands: a path of /proc/net means the saved file.
pub fn bash(world: &Path, line: &str) -> String {
    let world = world.to_str().unwrap();
    let line = line.replace("/proc/net/", &format!("{world}/proc/net/"));
    let mut command = support::command("bash");
    command.args(["-o", "pipefail", "-c", &format!("{PRELUDE}\n{line}")]);
    // ss and nstat read the saved files by PROC_ROOT, connbox does by CONNBOX_ROOT.
    command.env("WORLD", world).env("PROC_ROOT", format!("{world}/proc"));
    command.env("CONNBOX_ROOT", world).env("UNSHARE", unshare_options().unwrap_or_default());
    command.env("NSTAT_HISTORY", env!("CARGO_TARGET_TMPDIR").to_owned() + "/nstat-history");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{line}: {:?} {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// How a mount namespace can be had here, if at all: root needs no user namespace.
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

/// Whether net-tools can be shown another /proc; if not, the test is skipped aloud.
pub fn can_mount(test: &str) -> bool {
    if !support::needs(test, &["unshare", "mount"]) {
        return false;
    }
    let can = unshare_options().is_some();
    if !can {
        support::lacks(test, "mount namespaces", "netstat cannot be shown the saved files");
    }
    can
}

/// Holds that an old line and the new one print the same in every world, and that it is something.
pub fn same(old: &str, new: &str) {
    for world in worlds::all() {
        let (theirs, ours) = (bash(&world, old), bash(&world, new));
        assert!(!theirs.trim().is_empty(), "{old} prints nothing in {world:?}");
        assert_eq!(theirs, ours, "{old}\nand\n{new}\nin {world:?}");
    }
}
