//! The four formats of every applet, read by the programs with which people read them.

mod hostile;
mod json;
mod owned;
mod prometheus;
mod shells;
mod streams;
mod tsv;
mod variants;
