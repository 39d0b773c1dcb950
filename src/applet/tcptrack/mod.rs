//! `tcptrack`: connections live, on a screen or as rows.

pub mod details;
pub mod history;
pub mod keys;
pub mod layout;
pub mod screen;
pub mod text;
pub mod view;
