//! Processes: who holds sockets, control groups, names of programs.

pub mod cgroup;
pub mod closed;
pub mod owner;
pub mod programs;
