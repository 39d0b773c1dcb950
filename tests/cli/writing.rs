//! Where the rows go: `--output`, which leaves either a complete file or the old one, and standard output,
//! whose reader may stop early.

mod foreign;
mod interrupted;
mod output;
mod places;
mod races;
mod rights;
mod stdout;
mod without_tmpfile;
