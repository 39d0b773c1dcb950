//! The text of flows and expectations against what conntrack-tools writes: a recorded table, recorded
//! events, and Debian's libnetfilter_conntrack for any message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "flow_text/events.rs"]
mod events;
#[path = "flow_text/library.rs"]
mod library;
#[path = "flow_text/recorded.rs"]
mod recorded;
mod support;
