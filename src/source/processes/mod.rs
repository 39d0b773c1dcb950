//! Processes: who holds sockets, control groups, names of programs.

pub mod cgroup;
pub mod holders;
pub mod owner;
pub mod programs;
