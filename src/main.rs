//! The program; all of its code is in the library. It starts without Rust's runtime, which would cost 50
//! us, a tenth of a whole run; see `connbox::sys::prepare_process` for what that means.
#![no_main]

/// The C runtime's entry.
///
/// # Safety
/// Only the C runtime calls it, with the arguments of the process.
#[allow(unsafe_code, reason = "the linker finds `main` by its name")]
// SAFETY: no other symbol of this name is linked, and the signature is C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: i32, argv: *const *const std::ffi::c_char) -> i32 {
    // SAFETY: these are the arguments of the process, as the caller promises.
    let arguments = unsafe { connbox::sys::arguments(argc, argv) };
    connbox::main(arguments)
}
