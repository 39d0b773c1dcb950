//! Keeps the released program small.
//!
//! Tables for unwinding are left out: a panic aborts there, so that nothing ever reads them. And the
//! addresses that the program adjusts when it starts are packed (DT_RELR) where its C library can.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Both linkers in use, GNU's and LLVM's, take this beside their own script.
const SCRIPT: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame .eh_frame.* .gcc_except_table .gcc_except_table.*) } } INSERT AFTER .text;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name, wanted| env::var(name).is_ok_and(|value: String| value == wanted);
    let is_static = env::var("CARGO_CFG_TARGET_FEATURE")
        .is_ok_and(|features| features.split(',').any(|feature| feature == "crt-static"));
    let is_known = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if !(is_known && is_static && is("PROFILE", "release")) {
        return;
    }
    if env::var("HOST") == env::var("TARGET") && c_library_unpacks_addresses() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let Ok(directory) = env::var("OUT_DIR") else { return };
    let script = Path::new(&directory).join("without-unwinding.ld");
    // Without the script the program is whole, and larger.
    if fs::write(&script, SCRIPT).is_ok() {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// Whether this machine's glibc, which is linked in, is 2.36 or newer: older ones would leave packed
/// addresses as they are, and the program would not start.
fn c_library_unpacks_addresses() -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = text.trim().strip_prefix("glibc ") else { return false };
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0u32));
    (numbers.next(), numbers.next()) >= (Some(2), Some(36))
}
