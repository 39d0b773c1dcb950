//! `tcptrack` against the running kernel: its rows with known transfers, its screen through tmux, and
//! both beside the original.

use crate::companions::MOVED;
use crate::support;

mod beside;
mod rows;
mod screen;
mod terminal;
