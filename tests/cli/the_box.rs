//! The box around the applets: how they are called, listed, installed, and how errors read.

mod calls;
mod errors;
mod install;
