//! `tcptrack` on the running kernel: its rows for known transfers, its screen in tmux, and both compared with
//! the original.

use crate::companions::MOVED;
use crate::support;

#[path = "../cli/recordings/around.rs"]
mod around;
mod beside;
mod ended;
mod grouped;
#[path = "../cli/recordings/made.rs"]
#[allow(dead_code, reason = "most of it is for files")]
mod made;
mod replay;
mod reused;
mod rows;
mod sandbox;
mod screen;
mod terminal;
mod times;
