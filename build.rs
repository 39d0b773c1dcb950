//! Leaves the tables for unwinding out of the released program: a panic aborts there, so that nothing
//! ever reads them, and they are a fourteenth of it.

use std::path::Path;
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
    let Ok(directory) = env::var("OUT_DIR") else { return };
    let script = Path::new(&directory).join("without-unwinding.ld");
    // Without the script the program is whole, and larger.
    if fs::write(&script, SCRIPT).is_ok() {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}
