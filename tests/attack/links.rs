//! Another user who changes, all the time, what stands where root writes: links, pipes, hard links, directories.
//! Root's other files stay as they are, and no run waits.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::part::Part;
use super::random::Random;
use super::trial::{connbox, run};
use crate::support::scratch::names_in;
use crate::support::{needs, world};
use crate::world::sys::as_file_user;

const OTHER: u32 = 65_533;
const SECRET: &str = "secret\n";

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn links_that_another_user_exchanges() {
    if !needs("links_that_another_user_exchanges", &["root"]) {
        return;
    }
    let part = Part::begin("links", 6);
    let root = world("own-lab-6.18").display().to_string();
    let whole = run(&mut connbox(["closedcalc", "--root", &root])).stdout;
    let folder = part.folder("place");
    let (secret, shared) = (folder.join("secret"), folder.join("shared"));
    fs::write(&secret, SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let (is_done, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let swap = || {
        let mut random = Random::of(1, 1);
        while !is_done.load(Ordering::Relaxed) {
            as_file_user(OTHER, || exchange(&shared, &secret, &mut random));
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let swapper = scope.spawn(swap);
        while let Some((case, mut random)) = part.next() {
            if let Err(why) = one(&part, &folder, &root, &whole, &mut random) {
                part.fault(case, "a writer", &why, None);
            }
        }
        is_done.store(true, Ordering::Relaxed);
        swapper.join().unwrap();
    });
    part.end(&format!("; {} exchanges", swaps.into_inner()));
}

/// Puts something else in the place of `out`, if what is there is not root's.
fn exchange(shared: &Path, secret: &Path, random: &mut Random) {
    let out = shared.join("out");
    // Each step may fail: the file may be root's by now.
    let _ = fs::remove_file(&out);
    let _ = fs::remove_dir(&out);
    let _ = match random.below(8) {
        0 => symlink(secret, &out),
        1 => symlink("../secret", &out),
        2 => symlink("../new", &out),
        3 => mknodat(CWD, &out, FileType::Fifo, Mode::from_raw_mode(0o666), 0).map_err(Into::into),
        4 => fs::hard_link(secret, &out),
        5 => fs::create_dir(&out),
        6 => symlink("..", &out),
        _ => fs::write(&out, "theirs"),
    };
}

fn one(
    part: &Part,
    folder: &Path,
    root: &str,
    whole: &[u8],
    random: &mut Random,
) -> Result<(), String> {
    let (secret, out) = (folder.join("secret"), folder.join("shared/out"));
    // Also through a directory that the other user may have put there.
    let path = if random.is_one_in(8) { out.join("x") } else { out.clone() };
    let mut command = connbox(["closedcalc", "--root", root, "--output"]);
    let ended = run(command.arg(&path));
    part.count(&ended, "closedcalc --output");
    ended.check(0)?;
    let now = fs::metadata(&secret).unwrap();
    let is_untouched = fs::read_to_string(&secret).unwrap() == SECRET
        && (now.mode() & 0o7777, now.uid()) == (0o600, 0);
    if !is_untouched || names_in(folder) != ["secret", "shared"] {
        return Err(format!("{:?}, {now:?}, said: {}", names_in(folder), ended.said()));
    }
    if ended.status == Some(0) && path == out {
        // Root's own file in a sticky directory stays, so it must be the one just written.
        let there = fs::symlink_metadata(&out).map_err(|error| error.to_string())?;
        if there.uid() != 0 || !there.is_file() || fs::read(&out).unwrap() != whole {
            return Err(format!("success, but {there:?} is there"));
        }
    }
    // Root's files would stay for ever.
    if fs::symlink_metadata(&path).is_ok_and(|there| there.uid() == 0) {
        let _ = fs::remove_file(&path);
    }
    Ok(())
}
