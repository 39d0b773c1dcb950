//! The box around the applets: how they are called, listed and installed, and the form of errors.

mod borrowed_rights;
mod calls;
mod errors;
mod files;
mod install;
