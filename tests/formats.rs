//! The four formats of every applet, read by the programs with which people read them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "formats/hostile.rs"]
mod hostile;
#[path = "formats/json.rs"]
mod json;
#[path = "formats/owned.rs"]
mod owned;
#[path = "formats/prometheus.rs"]
mod prometheus;
#[path = "formats/scratch.rs"]
mod scratch;
#[path = "formats/shells.rs"]
mod shells;
#[path = "formats/streams.rs"]
mod streams;
#[path = "formats/tsv.rs"]
mod tsv;
#[path = "formats/variants.rs"]
mod variants;
