//! Processes: who holds sockets, what cannot be seen of them, control groups, names of programs.

pub mod cgroup;
pub mod closed;
pub mod owner;
pub mod owners;
pub mod pods;
pub mod programs;
pub mod sight;
pub mod words;
