//! Where the rows go: `--output`, which leaves a whole file or the old one, and standard output,
//! whose reader may leave early.

mod output;
mod places;
mod stdout;
