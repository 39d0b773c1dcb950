//! The four formats of every applet, read by the programs that people use.

mod hostile;
mod json;
mod owned;
mod prometheus;
mod shells;
mod streams;
mod tsv;
pub mod variants;
